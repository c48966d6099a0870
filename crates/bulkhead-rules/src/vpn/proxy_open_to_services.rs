//! `proxy-open-to-services`: a proxy of the host that services reach, too.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_eval::data::{AttrsData, Data, DataKind};
use bulkhead_modules::OptionPath;

use super::vpns;
use crate::context::Context;
use crate::network::addresses;
use crate::rule::{Area, Rule};
use crate::trees::addresses::Prefix;
use crate::trees::firewall::rules;
use crate::trees::shell::{Command, commands};
use crate::trees::texts::Scripts;
use crate::trees::{Assumed, Network, Shape, Stated, Tree, When, option, text};

pub(crate) const RULE: Rule = Rule {
    name: "proxy-open-to-services",
    area: Area::Vpn,
    severity: Severity::Error,
    summary: "A proxy of the host that is for the VPN container's login lets services in.",
    docs: "\
`services.tinyproxy` of a machine with services behind a VPN listens on the VPN's bridge (or everywhere), and its
`Allow` has addresses besides the VPN container's, or there is no `Allow`, which allows everybody. Or another proxy
does the same.

**Why it matters.** A service that asks the proxy reaches the internet from the host's address, past the tunnel.

**Fix.** Allow the VPN container's address alone, and bind it to its port and MAC address: a service may take the
address. Bulkhead's module `vpn` has such a proxy.

```nix
# bad
services.tinyproxy.settings = { Listen = \"10.73.0.1\"; Allow = [ \"10.73.0.0/24\" ]; };
# good
services.tinyproxy.settings = { Listen = \"10.73.0.1\"; Allow = [ \"10.73.0.2\" ]; };
```

**Limits.** Other proxies are squid, privoxy, microsocks, 3proxy, dante and Tor (`SOCKSPort`), those inbounds of
xray, v2ray and sing-box that are `socks`, `http` or `mixed` and ask for no user, what of haproxy (`set-dst`) and
nginx (`proxy_pass $ssl_preread_server_name`) leads wherever the client says, and what a unit starts by `ssh -D`,
`microsocks`, `ss-local` and `gost -L`. Those that ask for a password, as the server of shadowsocks does, are
closed. Whom they let in is read of dante (`client pass`), privoxy (`permit-access`), 3proxy (`acl`) and squid
(`configText`; what it refuses before is not seen). Where that is not written, or they listen at all addresses of
the host, it is a warning. With Bulkhead's module it is a warning, because its guard lets services reach nothing of
the host. A proxy inside of a service is not told: what it sends goes through the tunnel.

**Data.** `machine`: the machine.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let settings = option("services.tinyproxy.settings");
    for (tree, vpn) in vpns(context.trees()) {
        others(context, tree, vpn, found);
        by_command(context, tree, vpn, found);
        for on in tree.on(&option("services.tinyproxy.enable")) {
            let Some(holds) = on.when.and(&vpn.when) else { continue };
            if !listens_on_bridge(tree, vpn) {
                continue;
            }
            let allowed = tree.items(&settings.join("Allow"));
            let mut report = |stated_place, when: &When, message: String| {
                let mut finding = RULE.judged(context.tree, when, stated_place, message);
                if vpn.shape == Shape::Native {
                    finding.severity = finding.severity.min(Severity::Warning);
                }
                found.push(
                    finding.with_help("allow the address of the VPN container alone").with_data("machine", &*tree.name),
                );
            };
            let is_written = !tree.below(&settings.join("Allow")).is_empty();
            if let (false, Some(at)) = (is_written, on.place.clone()) {
                let message = "the proxy has no `Allow`, so that every service behind the VPN may use it";
                let mut when = holds.clone();
                if let Some(undecided) = tree.undecided_at(&settings) {
                    let option = settings.join("Allow").to_string();
                    when.assumed.push(Assumed::value(&option, &undecided.reason.reason, undecided.place.clone()));
                }
                report(at, &when, message.to_owned());
            }
            for item in allowed {
                let (Some(shown), Some(at), Some(when)) = (text(item.value), item.place.clone(), item.when.and(&holds))
                else {
                    continue;
                };
                if let Some(name) = lets_in(vpn, &shown) {
                    report(at, &when, format!("the proxy allows {shown}, and so {name}, which is behind the VPN"));
                }
            }
        }
    }
}

