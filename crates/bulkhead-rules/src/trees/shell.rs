//! Shell scripts, as far as rules read them: simple commands, in the order in which they are written.
//!
//! What decides at run time whether and how often a command runs is passed over: each counts as run once.

use std::ops::Range;

use foldhash::HashMap;

/// Scripts in scripts (`sh -c '…'`, `$(…)`) are followed this far.
const DEEPEST: u8 = 8;

/// Longer scripts are not read, in bytes.
const LONGEST: usize = 256 << 10;

/// How many values a variable has at most.
const MOST_VALUES: usize = 64;

/// How much is put in the place of variables in all, in bytes: else they could double what they hold again and again.
const MOST_REPLACED: usize = 4 << 20;

/// What stands in words between `$` and `(` that are quoted so that no script begins there.
const NO_SCRIPT: char = '\u{FDD0}';

/// How many words a script has at most, with those that come of its variables. What is behind them is not read.
const MOST_WORDS: usize = 32 << 10;

/// A simple command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Command {
    /// The name without the folder, and the arguments: without quotes, and with the values of the script's variables.
    pub(crate) words: Vec<String>,
    /// The files that its output goes to.
    pub(crate) outputs: Vec<String>,
    /// The file that its input comes from.
    pub(crate) input: Option<String>,
    /// Where it is in the script.
    pub(crate) range: Range<usize>,
    /// Whether its output goes to the command after it.
    pub(crate) is_piped: bool,
}

impl Command {
    /// Its name.
    pub(crate) fn name(&self) -> &str {
        self.words.first().map(String::as_str).unwrap_or_default()
    }

    /// Its arguments.
    pub(crate) fn arguments(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }
}

/// Programs that write what they read, or parts of it, in clear: from their input, else from files.
const COPYING: [&str; 18] = [
    "base32", "base64", "bzcat", "cat", "cut", "gunzip", "head", "pv", "rev", "sed", "tac", "tail", "tee", "tr", "xxd",
    "xzcat", "zcat", "zstdcat",
];

/// Whether a program writes what it reads.
pub(crate) fn copies_input(program: &str) -> bool {
    COPYING.contains(&program)
}

/// The file that a script in a word reads: `$(cat FILE)`, `<(cat FILE)`, `$(<FILE)`.
pub(crate) fn read_within(word: &str) -> Option<&str> {
    let mut scripts =
        word.match_indices("(").filter(|(at, _)| word.get(..*at).is_some_and(|before| before.ends_with(['$', '<'])));
    scripts.find_map(|(at, _)| {
        let script = word.get(at + 1..)?.split(')').next()?.trim();
        if let Some(path) = script.strip_prefix('<') {
            return Some(path.trim().trim_matches(['"', '\'']));
        }
        let name = |command: &str| command.split_whitespace().next()?.rsplit('/').next().map(str::to_owned);
        if !script.split('|').all(|command| name(command).is_some_and(|name| copies_input(&name))) {
            return None;
        }
        let first = script.split('|').next()?;
        let path = first.split_whitespace().skip(1).filter(|word| !word.starts_with('-')).last()?;
        Some(path.trim_start_matches('<').trim_matches(['"', '\'']))
    })
}

/// Whether a word has a script in it.
pub(crate) fn has_script(word: &str) -> bool {
    word.contains("$(") || word.contains("<(")
}

/// A variable that a script sets, for itself or for a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Assignment {
    pub(crate) name: String,
    pub(crate) value: String,
    /// Where the command is in the script that it stands before.
    pub(crate) range: Range<usize>,
}

/// The commands of a script.
#[derive(Debug, Default)]
pub(crate) struct Commands {
    pub(crate) all: Vec<Command>,
    /// The variables that are set before them.
    pub(crate) assigned: Vec<Assignment>,
    /// Whether there are more, which were not read.
    pub(crate) is_cut: bool,
}

/// The commands of a script, or of a command line of systemd.
pub(crate) fn commands(text: &str) -> Commands {
    let mut reader = Reader { variables: HashMap::default(), replaced: 0, words: 0, found: Commands::default() };
    if text.len() <= LONGEST {
        reader.read(text, None, DEEPEST);
    } else {
        reader.found.is_cut = true;
    }
    reader.found
}

