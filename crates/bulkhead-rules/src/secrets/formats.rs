//! Well-known files whose lines have passwords in clear, without a name before them.

use super::secret_in_store::is_plain;
use crate::trees::made::COMPUTED;

/// Whether a file that is called so has a password in its text. What is computed is [`COMPUTED`] there, and none.
pub(crate) fn has_password(name: &str, text: &str) -> bool {
    let Some(format) = format_of(name) else { return false };
    if format == Format::Netrc {
        return is_in_netrc(text);
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';']));
    lines.filter_map(|line| password_of(format, line)).any(|password| is_password(&password))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    /// `machine host login name password word`, on one line or several.
    Netrc,
    /// The secret is the third word of a line.
    Third,
    /// The last word of a line, behind one or two others.
    Last,
    /// `host:port:database:user:password`.
    Fifth,
    /// `user:password`, not hashed.
    Pair,
    /// `host user:password`.
    Login,
    /// `host:user:password`.
    Client,
    /// `: PSK "word"`.
    Ipsec,
    /// `secret = word` in a section.
    Swanctl,
    /// `psk="word"`
    Supplicant,
    /// `password word`.
    Command,
    /// `https://user:password@host`.
    Url,
}

/// What the file of a name has in it.
fn format_of(name: &str) -> Option<Format> {
    let file = name.rsplit('/').next().unwrap_or(name);
    let plain = file.to_ascii_lowercase().replace('-', "_");
    let plain = plain.trim_start_matches(['.', '_']);
    Some(match plain {
        "netrc" | "netrc_file" => Format::Netrc,
        "chap_secrets" | "pap_secrets" | "l2tp_secrets" => Format::Third,
        "secrets" if name.contains("davfs2") => Format::Last,
        "psk.txt" if name.contains("racoon") => Format::Last,
        "pgpass" | "pgpass.conf" => Format::Fifth,
        "htpasswd" | "rsyncd.secrets" | "rsync.secrets" | "passwd_s3fs" => Format::Pair,
        "sasl_passwd" | "smtp_sasl_passwd" | "sasl_password" | "sasl_passwords" | "relay_passwd" => Format::Login,
        "passwd.client" => Format::Client,
        "ipsec.secrets" => Format::Ipsec,
        "swanctl.conf" => Format::Swanctl,
        "wpa_supplicant.conf" => Format::Supplicant,
        "msmtprc" | "fetchmailrc" | "nslcd.conf" | "ldap.conf" => Format::Command,
        "git_credentials" => Format::Url,
        _ if plain.ends_with(".htpasswd") || plain.ends_with("_htpasswd") => Format::Pair,
        _ if name.starts_with("ppp/peers/") => Format::Command,
        _ if name.contains("swanctl/conf.d/") => Format::Swanctl,
        _ if name.contains("ipsec.d/") && plain.ends_with(".secrets") => Format::Ipsec,
        _ => return None,
    })
}

fn is_in_netrc(text: &str) -> bool {
    let mut words = text.lines().filter(|line| !line.trim_start().starts_with('#')).flat_map(str::split_whitespace);
    while let Some(word) = words.next() {
        if word == "password" && words.next().is_some_and(|word| is_password(word.trim_matches('"'))) {
            return true;
        }
    }
    false
}

/// What stands in a line where the password is.
fn password_of(format: Format, line: &str) -> Option<String> {
    match format {
        Format::Netrc => None,
        // `@/path` names the file of one.
        Format::Third => words(line).into_iter().nth(2),
        Format::Last => {
            let words = words(line);
            (2..=3).contains(&words.len()).then(|| words.last().cloned()).flatten()
        }
        Format::Fifth => {
            let hidden = line.replace("\\:", "\u{1}");
            let fields: Vec<&str> = hidden.split(':').collect();
            (fields.len() == 5).then(|| fields.last().map(|field| field.replace('\u{1}', ":"))).flatten()
        }
        Format::Pair => {
            let (_, password) = line.split_once(':')?;
            let password = password.split(':').next().unwrap_or_default().trim();
            let clear = password.strip_prefix("{PLAIN}").unwrap_or(password);
            // The oldest hashes have nothing before them.
            let is_old = clear.len() == 13 && clear.chars().all(|c| c.is_ascii_alphanumeric() || "./".contains(c));
            let is_hash = clear.starts_with(['$', '{']) || is_old;
            (!is_hash && !clear.contains(char::is_whitespace)).then(|| clear.to_owned())
        }
        Format::Login => {
            let (_, login) = line.split_once(char::is_whitespace)?;
            Some(login.trim().split_once(':')?.1.to_owned())
        }
        Format::Client => line.split(':').nth(2).map(|password| password.trim().to_owned()),
        Format::Ipsec => {
            let (_, rest) = line.split_once(':')?;
            let words = words(rest);
            let [kind, secret, ..] = words.as_slice() else { return None };
            let is_kind = ["PSK", "EAP", "XAUTH", "NTLM", "PIN"].iter().any(|known| kind.eq_ignore_ascii_case(known));
            (is_kind && !secret.starts_with('%')).then(|| secret.clone())
        }
        Format::Swanctl => {
            let (name, value) = line.split_once('=')?;
            let name = name.rsplit(['{', ' ']).find(|word| !word.is_empty())?;
            (name == "secret").then(|| value.trim().trim_end_matches('}').trim().trim_matches('"').to_owned())
        }
        Format::Supplicant => {
            let (name, value) = line.split_once('=')?;
            let names = ["password", "pin", "private_key_passwd", "psk", "sae_password", "wep_key0"];
            // `ext:name` is what is put in its place.
            let is_given = names.contains(&name.trim()) && !value.trim().starts_with("ext:");
            is_given.then(|| value.trim().trim_matches('"').to_owned())
        }
        Format::Command => {
            let words = words(line);
            let at = words.iter().position(|word| ["password", "pass", "bindpw"].contains(&word.as_str()))?;
            words.get(at + 1).cloned()
        }
        Format::Url => {
            let (_, rest) = line.split_once("://")?;
            let login = rest.split('/').next().unwrap_or(rest).rsplit_once('@')?.0;
            Some(login.split_once(':')?.1.to_owned())
        }
    }
}

/// The words of a line, without quotes.
fn words(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = line.trim_start();
    while let Some(first) = rest.chars().next().filter(|first| *first != '#') {
        let (word, after) = if first == '"' || first == '\'' {
            let inside = rest.get(1..).unwrap_or_default();
            inside.split_once(first).unwrap_or((inside, ""))
        } else {
            rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len()))
        };
        found.push(word.to_owned());
        rest = after.trim_start();
    }
    found
}

/// Whether what stands there is a password, and not where one is.
fn is_password(word: &str) -> bool {
    !word.contains(COMPUTED) && !["*", "-"].contains(&word) && !word.starts_with('@') && is_plain(word)
}
