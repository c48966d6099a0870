//! The installed `nix-instantiate --parse`.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// The version of the installed Nix, if there is one.
pub fn version() -> Option<String> {
    let output = Command::new("nix-instantiate").arg("--version").output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).split_whitespace().last()?.to_owned())
}

/// The tree that Nix builds of a text, written as Nix; or what it says about it. `folder` is what paths are read against,
/// and the home folder.
pub fn parse(text: &str, folder: &Path) -> Result<String, String> {
    let mut nix = Command::new("nix-instantiate")
        .args(["--parse", "-"])
        .current_dir(folder)
        .env("HOME", folder)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())?;
    if let Some(mut stdin) = nix.stdin.take() {
        let _ = stdin.write_all(text.as_bytes());
    }
    let output = nix.wait_with_output().map_err(|error| error.to_string())?;
    if output.status.success() {
        Ok(mark_slashes(&String::from_utf8_lossy(&output.stdout)))
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

/// What is put after the slash that a path ends in.
pub const MARK: &str = "__end";

/// Nix writes the beginning of a path with interpolations as a path that ends in a slash, which is no syntax, and
/// the root as a slash alone. Put
/// [`MARK`] after it.
fn mark_slashes(printed: &str) -> String {
    #[derive(PartialEq)]
    enum Inside {
        String,
        Braces,
    }
    let mut marked = String::with_capacity(printed.len());
    let mut open: Vec<Inside> = Vec::new();
    let mut chars = printed.chars().peekable();
    let mut before = ' ';
    while let Some(c) = chars.next() {
        marked.push(c);
        if open.last() == Some(&Inside::String) {
            match c {
                '\\' => marked.extend(chars.next()),
                '"' => {
                    open.pop();
                }
                '$' if chars.peek() == Some(&'{') => {
                    marked.extend(chars.next());
                    open.push(Inside::Braces);
                }
                _ => {}
            }
        } else {
            match c {
                '"' => open.push(Inside::String),
                '{' => open.push(Inside::Braces),
                '}' => {
                    open.pop();
                }
                // Not of ` // `, the only operator with a slash that Nix writes.
                '/' if before != '/' && chars.peek().is_none_or(|next| matches!(next, ' ' | ')' | ';')) => {
                    marked.push_str(MARK);
                }
                _ => {}
            }
        }
        before = c;
    }
    marked
}