struct Reader {
    variables: HashMap<String, Vec<String>>,
    /// How much was put in the place of variables.
    replaced: usize,
    /// How many words the commands have.
    words: usize,
    found: Commands,
}

/// A part of a command before its variables are replaced.
enum Token {
    Word(Word),
    /// `>`, `>>`, `<` and the like, for standard input and output.
    To,
    From,
    /// That of another stream, or a text in the script: what comes next is no argument.
    Aside,
    /// What ends a command; whether it is a pipe.
    End(bool),
}

#[derive(Default)]
struct Word {
    text: String,
    /// Whether any of it was quoted: then it is no keyword.
    is_quoted: bool,
    /// The parts of it that are quoted so that no variable is in them.
    literal: Vec<(usize, usize)>,
    /// Scripts in it.
    inner: Vec<String>,
}

impl Reader {
    /// Read a script, which may be in a command of another one.
    fn read(&mut self, text: &str, around: Option<&Range<usize>>, depth: u8) {
        let Some(depth) = depth.checked_sub(1) else {
            self.found.is_cut = true;
            return;
        };
        let mut command = Vec::new();
        let mut begin = 0;
        for (token, start, end) in tokens(text) {
            match token {
                Token::End(is_piped) => {
                    let range = around.cloned().unwrap_or(begin..start);
                    self.run(std::mem::take(&mut command), range, is_piped, depth);
                    begin = end;
                }
                token => command.push(token),
            }
        }
        let range = around.cloned().unwrap_or(begin..text.len());
        self.run(command, range, false, depth);
    }

    fn run(&mut self, tokens: Vec<Token>, range: Range<usize>, is_piped: bool, depth: u8) {
        let mut command = Command { range, is_piped, ..Command::default() };
        let mut words: Vec<Word> = Vec::new();
        let mut before = None;
        for token in tokens {
            let Token::Word(mut word) = token else {
                before = Some(token);
                continue;
            };
            for inner in std::mem::take(&mut word.inner) {
                self.read(&inner, Some(&command.range), depth);
            }
            match before.take() {
                Some(Token::To) => command.outputs.extend(self.values(&word).into_iter().next()),
                Some(Token::From) => command.input = self.values(&word).into_iter().next(),
                Some(_) => {}
                None => words.push(word),
            }
        }
        let mut rest = words.as_slice();
        while let Some((first, after)) = rest.split_first() {
            let name = first.text.as_str();
            if !first.is_quoted && name == "for" {
                if let [variable, _, values @ ..] = after {
                    let mut values: Vec<String> = values.iter().flat_map(|word| self.values(word)).collect();
                    values.truncate(MOST_VALUES);
                    self.variables.insert(variable.text.clone(), values);
                }
                return;
            }
            if !first.is_quoted && (KEYWORDS.contains(&name) || DECLARING.contains(&name)) {
                rest = after;
            } else if let Some((variable, _)) = assignment(&first.text) {
                let (variable, at) = (variable.to_owned(), variable.len() + 1);
                let value = self.values(first).into_iter().next().unwrap_or_default();
                let value = value.get(at..).unwrap_or_default().to_owned();
                self.words += 1;
                self.found.assigned.push(Assignment {
                    name: variable.clone(),
                    value: value.clone(),
                    range: command.range.clone(),
                });
                self.variables.insert(variable, vec![value]);
                rest = after;
            } else {
                break;
            }
        }
        for word in rest {
            let values = self.values(word);
            self.words += values.len();
            if self.words > MOST_WORDS {
                self.found.is_cut = true;
                return;
            }
            command.words.extend(values);
        }
        // A line of a crontab says before it when it runs, and as whom.
        let is_time = |word: &String| word.bytes().all(|b| b.is_ascii_digit() || b"*/,-".contains(&b));
        let is_named = |word: &String| ["@daily", "@hourly", "@monthly", "@reboot", "@weekly"].contains(&word.as_str());
        if command.words.len() > 6 && command.words.iter().take(5).all(is_time) {
            command.words.drain(..6);
        } else if command.words.len() > 2 && command.words.first().is_some_and(is_named) {
            command.words.drain(..2);
        }
        // What runs another command is passed over.
        let mut at = 0;
        while let Some(first) = command.words.get_mut(at) {
            // systemd's prefixes, too.
            let name = first.trim_start_matches(['@', '-', ':', '+', '!', '|']);
            *first = name.rsplit('/').next().unwrap_or(name).to_owned();
            if !RUNNERS.contains(&first.as_str()) {
                break;
            }
            at += 1;
            while let Some(option) = command.words.get(at) {
                let takes_one = ["-u", "-g", "--user", "--group"].contains(&option.as_str());
                if !option.starts_with('-') && assignment(option).is_none() {
                    break;
                }
                at += if takes_one { 2 } else { 1 };
            }
        }
        command.words.drain(..at.min(command.words.len()));
        if let Some(script) = inner_script(&command.words) {
            let script = script.replace(NO_SCRIPT, "");
            self.read(&script, Some(&command.range), depth);
        }
        match (command.name(), command.arguments()) {
            // What it is from now on can't be known.
            ("read", names) => names.iter().for_each(|name| {
                self.variables.remove(name);
            }),
            ("printf", [option, name, ..]) if option == "-v" => {
                self.variables.remove(name);
            }
            _ => {}
        }
        if !command.words.is_empty() || !command.outputs.is_empty() {
            self.found.all.push(command);
        }
    }

