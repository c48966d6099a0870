//! Texts of firewalls: rules of nf_tables, and commands of iptables.

use std::sync::Arc;

use bulkhead_eval::data::{Data, DataKind, Unknown};
use bulkhead_modules::OptionPath;
use bulkhead_source::read_text;
use foldhash::{HashMap, HashMapExt};

use super::addresses::Prefix;
use super::made::{COMPUTED, text_in_store};
use super::partial::partial;
use super::repository_file::repository_file;
use super::{Assumed, Named, Stated, Tree, option, text};
use crate::context::Context;

/// Files of rules longer than this are not read, in bytes.
const FILE_LIMIT: u64 = 4 << 20;

/// Scripts in which commands of iptables are.
const COMMANDS: [&str; 3] =
    ["networking.firewall.extraCommands", "networking.nat.extraCommands", "networking.localCommands"];

/// All rules of nf_tables of the fleet's own: of tables, of the whole, and in a file of the repository.
pub(crate) fn tables(context: &Context<'_>, tree: &Tree<'_>) -> Vec<Stated<Arc<str>>> {
    let tables = option("networking.nftables.tables");
    let contents = tree.children(&tables).into_iter().map(|(name, _)| tables.join(&name).join("content"));
    let mut found: Vec<Stated<Arc<str>>> = Vec::new();
    for path in contents.chain([option("networking.nftables.ruleset")]) {
        found.extend(rules(context, tree, &path));
    }
    found.extend(in_files(context, tree).into_iter().filter_map(|stated| {
        let text = stated.value.as_ref().ok()?.clone();
        Some(stated.with(text))
    }));
    found
}

/// The rules in `networking.nftables.rulesetFile`, or why they are not known.
pub(crate) fn in_files(context: &Context<'_>, tree: &Tree<'_>) -> Vec<Stated<Result<Arc<str>, Unknown>>> {
    let read = |data: &Data| match &data.kind {
        DataKind::Null => None,
        _ => Some(in_file(context, data)),
    };
    tree.stated(&option("networking.nftables.rulesetFile"), read, None)
}

fn in_file(context: &Context<'_>, data: &Data) -> Result<Arc<str>, Unknown> {
    let because = |reason: String| {
        let help = "write the rules into a file of the repository, or into `networking.nftables.tables`";
        Unknown { reason: Arc::from(reason), help: Some(Arc::from(help)), place: data.place.clone() }
    };
    if let Some(file) = repository_file(context, data) {
        return read_text(context.tree, &file, FILE_LIMIT).map_err(|error| because(error.to_string()));
    }
    if let Some(text) = data.place.as_ref().and_then(|at| text_in_store(context, at)) {
        let is_written = !text.contains(COMPUTED);
        return is_written.then(|| Arc::from(text)).ok_or_else(|| because("parts of its text are computed".to_owned()));
    }
    match &data.kind {
        DataKind::Unknown(unknown) => Err(unknown.clone()),
        DataKind::Failed(failure) => Err(because(failure.message.clone())),
        DataKind::String(path) | DataKind::Path(path) => Err(because(format!("`{path}` is not in the repository"))),
        _ => Err(because("it is no path".to_owned())),
    }
}

/// Scripts of the firewall.
pub(crate) fn commands(context: &Context<'_>, tree: &Tree<'_>) -> Vec<Stated<Arc<str>>> {
    COMMANDS.iter().flat_map(|path| rules(context, tree, &option(path))).collect()
}

/// What an option says, also where parts of it are not known.
pub(crate) fn rules(context: &Context<'_>, tree: &Tree<'_>, path: &OptionPath) -> Vec<Stated<Arc<str>>> {
    let mut found = tree.stated(path, text, None);
    let read = |named: &Named| {
        let partial = partial(context, &named.definition.value)?;
        let mut stated = named.stated().with(Arc::from(partial.text));
        if !partial.is_enough {
            let what = format!("parts of `{}` are not known, and may close them", stated.option);
            stated.when.assumed.push(Assumed { what, place: None });
        }
        Some(stated)
    };
    found.extend(tree.counting(path).into_iter().filter_map(read));
    found
}

