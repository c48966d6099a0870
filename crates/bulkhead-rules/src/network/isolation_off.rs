//! `isolation-off`: what keeps compartments apart is switched off.

use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_eval::data::{Data, DataKind};
use bulkhead_modules::DEFAULT_PRIORITY;

use super::nix_daemon_reachable::{host_path, in_compartments};
use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::flags::{NO_NETWORK, flags};
use crate::trees::forced::{Taken, taken};
use crate::trees::networkd::{Link, files, own_file};
use crate::trees::oci;
use crate::trees::plugged::plugged;
use crate::trees::strangers::{beside, on_top, strangers};
use crate::trees::{Assumed, Network, Purpose, Shape, Stated, Tree, When, container_units, guards, option, text};
use crate::vpn::second_way_out::ways;

pub(crate) const RULE: Rule = Rule {
    name: "isolation-off",
    area: Area::Network,
    severity: Severity::Error,
    summary: "Something that keeps workspaces or services apart is switched off.",
    docs: "\
A machine has workspaces or services behind a VPN, and its configuration switches off what keeps them in: the guard
(`networking.sandbox.enable = false`, the unit `sandbox-guard` or `vpn-guard`), the isolation of ports on a bridge
(`bridgeConfig.Isolated = false`), the firewall of `sandboxed-workspace` (`networking.firewall.enable = false`),
or, for a container, its own network (`privateNetwork = false`) or its user namespace (`privateUsers = \"no\"` or
`\"identity\"`); or a workspace is given another network than theirs, or an uplink is plugged into their bridge; or
a file of networkd takes the place of the module's for a port, by options or as a text; or something is forced upon
the module's own files of networkd, or networkd is off; or a container, a machine or a VLAN that nobody has
declared is on a bridge; or a workspace's machine has an interface past it; or the unit of a container puts it into
another network namespace; or a script or `networking.nftables.flushRuleset` removes the guard's tables; or the socket
of docker, podman, Incus or the like is mounted, by which what runs inside is root of the host. Options of
systemd-nspawn in `extraFlags` count like those of NixOS, and so do files of systemd.nspawn(5) (`systemd.nspawn.<name>`,
or a text in `environment.etc`) where the container's command line does not take their place, and what
`virtualisation.oci-containers.containers.<name>` says of a workspace or service that a mapping makes one of docker or
podman: the host's network, users or processes, its disks or memory (`--device=/dev/sda`), capabilities by which root
inside is root of the host, or by which a service changes the routes of the VPN container whose network it has
(`--network=container:vpn` with `--cap-add=NET_ADMIN`).

**Why it matters.** Without the guard, what runs inside reaches the networks of the host. Without a user namespace,
root inside is root of the host as far as the kernel and the nix-daemon are concerned.

**Fix.** Take the line out. What a workspace has to reach is opened one by one in `networking.sandbox.allow`.

```nix
# bad
networking.sandbox.enable = lib.mkForce false;
# good
networking.sandbox.allow = [ { address = \"192.168.1.10\"; port = 5432; reason = \"the test database\"; } ];
```

**Limits.** What is forced upon the unit of a guard (`lib.mkForce`), a condition of it or a command that runs with it
is a warning: whether the guard still works is not judged. In scripts of the host, `flush ruleset` and the removal of
the guard's tables are seen where they are written out. Programs that unload rules, and other users of nf_tables, are
not looked at; the guard itself notices them on the machine. Files of networkd that are texts of the configuration, or
lie in the repository, are read; others are *undecided* where they may be about a bridge. A `flush ruleset` in a file
that `nft -f` loads is not seen.

**Data.** `machine`: the machine. `option`: the option.
",
    check: Some(check),
};

/// That by which routes and rules of a network namespace are changed.
const NET_ADMIN: &str = "CAP_NET_ADMIN";

/// Devices by which all of the host is read and written: memory and disks.
const HOST_DEVICES: [&str; 9] =
    ["/dev/disk/", "/dev/dm-", "/dev/kmem", "/dev/mapper/", "/dev/mem", "/dev/nvme", "/dev/port", "/dev/sd", "/dev/vd"];

