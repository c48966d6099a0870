//! Which options of a machine rules read, for what of them can't be known.

use std::sync::Arc;

use bulkhead_modules::OptionPath;

use crate::network::isolation_off::containers;
use crate::trees::container_units::DECIDING;
use crate::trees::guards::REFUSED;
use crate::trees::oci;
use crate::trees::strangers::{undeclared, workspace_interfaces};
use crate::trees::{Shape, Tree, is_placeholder, option};
use crate::vpn::configurations;
use crate::vpn::second_way_out::ways;

/// What rules about compartments read, and all below.
const COMPARTMENTS: [&str; 3] = ["workspaces", "networking.sandbox", "vpn"];

/// Where compartments are made.
const MAKING: [&str; 5] =
    ["workspaces", "networking.sandbox", "networking.sandbox.ports", "specialisation.<name>", "vpn"];

/// What is at and below these is text for people and machines of another kind, or what runs inside.
const INSIDE: [&str; 10] = [
    "vpn.containers.<name>.config",
    "vpn.onPortForwarded",
    "vpn.package",
    "workspaces.<name>.authorizedKeys",
    "workspaces.<name>.config",
    "workspaces.<name>.notes",
    "workspaces.<name>.packages",
    "workspaces.<name>.shell",
    "workspaces.<name>.timeZone",
    "workspaces.<name>.user",
];

/// What they read of the host that has compartments.
const OF_HOST: [&str; 28] = [
    "age.secretsDir",
    "age.secretsMountPoint",
    "networking.firewall.allowedTCPPortRanges",
    "networking.firewall.allowedUDPPortRanges",
    "networking.firewall.filterForward",
    "networking.firewall.trustedInterfaces",
    "networking.macvlans.<name>.interface",
    "networking.nat.internalIPs",
    "networking.nat.internalInterfaces",
    "networking.nftables.enable",
    "networking.vlans.<name>.interface",
    "systemd.network.networks.<name>.bridge",
    "systemd.network.networks.<name>.networkConfig.Bridge",
    "systemd.network.networks.<name>.bridgeConfig.Isolated",
    "systemd.network.networks.<name>.extraConfig",
    "systemd.network.networks.<name>.linkConfig.Unmanaged",
    "systemd.network.networks.<name>.vlan",
    "systemd.network.networks.<name>.matchConfig.Kind",
    "systemd.network.networks.<name>.matchConfig.Name",
    "systemd.network.networks.<name>.matchConfig.Type",
    "systemd.network.networks.<name>.name",
    "systemd.network.units.<name>.text",
    "systemd.nspawn.<name>.networkConfig.Bridge",
    "systemd.services.sandbox-guard",
    "systemd.suppressedSystemUnits",
    "systemd.units.\"sandbox-guard.service\".enable",
    "virtualisation.docker.daemon.settings.bridge",
    "virtualisation.podman.defaultNetwork.settings.network_interface",
];

/// What they read of the host that has a VPN, besides.
const OF_VPN_HOST: [&str; 22] = [
    "boot.kernel.sysctl.\"net.ipv4.conf.all.forwarding\"",
    "boot.kernel.sysctl.\"net.ipv4.ip_forward\"",
    "networking.nat.enable",
    "services.openvpn.servers",
    "services.tailscale.useRoutingFeatures",
    "systemd.network.config.networkConfig.IPForward",
    "systemd.network.config.networkConfig.IPv4Forwarding",
    "services.tinyproxy.enable",
    "services.tinyproxy.settings.Allow",
    "services.tinyproxy.settings.Listen",
    "systemd.network.networks.<name>.address",
    "systemd.network.networks.<name>.addresses",
    "systemd.network.networks.<name>.networkConfig.Address",
    "systemd.network.networks.<name>.networkConfig.IPForward",
    "systemd.network.networks.<name>.networkConfig.IPMasquerade",
    "systemd.network.networks.<name>.networkConfig.IPv4Forwarding",
    "systemd.network.networks.<name>.networkConfig.IPv6AcceptRA",
    "systemd.network.networks.<name>.networkConfig.IPv6Forwarding",
    "systemd.network.networks.<name>.networkConfig.IPv6SendRA",
    "systemd.network.networks.<name>.networkConfig.LinkLocalAddressing",
    "systemd.services.vpn-guard",
    "systemd.units.\"vpn-guard.service\".enable",
];

/// What they read of a NixOS container that is a compartment.
const OF_CONTAINER: [&str; 14] = [
    "bindMounts",
    "extraFlags",
    "extraVeths",
    "forwardPorts",
    "hostAddress",
    "hostAddress6",
    "hostBridge",
    "interfaces",
    "localAddress",
    "localAddress6",
    "macvlans",
    "networkNamespace",
    "privateNetwork",
    "privateUsers",
];

/// What they read of a container of docker or podman that is one.
const OF_OCI: [&str; 5] = ["capabilities", "extraOptions", "networks", "privileged", "volumes"];

