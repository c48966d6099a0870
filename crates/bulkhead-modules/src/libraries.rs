//! Libraries of other projects that make the systems of a flake by rules of their own, most of them of folders.
//!
//! None of them is at hand. What stands in for one is a text of ours in `libraries/`, written from its documentation: a function
//! of what `flake.nix` beside this file knows, which gives what the flake input has besides what others have. What a text
//! leaves out is unknown.

use std::sync::OnceLock;

use bulkhead_eval::data::Failure;
use bulkhead_eval::{Node, ParsedText, Session, Shape};

/// A library.
pub struct Library {
    /// Where it comes from: owner and name of a repository.
    repositories: &'static [&'static str],
    /// What stands in for it.
    text: &'static str,
    /// The name that stands for the text in places.
    name: &'static str,
    parsed: OnceLock<ParsedText>,
}

macro_rules! library {
    ($file:literal, $($repository:literal),+) => {
        Library {
            repositories: &[$($repository),+],
            text: include_str!(concat!("libraries/", $file, ".nix")),
            name: concat!("<built-in ", $file, ">"),
            parsed: OnceLock::new(),
        }
    };
}

static LIBRARIES: [Library; 9] = [
    library!("blueprint", "numtide/blueprint"),
    library!("clan-core", "clan-lol/clan-core", "clan/clan-core"),
    library!("easy-hosts", "isabelroses/easy-hosts", "tgirlcloud/easy-hosts"),
    library!("ez-configs", "ehllie/ez-configs"),
    library!("flake-utils-plus", "gytis-ivaskevicius/flake-utils-plus"),
    library!("flakelight", "nix-community/flakelight"),
    library!("lite-config", "yelite/lite-config", "yelite/lite-system"),
    library!("nixos-unified", "srid/nixos-flake", "srid/nixos-unified"),
    library!("snowfall", "snowfallorg/lib"),
];

impl Library {
    /// The one that a flake input is, by where it comes from.
    pub fn of<'a>(session: &Session<'a>, input: Node<'a>) -> Option<&'static Library> {
        let source = source(session, input)?;
        LIBRARIES.iter().find(|library| library.repositories.contains(&&*source))
    }

    /// The function that stands in for it.
    pub fn stand_in<'a>(&self, session: &Session<'a>) -> Result<Node<'a>, Failure> {
        session.own_text(&self.parsed, self.text, self.name)
    }
}

/// Owner and name of the repository that a flake input comes from, in small letters, however that is written.
pub fn source<'a>(session: &Session<'a>, input: Node<'a>) -> Option<String> {
    let Shape::Attrs(input) = session.look(input) else { return None };
    let text = |name: &str| match session.look(input.get(name)?) {
        Shape::String(text) => Some(text.to_ascii_lowercase()),
        _ => None,
    };
    if let Some(url) = text("url") {
        return repository(&url);
    }
    if text("type")? != "github" {
        return None;
    }
    Some(format!("{}/{}", text("owner")?, text("repo")?))
}

/// Owner and name of the repository that a `url` in small letters is about.
pub fn repository(url: &str) -> Option<String> {
    let url = url.strip_prefix("git+").unwrap_or(url);
    let url = url.split(['?', '#']).next().unwrap_or(url);
    let prefixes = [
        "github:",
        "https://github.com/",
        "ssh://git@github.com/",
        "https://flakehub.com/f/",
        "https://api.flakehub.com/f/",
        "https://git.clan.lol/",
        "ssh://gitea@git.clan.lol/",
    ];
    let path = prefixes.iter().find_map(|prefix| url.strip_prefix(prefix))?;
    let mut names = path.split('/');
    let (owner, name) = (names.next()?, names.next()?);
    let name = name.strip_suffix(".git").or_else(|| name.strip_suffix(".tar.gz")).unwrap_or(name);
    Some(format!("{owner}/{name}"))
}

#[cfg(test)]
mod tests {
    use super::repository;

    #[test]
    fn urls_of_one_repository() {
        for url in [
            "github:snowfallorg/lib",
            "github:snowfallorg/lib?ref=v3.0.3",
            "github:snowfallorg/lib/v2.1.1",
            "git+https://github.com/snowfallorg/lib.git?ref=main",
            "git+ssh://git@github.com/snowfallorg/lib",
            "https://github.com/snowfallorg/lib/archive/main.tar.gz",
            "https://flakehub.com/f/snowfallorg/lib/*.tar.gz",
            "https://flakehub.com/f/snowfallorg/lib.tar.gz",
        ] {
            assert_eq!(repository(url).as_deref(), Some("snowfallorg/lib"), "{url}");
        }
        assert_eq!(
            repository("https://git.clan.lol/clan/clan-core/archive/main.tar.gz").as_deref(),
            Some("clan/clan-core")
        );
        for url in ["github:snowfallorg", "path:./lib", "gitlab:snowfallorg/lib", "snowfall-lib"] {
            assert_eq!(repository(url), None, "{url}");
        }
    }
}