/// Capabilities by which root of a container without a user namespace is root of the host: capabilities(7).
const POWERS: [&str; 4] = ["CAP_BPF", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "all"];

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for tree in context.trees().iter().filter(|tree| tree.has_compartments()) {
        for (name, holds) in containers(tree) {
            if tree.workspaces.iter().any(|workspace| workspace.name == name) {
                let others = ways(tree, &tree.networks.all, &name);
                found.extend(others.iter().filter_map(|stated| other_network(context, tree, stated, &name, &holds)));
            }
        }
        for workspace in &tree.workspaces {
            for (stated, holds) in beside(tree, workspace)
                .iter()
                .flat_map(|stated| workspace.is("vm").into_iter().map(move |holds| (stated, holds)))
            {
                found.extend(beside_bridge(context, tree, stated, &workspace.name, holds));
            }
        }
        found.extend(not_declared(context, tree));
        found.extend(forced(context, tree));
        found.extend(all_taken(context, tree));
        let mut plugs = Vec::new();
        let mut powers: Vec<(Stated<()>, &str, Arc<str>, When)> = Vec::new();
        let mut plug = |stated: &Stated<()>, what: String, holds: &When| {
            let (Some(at), Some(when)) = (stated.place.clone(), stated.when.and(holds)) else { return };
            // What may be about two networks is told once.
            if !when.assumed.is_empty() && plugs.iter().any(|known: &Diagnostic| known.place == at) {
                return;
            }
            plugs.push(
                RULE.judged(context.tree, &when, at, format!("`{}` is set: {what}", stated.option))
                    .with_help("take it out: the module plugs in what belongs there")
                    .with_data("machine", &*tree.name)
                    .with_data("option", stated.option.clone()),
            );
        };
        let mut report = |stated: &Stated<()>, what: &str, holds: &When| {
            let (Some(at), Some(when)) = (stated.place.clone(), stated.when.and(holds)) else { return };
            found.push(finding(context, tree, stated, at, what, &when));
        };
        let mut of_flags = Vec::new();
        let mut report_flag = |stated: &Stated<()>, what: &str, holds: &When| {
            let (Some(at), Some(when)) = (stated.place.clone(), stated.when.and(holds)) else { return };
            let message = format!("`{}` is set: {what}", stated.option);
            of_flags.push(judged(context, tree, stated, at, message, &when));
        };
        let sure = When::default();
        if !tree.workspaces.is_empty() {
            for stated in tree.off(&option("networking.sandbox.enable")) {
                report(&stated, "the workspaces of this machine have no guard", &sure);
            }
        }
        if has_sandbox(tree) {
            for stated in tree.off(&option("systemd.services.sandbox-guard.enable")) {
                report(&stated, "the guard of the workspaces is never loaded", &sure);
            }
        }
        // Modules of these names leave it to the firewall.
        if tree.workspaces.iter().any(|workspace| workspace.shape == Shape::Known) {
            for stated in tree.off(&option("networking.firewall.enable")) {
                report(&stated, "the rules that keep the workspaces in are those of the firewall", &sure);
            }
        }
        if let Some(vpn) = tree.networks.vpn() {
            for stated in tree.off(&option("systemd.services.vpn-guard.enable")) {
                report(&stated, "the guard of the VPN's services is never loaded", &vpn.when);
            }
        }
        for network in tree.networks.all.iter().filter(|network| !network.is_v6) {
            let plugged = plugged(tree, network);
            for stated in &plugged.instead {
                let what = "this file of networkd is taken instead of the module's, and the ports reach each other";
                plug(stated, what.to_owned(), &network.when);
            }
            for stated in &plugged.elsewhere {
                let what = format!("a port of {} is plugged into `{}`", whose(network), stated.value);
                plug(&stated.plain(), what, &network.when);
            }
            for stated in &plugged.unread {
                let what = format!("it may be about the bridge of {}, or its ports", whose(network));
                plug(stated, what, &network.when);
            }
            // Of the VPN's bridge, `vpn-reachable-uplink` says where it leads.
            for stated in plugged.others.iter().filter(|_| network.purpose == Purpose::Sandbox) {
                let what = format!("`{}` is plugged into the bridge of the workspaces", stated.value);
                plug(&stated.plain(), what, &network.when);
            }
        }
        for network in &tree.networks.all {
            for file in files(tree, network, &Link::ports(network)) {
                for stated in file.off("Bridge", "Isolated") {
                    report(&stated, "the ports of the bridge reach each other", &network.when);
                }
            }
        }
        for (name, holds) in containers(tree) {
            let path = option("containers").join(&name);
            for stated in tree.off(&path.join("privateNetwork")) {
                report(&stated, &format!("`{name}` is in the network of the host itself"), &holds);
            }
            let written = |data: &Data| match data.kind {
                DataKind::Int(number) => Some(Arc::from(number.to_string())),
                _ => text(data),
            };
            for users in tree.stated(&path.join("privateUsers"), written, None) {
                if is_host(&users.value) {
                    let stated = Stated { value: (), place: users.place, option: users.option, when: users.when };
                    report(&stated, &format!("root of `{name}` is root of the host"), &holds);
                }
            }
            for flag in flags(tree, &name) {
                let stated = Stated { value: (), place: flag.place, option: flag.option, when: flag.when };
                let value = &*flag.value.value;
                if flag.value.name == "--private-users" && is_host(value) {
                    let what = format!("root of `{name}` is root of the host");
                    match flag.value.is_setting {
                        true => report(&stated, &what, &holds),
                        false => report_flag(&stated, &what, &holds),
                    }
                }
                if flag.value.name == NO_NETWORK {
                    report(&stated, &format!("`{name}` is in the network of the host itself"), &holds);
                }
                let what = match &*flag.value.name {
                    "--capability" => POWERS.iter().find(|power| value.split(',').any(|given| given == **power)),
                    "--settings" if value == "override" => Some(&"--settings=override"),
                    "--oci-bundle" => Some(&"--oci-bundle"),
                    _ => None,
                };
                powers.extend(what.map(|what| (stated, *what, name.clone(), holds.clone())));
            }
            if oci::is_compartment(tree, &name) {
                let mut networks = oci::networks(tree, &name).into_iter();
                let is_in_another = networks.any(|network| network.value.starts_with("container:"));
                for flag in oci::flags(tree, &name) {
                    let (stated, value) = (flag.plain(), &*flag.value.value);
                    match flag.value.name {
                        oci::PRIVILEGED => {
                            report_flag(&stated, &format!("root of `{name}` is root of the host"), &holds)
                        }
                        "--userns" if value == "host" => {
                            report_flag(&stated, &format!("root of `{name}` is root of the host"), &holds);
                        }
                        "--pid" if value == "host" => {
                            report_flag(&stated, &format!("`{name}` has the processes of the host"), &holds);
                        }
                        oci::NETWORK if matches!(oci::leads(value), oci::Leads::Host) => {
                            report_flag(&stated, &format!("`{name}` is in the network of the host itself"), &holds);
                        }
                        oci::DEVICE => {
                            let device = value.split(':').next().unwrap_or_default();
                            if HOST_DEVICES.iter().any(|begin| device.starts_with(begin)) {
                                let what = format!("`{name}` has `{device}` of the host, and all that is on it");
                                report_flag(&stated, &what, &holds);
                            }
                        }
                        oci::CAPABILITY => {
                            let is_given = |power: &&&str| {
                                let given = value.to_ascii_lowercase();
                                let power = power.to_ascii_lowercase();
                                given == power || Some(&*given) == power.strip_prefix("cap_")
                            };
                            // A container of systemd-nspawn has it for its own namespaces; and that of the network is its own
                            // unless it is another one's.
                            let of_network = is_in_another.then_some(&NET_ADMIN);
                            let others = std::iter::once(&"CAP_SYS_ADMIN").chain(of_network);
                            let power = POWERS.iter().chain(others).find(is_given);
                            powers.extend(power.map(|power| (stated, *power, name.clone(), holds.clone())));
                        }
                        _ => {}
                    }
                }
            }
            for file in tree.nspawn.iter().filter(|file| file.name == name) {
                let assumed = |stated: &Stated<()>| {
                    let mut stated = stated.clone();
                    let what = format!("what is in `{name}.nspawn` is not known");
                    stated.when.assumed.push(Assumed { what, place: None });
                    stated
                };
                for stated in file.unread.iter().map(assumed) {
                    plug(&stated, format!("it may take away what keeps `{name}` in"), &holds);
                }
            }
            for item in tree.items(&path.join("additionalCapabilities")) {
                let what = POWERS.iter().find(|power| text(item.value).as_deref() == Some(**power));
                powers.extend(what.map(|what| (item.plain(), *what, name.clone(), holds.clone())));
            }
        }
        found.extend(plugs);
        found.extend(of_flags);
        found.extend(controlled(context, tree));
        for (stated, what, name, holds) in powers {
            let (Some(at), Some(when)) = (stated.place, stated.when.and(&holds)) else { continue };
            let why = match what {
                NET_ADMIN => "it changes routes and rules of the container whose network it has",
                "--settings=override" | "--oci-bundle" => "another file says then what keeps it in",
                _ => "without a user namespace, root inside changes the kernel of the host by it",
            };
            let message = format!("`{}` gives `{name}` `{what}`: {why}", stated.option);
            let mut finding = RULE.judged(context.tree, &when, at, message);
            finding.severity = finding.severity.min(Severity::Warning);
            found.push(
                finding.with_help("leave it out").with_data("machine", &*tree.name).with_data("option", stated.option),
            );
        }
    }
}