/// The lines of rules or of a script without comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(|line| line.split('#').next().unwrap_or_default())
}

/// Rules without comments.
fn without_comments(text: &str) -> String {
    code(text).collect::<Vec<_>>().join("\n")
}

/// Rules without comments, as words; braces, commas and the like are none.
fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_between = |c: char| c.is_whitespace() || matches!(c, '{' | '}' | ',' | ';' | '=' | '"' | '\'');
    code(text).flat_map(move |line| line.split(is_between)).filter(|word| !word.is_empty())
}

/// So many elements of sets are looked at for a name, with those of the sets in them.
const MOST_ELEMENTS: u32 = 10_000;

/// What names stand for in rules: `$name` for what is defined, `@name` for a set.
pub(crate) struct Sets<'t>(HashMap<String, Vec<&'t str>>);

/// What rules define, and the elements of their sets.
pub(crate) fn sets(text: &str) -> Sets<'_> {
    let all: Vec<&str> = words(text).collect();
    let mut found: HashMap<String, Vec<&str>> = HashMap::new();
    let is_element = |word: &&&str| Prefix::parse(word).is_some() || word.starts_with('$') || is_address(word);
    let elements = |from: usize| -> Vec<&str> { all.iter().skip(from).take_while(is_element).copied().collect() };
    for (at, word) in all.iter().enumerate() {
        let next = |step: usize| all.get(at + step).copied();
        match (*word, next(1), next(2)) {
            ("define", Some(name), _) => {
                found.insert(format!("${name}"), elements(at + 2));
            }
            ("set", Some(name), Some("type" | "typeof" | "flags" | "comment" | "auto-merge" | "elements")) => {
                let body = all.iter().skip(at + 2).take_while(|word| !matches!(**word, "set" | "chain" | "map"));
                let begin = body.clone().position(|word| *word == "elements");
                found.insert(format!("@{name}"), begin.map_or_else(Vec::new, |begin| elements(at + 3 + begin)));
            }
            _ => {}
        }
    }
    Sets(found)
}

fn is_address(word: &str) -> bool {
    word.parse::<std::net::IpAddr>().is_ok()
}

impl<'t> Sets<'t> {
    /// The networks that a word of a rule stands for; `None` where it is a name that nothing tells.
    pub(crate) fn networks(&self, word: &str) -> Option<Vec<Prefix>> {
        let mut left = MOST_ELEMENTS;
        self.followed(word, 8, &mut left)
    }

    /// `left` is how many more elements are looked at.
    fn followed(&self, word: &str, depth: u8, left: &mut u32) -> Option<Vec<Prefix>> {
        *left = left.checked_sub(1)?;
        if !word.starts_with(['$', '@']) {
            return Some(prefix(word).into_iter().collect());
        }
        let depth = depth.checked_sub(1)?;
        let mut all = Vec::new();
        for element in self.0.get(word)? {
            all.extend(self.followed(element, depth, left)?);
        }
        Some(all)
    }
}

/// A network, or a single address.
fn prefix(word: &str) -> Option<Prefix> {
    let address =
        || word.parse().ok().and_then(|ip: std::net::IpAddr| Prefix::of(ip, if ip.is_ipv4() { 32 } else { 128 }));
    Prefix::parse(word).or_else(address)
}

/// The chains of rules that packets pass which are forwarded: those at the hook `forward`, and those to which some chain
/// jumps. Rules without chains are of one. `None` if no chain is at the hook.
pub(crate) fn forward_chains(text: &str) -> Option<String> {
    let text = &without_comments(text);
    if !words(text).any(|word| word == "chain") {
        return Some(text.to_owned());
    }
    let mut kept = String::new();
    let mut is_any = false;
    let all: Vec<&str> = words(text).collect();
    let is_reached =
        |name: &str| all.windows(2).any(|pair| matches!(pair, ["goto" | "jump", reached] if *reached == name));
    for Chain { name, body } in chains(text) {
        let is_forward = has_hook(body, "forward");
        is_any |= is_forward;
        if is_forward || is_reached(name) {
            kept.push_str(body);
            kept.push('\n');
        }
    }
    is_any.then_some(kept)
}