/// What they read of the configuration inside of a container of a VPN.
const OF_INSIDE: [&str; 15] = [
    "networking.defaultGateway",
    "networking.defaultGateway6",
    "networking.interfaces.<name>.ipv4.routes",
    "networking.interfaces.<name>.ipv6.routes",
    "networking.useDHCP",
    "networking.wg-quick.interfaces",
    "networking.wireguard.interfaces",
    "services.openvpn.servers",
    "systemd.network.netdevs.<name>.netdevConfig.Kind",
    "systemd.network.networks.<name>.DHCP",
    "systemd.network.networks.<name>.gateway",
    "systemd.network.networks.<name>.networkConfig.DHCP",
    "systemd.network.networks.<name>.networkConfig.DefaultRouteOnDevice",
    "systemd.network.networks.<name>.networkConfig.Gateway",
    "systemd.network.networks.<name>.routes",
];

/// What rules about secrets, unlocking and firewalls read of any machine.
const OF_ALL: [&str; 3] =
    ["age.secrets.<name>.file", "boot.initrd.luks.devices.<name>.keyFile", "networking.firewall.extraForwardRules"];

/// What they read of users of any machine and of its variants as a virtual machine, as far as something unknown is in what
/// the names up to here say: what is above has much else.
const OF_INSIDES: [(&str, usize); 4] = [
    ("home-manager.sharedModules.<name>.age.secrets.<name>.file", 5),
    ("home-manager.users.<name>.age.secrets.<name>.file", 5),
    ("virtualisation.vmVariant.age.secrets.<name>.file", 4),
    ("virtualisation.vmVariantWithBootLoader.age.secrets.<name>.file", 4),
];

/// The same, of which those rules say themselves where it is unknown; not what is above.
const TOLD: [&str; 4] = [
    "age.secrets.<name>.mode",
    "boot.initrd.network.ssh.authorizedKeys",
    "boot.initrd.network.ssh.hostKeys",
    "boot.initrd.secrets.<name>",
];

/// The same where something at these or below is unknown: what is above has much else.
const EXACTLY: [&str; 3] =
    ["boot.loader.grub.extraInitrd", "fileSystems.<name>.encrypted.keyFile", "swapDevices.encrypted.keyFile"];

/// The same of any container, as far as something unknown is in what the names up to here say.
const OF_ANY_CONTAINER: [(&str, usize); 7] = [
    ("containers.<name>.bindMounts.<name>.hostPath", 3),
    ("containers.<name>.bindMounts.<name>.mountPoint", 3),
    ("containers.<name>.extraFlags", 3),
    ("systemd.nspawn.<name>.filesConfig.Bind", 4),
    ("systemd.nspawn.<name>.filesConfig.BindReadOnly", 4),
    ("systemd.nspawn.<name>.filesConfig.Overlay", 4),
    ("systemd.nspawn.<name>.filesConfig.OverlayReadOnly", 4),
];

/// Rules and commands of the host, besides those that a guard refuses.
const RULES: [&str; 3] = [
    "networking.firewall.extraForwardRules",
    "networking.firewall.extraInputRules",
    "networking.nftables.tables.<name>.content",
];

/// The options of a machine that rules read.
pub(super) struct Readings {
    compartments: Vec<OptionPath>,
    inside: Vec<OptionPath>,
    making: Vec<OptionPath>,
    single: Vec<OptionPath>,
    told: Vec<OptionPath>,
    exactly: Vec<OptionPath>,
    from: Vec<(OptionPath, usize)>,
    /// Texts whose rules and commands keep compartments in, or take away what does.
    texts: Vec<OptionPath>,
}

impl Readings {
    /// Of a system of another platform: what it says of secrets.
    pub(super) fn of_secrets() -> Readings {
        let secrets =
            |list: &[&str]| list.iter().filter(|path| path.starts_with("age.")).map(|path| option(path)).collect();
        Readings {
            compartments: Vec::new(),
            inside: Vec::new(),
            making: Vec::new(),
            single: secrets(&OF_ALL),
            told: secrets(&TOLD),
            exactly: Vec::new(),
            from: OF_INSIDES.iter().map(|(path, depth)| (option(path), *depth)).collect(),
            texts: Vec::new(),
        }
    }