/// Other proxies, where they listen, and where by themselves.
const OTHERS: [(&str, &str, &str); 4] = [
    ("services._3proxy", "services.*.bindAddress", "0.0.0.0"),
    ("services.microsocks", "ip", "127.0.0.1"),
    ("services.privoxy", "settings.listen-address", "127.0.0.1:8118"),
    ("services.squid", "proxyAddress", "0.0.0.0"),
];

/// Proxies whose configuration is a text, in which option, and how they listen by it.
const BY_TEXT: [(&str, &str, &str); 4] = [
    ("services.dante", "config", "internal:"),
    ("services.haproxy", "config", "bind"),
    ("services.nginx", "streamConfig", "listen"),
    ("services.squid", "configText", "http_port"),
];

/// A proxy of the host.
struct Proxy {
    service: &'static str,
    /// Where it listens: addresses or interfaces, with or without a port.
    listens: Vec<Arc<str>>,
    /// Why that is not known.
    unknown: Option<(Arc<str>, Place)>,
    /// Whom it lets in, where that is written.
    allowed: Vec<Stated<Arc<str>>>,
    /// Whether that is all whom it lets in.
    is_all: bool,
}

fn proxies(context: &Context<'_>, tree: &Tree<'_>) -> Vec<Proxy> {
    let mut found = Vec::new();
    for (service, attribute, listen) in BY_TEXT {
        for stated in rules(context, tree, &option(service).join(attribute)) {
            let read = Text::of(service, &stated.value, listen);
            // What serves fixed places alone is no way out.
            let Some(Text { listens, allowed, is_all }) = read else { continue };
            let allowed = allowed.into_iter().map(|range| stated.with(Arc::from(range))).collect();
            found.push(Proxy { service, listens, unknown: None, allowed, is_all });
        }
    }
    // Of a text that is not known, nothing is.
    if found.iter().all(|proxy| proxy.service != "services.dante") {
        let listens = vec![Arc::from("0.0.0.0")];
        found.push(Proxy { service: "services.dante", listens, unknown: None, allowed: Vec::new(), is_all: false });
    }
    for (service, listen, default) in OTHERS {
        // The text is all that it is told.
        if found.iter().any(|proxy| proxy.service == service) {
            continue;
        }
        let root = option(service);
        let (mut listens, mut unknown): (Vec<Arc<str>>, _) = (Vec::new(), None);
        let (mut allowed, mut is_all) = (Vec::new(), false);
        if let Some((list, field)) = listen.split_once(".*.") {
            is_all = true;
            for item in tree.items(&root.join(list)) {
                let DataKind::Attrs(set) = &item.value.kind else {
                    is_all = false;
                    continue;
                };
                let own = set.attrs.get(field).and_then(|field| text(&field.value));
                listens.push(own.unwrap_or_else(|| Arc::from(default)));
                match by_address(&item, set) {
                    Some(ranges) => allowed.extend(ranges),
                    None => is_all = false,
                }
            }
            is_all &= !allowed.is_empty();
        } else {
            let path = OptionPath::of(root.names().iter().map(|name| &**name).chain(listen.split('.')));
            listens.extend(tree.texts(&path, Some(default)).into_iter().map(|stated| stated.value));
            unknown = tree.unknown(&path).into_iter().next();
        }
        if service == "services.privoxy" {
            let permitted = tree.items(&root.join("settings").join("permit-access"));
            is_all = !permitted.is_empty();
            for item in permitted {
                let source = text(item.value).and_then(|line| Some(Arc::from(line.split_whitespace().next()?)));
                is_all &= source.is_some();
                allowed.extend(source.map(|source| item.with(source)));
            }
        }
        if listens.is_empty() && unknown.is_none() {
            listens.push(Arc::from(default));
        }
        found.push(Proxy { service, listens, unknown, allowed, is_all });
    }
    for (service, list, kind) in BY_INBOUND {
        let path = OptionPath::of(option(service).names().iter().map(|name| &**name).chain(list.split('.')));
        let mut listens = Vec::new();
        for item in tree.items(&path) {
            let DataKind::Attrs(set) = &item.value.kind else { continue };
            let field = |name: &str| set.attrs.get(name).map(|field| &field.value);
            let is_open = field(kind).and_then(text).is_some_and(|kind| OPEN_KINDS.contains(&&*kind));
            if is_open && !asks(set) {
                listens.push(field("listen").and_then(text).unwrap_or_else(|| Arc::from("0.0.0.0")));
            }
        }
        if !listens.is_empty() {
            found.push(Proxy { service, listens, unknown: None, allowed: Vec::new(), is_all: false });
        }
    }
    let listens = tor(tree);
    if !listens.is_empty() {
        let service = "services.tor";
        found.push(Proxy { service, listens, unknown: None, allowed: Vec::new(), is_all: false });
    }
    found
}

