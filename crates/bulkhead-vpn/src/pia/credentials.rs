//! The operator's files: user name and password, the token of a dedicated IP, certificates.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// User name and password.
#[derive(Debug)]
pub struct Credentials {
    /// The user name.
    pub user: Secret,
    /// The password.
    pub password: Secret,
}

impl Credentials {
    /// Read a file: user name and password on two lines, or lines `PIA_USER=…` and `PIA_PASS=…` in any order, with or
    /// without quotes. Empty lines and lines that begin with `#` count only in the first form, where a password may.
    pub fn read(file: &Path) -> Result<Self, String> {
        let text = read_text(file)?;
        let shape = || {
            format!(
                "{}: two lines are expected, user name and password, or lines with PIA_USER= and PIA_PASS=",
                file.display()
            )
        };
        let named = |name: &str| {
            let mut values = text.lines().filter_map(|line| line.trim().strip_prefix(name)?.strip_prefix('='));
            values.next().map(|value| unquoted(value.trim()))
        };
        let (user, password) = match (named("PIA_USER"), named("PIA_PASS")) {
            (Some(user), Some(password)) => (user, password),
            (Some(_), None) | (None, Some(_)) => return Err(shape()),
            (None, None) => {
                let mut lines = text.trim_end_matches(['\r', '\n']).lines();
                match (lines.next(), lines.next(), lines.next()) {
                    (Some(user), Some(password), None) => (user.trim(), password.trim_end_matches('\r')),
                    _ => return Err(shape()),
                }
            }
        };
        if user.is_empty() || password.is_empty() {
            return Err(shape());
        }
        Ok(Self { user: Secret::new(user), password: Secret::new(password) })
    }
}

/// Read a file with one line that is secret.
pub fn read_secret_line(file: &Path) -> Result<Secret, String> {
    let text = read_text(file)?;
    match text.trim() {
        "" => Err(format!("{} is empty", file.display())),
        line if line.lines().count() > 1 => Err(format!("{} has more than one line", file.display())),
        line => Ok(Secret::new(line)),
    }
}

/// Read certificates of authorities, PEM.
pub fn read_authorities(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let text = read_text(file)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(text.as_bytes()).collect();
    let certificates = certificates.map_err(|error| format!("{}: {error}", file.display()))?;
    if certificates.is_empty() {
        return Err(format!("{} has no certificate (PEM, -----BEGIN CERTIFICATE-----)", file.display()));
    }
    let mut store = rustls::RootCertStore::empty();
    for certificate in &certificates {
        store.add(certificate.clone()).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(certificates)
}

/// Read a file as text; one that is too long is an error, for what is left of it would be something else.
pub fn read_text(file: &Path) -> Result<Zeroizing<String>, String> {
    const LONGEST: u64 = 4 << 20;
    let mut text = Zeroizing::new(String::new());
    let read = File::open(file).and_then(|opened| opened.take(LONGEST + 1).read_to_string(&mut text));
    match read {
        Err(error) => Err(format!("can't read {}: {error}", file.display())),
        Ok(length) if length as u64 > LONGEST => Err(format!("{} has more than {} MiB", file.display(), LONGEST >> 20)),
        Ok(_) => Ok(text),
    }
}

fn unquoted(text: &str) -> &str {
    let quoted = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    quoted('"').or_else(|| quoted('\'')).unwrap_or(text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(String, String), String> {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("login");
        std::fs::write(&file, text).expect("a file");
        Credentials::read(&file).map(|read| (read.user.reveal().to_owned(), read.password.reveal().to_owned()))
    }

    #[test]
    fn both_forms_are_read() {
        let expected = Ok(("p1234567".to_owned(), "pass word#".to_owned()));
        assert_eq!(read("p1234567\npass word#\n"), expected);
        assert_eq!(read("p1234567\r\npass word#\r\n"), expected);
        assert_eq!(read("# login\nPIA_PASS='pass word#'\nPIA_USER=p1234567\n"), expected);
    }

    #[test]
    fn other_forms_are_refused_without_showing_them() {
        for text in ["", "p1234567", "p1234567\n\n", "PIA_USER=x", "a\nb\nc"] {
            let error = read(text).expect_err(text);
            assert!(error.contains("two lines are expected") && !error.contains("p1234567"), "{error}");
        }
        let error = read(&format!("p1234567\n{}", "x".repeat(4 << 20))).expect_err("too long");
        assert!(error.contains("has more than 4 MiB") && !error.contains("p1234567"), "{error}");
    }
}