    /// What a word is: several where it is a variable of a loop.
    fn values(&mut self, word: &Word) -> Vec<String> {
        let mut values = vec![String::new()];
        let text = word.text.as_str();
        let (mut at, mut from) = (0, 0);
        while let Some(next) = text.get(from..).and_then(|rest| rest.find('$')).map(|next| from + next) {
            from = next + 1;
            let literal = word.literal.get(word.literal.partition_point(|(_, end)| *end <= next));
            let is_literal = literal.is_some_and(|(start, _)| *start <= next);
            let Some((name, length)) = text.get(next..).filter(|_| !is_literal).and_then(variable) else { continue };
            let Some(known) = self.variables.get(name) else { continue };
            let size: usize = values.iter().flat_map(|value| known.iter().map(|part| value.len() + part.len())).sum();
            self.replaced = self.replaced.saturating_add(size);
            if self.replaced > MOST_REPLACED {
                continue;
            }
            let before = text.get(at..next).unwrap_or_default();
            let joined = values.iter().flat_map(|value| known.iter().map(move |part| format!("{value}{before}{part}")));
            values = joined.take(MOST_VALUES).collect();
            at = next + length;
            from = at;
        }
        let rest = text.get(at..).unwrap_or_default();
        values.iter_mut().for_each(|value| value.push_str(rest));
        values
    }
}

/// Words before a command that say when it runs.
const KEYWORDS: [&str; 10] = ["then", "do", "else", "elif", "if", "while", "until", "!", "{", "time"];

/// Words before an assignment.
const DECLARING: [&str; 4] = ["declare", "export", "local", "readonly"];

/// Commands that run the one that is written behind them; those of home-manager, too.
const RUNNERS: [&str; 10] =
    ["$DRY_RUN_CMD", "builtin", "command", "doas", "env", "exec", "nice", "run", "run0", "sudo"];

/// Shells, which take a script after `-c`.
const SHELLS: [&str; 5] = ["bash", "dash", "runtimeShell", "sh", "zsh"];

/// What runs a command with other files than those of the machine.
const ELSEWHERE: [&str; 18] = [
    "arch-chroot",
    "chroot",
    "ctr",
    "distrobox",
    "docker",
    "docker-compose",
    "flatpak",
    "incus",
    "kubectl",
    "lxc",
    "machinectl",
    "nerdctl",
    "nixos-container",
    "nixos-enter",
    "podman",
    "ssh",
    "systemd-nspawn",
    "toolbox",
];