/// Proxies with a list of where they listen, in which option, and what says of which kind one is.
const BY_INBOUND: [(&str, &str, &str); 3] = [
    ("services.sing-box", "settings.inbounds", "type"),
    ("services.v2ray", "config.inbounds", "protocol"),
    ("services.xray", "settings.inbounds", "protocol"),
];

/// Kinds that lead wherever the client says, and that ask for nothing by themselves.
const OPEN_KINDS: [&str; 3] = ["http", "mixed", "socks"];

/// Whether one of these asks who its client is.
fn asks(set: &AttrsData) -> bool {
    let has = |set: &AttrsData, name: &str| match set.attrs.get(name).map(|field| &field.value.kind) {
        None | Some(DataKind::Null) => false,
        Some(DataKind::List(users)) => !users.is_empty(),
        Some(_) => true,
    };
    has(set, "users")
        || match set.attrs.get("settings").map(|field| &field.value.kind) {
            Some(DataKind::Attrs(settings)) => has(settings, "accounts"),
            Some(DataKind::Unknown(_) | DataKind::Failed(_)) => true,
            _ => false,
        }
}

/// Where Tor listens for clients: by itself on the host alone, if at all.
fn tor(tree: &Tree<'_>) -> Vec<Arc<str>> {
    let root = option("services.tor");
    let listen = root.join("client").join("socksListenAddress");
    let mut found: Vec<Arc<str>> = Vec::new();
    if !tree.on(&root.join("client").join("enable")).is_empty() {
        found.extend(tree.texts(&listen.join("addr"), None).into_iter().map(|stated| stated.value));
    }
    for item in tree.items(&root.join("settings").join("SOCKSPort")) {
        let written = match &item.value.kind {
            DataKind::Attrs(set) => set.attrs.get("addr").and_then(|field| text(&field.value)),
            // A port by itself is one of the host.
            _ => text(item.value).filter(|listen| listen.contains(['.', ':'])),
        };
        found.extend(written);
    }
    found
}

/// Options of ssh(1) that take nothing.
const BARE: &str = "46AaCfGgKkMNnqsTtVvXxYy";

/// Where a proxy listens that a command starts, and what it is called; `None` for what is none.
fn listens_by_command(command: &Command) -> Option<(&'static str, String)> {
    let arguments = || command.arguments().iter().map(String::as_str);
    let given = |option: &str| {
        let mut arguments = arguments();
        while let Some(argument) = arguments.next() {
            match argument.strip_prefix(option) {
                Some("") => return arguments.next(),
                Some(value) if !argument.starts_with("--") => return Some(value.trim_start_matches('=')),
                _ => {}
            }
        }
        None
    };
    match command.name() {
        "ssh" | "autossh" => {
            // Others that take nothing may stand before it: `-fND 1080`.
            let behind = |argument: &'_ str, wanted: char| {
                let letters = argument.strip_prefix('-')?;
                let at = letters.find(|c: char| !BARE.contains(c) || c == wanted)?;
                letters.get(at..)?.strip_prefix(wanted).map(str::to_owned)
            };
            let mut rest = arguments();
            let listen = rest.find_map(|argument| behind(argument, 'D'))?;
            let listen = if listen.is_empty() { rest.next()?.to_owned() } else { listen };
            let is_for_all = arguments().any(|argument| behind(argument, 'g').is_some());
            let host = listen.rsplit_once(':').map(|(host, _)| host.trim_matches(['[', ']']));
            let host = match host {
                Some("" | "*") => "0.0.0.0",
                Some(host) => host,
                // A port by itself.
                None if is_for_all => "0.0.0.0",
                None => "127.0.0.1",
            };
            Some(("ssh -D", host.to_owned()))
        }
        "microsocks" if given("-u").is_none() => Some(("microsocks", given("-i").unwrap_or("0.0.0.0").to_owned())),
        "ss-local" | "sslocal" => Some(("ss-local", given("-b").unwrap_or("127.0.0.1").to_owned())),
        "gost" => {
            let listen = given("-L")?;
            let (kind, rest) = listen.split_once("://").unwrap_or(("auto", listen));
            // What has a path leads to a fixed place, and a name with a password asks for it.
            let is_open =
                ["auto", "http", "http2", "socks", "socks4", "socks5"].contains(&kind) && !rest.contains(['@', '/']);
            let host = rest.rsplit_once(':').map_or("", |(host, _)| host.trim_matches(['[', ']']));
            is_open.then(|| ("gost", if host.is_empty() { "0.0.0.0" } else { host }.to_owned()))
        }
        _ => None,
    }
}