/// Sockets by which the host is told to do anything, and what has them.
const SOCKETS: [(&str, &str); 10] = [
    ("/run/containerd/containerd.sock", "containerd"),
    ("/run/crio/crio.sock", "CRI-O"),
    ("/run/docker.sock", "docker"),
    ("/run/incus/unix.socket", "Incus"),
    ("/run/libvirt/libvirt-sock", "libvirt"),
    ("/run/podman/podman.sock", "podman"),
    ("/run/systemd/private", "systemd"),
    ("/var/lib/incus/unix.socket", "Incus"),
    ("/var/lib/incus/unix.socket.user", "Incus"),
    ("/var/lib/lxd/unix.socket", "LXD"),
];

/// Folders of many programs; that they are mounted is told for what else is in them.
const SHARED: [&str; 4] = ["/run", "/run/systemd", "/var/lib", "/var"];

/// Compartments that have such a socket.
fn controlled(context: &Context<'_>, tree: &Tree<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for (name, stated) in in_compartments(tree) {
        let source = host_path(&stated.value);
        let is_folder = |socket: &str| {
            socket.strip_prefix(&*source).is_some_and(|rest| rest.starts_with('/')) && !SHARED.contains(&&*source)
        };
        let socket = SOCKETS.iter().find(|(socket, _)| *source == **socket || is_folder(socket));
        let (Some((_, what)), Some(at)) = (socket, stated.place.clone()) else { continue };
        let message =
            format!("`{name}` is root of the host: `{}` is mounted in it, the socket of {what}", stated.value);
        found.push(
            RULE.judged(context.tree, &stated.when, at, message)
                .with_label("who may write to it starts what runs as root")
                .with_help("don't mount it")
                .with_data("machine", &*tree.name)
                .with_data("option", stated.option),
        );
    }
    found
}