    pub(super) fn of(tree: &Tree<'_>) -> Readings {
        let patterns = |list: &[&str]| list.iter().filter_map(|path| OptionPath::parse(path).ok()).collect::<Vec<_>>();
        let mut readings = Readings {
            compartments: Vec::new(),
            inside: patterns(&INSIDE),
            making: patterns(&MAKING).into_iter().chain(tree.elsewhere().cloned()).collect(),
            single: patterns(&OF_ALL),
            told: patterns(&TOLD),
            exactly: patterns(&EXACTLY),
            from: OF_ANY_CONTAINER.iter().chain(&OF_INSIDES).map(|(path, depth)| (option(path), *depth)).collect(),
            texts: Vec::new(),
        };
        if !tree.has_compartments() {
            return readings;
        }
        readings.compartments = patterns(&COMPARTMENTS);
        readings.texts = patterns(&REFUSED);
        // Our modules' guards are tables of their own.
        let is_ours = |shape: Shape| shape == Shape::Native;
        let is_rules = !tree.workspaces.iter().all(|workspace| is_ours(workspace.shape))
            || !tree.networks.all.iter().all(|network| is_ours(network.shape));
        if is_rules {
            readings.texts.extend(patterns(&RULES));
        }
        if tree.on(&option("networking.nftables.enable")).is_empty() {
            readings.texts.retain(|path| !path.starts_with(&option("networking.nftables")));
        }
        readings.single.extend(patterns(&OF_HOST));
        if let Some(vpn) = tree.networks.vpn() {
            readings.single.extend(patterns(&OF_VPN_HOST));
            for config in crate::vpn::containers(vpn).iter().flat_map(|name| configurations(name)) {
                let inside = patterns(&OF_INSIDE).into_iter();
                readings.single.extend(inside.map(|path| OptionPath::of(config.names().iter().chain(path.names()))));
            }
            // What is on other bridges matters where one of the containers is in one.
            if crate::vpn::containers(vpn).iter().any(|name| !ways(tree, &tree.networks.all, name).is_empty()) {
                readings.single.push(option("networking.bridges.<name>.interfaces"));
            }
        }
        for bridge in tree.networks.all.iter().flat_map(|network| &network.bridges) {
            readings.single.push(option("networking.bridges").join(&bridge.value).join("interfaces"));
            let opened = option("networking.firewall.interfaces").join(&bridge.value);
            readings.single.extend(["allowedTCPPortRanges", "allowedUDPPortRanges"].map(|ranges| opened.join(ranges)));
        }
        // Only modules of these names leave it to the firewall.
        if tree.workspaces.iter().any(|workspace| workspace.shape == Shape::Known) {
            readings.single.push(option("networking.firewall.enable"));
        }
        // Who may be on a bridge without being declared.
        readings.single.extend(undeclared(tree).iter().map(|name| option("containers").join(name).join("hostBridge")));
        for workspace in tree.workspaces.iter().filter(|workspace| !workspace.is("vm").is_empty()) {
            readings.single.extend(workspace_interfaces(workspace));
        }
        if tree.networks.all.iter().any(|network| network.shape == Shape::Native) {
            readings.single.push(option("networking.nftables.flushRuleset"));
        }
        for (name, _) in containers(tree) {
            let unit = option("systemd.services").join(&format!("container@{name}"));
            readings.single.extend(DECIDING.iter().map(|variable| unit.join("environment").join(variable)));
            readings.single.push(unit.join("serviceConfig").join("NetworkNamespacePath"));
            let container = option("containers").join(&name);
            readings.single.extend(OF_CONTAINER.iter().map(|attribute| container.join(attribute)));
            if oci::is_compartment(tree, &name) {
                let container = oci::root().join(&name);
                readings.single.extend(OF_OCI.iter().map(|attribute| container.join(attribute)));
            }
            if tree.nspawn.iter().any(|file| file.name == name) {
                readings.single.push(option("systemd.nspawn").join(&name));
            }
        }
        readings
    }

    /// Whether it is an option for rules and commands of the host that compartments depend on.
    pub(super) fn is_text(&self, path: &OptionPath) -> bool {
        self.texts.iter().any(|pattern| pattern.names().len() == path.names().len() && touches(pattern, path))
    }

    /// Whether something unknown concerns an option that a rule reads, and the rule does not say so itself. `path` has our
    /// names, `written` those of the fleet.
    pub(super) fn has(&self, path: &OptionPath, written: &OptionPath) -> bool {
        let names = path.names();
        let reaches_below = |pattern: &&OptionPath| names.len() < pattern.names().len();
        let is_at = |pattern: &&OptionPath| names.len() >= pattern.names().len();
        let is_up_to = |pattern: &&OptionPath| written.names().len() <= pattern.names().len();
        let is_inside = || self.inside.iter().filter(is_at).any(|pattern| touches(pattern, path));
        (self.compartments.iter().any(|root| touches(root, path)) && !is_inside())
            || self.single.iter().chain(&self.texts).any(|pattern| touches(pattern, path))
            || self.told.iter().filter(reaches_below).any(|pattern| touches(pattern, path))
            || self.exactly.iter().filter(is_at).any(|pattern| touches(pattern, path))
            || self.from.iter().any(|(pattern, depth)| names.len() >= *depth && touches(pattern, path))
            || self.making.iter().filter(is_up_to).any(|pattern| touches(pattern, written))
    }
}

/// Whether one of the two is the other, or above it. `<name>` in `pattern` is any name.
fn touches(pattern: &OptionPath, path: &OptionPath) -> bool {
    let same = |(pattern, name): (&Arc<str>, &Arc<str>)| is_placeholder(pattern) || pattern == name;
    pattern.names().iter().zip(path.names()).all(same)
}