/// Words of such commands.
const COMMANDS: [&str; 5] = ["gost", "microsocks", "ss-local", "ssh", "sslocal"];

/// Proxies that units of the host start by a command.
fn by_command(context: &Context<'_>, tree: &Tree<'_>, vpn: &Network, found: &mut Vec<Diagnostic>) {
    let mut scripts = Scripts::of(&COMMANDS);
    for named in tree.below(&option("systemd.services")) {
        let is_run = |name: &str| name.starts_with("Exec") || ["postStart", "preStart", "script"].contains(&name);
        let is_run = named.path.names().last().is_some_and(|name| is_run(name));
        if !is_run || !scripts.may_be_in(context, named, &|_| true) || !tree.counts(named) {
            continue;
        }
        for text in scripts.fresh(context, named, &format!("{:?}", named.definition.condition)) {
            if !scripts.has_word(&text.text) {
                continue;
            }
            let script = commands(&text.text);
            if script.is_cut {
                scripts.note_cut(text.place.clone());
            }
            for command in &script.all {
                let Some((what, listen)) = listens_by_command(command) else { continue };
                // What is computed may be any address.
                let is_known = listen.parse::<IpAddr>().is_ok() || listen == "localhost";
                let Some(when) = When::of(&named.definition.condition).and(&vpn.when) else { continue };
                if is_known && !is_on_bridge(vpn, address(&listen)) {
                    continue;
                }
                let at = text.place_of(context, command.range.clone());
                let message = format!("`{what}` listens on the bridge of the VPN: services behind it may use it");
                let mut finding = RULE.judged(context.tree, &when, at, message);
                finding.severity = finding.severity.min(Severity::Warning);
                if !is_known {
                    finding.severity = Severity::Undecided;
                    finding = finding.with_note("unless it listens elsewhere, which is not known");
                }
                found.push(
                    finding.with_help("let it listen on another address of the host").with_data("machine", &*tree.name),
                );
            }
        }
    }
    if let Some(at) = scripts.next_machine() {
        let message = format!("can't tell whether scripts of `{}` start proxies: they are too long", tree.name);
        let mut undecided = RULE.finding(at, message).with_label("it is too much to look at all of it");
        undecided.severity = Severity::Undecided;
        found.push(undecided.with_data("machine", &*tree.name));
    }
}

/// The addresses that a service of 3proxy is for, if it asks for nothing else.
fn by_address(item: &Stated<&Data>, set: &AttrsData) -> Option<Vec<Stated<Arc<str>>>> {
    let list = |data: &Data| match &data.kind {
        DataKind::List(items) => items.iter().map(text).collect::<Option<Vec<_>>>(),
        _ => None,
    };
    let field = |set: &AttrsData, name: &str| set.attrs.get(name).and_then(|field| list(&field.value));
    let auth = field(set, "auth")?;
    if !auth.iter().any(|by| **by == *"iponly") {
        return None;
    }
    let DataKind::List(rules) = &set.attrs.get("acl")?.value.kind else { return None };
    let mut found = Vec::new();
    for rule in rules {
        let DataKind::Attrs(rule) = &rule.kind else { return None };
        match &*text(&rule.attrs.get("rule")?.value)? {
            "deny" => continue,
            "allow" => {}
            _ => return None,
        }
        let mut sources = match rule.attrs.get("sources") {
            Some(_) => field(rule, "sources")?,
            None => Vec::new(),
        };
        // Without any, it is everybody.
        if sources.is_empty() {
            sources.push(Arc::from("0.0.0.0/0"));
        }
        found.extend(sources.into_iter().map(|source| item.with(source)));
    }
    Some(found)
}