/// Whose network it is, for messages.
fn whose(network: &Network) -> &'static str {
    match network.purpose {
        Purpose::Sandbox => "the workspaces",
        Purpose::Vpn => "the VPN's services",
    }
}

/// Whether a container with this user namespace has the users of the host: `--private-users=` in systemd-nspawn(1).
fn is_host(users: &str) -> bool {
    matches!(users, "no" | "false" | "0" | "off" | "identity") || users.starts_with("0:")
}

fn other_network(
    context: &Context<'_>,
    tree: &Tree<'_>,
    stated: &Stated<()>,
    name: &str,
    holds: &When,
) -> Option<Diagnostic> {
    let (at, when) = (stated.place.clone()?, stated.when.and(holds)?);
    let message =
        format!("`{}` is set: `{name}` would be in another network than that of the workspaces", stated.option);
    Some(
        RULE.judged(context.tree, &when, at, message)
            .with_help("take it out; what has to be reached is opened one by one in `networking.sandbox.allow`")
            .with_data("machine", &*tree.name)
            .with_data("option", stated.option.clone()),
    )
}

fn beside_bridge(
    context: &Context<'_>,
    tree: &Tree<'_>,
    stated: &Stated<String>,
    name: &str,
    holds: &When,
) -> Option<Diagnostic> {
    let (at, when) = (stated.place.clone()?, stated.when.and(holds)?);
    let message = format!(
        "`{}` has an interface of `{name}` that leads {}, past the bridge of the workspaces",
        stated.option, stated.value
    );
    Some(
        RULE.judged(context.tree, &when, at, message)
            .with_help("take it out; what has to be reached is opened one by one in `networking.sandbox.allow`")
            .with_data("machine", &*tree.name)
            .with_data("option", stated.option.clone()),
    )
}