/// The script that a shell is given as an argument, also by a program that runs it: `ip netns exec vpn sh -c '…'`.
fn inner_script(words: &[String]) -> Option<&String> {
    let is_shell = |word: &String| SHELLS.contains(&word.rsplit('/').next().unwrap_or(word));
    let shell = words.iter().position(is_shell)?;
    let is_elsewhere = |word: &String| ELSEWHERE.contains(&word.rsplit_once("/bin/").map_or(&**word, |(_, name)| name));
    if words.iter().take(shell).any(is_elsewhere) {
        return None;
    }
    let after = words.get(shell + 1..)?;
    let options = after.iter().take_while(|word| word.starts_with('-'));
    let at = options.enumerate().find(|(_, word)| word.ends_with('c') && !word.starts_with("--"))?.0;
    after.get(at + 1)
}

/// `NAME=value`.
fn assignment(text: &str) -> Option<(&str, &str)> {
    text.split_once('=').filter(|(name, _)| is_name(name))
}

fn is_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// The variable that a text begins with, and how long it is written.
fn variable(text: &str) -> Option<(&str, usize)> {
    let rest = text.strip_prefix('$')?;
    if let Some(braced) = rest.strip_prefix('{') {
        let end = braced.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))?;
        let name = braced.get(..end)?;
        return (is_name(name) && braced.get(end..)?.starts_with('}')).then_some((name, end + 3));
    }
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
    let name = rest.get(..end)?;
    is_name(name).then_some((name, end + 1))
}

/// The tokens of a script, each with where it begins and ends.
fn tokens(text: &str) -> Vec<(Token, usize, usize)> {
    let mut found = Vec::new();
    let mut word: Option<(Word, usize)> = None;
    // The words that end the texts which begin after this line.
    let mut texts: Vec<String> = Vec::new();
    let mut awaits_end = false;
    let mut at = 0;
    let bytes = text.as_bytes();
    let next = |at: usize| bytes.get(at).copied();
    macro_rules! close {
        () => {
            if let Some((done, start)) = word.take() {
                if std::mem::take(&mut awaits_end) {
                    texts.push(done.text.clone());
                }
                found.push((Token::Word(done), start, at));
            }
        };
    }
    while let Some(byte) = next(at) {
        let start = at;
        match byte {
            b'\n' => {
                close!();
                at += 1;
                found.push((Token::End(false), start, at));
                for end in std::mem::take(&mut texts) {
                    while let Some(line) = text.get(at..).filter(|rest| !rest.is_empty()) {
                        let line = line.split_inclusive('\n').next().unwrap_or_default();
                        at += line.len();
                        if line.trim() == end {
                            break;
                        }
                    }
                }
            }
            b' ' | b'\t' | b'\r' => {
                close!();
                at += 1;
            }
            b'\\' if word.is_none() && next(at + 1) == Some(b'\n') => at += 2,
            b'#' if word.is_none() => {
                at += text.get(at..).and_then(|rest| rest.find('\n')).unwrap_or(text.len() - at);
            }
            b';' | b'(' | b')' => {
                close!();
                at += 1;
                found.push((Token::End(false), start, at));
            }
            b'|' if next(at + 1) == Some(b'|') => {
                close!();
                at += 2;
                found.push((Token::End(false), start, at));
            }
            // A prefix of systemd.
            b'|' if word.is_none() && found.is_empty() => at += 1,
            b'|' => {
                close!();
                at += if next(at + 1) == Some(b'&') { 2 } else { 1 };
                found.push((Token::End(true), start, at));
            }
            b'&' if next(at + 1) == Some(b'>') => {
                close!();
                at += if next(at + 2) == Some(b'>') { 3 } else { 2 };
                found.push((Token::To, start, at));
            }
            b'&' => {
                close!();
                at += if next(at + 1) == Some(b'&') { 2 } else { 1 };
                found.push((Token::End(false), start, at));
            }
            b'<' if next(at + 1) == Some(b'(') => {
                let (word, _) = word.get_or_insert_with(|| (Word::default(), start));
                at = dollar(text, at, word);
            }
            b'>' | b'<' => {
                // `2>` is about another stream.
                let number = word.take_if(|(word, _)| word.text.bytes().all(|b| b.is_ascii_digit()) && !word.is_quoted);
                close!();
                let is_other = number.is_some_and(|(number, _)| number.text != "1" && number.text != "0");
                let same = bytes.get(at..).unwrap_or_default().iter().take_while(|b| **b == byte).count();
                at += same;
                if byte == b'<' && same == 2 {
                    at += usize::from(next(at) == Some(b'-'));
                    awaits_end = true;
                } else if next(at) == Some(b'|') {
                    at += 1;
                }
                let is_stream = next(at) == Some(b'&') || (byte == b'>' && next(at) == Some(b'('));
                at += usize::from(is_stream);
                let token = match byte {
                    _ if is_other || is_stream || same > 2 || awaits_end => Token::Aside,
                    b'>' => Token::To,
                    _ => Token::From,
                };
                found.push((token, start, at));
            }
            _ => {
                let (word, _) = word.get_or_insert_with(|| (Word::default(), start));
                at = add(text, at, word);
            }
        }
    }
    close!();
    found
}

