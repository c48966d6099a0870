//! `secret-read-at-evaluation`: `builtins.readFile` of a secret.

use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_source::{TreePath, read_text};
use bulkhead_syntax::{Ast, Expr, ExprId, Parameter};

use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::secret_mention::{ALL, Mention, Names, written};

pub(crate) const RULE: Rule = Rule {
    name: "secret-read-at-evaluation",
    area: Area::Secrets,
    severity: Severity::Error,
    summary: "A secret is read while the configuration is evaluated.",
    docs: "\
`builtins.readFile` (or `lib.readFile`, `lib.fileContents`, `lib.importJSON`, `lib.importTOML`) is called with the
decrypted file of a secret, `config.age.secrets.<name>.path`; or (a warning) with an `.age` file.

**Why it matters.** What is read becomes part of the configuration, and lies in the Nix store, which everybody on the
machine can read. And on the machine that builds, the decrypted file is another one or is not there. What an `.age`
file holds is of no use before it is decrypted.

**Fix.** Give the path to what needs the secret: an option whose name ends in `File`, or `LoadCredential=` of its
unit.

```nix
# bad
services.x.password = builtins.readFile config.age.secrets.x.path;
# good
services.x.passwordFile = config.age.secrets.x.path;
```

**Limits.** Variables of the same file are followed, if their name is bound once in it; arguments of functions are
not, but for a function of the same file that reads just what it is given, one that is called with each of
`config.age.secrets`, and what another file is called with (`callPackage ./x.nix { … }`, `import ./x.nix { … }`).
Where a secret's path is only a part of what is read, or is given to `map` with the reader, it is *undecided*.
`import`, `hashFile` and `builtins.path` of a secret are not seen.

**Data.** `path`: the file in which it is.
",
    check: Some(check),
};

const READERS: [&str; 4] = ["readFile", "fileContents", "importJSON", "importTOML"];

/// Files longer than this are not looked at, in bytes.
const FILE_LIMIT: u64 = 4 << 20;

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    let given = context.given().arguments.keys().filter_map(|path| TreePath::new(path).ok());
    let mut paths: Vec<TreePath> = context.fleet.module_files.iter().cloned().chain(given).collect();
    paths.sort();
    paths.dedup();
    for path in &paths {
        let Ok(text) = read_text(context.tree, path, FILE_LIMIT) else { continue };
        let is_given = context.given().arguments.contains_key(path.as_str());
        let is_worth_it = READERS.iter().any(|reader| text.contains(reader)) && (text.contains("age") || is_given);
        if !is_worth_it {
            continue;
        }
        // What can't be parsed is judged elsewhere, if it is needed.
        let names = context.names_in(&path.to_arc()).or_else(|| {
            let ast = bulkhead_syntax::parse(&text).ok()?;
            Some(Arc::new(Names::of(Arc::new(ast))))
        });
        let Some(names) = names else { continue };
        let ast = &*names.ast;
        for (index, expr) in ast.exprs.iter().enumerate() {
            let (Expr::Apply { function, arguments }, Ok(id)) = (expr, u32::try_from(index)) else { continue };
            let Some((what, severity)) = read(ast, &names, *function, arguments) else { continue };
            let place = Place::new(path.to_arc(), ast.span(ExprId(id)));
            let message = match severity {
                Severity::Undecided => format!("{what} may be read while the configuration is evaluated"),
                _ => format!("{what} is read while the configuration is evaluated"),
            };
            let mut finding = RULE.finding(place, message);
            finding.severity = severity;
            found.push(
                finding
                    .with_help("give the path of the decrypted file to what needs the secret")
                    .with_data("path", path.as_str()),
            );
        }
    }
}

/// How the folder is written that agenix puts secrets into.
const FOLDERS: [&str; 3] = ["/run/agenix", "age.secretsDir", "age.secretsMountPoint"];

/// What a call reads, and how sure that is.
fn read(ast: &Ast, names: &Names, function: ExprId, arguments: &[ExprId]) -> Option<(String, Severity)> {
    if is_reader(ast, names, function) {
        let first = arguments.first()?;
        return match names.mention(*first) {
            Some(what @ Mention::Decrypted(_)) => Some((shown(ast, *first, &what), Severity::Error)),
            Some(what) => Some((shown(ast, *first, &what), Severity::Warning)),
            // What is computed from a secret's path may be another path.
            None => match names.mention_within(*first) {
                Some(what @ Mention::Decrypted(_)) => Some((shown(ast, *first, &what), Severity::Undecided)),
                Some(Mention::Encrypted(_)) => None,
                // The name is put together.
                None => {
                    let text = written(ast, *first);
                    let is_below = FOLDERS.iter().any(|folder| text.contains(folder));
                    is_below.then(|| ("a secret of the machine".to_owned(), Severity::Undecided))
                }
            },
        };
    }
    // `map builtins.readFile […]`, `lib.pipe secret [ builtins.readFile ]`: given to what calls it.
    let is_given = arguments.iter().any(|argument| match ast.expr(*argument) {
        Expr::List(items) => items.iter().any(|item| is_reader(ast, names, *item)),
        _ => is_reader(ast, names, *argument),
    });
    if !is_given {
        return None;
    }
    arguments.iter().find_map(|argument| match names.mention_within(*argument)? {
        what @ Mention::Decrypted(_) => Some((shown(ast, *argument, &what), Severity::Undecided)),
        Mention::Encrypted(_) => None,
    })
}

/// Whether an expression is one of the functions that read, also under another name,
/// or one of the file's own that reads its argument.
fn is_reader(ast: &Ast, names: &Names, function: ExprId) -> bool {
    is_known_reader(ast, names, function)
        || reads_argument(ast, names, names.stands_for(function).unwrap_or(function)).unwrap_or_default()
}

/// Whether a function reads what it is called with: `path: lib.removeSuffix "\n" (builtins.readFile path)`.
fn reads_argument(ast: &Ast, names: &Names, function: ExprId) -> Option<bool> {
    let Expr::Lambda(lambda) = ast.expr(function) else { return None };
    let Parameter::Name(parameter, _) = &lambda.parameter else { return None };
    let is_argument = |id: ExprId| matches!(ast.expr(id), Expr::Variable { name, .. } if name == parameter);
    Some(names.within(ast.span(lambda.body)).any(|id| match ast.expr(id) {
        Expr::Apply { function, arguments } => {
            arguments.first().is_some_and(|first| is_argument(*first)) && is_known_reader(ast, names, *function)
        }
        _ => false,
    }))
}

fn is_known_reader(ast: &Ast, names: &Names, function: ExprId) -> bool {
    let is_named = |id: ExprId| {
        let name = written(ast, id);
        READERS.iter().any(|reader| name == *reader || name.ends_with(&format!(".{reader}")))
    };
    match ast.expr(function) {
        Expr::Variable { .. } => is_named(function) || names.stands_for(function).is_some_and(is_named),
        Expr::Select { .. } => is_named(function),
        Expr::With { body, .. } => is_named(*body),
        _ => false,
    }
}

fn shown(ast: &Ast, argument: ExprId, what: &Mention) -> String {
    let text = written(ast, argument).trim_matches(['"', '(', ')', '$', '{', '}']);
    match what {
        Mention::Decrypted(_) if text.contains("age.secrets.") && !text.contains(char::is_whitespace) => {
            format!("the secret `{text}`")
        }
        Mention::Decrypted(name) if name == ALL => "each secret".to_owned(),
        Mention::Decrypted(name) => format!("the secret `{name}`"),
        Mention::Encrypted(file) => format!("the encrypted file `{file}`"),
    }
}