/// What is on a bridge besides the ports of its network.
fn not_declared(context: &Context<'_>, tree: &Tree<'_>) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for network in tree.networks.all.iter().filter(|network| !network.is_v6) {
        let mut add = |stated: Stated<Arc<str>>, what: String, severity: Severity, help: &str| {
            let (Some(at), Some(when)) = (stated.place, stated.when.and(&network.when)) else { return };
            let message = format!("`{}` is set: `{}` is {what}", stated.option, stated.value);
            let mut finding = RULE.judged(context.tree, &when, at, message);
            finding.severity = finding.severity.min(severity);
            found.push(finding.with_help(help).with_data("machine", &*tree.name).with_data("option", stated.option));
        };
        for stated in strangers(tree, network) {
            let what = format!("on the bridge of {}, and none of them", whose(network));
            // Bulkhead's modules refuse it, or cut it off; others let it talk to all of them.
            let is_ours = network.shape == Shape::Native;
            let severity = if is_ours { Severity::Error } else { Severity::Warning };
            let help = match network.purpose {
                Purpose::Sandbox => "make it a workspace or one of `networking.sandbox.ports`, or use another bridge",
                Purpose::Vpn => "make it one of `vpn.containers`, or use another bridge",
            };
            add(stated, what, severity, help);
        }
        for stated in on_top(tree, network) {
            let what = format!("one more interface of the host on the bridge of {}", whose(network));
            add(stated, what, Severity::Warning, "take it out: the guard knows the bridge's own address alone");
        }
    }
    found
}

/// Whether there are workspaces, or other ports of their bridge.
fn has_sandbox(tree: &Tree<'_>) -> bool {
    tree.networks.all.iter().any(|network| network.purpose == Purpose::Sandbox)
}

/// Whether a setting of a unit is one that decides whether it is started, as in systemd.unit(5).
fn is_condition(setting: Option<&Arc<str>>) -> bool {
    setting
        .is_some_and(|name| name.starts_with("Condition") || name.starts_with("Assert") || &**name == "ExecCondition")
}

/// What is forced upon the units of the guards: Bulkhead's modules force nothing there.
fn forced(context: &Context<'_>, tree: &Tree<'_>) -> Vec<Diagnostic> {
    let sandbox = has_sandbox(tree).then_some("sandbox-guard");
    let guards = sandbox.into_iter().chain(tree.networks.vpn().map(|_| "vpn-guard"));
    let mut found = Vec::new();
    let off = |stated: Stated<()>, guard: &str| {
        let message = format!("`{}` takes `{guard}` away: the guard is never loaded", stated.option);
        Some(
            RULE.judged(context.tree, &stated.when, stated.place?, message)
                .with_help("take the line out; what has to be reached is opened one by one")
                .with_data("machine", &*tree.name)
                .with_data("option", stated.option),
        )
    };
    for guard in guards {
        let unit = format!("{guard}.service");
        for item in tree.items(&option("systemd.suppressedSystemUnits")) {
            if text(item.value).as_deref() == Some(&*unit) {
                found.extend(off(item.plain(), guard));
            }
        }
        let units = tree.off(&option("systemd.units").join(&unit).join("enable"));
        found.extend(units.into_iter().filter_map(|stated| off(stated, guard)));
        let unit = option("systemd.services").join(guard);
        for named in tree.below(&unit) {
            let definition = &named.definition;
            // Whether it is switched off has been said.
            let is_enable = named.path == unit.join("enable");
            let is_forced = definition.priority < DEFAULT_PRIORITY;
            if is_enable || !(is_forced || is_condition(named.path.names().last())) {
                continue;
            }
            let how = if is_forced { "is forced" } else { "is a condition" };
            let message = format!("`{}` {how}: the guard may not be loaded, or do something else", definition.path);
            let mut finding = RULE.judged(context.tree, &When::of(&definition.condition), named.place(), message);
            finding.severity = finding.severity.min(Severity::Warning);
            found.push(
                finding
                    .with_help("take the line out; what has to be reached is opened one by one")
                    .with_data("machine", &*tree.name)
                    .with_data("option", definition.path.to_string()),
            );
        }
    }
    found
}

