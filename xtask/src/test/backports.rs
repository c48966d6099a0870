//! Debian's backports: where a package is in no configured suite, the suite of backports is added to apt's sources,
//! from the same places as the release itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use super::setup::apt_get;

const APT: &str = "/etc/apt";
/// The file that is written, without its extension, which tells apt its format.
const FILE: &str = "sources.list.d/bulkhead-backports";

/// Add the backports if one of `packages` is in no configured suite. Failures are told and not fatal.
pub fn offer(packages: &[&str]) {
    let missing: Vec<&str> = packages.iter().copied().filter(|package| !is_known(package)).collect();
    if missing.is_empty() {
        return;
    }
    if let Err(error) = add() {
        println!("Can't add the backports of Debian, which may have {}: {error:#}", missing.join(", "));
    }
}

fn add() -> Result<()> {
    let Some(release) = debian_release(&fs::read_to_string("/etc/os-release")?) else { return Ok(()) };
    let Some((extension, text)) = derived(&configured(Path::new(APT))?, &release) else {
        anyhow::bail!("no source of {release} is configured in {APT}");
    };
    let path = Path::new(APT).join(format!("{FILE}.{extension}"));
    fs::write(&path, text).with_context(|| format!("can't write {}", path.display()))?;
    println!("Wrote {}: {release}-backports, from where {release} comes from.", path.display());
    if !apt_get(&["update"]) {
        // As it was: a source that can't be read would be in the way of everything else.
        fs::remove_file(&path)?;
        println!("That failed, so {} is removed again.", path.display());
        apt_get(&["update"]);
    }
    Ok(())
}

/// Whether some configured suite has the package. (`apt-cache show` knows removed ones too.)
pub fn is_known(package: &str) -> bool {
    let mut command = Command::new("apt-cache");
    let output = command.args(["policy", package]).env("LC_ALL", "C").stdin(Stdio::null()).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let candidate = text.lines().find_map(|line| line.trim().strip_prefix("Candidate: "));
    candidate.is_some_and(|candidate| candidate != "(none)")
}

/// The code name of the release, if the text of `/etc/os-release` is that of Debian.
fn debian_release(os_release: &str) -> Option<String> {
    let value = |key: &str| {
        let line = os_release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
        Some(line.trim_matches('"').to_owned())
    };
    (value("ID")? == "debian").then(|| value("VERSION_CODENAME")).flatten()
}

/// The files with apt's sources and their texts.
fn configured(apt: &Path) -> Result<Vec<(PathBuf, String)>> {
    let mut paths = vec![apt.join("sources.list")];
    for entry in fs::read_dir(apt.join("sources.list.d")).into_iter().flatten() {
        paths.push(entry?.path());
    }
    paths.sort();
    let is_source =
        |path: &PathBuf| path.extension().is_some_and(|extension| extension == "list" || extension == "sources");
    let existing = paths.into_iter().filter(|path| is_source(path) && path.is_file());
    existing
        .map(|path| {
            Ok((path.clone(), fs::read_to_string(&path).with_context(|| format!("can't read {}", path.display()))?))
        })
        .collect()
}

/// The source of the backports, from the first one of `release`: the extension that names its format, and its text.
/// See sources.list(5).
fn derived(files: &[(PathBuf, String)], release: &str) -> Option<(&'static str, String)> {
    files.iter().find_map(|(path, text)| match path.extension()?.to_str()? {
        "sources" => text.split("\n\n").find_map(|stanza| from_stanza(stanza, release)).map(|text| ("sources", text)),
        _ => text.lines().find_map(|line| from_line(line, release)).map(|text| ("list", text)),
    })
}