/// Whether a chain is at a hook.
fn has_hook(chain: &str, hook: &str) -> bool {
    let all: Vec<&str> = words(chain).collect();
    all.windows(2).any(|pair| *pair == ["hook", hook])
}

/// A chain of rules.
struct Chain<'t> {
    name: &'t str,
    body: &'t str,
}

/// All chains of rules without comments.
fn chains(text: &str) -> Vec<Chain<'_>> {
    let mut found = Vec::new();
    let mut passed = 0;
    for (at, _) in text.match_indices("chain") {
        // There are no chains in chains.
        if at < passed {
            continue;
        }
        let is_word = text[..at].ends_with(|c: char| c.is_whitespace() || matches!(c, '{' | ';' | '}')) || at == 0;
        let after = text[at + "chain".len()..].trim_start();
        let end = after.find(|c: char| c.is_whitespace() || c == '{').filter(|end| is_word && *end > 0);
        let Some((name, rest)) = end.map(|end| after.split_at(end)) else { continue };
        let Some(body) = rest.trim_start().strip_prefix('{') else { continue };
        let mut depth = 1;
        let end = body.char_indices().find(|(_, c)| {
            depth += match c {
                '{' => 1,
                '}' => -1,
                _ => 0,
            };
            depth == 0
        });
        let inside = end.map_or(body, |(end, _)| &body[..end]);
        passed = text.len() - body.len() + inside.len();
        found.push(Chain { name, body: inside });
    }
    found
}

/// The commands of iptables in a script, each as its words, with the variables of `for x in …` replaced one by one.
pub(crate) fn iptables(script: &str) -> Vec<Vec<String>> {
    let joined = script.replace("\\\n", " ");
    let plain = |word: &str| word.trim_matches(['"', '\'']).to_owned();
    let mut loops: HashMap<String, Vec<String>> = HashMap::new();
    let mut found = Vec::new();
    for part in code(&joined).flat_map(|line| line.split([';', '&', '|'])) {
        let mut words: Vec<String> = part.split_whitespace().map(plain).collect();
        while words.first().is_some_and(|word| matches!(word.as_str(), "do" | "then" | "{" | "if" | "else")) {
            words.remove(0);
        }
        if let [begin, name, within, values @ ..] = words.as_slice()
            && (begin.as_str(), within.as_str()) == ("for", "in")
        {
            loops.insert(name.clone(), values.to_vec());
            continue;
        }
        let is_iptables = |word: &String| matches!(word.rsplit('/').next(), Some("iptables" | "ip46tables"));
        let Some(at) = words.iter().position(is_iptables) else { continue };
        // `--flag=value` is two words.
        let split = |word: String| match word.split_once('=').filter(|_| word.starts_with("--")) {
            Some((flag, value)) => vec![flag.to_owned(), plain(value)],
            None => vec![word],
        };
        let words: Vec<String> = words.split_off(at + 1).into_iter().flat_map(split).collect();
        let variable = |word: &String| {
            let name = word.strip_prefix('$')?;
            let name = name.strip_prefix('{').and_then(|name| name.strip_suffix('}')).unwrap_or(name);
            loops.get(name).cloned()
        };
        match words.iter().enumerate().find_map(|(at, word)| Some((at, variable(word)?))) {
            Some((at, values)) => found.extend(values.into_iter().map(|value| {
                let mut words = words.clone();
                words[at] = value;
                words
            })),
            None => found.push(words),
        }
    }
    found
}

/// What is behind one of these flags in a command.
pub(crate) fn behind<'w>(command: &'w [String], flags: &[&str]) -> Option<&'w str> {
    let at = command.iter().position(|word| flags.contains(&word.as_str()))?;
    command.get(at + 1).map(String::as_str)
}

