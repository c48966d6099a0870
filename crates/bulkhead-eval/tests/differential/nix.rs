//! Values as the installed `nix-instantiate` prints them.

use std::io::Write;
use std::process::{Command, Stdio};

/// What Nix makes of an expression: its value as printed, or nothing where evaluation fails.
pub type Printed = Option<String>;

/// The version of the installed Nix, if there is one.
pub fn version() -> Option<String> {
    let output = Command::new("nix-instantiate").arg("--version").output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).split_whitespace().last()?.to_owned())
}

/// The values of expressions that are expected to have one, from as few processes as possible.
pub fn print_all(expressions: &[&str]) -> Vec<Printed> {
    if let [expression] = expressions {
        return vec![evaluate(expression).ok()];
    }
    let mut list = "[\n".to_owned();
    for (index, expression) in expressions.iter().enumerate() {
        list.push_str(&format!("\"§{index}\" ({expression}\n)\n"));
    }
    list.push_str("\"§end\" ]");
    let Ok(printed) = evaluate(&list) else {
        // One of them fails: look for it.
        let (left, right) = expressions.split_at(expressions.len() / 2);
        return [print_all(left), print_all(right)].concat();
    };
    (0..expressions.len())
        .map(|index| {
            let (_, rest) = printed.split_once(&format!("\"§{index}\" "))?;
            let next =
                if index + 1 == expressions.len() { "\"§end\"".to_owned() } else { format!("\"§{}\"", index + 1) };
            Some(rest.split_once(&next)?.0.trim_end().to_owned())
        })
        .collect()
}

/// The value of one expression, evaluated all the way down; or what Nix says about it.
pub fn evaluate(expression: &str) -> Result<String, String> {
    // Its regular expressions take exponential time on some texts.
    let mut nix = Command::new("timeout")
        .args([
            "--signal=KILL",
            "20",
            "nix-instantiate",
            "--eval",
            "--strict",
            "--readonly-mode",
            "--option",
            "store",
            "dummy://",
            "-",
        ])
        .env_remove("NIX_PATH")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    if let Some(mut stdin) = nix.stdin.take() {
        // Nix may end before it has read everything, for instance at a syntax error.
        let _ = stdin.write_all(expression.as_bytes());
    }
    let output = nix.wait_with_output().map_err(|error| error.to_string())?;
    let text = String::from_utf8_lossy(if output.status.success() { &output.stdout } else { &output.stderr })
        .trim()
        .to_owned();
    if output.status.success() { Ok(text) } else { Err(text) }
}
