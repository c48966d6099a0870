//! Texts of which parts are not known: what is written of them all the same.

use bulkhead_eval::data::{Data, DataKind};
use bulkhead_syntax::{BinaryOperator, Expr, ExprId, StringPart};

use super::secret_mention::{Names, written};
use crate::context::Context;

/// What stands for a part that is not known.
const PART: &str = "…";

/// Texts that are put together of others are followed this far.
const DEEPEST: u8 = 32;

/// A text as far as it is written.
pub(crate) struct Partial {
    /// The text, with `…` for what is not known.
    pub(crate) text: String,
    /// Whether all else are paths of packages and of secrets, and so neither commands nor rules.
    pub(crate) is_enough: bool,
}

/// Programs whose commands are what they say: by these, and by what the shell has itself, nobody else's rules are loaded.
const PROGRAMS: [&str; 31] = [
    "arptables",
    "awk",
    "bridge",
    "cat",
    "chmod",
    "conntrack",
    "cut",
    "echo",
    "ethtool",
    "false",
    "grep",
    "head",
    "hostname",
    "ip",
    "ip46tables",
    "ip6tables",
    "ipset",
    "iptables",
    "logger",
    "mkdir",
    "modprobe",
    "nft",
    "printf",
    "rm",
    "sed",
    "sleep",
    "sysctl",
    "systemctl",
    "tc",
    "test",
    "touch",
];

impl Partial {
    /// Whether a command is a program of a package of which nothing is known, or loads rules from a file.
    pub(crate) fn runs_unknown(&self) -> bool {
        let before = ["!", "(", "{", "do", "else", "exec", "if", "then", "while"];
        let commands = self.text.lines().flat_map(|line| line.split([';', '&', '|']));
        commands.into_iter().any(|command| {
            let mut words = command.split_whitespace().skip_while(|word| before.contains(word));
            let Some(program) = words.next().filter(|program| program.starts_with(PART)) else { return false };
            let name = program.rsplit('/').next().unwrap_or_default();
            // What comes by a pipe is written in the script, too.
            let loads = name == "nft"
                && words.clone().zip(words.skip(1)).any(|(flag, file)| matches!(flag, "-f" | "--file") && file != "-");
            loads || !PROGRAMS.contains(&name)
        })
    }
}

/// What is written of a text that is not known as a whole. `None` if nothing is, or if it is known.
pub(crate) fn partial(context: &Context<'_>, data: &Data) -> Option<Partial> {
    if !matches!(data.kind, DataKind::Unknown(_) | DataKind::Failed(_)) {
        return None;
    }
    let place = data.place.as_ref()?;
    let names = context.names_in(&place.file)?;
    let id = names.at(place).into_iter().next()?;
    let mut found = Partial { text: String::new(), is_enough: true };
    add(&names, id, DEEPEST, &mut found);
    (found.text != PART).then_some(found)
}

fn add(names: &Names, id: ExprId, depth: u8, found: &mut Partial) {
    let ast = &names.ast;
    let Some(depth) = depth.checked_sub(1) else { return not_known(found) };
    match ast.expr(id) {
        Expr::Text(text, _) => found.text.push_str(text),
        Expr::Interpolated(parts) => {
            for part in parts {
                match part {
                    StringPart::Text(text, _) => found.text.push_str(text),
                    StringPart::Interpolation(id) => add(names, *id, depth, found),
                }
            }
        }
        Expr::Binary { operator: BinaryOperator::Add, left, right } => {
            add(names, *left, depth, found);
            add(names, *right, depth, found);
        }
        Expr::With { body, .. } | Expr::Let { body, .. } => add(names, *body, depth, found),
        Expr::Variable { .. } if names.stands_for(id).is_some() => {
            names.stands_for(id).into_iter().for_each(|id| add(names, id, depth, found));
        }
        _ if is_path(names, id) => {
            found.text.push_str(PART);
            if let Some(program) = program(names, id) {
                found.text.push_str("/bin/");
                found.text.push_str(program);
            }
        }
        _ => not_known(found),
    }
}

fn not_known(found: &mut Partial) {
    found.text.push_str(PART);
    found.is_enough = false;
}

/// The program that `getExe` and `getExe'` give, by how it is written.
fn program(names: &Names, id: ExprId) -> Option<&str> {
    let Expr::Apply { function, arguments } = names.ast.expr(id) else { return None };
    match (written(&names.ast, *function).rsplit('.').next()?, &**arguments) {
        ("getExe'", [_, name]) => Some(written(&names.ast, *name).trim_matches('"')),
        ("getExe", [package]) => written(&names.ast, *package).rsplit('.').next(),
        _ => None,
    }
}

/// Whether it is the path of a package, of a program in one, or of a secret.
fn is_path(names: &Names, id: ExprId) -> bool {
    if names.mention(id).is_some() {
        return true;
    }
    let is_package = |id| {
        let text = written(&names.ast, id);
        let text = text.trim_start_matches('(').trim();
        text.starts_with("pkgs.") && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-)'\"".contains(&b))
    };
    match names.ast.expr(id) {
        Expr::Select { .. } => is_package(id),
        Expr::Apply { function, arguments } => {
            let name = written(&names.ast, *function);
            matches!(name.rsplit('.').next(), Some("getBin" | "getExe" | "getExe'"))
                && arguments.first().is_some_and(|package| is_package(*package))
        }
        _ => false,
    }
}