/// What the text of a configuration says.
struct Text {
    listens: Vec<Arc<str>>,
    allowed: Vec<String>,
    is_all: bool,
}

impl Text {
    /// `None` for what leads nowhere but to fixed places.
    fn of(service: &str, text: &str, listen: &str) -> Option<Text> {
        let lines = || text.lines().map(|line| line.split('#').next().unwrap_or_default());
        let words = || lines().flat_map(|line| line.split(|c: char| c.is_whitespace() || matches!(c, '{' | '}' | ';')));
        let all: Vec<&str> = words().filter(|word| !word.is_empty()).collect();
        let behind = |key: &str| -> Vec<&str> {
            let pairs = all.windows(2).filter(|pair| pair[0] == key);
            pairs.map(|pair| pair[1]).collect()
        };
        let chosen = match service {
            "services.haproxy" => all.contains(&"set-dst"),
            "services.nginx" => behind("proxy_pass").iter().any(|to| to.starts_with("$ssl_preread_server_name")),
            _ => true,
        };
        if !chosen {
            return None;
        }
        let is_port = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
        let listens = behind(listen).into_iter();
        let mut listens: Vec<Arc<str>> = listens
            .map(|word| if is_port(word) || word.starts_with("*:") { Arc::from("0.0.0.0") } else { Arc::from(word) })
            .collect();
        if listens.is_empty() {
            listens.push(Arc::from("0.0.0.0"));
        }
        let mut allowed = Vec::new();
        let mut is_all = false;
        match service {
            "services.dante" => {
                is_all = true;
                for (at, _) in all.windows(2).enumerate().filter(|(_, pair)| *pair == ["client", "pass"]) {
                    let rule = all.iter().skip(at + 2).take_while(|word| !matches!(**word, "client" | "socks"));
                    let from = rule.skip_while(|word| **word != "from:").nth(1);
                    is_all &= from.is_some();
                    allowed.extend(from.map(|range| (*range).to_owned()));
                }
                is_all &= !allowed.is_empty();
            }
            "services.squid" => {
                // This one squid has by itself.
                let mut acls: Vec<(&str, &str)> = vec![("localhost", "127.0.0.1/32")];
                is_all = true;
                for line in lines() {
                    let words: Vec<&str> = line.split_whitespace().collect();
                    match words.as_slice() {
                        ["acl", name, "src", ranges @ ..] => acls.extend(ranges.iter().map(|range| (*name, *range))),
                        // What is refused before is not seen.
                        ["http_access", "allow", names @ ..] => {
                            if names.iter().all(|name| *name == "all") {
                                allowed.push("0.0.0.0/0".to_owned());
                                continue;
                            }
                            let named = || acls.iter().filter(|(name, _)| names.contains(name));
                            allowed.extend(named().map(|(_, range)| (*range).to_owned()));
                            // What is about anything but where clients are may be for everybody.
                            is_all &= named().next().is_some();
                        }
                        ["include", ..] => is_all = false,
                        _ => {}
                    }
                }
                is_all &= !allowed.is_empty();
            }
            _ => {}
        }
        Some(Text { listens, allowed, is_all })
    }
}