/// Whether rules drop all IPv6 on a bridge: what comes to it, or what is forwarded and what is for the host.
pub(crate) fn closes_ip6(text: &str, bridges: &[&str]) -> bool {
    let drops = |chain: &str| {
        let mut statements = chain.lines().flat_map(|line| line.split(';')).map(|statement| {
            let all: Vec<&str> = words(statement).collect();
            // What passes before is not seen.
            let is_passed = |word: &&str| matches!(*word, "accept" | "goto" | "jump" | "queue" | "return" | "vmap");
            let is_other = all.iter().any(is_passed) && all.first() != Some(&"policy");
            let is_plain = |word: &&str| {
                let known = ["ether", "type", "ip6", "meta", "protocol", "ibrname", "obrname", "counter", "drop"];
                known.contains(word) || bridges.contains(word)
            };
            if is_other {
                return Some(false);
            }
            (all.ends_with(&["drop"]) && all.contains(&"ip6") && all.iter().all(is_plain)).then_some(true)
        });
        statements.find_map(|decided| decided) == Some(true)
    };
    let text = without_comments(text);
    let chains = chains(&text);
    let closes = |hook: &str| chains.iter().map(|chain| chain.body).filter(|body| has_hook(body, hook)).any(drops);
    closes("prerouting") || (closes("forward") && closes("input"))
}

/// An interface that rules for the host are about.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Trusted {
    /// Its name, perhaps with `+` or `*` at its end.
    pub(crate) interface: String,
    /// The protocol of which everything is accepted; `None` for all of them.
    pub(crate) protocol: Option<&'static str>,
}

/// The interfaces from which rules for the host accept everything, or all of a protocol with ports, as nf_tables or iptables
/// have them.
pub(crate) fn trusted(text: &str) -> Vec<Trusted> {
    let mut found = Vec::new();
    for statement in code(text).flat_map(|line| line.split(';')) {
        let all: Vec<&str> = words(statement).filter(|word| *word != "counter").collect();
        let ["iifname" | "iif", rest @ .., "accept"] = all.as_slice() else { continue };
        let (names, protocol) = match rest {
            [names @ .., name @ ("tcp" | "udp"), "dport", ports] if is_all_ports(ports, '-') => {
                (names, PROTOCOLS.iter().copied().find(|known| known == name))
            }
            [names @ .., "th", "dport", ports] if is_all_ports(ports, '-') => (names, None),
            [names @ .., "meta" | "ip" | "ip6", "l4proto" | "protocol" | "nexthdr", "tcp", "udp"]
            | [names @ .., "meta" | "ip" | "ip6", "l4proto" | "protocol" | "nexthdr", "udp", "tcp"] => (names, None),
            [names @ .., "meta" | "ip" | "ip6", "l4proto" | "protocol" | "nexthdr", name @ ("tcp" | "udp")] => {
                (names, PROTOCOLS.iter().copied().find(|known| known == name))
            }
            names => (names, None),
        };
        if !names.iter().any(|name| MATCHES.contains(name)) {
            let trusted = |name: &&str| Trusted { interface: (*name).to_owned(), protocol };
            found.extend(names.iter().map(trusted));
        }
    }
    for command in iptables(text) {
        let chain = behind(&command, &["-A", "-I", "--append", "--insert"]);
        let is_of_host = chain.is_some_and(|chain| matches!(chain, "INPUT" | "nixos-fw"));
        let is_accepting = matches!(behind(&command, &["-j", "--jump"]), Some("ACCEPT" | "nixos-fw-accept"));
        let next = command.iter().skip(1).map(String::as_str).chain([""]);
        let is_narrow = command.iter().map(String::as_str).zip(next).any(|(flag, value)| match flag {
            "!" => true,
            "-p" | "--protocol" => !matches!(value, "all" | "tcp" | "udp"),
            "-m" | "--match" => !matches!(value, "comment" | "tcp" | "udp"),
            "-t" | "--table" => value != "filter",
            "--dport" | "--destination-port" => !is_all_ports(value, ':'),
            _ => is_flag(flag) && !PLAIN.contains(&flag),
        });
        if is_of_host && is_accepting && !is_narrow {
            let given = behind(&command, &["-p", "--protocol"]);
            let protocol = PROTOCOLS.iter().copied().find(|known| given == Some(known));
            let interface = behind(&command, &["-i", "--in-interface"]).map(str::to_owned);
            found.extend(interface.map(|interface| Trusted { interface, protocol }));
        }
    }
    found
}