/// Add what stands at `at` to a word: a quotation, an escaped character, a script, or one character. Returns its end.
fn add(text: &str, at: usize, word: &mut Word) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    let first = rest.chars().next().unwrap_or_default();
    match first {
        '\\' => {
            let mut chars = rest.get(1..).unwrap_or_default().chars();
            match chars.next() {
                Some('\n') | None => {}
                Some(c) => {
                    literal(word, c.encode_utf8(&mut [0; 4]));
                    if c == '$' && chars.as_str().starts_with('(') {
                        word.text.push(NO_SCRIPT);
                    }
                }
            }
            text.len() - chars.as_str().len()
        }
        '\'' => {
            let inside = rest.get(1..).unwrap_or_default();
            let end = inside.find('\'').unwrap_or(inside.len());
            word.is_quoted = true;
            let inside = inside.get(..end).unwrap_or_default();
            match inside.contains("$(") {
                true => literal(word, &inside.replace("$(", &format!("${NO_SCRIPT}("))),
                false => literal(word, inside),
            }
            (at + 1 + end + 1).min(text.len())
        }
        '"' => {
            word.is_quoted = true;
            let mut at = at + 1;
            while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
                match c {
                    '"' => return at + 1,
                    '\\' if text.get(at + 1..).is_some_and(|after| after.starts_with(['"', '\\', '$', '`', '\n'])) => {
                        at = add(text, at, word);
                    }
                    '$' => at = dollar(text, at, word),
                    c => {
                        word.text.push(c);
                        at += c.len_utf8();
                    }
                }
            }
            text.len()
        }
        '$' => dollar(text, at, word),
        c => {
            word.text.push(c);
            at + c.len_utf8()
        }
    }
}

fn literal(word: &mut Word, text: &str) {
    let start = word.text.len();
    word.text.push_str(text);
    word.literal.push((start, word.text.len()));
}

/// `$NAME`, `${…}` and `$(…)`, which is a script.
fn dollar(text: &str, at: usize, word: &mut Word) -> usize {
    let rest = text.get(at..).unwrap_or_default();
    // What comes from a script as a file, too: `<(…)`.
    let close = match rest.as_bytes().get(1) {
        Some(b'(') => Some((b'(', b')')),
        Some(b'{') => Some((b'{', b'}')),
        _ => None,
    };
    let Some((open, close)) = close else {
        word.text.push('$');
        return at + 1;
    };
    let mut depth = 0_usize;
    let end = rest.bytes().position(|byte| {
        depth += usize::from(byte == open);
        depth -= usize::from(byte == close && depth > 0);
        byte == close && depth == 0
    });
    let end = end.map_or(rest.len(), |end| end + 1);
    let whole = rest.get(..end).unwrap_or_default();
    if open == b'(' {
        word.inner.extend(whole.get(2..whole.len().saturating_sub(1)).map(str::to_owned));
        literal(word, whole);
    } else {
        word.text.push_str(whole);
    }
    at + end
}

#[cfg(test)]
mod tests {
    use super::{commands, read_within};

    fn words(text: &str) -> Vec<String> {
        commands(text).all.iter().map(|command| command.words.join(" ")).collect()
    }

