//! `private-key-in-clear`: a private key, or a key of a disk, that lies in the repository unencrypted.

use bulkhead_age::PrivateKeyKind;
use bulkhead_diagnostics::{Diagnostic, Place, Severity};
use bulkhead_fleet::{Evidence, KeyLike};

use crate::context::Context;
use crate::rule::{Area, Rule};

pub(crate) const RULE: Rule = Rule {
    name: "private-key-in-clear",
    area: Area::Unlock,
    severity: Severity::Error,
    summary: "A private key or a key file of a disk lies in the repository in clear.",
    docs: "\
A file of the repository contains a private key (OpenSSH, dropbear, PEM, PuTTY, PGP, age, WireGuard, JSON Web Key, an
onion service, one that signs for a Nix binary cache), the header of a LUKS volume, or is called like a key file of a
disk and is not encrypted. Often it is the key of a boot environment.

**Why it matters.** Whoever can read the repository has the key, and evaluated configurations copy it to the
world-readable Nix store of every machine.

**Fix.** Consider it leaked: make a new one, and replace what the old one opened. Keep the new one as an `.age`
secret, or on the machine alone. Deleting the file does not take it out of git's history.

```console
machines/kif/initrd_host_key       # bad
machines/kif/secrets/initrd.age    # good: encrypted
```

**Limits.** Texts are looked at up to 64 MiB, in UTF-8 or in UTF-16; of a file with null bytes in its first 64 KiB
only those, unless a key seems to begin there. What lies beyond is not looked at. In Nix, strings that are joined by
`+` or follow each other in a list count as one; what comes from a variable is not followed. A private key with a
passphrase is a warning, and so is the handle of one in a hardware token. Random bytes under a name that says nothing
can't be recognised; a WireGuard key is recognised by the name `PrivateKey` before it. The key is never shown. In
documentation and programs (`.md`, `.py`, `.rs`, `.xml`, `.lock`, …) only a key that is whole counts, from its first
line to its last: what is abridged or made up is an example. Pictures and fonts are not looked at. A whole key that is
meant to be there, for a test, can be left out by `ignore` in `bulkhead.toml`.

**Data.** `kind`: what it is. `encrypted`: whether a passphrase protects it, null if that can't be seen.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    found.extend(context.fleet.key_likes.iter().map(finding));
}

fn finding(file: &KeyLike) -> Diagnostic {
    // Without a span: what is marked is shown.
    let place = Place::file(file.path.to_arc());
    let (message, kind, encrypted) = match &file.evidence {
        Evidence::Content(key) => {
            (format!("`{}` holds a private key in clear: {}", file.path, key.kind), key.kind.to_string(), key.encrypted)
        }
        Evidence::Other { kind, .. } => {
            (format!("`{}` holds a private key in clear: {kind}", file.path), kind.to_string(), Some(false))
        }
        Evidence::Name => (
            format!("`{}` seems to be the key of an encrypted disk, in clear", file.path),
            "disk key file".to_owned(),
            None,
        ),
    };
    let mut finding = RULE.finding(place, message);
    match &file.evidence {
        Evidence::Content(key) if key.kind == PrivateKeyKind::LuksHeader => {
            finding.message =
                format!("`{}` holds the header of a LUKS volume, whose key slots anybody can try", file.path);
            finding.severity = Severity::Warning;
        }
        Evidence::Content(key) if key.kind == PrivateKeyKind::SecurityKey => {
            finding.message = format!("`{}` holds the {}: whoever has both gets in", file.path, key.kind);
            finding.severity = Severity::Warning;
        }
        Evidence::Content(key) if key.encrypted == Some(true) => {
            finding.message =
                format!("`{}` holds a private key that only a passphrase protects: {}", file.path, key.kind);
            finding.severity = Severity::Warning;
        }
        _ => {}
    }
    let offset = match &file.evidence {
        Evidence::Content(key) => key.offset,
        Evidence::Other { offset, .. } => *offset,
        Evidence::Name => 0,
    };
    if offset > 0 {
        finding = finding.with_note(format!("it begins at byte {offset}"));
    }
    finding
        .with_help("consider it leaked: make a new one, and replace what this one opens")
        .with_help(format!("take it out of the repository, also of its history\ngit rm --cached {}", file.path))
        .with_data("kind", kind)
        .with_data("encrypted", serde_json::json!(encrypted))
}