/// Other proxies that listen on the bridge.
fn others(context: &Context<'_>, tree: &Tree<'_>, vpn: &Network, found: &mut Vec<Diagnostic>) {
    for Proxy { service, listens, unknown, allowed, is_all } in proxies(context, tree) {
        let listens_at = |text: &str| listens_at(vpn, service, text);
        let on_bridge = listens.iter().any(|text| listens_at(text));
        // On all addresses, it takes a port that the firewall opens.
        let is_own = listens
            .iter()
            .filter(|text| listens_at(text))
            .any(|text| address(text).map_or_else(|| is_bridge(vpn, text), |address| !address.is_unspecified()));
        for on in tree.on(&option(service).join("enable")).into_iter().filter(|_| on_bridge || unknown.is_some()) {
            let (Some(when), Some(at)) = (on.when.and(&vpn.when), on.place.clone()) else { continue };
            let everybody = |range: &str| if range == "0/0" { "0.0.0.0/0".to_owned() } else { range.to_owned() };
            let admitted = allowed.iter().find_map(|stated| Some((stated, lets_in(vpn, &everybody(&stated.value))?)));
            let (mut finding, is_certain) = match &admitted {
                Some((stated, name)) => {
                    let Some(when) = stated.when.and(&when) else { continue };
                    let message =
                        format!("`{service}` allows {}, and so {name}, which is behind the VPN", stated.value);
                    (RULE.judged(context.tree, &when, stated.place.clone().unwrap_or(at), message), is_own)
                }
                // Nobody of them, as far as it is written; a name may stand for anybody.
                None if is_all && allowed.iter().all(|stated| is_range(&everybody(&stated.value))) => continue,
                None => {
                    let message =
                        format!("`{service}` listens on the bridge of the VPN: services behind it may use it");
                    (RULE.judged(context.tree, &when, at, message), false)
                }
            };
            if !is_certain || vpn.shape == Shape::Native {
                finding.severity = finding.severity.min(Severity::Warning);
            }
            if let Some((why, place)) = unknown.as_ref().filter(|_| !on_bridge) {
                finding.severity = Severity::Undecided;
                finding = finding
                    .with_note(format!("unless it listens elsewhere, which is not known: {why}"))
                    .with_related(place.clone(), "not known");
            }
            let help = match admitted {
                Some(_) => "allow the address of the VPN container alone",
                None => "let it listen on another address of the host",
            };
            found.push(finding.with_help(help).with_data("machine", &*tree.name));
        }
    }
}

/// Whether it is the name of the VPN's bridge.
fn is_bridge(vpn: &Network, name: &str) -> bool {
    vpn.bridges.iter().any(|bridge| *bridge.value == *name)
}

/// Whether a proxy that listens at an address, or an interface, does so on the bridge.
fn listens_at(vpn: &Network, service: &str, text: &str) -> bool {
    let is_name = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    match address(text) {
        // An interface has a letter in front. To others than dante, it is the name of a host.
        None if service == "services.dante" && is_name && text.starts_with(|c: char| c.is_ascii_alphabetic()) => {
            is_bridge(vpn, text)
        }
        address => is_on_bridge(vpn, address),
    }
}

/// Whether a text is a network or an address.
fn is_range(text: &str) -> bool {
    Prefix::parse(text).is_some() || text.parse::<IpAddr>().is_ok()
}

/// The address that a proxy listens at, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    if text.strip_prefix("localhost").is_some_and(|rest| rest.is_empty() || rest.starts_with(':')) {
        return Some(Ipv4Addr::LOCALHOST.into());
    }
    text.parse().or_else(|_| text.parse().map(|at: SocketAddr| at.ip())).ok()
}

/// Whether an address is that of the host on the bridge, or all of them; one that is not known is.
fn is_on_bridge(vpn: &Network, address: Option<IpAddr>) -> bool {
    let host = || addresses(vpn).into_iter().filter(|address| address.peer.name.is_empty());
    address.is_none_or(|address| address.is_unspecified() || host().any(|own| own.value == address))
}

/// Whether the proxy listens where services are: also if it is not known where.
fn listens_on_bridge(tree: &Tree<'_>, vpn: &Network) -> bool {
    let listens: Vec<Stated<_>> = tree.texts(&option("services.tinyproxy.settings.Listen"), Some("127.0.0.1"));
    listens.iter().any(|listen| is_on_bridge(vpn, address(&listen.value)))
}

/// Who of the services an entry of `Allow` lets in.
fn lets_in(vpn: &Network, allowed: &str) -> Option<String> {
    let range = Prefix::parse(allowed).or_else(|| {
        let address: std::net::IpAddr = allowed.parse().ok()?;
        Prefix::of(address, if address.is_ipv4() { 32 } else { 128 })
    })?;
    let service = addresses(vpn)
        .into_iter()
        .find(|address| range.contains(address.value) && vpn.peers.iter().any(|peer| std::ptr::eq(peer, address.peer)));
    if let Some(service) = service {
        return Some(format!("`{}`", service.peer.name));
    }
    // More of the network than one address is open to whoever takes another one.
    let subnet = crate::network::subnets(vpn).into_iter().find(|(_, subnet, _)| range.covers(subnet))?;
    Some(format!("all of {}", subnet.0.value))
}