/// Protocols with ports.
const PROTOCOLS: [&str; 2] = ["tcp", "udp"];

/// Whether a range has all ports.
fn is_all_ports(range: &str, between: char) -> bool {
    range.split_once(between).is_some_and(|(from, to)| matches!(from, "" | "0" | "1") && matches!(to, "" | "65535"))
}

/// Whether a word of a command is a flag, and no value or part of a comment.
fn is_flag(word: &str) -> bool {
    word.trim_start_matches('-').starts_with(|c: char| c.is_ascii_alphanumeric()) && word.starts_with('-')
}

/// Flags by which a rule of iptables is not about less than all packets from somewhere; any other may narrow it.
const PLAIN: [&str; 13] = [
    "-4",
    "-6",
    "-A",
    "-I",
    "-i",
    "-j",
    "-w",
    "--append",
    "--comment",
    "--in-interface",
    "--insert",
    "--jump",
    "--wait",
];

/// Words by which a rule is about less than all packets from somewhere.
const MATCHES: [&str; 14] =
    ["!", "ct", "daddr", "dport", "ether", "icmp", "icmpv6", "ip", "ip6", "meta", "saddr", "tcp", "th", "udp"];

/// Whether a script sets another default route than one by these addresses; by which gateway.
pub(crate) fn default_route(script: &str, own: &[std::net::IpAddr]) -> Option<String> {
    let joined = script.replace("\\\n", " ");
    for command in code(&joined).flat_map(|line| line.split([';', '&', '|'])) {
        let all: Vec<&str> = command.split_whitespace().map(|word| word.trim_matches(['"', '\''])).collect();
        let begin = all.windows(3).position(|part| {
            matches!(part[0], "route" | "ro" | "r")
                && matches!(part[1], "add" | "append" | "change" | "replace")
                && matches!(part[2], "default" | "0/0" | "0.0.0.0/0" | "0.0.0.0/1" | "128.0.0.0/1")
        });
        let Some(begin) = begin.filter(|_| all.iter().any(|word| word.rsplit('/').next() == Some("ip"))) else {
            continue;
        };
        let via = all.iter().skip(begin).skip_while(|word| **word != "via").nth(1);
        match via {
            Some(gateway) if gateway.parse().is_ok_and(|gateway| own.contains(&gateway)) => {}
            Some(gateway) => return Some((*gateway).to_owned()),
            None => return Some("what is at its interface".to_owned()),
        }
    }
    None
}

/// Where rules translate addresses: for each, the interfaces and networks that it names as those where packets come
/// from.
pub(crate) fn translations(text: &str) -> Vec<Vec<String>> {
    let sets = sets(text);
    let mut found = Vec::new();
    let mut rule: Vec<&str> = Vec::new();
    for statement in code(text).flat_map(|line| line.split(';')) {
        // A set may go over several lines.
        rule.extend(words(statement));
        let is_open = rule.last().is_some_and(|word| matches!(*word, "saddr" | "iifname" | "iif"));
        if rule.iter().any(|word| matches!(*word, "masquerade" | "snat")) {
            found.push(origins(&rule, &sets));
        }
        if !is_open {
            rule.clear();
        }
    }
    for command in iptables(text) {
        if matches!(behind(&command, &["-j", "--jump"]), Some("MASQUERADE" | "SNAT")) {
            let from = ["-s", "--source", "--src", "-i", "--in-interface"];
            let is_negated = command.windows(2).any(|pair| pair[0] == "!" && from.contains(&pair[1].as_str()));
            let words = behind(&command, &from).filter(|_| !is_negated).into_iter().flat_map(|word| word.split(','));
            found.push(words.map(str::to_owned).collect());
        }
    }
    found
}

