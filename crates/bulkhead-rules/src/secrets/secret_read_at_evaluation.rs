//! `secret-read-at-evaluation`: `builtins.readFile` of a secret.

use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_source::read_text;
use bulkhead_syntax::{Ast, Expr, ExprId};

use crate::context::Context;
use crate::rule::{Area, Rule};

pub(crate) const RULE: Rule = Rule {
    name: "secret-read-at-evaluation",
    area: Area::Secrets,
    severity: Severity::Error,
    summary: "A secret is read while the configuration is evaluated.",
    docs: "\
`builtins.readFile` (or `lib.readFile`, `lib.fileContents`, `lib.importJSON`, `lib.importTOML`) is called with the
decrypted file of
a secret, `config.age.secrets.<name>.path`; or (a warning) with an `.age` file.

**Why it matters.** What is read becomes part of the configuration, and lies in the Nix store, which everybody on the
machine can
read. And on the machine that builds, the decrypted file is another one or is not there. What an `.age` file holds is
of no use
before it is decrypted.

**Fix.** Give the path to what needs the secret: an option whose name ends in `File`, or `LoadCredential=` of its unit.

```nix
# bad
services.x.password = builtins.readFile config.age.secrets.x.path;
# good
services.x.passwordFile = config.age.secrets.x.path;
```

**Limits.** The call has to name the secret itself, not by way of a variable.

**Data.** `path`: the file in which it is.
",
    check: Some(check),
};

const READERS: [&str; 4] = ["readFile", "fileContents", "importJSON", "importTOML"];

/// Files longer than this are not looked at, in bytes.
const FILE_LIMIT: u64 = 4 << 20;

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for path in &context.fleet.module_files {
        let Ok(text) = read_text(context.tree, path, FILE_LIMIT) else { continue };
        let is_worth_it = READERS.iter().any(|reader| text.contains(reader)) && text.contains(".age");
        if !is_worth_it {
            continue;
        }
        // What can't be parsed is judged elsewhere, if it is needed.
        let Ok(ast) = bulkhead_syntax::parse(&text) else { continue };
        for (index, expr) in ast.exprs.iter().enumerate() {
            let Expr::Apply { function, arguments } = expr else { continue };
            let Some(first) = arguments.first().filter(|_| is_reader(&ast, *function)) else { continue };
            let Some((what, severity)) = secret(&ast, *first) else { continue };
            let Ok(id) = u32::try_from(index) else { continue };
            let place = Place::new(path.to_arc(), ast.span(ExprId(id)));
            let mut finding = RULE.finding(place, format!("{what} is read while the configuration is evaluated"));
            finding.severity = finding.severity.min(severity);
            found.push(
                finding
                    .with_help("give the path of the decrypted file to what needs the secret")
                    .with_data("path", path.as_str()),
            );
        }
    }
}

fn is_reader(ast: &Ast, function: ExprId) -> bool {
    let name = written(ast, function);
    READERS.iter().any(|reader| name == *reader || name.ends_with(&format!(".{reader}")))
}

fn written(ast: &Ast, id: ExprId) -> &str {
    let span = ast.span(id);
    ast.text.get(span.start as usize..span.end as usize).unwrap_or_default()
}

fn secret(ast: &Ast, argument: ExprId) -> Option<(String, Severity)> {
    let text = written(ast, argument);
    match ast.expr(argument) {
        Expr::Path(_) if text.ends_with(".age") => Some((format!("the encrypted file `{text}`"), Severity::Warning)),
        Expr::Select { .. } | Expr::Interpolated(_) if text.contains("age.secrets") && text.contains(".path") => {
            Some((format!("the secret `{}`", text.trim_matches(['"', '(', ')'])), Severity::Error))
        }
        _ => None,
    }
}