    #[test]
    fn commands_are_told_from_what_joins_them() {
        assert_eq!(words("a b; c 'd e' && /bin/f \"g\"h || i # j\nk \\\n l"), ["a b", "c d e", "f gh", "i", "k l"]);
        assert_eq!(words("if ! a; then b; else { c; }; fi"), ["a", "b", "c", "}", "fi"]);
        assert_eq!(words("+/run/current-system/sw/bin/chmod 600 x"), ["chmod 600 x"]);
        assert_eq!(words("sudo -u me A=b env install x"), ["install x"]);
    }

    #[test]
    fn variables_are_replaced_where_the_script_sets_them() {
        assert_eq!(words("a=x\nexport b=\"$a/y\"\nc \"${b}\" '$a' $other"), ["c x/y $a $other"]);
        assert_eq!(words("for f in a b; do c $f; done"), ["c a b", "done"]);
        assert_eq!(words("x=$(b c)\nd $x"), ["b c", "d $(b c)"]);
        assert_eq!(words("bash -euc 'a b; c'"), ["a b", "c", "bash -euc a b; c"]);
        assert_eq!(words("ip netns exec v sh -c 'a'"), ["a", "ip netns exec v sh -c a"]);
        assert_eq!(words("docker exec d sh -c 'a'"), ["docker exec d sh -c a"]);
        assert_eq!(words("timeout 5 docker exec d sh -c 'a'"), ["timeout 5 docker exec d sh -c a"]);
    }

    #[test]
    fn scripts_in_the_place_of_files_are_read() {
        let found = words("a --key=<(b -d c) x < <(d e)");
        assert_eq!(found, ["b -d c", "d e", "a --key=<(b -d c) x"]);
        assert_eq!(commands("a < <(d e)").all.last().and_then(|command| command.input.as_deref()), Some("<(d e)"));
        assert_eq!(["$(cat 'a')", "x<(b/cat a)", "$(< a)", "$(head -c 9 a | tr x y)"].map(read_within), [Some("a"); 4]);
        assert_eq!(["$(b a)", "(cat a)", "a", "$(cat a | b)"].map(read_within), [None; 4]);
    }

    #[test]
    fn what_is_read_is_not_known() {
        assert_eq!(words("p=none\nq=x\nread -r p\nprintf -v q 1\na $p $q"), ["read -r p", "printf -v q 1", "a $p $q"]);
    }

    #[test]
    fn words_have_an_end() {
        let names: Vec<String> = (0..64).map(|i| format!("n{i}")).collect();
        let text = format!("for f in {}; do a{}; done", names.join(" "), " $f".repeat(24_000));
        assert!(words(&text).iter().map(String::len).sum::<usize>() < 1 << 20);
        let nested = (0..9).fold("a".to_owned(), |inner, _| format!("$({inner})"));
        for cut in [&text, &"a".repeat(super::LONGEST + 1), &nested] {
            assert!(commands(cut).is_cut);
        }
        assert!(!commands("a $(b $(c))").is_cut);
    }

    #[test]
    fn texts_and_streams_are_no_arguments() {
        let found = commands("a < b > c 2> d 2>&1 >&2\ne <<EOF > f\nchmod x\nEOF\ng").all;
        let told: Vec<_> = found.iter().map(|c| (c.words.join(" "), c.input.as_deref(), c.outputs.join(" "))).collect();
        let b = Some("b");
        assert_eq!(told, [("a".into(), b, "c".into()), ("e".into(), None, "f".into()), ("g".into(), None, "".into())]);
        assert!(commands("a | b").all[0].is_piped);
    }

    #[test]
    fn variables_do_not_grow_without_end() {
        let text = format!("a=xxxxxxxxxxxxxxxx\n{}", "a=\"$a$a\"\nb $a\n".repeat(5000));
        assert!(words(&text).iter().map(String::len).sum::<usize>() < 32 << 20);
        assert_eq!(commands(&format!("a '{}'", "$x".repeat(100_000))).all.len(), 1);
    }

    #[test]
    fn what_has_no_end_ends() {
        for text in ["'", "\"", "$(", "${", "\\", "a <<", "<<E\n", "$(a $(b", "x=\"$(", "a >", "|"] {
            commands(text);
        }
    }
}