/// The interfaces and networks from which packets come that a rule is about; none where it says from which not.
fn origins(rule: &[&str], sets: &Sets<'_>) -> Vec<String> {
    let mut is_origin = false;
    let mut found = Vec::new();
    for word in rule {
        match *word {
            "saddr" | "iifname" | "iif" => is_origin = true,
            "daddr" | "oifname" | "oif" | "ip" | "ip6" | "meta" | "ct" | "tcp" | "udp" | "counter" => is_origin = false,
            "!" if is_origin => return Vec::new(),
            name if is_origin && sets.0.contains_key(name) => {
                found.extend(sets.0.get(name).into_iter().flatten().map(|word| (*word).to_owned()));
            }
            word if is_origin => found.push(word.to_owned()),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{closes_ip6, default_route, forward_chains, iptables, sets, translations, trusted};

    #[test]
    fn ipv6_is_closed_where_nothing_of_it_passes() {
        let chain =
            |hook: &str, rule: &str| format!("chain c_{hook} {{ type filter hook {hook} priority 0; {rule}; }}\n");
        let drop = "meta ibrname \"vpn0\" ether type ip6 drop";
        assert!(closes_ip6(&(chain("forward", drop) + &chain("input", drop)), &["vpn0"]));
        assert!(closes_ip6(&chain("prerouting", "ether type ip6 drop"), &["vpn0"]));
        assert!(!closes_ip6(&chain("forward", drop), &["vpn0"]));
        assert!(!closes_ip6(&chain("prerouting", drop), &["other0"]));
        assert!(!closes_ip6(&chain("prerouting", "ip6 daddr fe80::1 drop"), &["vpn0"]));
        assert!(!closes_ip6(&chain("prerouting", "accept; ether type ip6 drop"), &["vpn0"]));
        assert!(!closes_ip6(&format!("# {}", chain("prerouting", "ether type ip6 drop")), &["vpn0"]));
    }

    #[test]
    fn an_interface_is_trusted_where_everything_from_it_is_accepted() {
        let of = |text: &str| -> Vec<(String, Option<&str>)> {
            trusted(text).into_iter().map(|trusted| (trusted.interface, trusted.protocol)).collect()
        };
        let (a, b) = ("a".to_owned(), "b".to_owned());
        assert_eq!(of("iifname { \"a\", \"b\" } accept"), [(a.clone(), None), (b, None)]);
        assert_eq!(of("iptables -A nixos-fw -i a -j nixos-fw-accept"), [(a.clone(), None)]);
        for all in [
            "iifname a tcp dport 1-65535 accept",
            "iifname a meta l4proto tcp accept",
            "iptables -A INPUT -i a -p tcp -j ACCEPT",
            "iptables -A INPUT -i a -p tcp -m tcp --dport 0:65535 -m comment --comment x -j ACCEPT",
            "iptables -w -t filter --insert=INPUT 1 --in-interface=a -p tcp --dport=1:65535 --comment \"x - y\" -j ACCEPT",
        ] {
            assert_eq!(of(all), [(a.clone(), Some("tcp"))], "{all}");
        }
        assert_eq!(of("iifname a meta l4proto { tcp, udp } accept"), [(a, None)]);
        for some in [
            "iifname a tcp dport 22 accept",
            "iifname a icmp type echo-request accept",
            "iifname a meta l4proto icmp accept",
            "iifname a ip saddr 10.0.0.1 tcp dport 1-65535 accept",
            "iptables -A INPUT -i a -p icmp -j ACCEPT",
            "iptables -A INPUT -i a -p tcp --dport 22 -j ACCEPT",
            "iptables -A nixos-fw -i a -p tcp --dport=53 -j nixos-fw-accept",
            "iptables -A nixos-fw -i a -p tcp --destination-port='53' -j nixos-fw-accept",
            "iptables -A INPUT -i a -p tcp --tcp-flags ALL ACK -j ACCEPT",
            "iptables -A INPUT -i a ! -s 10.0.0.1 -j ACCEPT",
            "iptables -t mangle -A INPUT -i a -j ACCEPT",
            "iptables -A INPUT -i a --protocol=icmp -j ACCEPT",
            "iptables -A INPUT -i a -p tcp -m state --state ESTABLISHED -j ACCEPT",
        ] {
            assert!(of(some).is_empty(), "{some}");
        }
    }

    #[test]
    fn a_default_route_is_told_unless_it_is_the_given_one() {
        let own = ["10.73.0.2".parse().unwrap_or(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST))];
        assert_eq!(default_route("…/bin/ip route replace default via 10.73.0.1", &own).as_deref(), Some("10.73.0.1"));
        assert_eq!(default_route("ip route add default via 10.73.0.2", &own), None);
        assert_eq!(default_route("ip route show default\n# ip route add default via 10.0.0.1", &own), None);
    }

    #[test]
    fn names_stand_for_their_elements() {
        let text = "define a = { 10.0.0.0/8, 172.16.0.0/12 }\ntable inet x {\n set b { type ipv4_addr; flags interval\n \
                    elements = { $a,\n 192.168.0.0/16 } }\n chain c { meta mark set 1 }\n}";
        let sets = sets(text);
        assert_eq!(sets.networks("@b").map(|all| all.len()), Some(3));
        assert_eq!(sets.networks("$a").map(|all| all.len()), Some(2));
        assert!(sets.networks("@other").is_none());
        // Names of names of names are not followed for ever.
        let of_next = |n: usize| format!("define a{n} = {{ {} }}\n", vec![format!("$a{}", n + 1); 25].join(", "));
        let deep: String = (0..7).map(of_next).chain(["define a7 = { 10.0.0.0/8 }".to_owned()]).collect();
        assert!(super::sets(&deep).networks("$a0").is_none());
    }

    #[test]
    fn of_chains_those_count_that_forwarded_packets_pass() {
        let text = "chain in { type filter hook input priority 0; policy drop; }\n\
                    chain fwd { type filter hook forward priority 0; jump more }\nchain more { ip daddr { 10.0.0.0/8 } drop }";
        let kept = forward_chains(text).unwrap_or_default();
        assert!(kept.contains("10.0.0.0/8") && !kept.contains("policy drop"));
        // To this one nobody jumps.
        let kept = forward_chains(&text.replace("jump more", "accept")).unwrap_or_default();
        assert!(!kept.contains("10.0.0.0/8"));
        assert_eq!(forward_chains("chain in { type filter hook input priority 0; }"), None);
        assert_eq!(forward_chains("ip daddr 10.0.0.0/8 drop").as_deref(), Some("ip daddr 10.0.0.0/8 drop"));
    }

    #[test]
    fn commands_of_iptables_are_words() {
        let found =
            iptables("for n in 10.0.0.0/8 \"192.168.0.0/16\"; do\n  /bin/iptables -A FORWARD -d $n -j DROP; done");
        assert_eq!(found.len(), 2);
        assert!(found[1].contains(&"192.168.0.0/16".to_owned()));
    }

    #[test]
    fn translations_name_where_packets_come_from() {
        let found = translations(
            "chain p { type nat hook postrouting priority 100; ip saddr 10.73.0.0/24 oifname e masquerade; }",
        );
        assert!(found[0].contains(&"10.73.0.0/24".to_owned()));
        let found = translations("iptables -t nat -A POSTROUTING -s 10.0.0.0/8 -o eth0 -j MASQUERADE");
        assert_eq!(found, [["10.0.0.0/8"]]);
    }
}