/// From `deb [options] URI release components`.
fn from_line(line: &str, release: &str) -> Option<String> {
    let line = line.split('#').next()?.trim();
    let rest = line.strip_prefix("deb")?.strip_prefix([' ', '\t'])?;
    let (options, rest) = match rest.trim_start().strip_prefix('[') {
        Some(rest) => rest.split_once(']').map(|(options, rest)| (format!("[{options}] "), rest))?,
        None => (String::new(), rest),
    };
    let mut words = rest.split_whitespace();
    let (uri, suite) = (words.next()?, words.next()?);
    if suite != release {
        return None;
    }
    let components: Vec<&str> = words.collect();
    Some(format!("deb {options}{uri} {release}-backports {}\n", components.join(" ")))
}

/// From a paragraph of fields, whose further lines begin with a blank. All but the suites stays as it is.
fn from_stanza(stanza: &str, release: &str) -> Option<String> {
    let mut fields: Vec<String> = Vec::new();
    for line in stanza.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty()) {
        match fields.last_mut() {
            Some(field) if line.starts_with([' ', '\t']) => field.push_str(&format!("\n{line}")),
            _ => fields.push(line.to_owned()),
        }
    }
    let value = |name: &str| {
        let is_it = |field: &&String| field.split(':').next().is_some_and(|found| found.eq_ignore_ascii_case(name));
        Some(fields.iter().find(is_it)?.split_once(':')?.1.to_owned())
    };
    let has =
        |name: &str, word: &str| value(name).is_some_and(|value| value.split_whitespace().any(|found| found == word));
    let is_off = value("Enabled").is_some_and(|value| value.trim().eq_ignore_ascii_case("no"));
    if is_off || !has("Types", "deb") || !has("Suites", release) {
        return None;
    }
    let field = |field: String| match field.split(':').next().unwrap_or_default().to_ascii_lowercase().as_str() {
        "types" => "Types: deb".to_owned(),
        "suites" => format!("Suites: {release}-backports"),
        _ => field,
    };
    Some(fields.into_iter().map(field).collect::<Vec<_>>().join("\n") + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, text: &str) -> Option<(&'static str, String)> {
        derived(&[(PathBuf::from(name), text.to_owned())], "bookworm")
    }

    #[test]
    fn fields_are_kept_but_for_the_suites() {
        let text = "\
Types: deb
# a comment
URIs: http://mirror.example/debian
Suites: bookworm bookworm-updates
Components: main contrib
Check-Valid-Until: no
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abcd

Types: deb
URIs: http://mirror.example/debian-security
Suites: bookworm-security
Components: main
";
        let expected = "\
Types: deb
URIs: http://mirror.example/debian
Suites: bookworm-backports
Components: main contrib
Check-Valid-Until: no
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abcd
";
        assert_eq!(of("debian.sources", text), Some(("sources", expected.to_owned())));
    }

    #[test]
    fn what_is_switched_off_or_another_release_is_no_source() {
        let stanza =
            |more: &str| format!("Types: deb\nURIs: http://m.example\nSuites: bookworm\nComponents: main\n{more}");
        assert!(of("a.sources", &stanza("")).is_some());
        assert_eq!(of("a.sources", &stanza("Enabled: no\n")), None);
        assert_eq!(of("a.sources", &stanza("").replace("bookworm", "trixie")), None);
        assert_eq!(of("a.sources", &stanza("").replace("deb\n", "deb-src\n")), None);
        assert_eq!(
            of("a.list", "# deb http://m.example bookworm main\ndeb http://m.example bookworm-security main\n"),
            None
        );
    }

    #[test]
    fn lines_keep_their_options() {
        let text = "deb-src http://m.example bookworm main\ndeb [signed-by=/k.gpg arch=amd64] http://m.example bookworm main # x\n";
        let expected = "deb [signed-by=/k.gpg arch=amd64] http://m.example bookworm-backports main\n";
        assert_eq!(of("sources.list", text), Some(("list", expected.to_owned())));
    }

    #[test]
    fn only_debian_has_them() {
        assert_eq!(debian_release("ID=debian\nVERSION_CODENAME=bookworm\n").as_deref(), Some("bookworm"));
        assert_eq!(debian_release("ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n"), None);
    }
}