/// What is taken from files of networkd, guards and units.
fn all_taken(context: &Context<'_>, tree: &Tree<'_>) -> Vec<Diagnostic> {
    // What concerns two networks is told once, as what is worse.
    let mut found: Vec<(String, Diagnostic)> = Vec::new();
    for network in tree.networks.all.iter().filter(|network| !network.is_v6) {
        let mut taken = taken(context, tree, network);
        taken.extend(guards::taken(context, tree, network));
        taken.extend(container_units::taken(context, tree, network));
        if own_file(network).is_some() && network.purpose == Purpose::Sandbox {
            for path in ["systemd.network.enable", "systemd.services.systemd-networkd.enable"] {
                let what = "networkd makes the bridge of the workspaces, and keeps their ports apart";
                let off = tree.off(&option(path)).into_iter();
                taken.extend(off.map(|stated| Taken { stated, what: what.to_owned(), is_certain: true }));
            }
        }
        for Taken { stated, what, is_certain } in taken {
            let (Some(at), Some(when)) = (stated.place, stated.when.and(&network.when)) else { continue };
            let verb = if is_certain { "takes" } else { "may take" };
            let message = format!("`{}` {verb} away what keeps {} in: {what}", stated.option, whose(network));
            let mut finding = RULE.judged(context.tree, &when, at, message);
            if !is_certain {
                finding.severity = finding.severity.min(Severity::Warning);
            }
            let finding = finding
                .with_help("take the line out; what has to be reached is opened one by one")
                .with_data("machine", &*tree.name)
                .with_data("option", stated.option.clone());
            let key = format!("{}: {what}", stated.option);
            match found.iter_mut().find(|(known, other)| *known == key && other.place == finding.place) {
                Some((_, other)) if other.severity < finding.severity => *other = finding,
                Some(_) => {}
                None => found.push((key, finding)),
            }
        }
    }
    found.into_iter().map(|(_, finding)| finding).collect()
}

/// The NixOS containers that are workspaces or services behind a VPN.
pub(crate) fn containers(tree: &Tree<'_>) -> Vec<(Arc<str>, When)> {
    let mut found = Vec::new();
    for workspace in &tree.workspaces {
        found.extend(workspace.is("container").into_iter().map(|when| (workspace.name.clone(), when.clone())));
    }
    for network in tree.networks.all.iter().filter(|network| network.purpose == Purpose::Vpn) {
        let vpn = network.own.iter().filter(|peer| !peer.name.is_empty() && network.shape == Shape::Native);
        found.extend(network.peers.iter().chain(vpn).map(|peer| (peer.name.clone(), network.when.clone())));
    }
    found
}

fn finding(
    context: &Context<'_>,
    tree: &Tree<'_>,
    stated: &Stated<()>,
    at: Place,
    what: &str,
    when: &When,
) -> Diagnostic {
    judged(context, tree, stated, at, format!("`{}` is switched off: {what}", stated.option), when)
}

fn judged(
    context: &Context<'_>,
    tree: &Tree<'_>,
    stated: &Stated<()>,
    at: Place,
    message: String,
    when: &When,
) -> Diagnostic {
    RULE.judged(context.tree, when, at, message)
        .with_help("take the line out; what has to be reached is opened one by one")
        .with_data("machine", &*tree.name)
        .with_data("option", stated.option.clone())
}
