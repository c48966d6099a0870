//! Secrets that are written in command lines and scripts.

use std::ops::Range;

use bulkhead_modules::OptionPath;

use super::secret_in_store::{is_called_secret, is_plain};
use crate::trees::made::COMPUTED;
use crate::trees::shell::{Command, commands};

/// Words of which a script with a secret has one.
pub(super) const WORDS: [&str; 18] = [
    "-p",
    "-u",
    "APIKEY",
    "API_KEY",
    "AUTH",
    "Auth",
    "PASS",
    "SECRET",
    "TOKEN",
    "Token",
    "accesskey",
    "access-key",
    "api-key",
    "api_key",
    "apikey",
    "auth",
    "pass",
    "token",
];

/// Something that is given a secret.
pub(super) struct Given {
    /// What it is called: an option, or a variable.
    pub(super) name: String,
    /// Where the command is in the script.
    pub(super) range: Range<usize>,
}

/// What of a script is given a secret that is written in it, and whether there may be more: it is too long to be read to its
/// end.
pub(super) fn given_in(script: &str) -> (Vec<Given>, bool) {
    let script = commands(script);
    let assigned = script.assigned.into_iter().filter(|assigned| is_variable(&assigned.name, &assigned.value));
    let mut found: Vec<Given> = assigned.map(|assigned| Given { name: assigned.name, range: assigned.range }).collect();
    for command in &script.all {
        if !WITHOUT_SECRETS.contains(&command.name()) {
            found.extend(name_of_given(command).map(|name| Given { name, range: command.range.clone() }));
        }
    }
    (found, script.is_cut)
}

/// What shows its arguments to somebody, or looks for them.
const WITHOUT_SECRETS: [&str; 24] = [
    "[",
    "[[",
    "awk",
    "bemenu",
    "dialog",
    "dmenu",
    "echo",
    "egrep",
    "fgrep",
    "fuzzel",
    "gawk",
    "grep",
    "kdialog",
    "notify-send",
    "printf",
    "rg",
    "rofi",
    "sed",
    "test",
    "tofi",
    "whiptail",
    "wofi",
    "yad",
    "zenity",
];

/// The same of the arguments that an option is a list of.
pub(super) fn given_to(arguments: &[&str]) -> Option<String> {
    let words = arguments.iter().map(|word| (*word).to_owned());
    name_of_given(&Command { words: std::iter::once(String::new()).chain(words).collect(), ..Command::default() })
}

/// The first option or variable of a command that is given a secret.
fn name_of_given(command: &Command) -> Option<String> {
    let program = command.name();
    let mut arguments = command.arguments().iter().map(String::as_str).peekable();
    while let Some(argument) = arguments.next() {
        let next = arguments.peek().copied().filter(|next| !next.starts_with('-')).unwrap_or_default();
        let Some(name) = argument.strip_prefix('-') else {
            // `Authorization: Bearer …`, and `docker run -e NAME=…`, `env NAME=…`.
            let variable = argument.split_once('=').filter(|(name, value)| is_variable(name, value));
            let header = || argument.split_once(": ").filter(|(name, value)| is_header(name, value));
            match variable.or_else(header) {
                Some((name, _)) => return Some(name.to_owned()),
                None => continue,
            }
        };
        let (written, value) = match argument.split_once('=') {
            Some((written, value)) => (written, value),
            None => (argument, next),
        };
        let name = name.strip_prefix('-').unwrap_or(name).split('=').next().unwrap_or_default();
        // `--env=NAME=…`
        if let Some((name, _)) = value.split_once('=').filter(|(name, value)| is_variable(name, value)) {
            return Some(name.to_owned());
        }
        if is_option(name) && is_written(value) {
            return Some(written.to_owned());
        }
        let of_program = BY_PROGRAM.iter().filter(|known| known.programs.contains(&program));
        for known in of_program {
            let Some(rest) = argument.strip_prefix(known.option) else { continue };
            let value = match (known.is_attached, rest.is_empty()) {
                (true, false) => rest,
                (false, true) => next,
                _ => continue,
            };
            let secret = match known.behind {
                "" => value,
                mark => value.split_once(mark).map(|(_, secret)| secret).unwrap_or_default(),
            };
            if is_written(secret) {
                return Some(known.option.to_owned());
            }
        }
    }
    None
}

/// An option of certain programs that takes a secret, and is not called so.
struct Known {
    programs: &'static [&'static str],
    option: &'static str,
    /// Whether the value is in the same word, and else the next one.
    is_attached: bool,
    /// What stands before the secret in the value.
    behind: &'static str,
}

const BY_PROGRAM: [Known; 9] = [
    Known { programs: &["sshpass"], option: "-p", is_attached: true, behind: "" },
    Known { programs: &["sshpass"], option: "-p", is_attached: false, behind: "" },
    Known { programs: &MYSQL, option: "-p", is_attached: true, behind: "" },
    Known { programs: &["curl"], option: "-u", is_attached: false, behind: ":" },
    Known { programs: &["curl"], option: "--user", is_attached: false, behind: ":" },
    Known { programs: &["curl"], option: "--proxy-user", is_attached: false, behind: ":" },
    Known { programs: &["openssl"], option: "-pass", is_attached: false, behind: "pass:" },
    Known { programs: &["openssl"], option: "-passin", is_attached: false, behind: "pass:" },
    Known { programs: &["openssl"], option: "-passout", is_attached: false, behind: "pass:" },
];

const MYSQL: [&str; 6] = ["mariadb", "mariadb-admin", "mariadb-dump", "mysql", "mysqladmin", "mysqldump"];

/// How options and variables are called that take a secret, without `-` and `_`, besides [`is_called_secret`].
const ENDS: [&str; 6] = ["accesskey", "authkey", "passwd", "privatekey", "secret", "token"];

/// What names begin with that say what is done with a secret, or mean another kind of token.
const OTHERWISE: [&str; 31] = [
    "allow",
    "ask",
    "bos",
    "cancel",
    "change",
    "cls",
    "continuation",
    "create",
    "csrf",
    "delete",
    "disable",
    "enable",
    "eos",
    "generate",
    "hide",
    "image",
    "mask",
    "max",
    "next",
    "no",
    "pad",
    "page",
    "prompt",
    "require",
    "reset",
    "sep",
    "show",
    "starting",
    "stop",
    "unk",
    "use",
];

/// Whether an option takes a secret.
fn is_option(name: &str) -> bool {
    let begin = name.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
    let plain: String = name.chars().filter(|c| c.is_ascii_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect();
    let is_otherwise = OTHERWISE.contains(&&*begin) || ["with", "without", "skip"].contains(&&*begin);
    // One of podman by itself, which names it.
    let is_name = plain == "secret";
    name.len() > 2
        && !is_otherwise
        && !is_name
        // The name of a secret in a store of secrets.
        && !["passwordsecret", "tokensecret"].iter().any(|end| plain.ends_with(end))
        && !plain.contains("csrf")
        && (is_called_secret(&plain) || ENDS.iter().any(|end| plain.ends_with(end)))
}

/// Whether a variable is given a secret. In small letters it may be one of the script's own, which names a secret.
fn is_variable(name: &str, value: &str) -> bool {
    let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let is_environment = is_name && !name.bytes().any(|b| b.is_ascii_lowercase());
    let is_password = is_name && ["passphrase", "password"].iter().any(|end| name.ends_with(end));
    (is_environment || is_password) && is_option(name) && is_written(value)
}

/// Whether a header of HTTP has a secret.
fn is_header(name: &str, value: &str) -> bool {
    let secret = if name.eq_ignore_ascii_case("authorization") {
        let (scheme, secret) = value.split_once(' ').unwrap_or_default();
        ["basic", "bearer", "token"].iter().any(|known| scheme.eq_ignore_ascii_case(known)).then_some(secret)
    } else {
        let is_name = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        (is_name && is_option(name)).then_some(value)
    };
    secret.is_some_and(|secret| !secret.contains(' ') && is_written(secret))
}

/// What stands for a secret that somebody has to put there, or is none.
const NONE: [&str; 26] = [
    "anonymous",
    "ask",
    "change-me",
    "change_me",
    "changeit",
    "changeme",
    "dummy",
    "env",
    "example",
    "fake",
    "fetch",
    "hide",
    "interactive",
    "n/a",
    "no-key",
    "no-key-required",
    "not-needed",
    "ollama",
    "placeholder",
    "prompt",
    "sk-no-key-required",
    "start",
    "stdin",
    "tbd",
    "todo",
    "x-oauth-basic",
];

/// How a value begins that says in which store of secrets it is.
const STORES: [&str; 7] = ["bw://", "bws://", "keyring:", "op://", "secret:", "secret-tool:", "vault:"];

/// Whether a value says that somebody has to put something there: `__TOKEN__`, `YOUR_PASSWORD`, `XXXX-XXXX`, `PASSWORD`.
fn is_to_be_replaced(value: &str) -> bool {
    let plain: String = value.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let lower = value.to_ascii_lowercase();
    let is_loud = !value.bytes().any(|b| b.is_ascii_lowercase());
    let is_framed = |frame: char| value.len() > 2 && value.starts_with(frame) && value.ends_with(frame);
    ['_', '#', '@', '%'].into_iter().any(is_framed)
        || ["your-", "your_", "your "].iter().any(|begin| lower.starts_with(begin))
        || ["-here", "_here"].iter().any(|end| lower.ends_with(end))
        || plain.bytes().all(|b| b == b'x')
        || (is_loud && (is_called_secret(&plain) || ENDS.iter().any(|end| plain.ends_with(end))))
}

/// Whether a value is an expression of another language: `read()`, `config.password`, `os.environ["X"]`, `key,`.
fn is_code(value: &str) -> bool {
    let mut names = value.split('.').peekable();
    let is_name = |name: &str| !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    value.ends_with(',') || value.contains(['(', ')', '[', ']']) || (value.contains('.') && names.all(is_name))
}

/// Whether a value is a secret as it is, and not where to find it.
fn is_written(value: &str) -> bool {
    let is_computed = |c: char| matches!(c, '$' | '`' | COMPUTED) || ('\u{E000}'..='\u{F8FF}').contains(&c);
    let mut chars = value.chars();
    let is_repeated = chars.next().is_some_and(|first| chars.all(|c| c == first));
    let is_number = value.len() < 5 && value.bytes().all(|b| b.is_ascii_digit());
    let is_switch = ["no", "off", "on", "true", "yes"].iter().any(|switch| value.eq_ignore_ascii_case(switch));
    !value.contains(is_computed)
        // Those of systemd, of crontabs, and of what is told how to use it.
        && !value.starts_with(['%', '[', '{', '&'])
        && !value.contains("...")
        && !is_repeated
        && !is_number
        && !is_switch
        && !NONE.iter().any(|none| value.eq_ignore_ascii_case(none))
        && !STORES.iter().any(|store| value.starts_with(store))
        && !is_to_be_replaced(value)
        && !is_code(value)
        && is_plain(value)
}

/// Options that are scripts or command lines, by their last name.
const SCRIPTS: [&str; 36] = [
    "bashrcExtra",
    "command",
    "extraCommands",
    "extraInit",
    "extraStopCommands",
    "initExtra",
    "interactiveShellInit",
    "localCommands",
    "loginExtra",
    "loginShellInit",
    "onPortForwarded",
    "postBootCommands",
    "postDeviceCommands",
    "postDown",
    "postMountCommands",
    "postResumeCommands",
    "postSetup",
    "postShutdown",
    "postStart",
    "postStop",
    "postUp",
    "powerDownCommands",
    "powerUpCommands",
    "preDeviceCommands",
    "preDown",
    "preLVMCommands",
    "preSetup",
    "preShutdown",
    "preStart",
    "preStop",
    "preUp",
    "profileExtra",
    "reload",
    "resumeCommands",
    "script",
    "shellInit",
];

/// Options that are arguments for a program.
const ARGUMENTS: [&str; 11] = [
    "cmd",
    "entrypoint",
    "extraArgs",
    "extraArguments",
    "extraDaemonFlags",
    "extraFlags",
    "extraFlagsList",
    "extraOptions",
    "extraSetFlags",
    "extraStartArgs",
    "extraUpFlags",
];

/// What an option is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A script, or a command line, or several.
    Script,
    /// Programs, some of which may be scripts of the fleet.
    Programs,
    /// Arguments for a program.
    Arguments,
}

/// What an option is, if commands may be in it.
pub(super) fn kind(path: &OptionPath) -> Option<Kind> {
    let names = path.names();
    let last = &**names.last()?;
    let has = |part: &str| names.iter().any(|name| **name == *part);
    if has("activationScripts") || has("activation") || has("shellAliases") || has("systemCronJobs") {
        return Some(Kind::Script);
    }
    if last.starts_with("Exec") || SCRIPTS.contains(&last) {
        return Some(Kind::Script);
    }
    if last == "packages" || last == "systemPackages" {
        return Some(Kind::Programs);
    }
    (ARGUMENTS.contains(&last) && names.len() > 1).then_some(Kind::Arguments)
}

#[cfg(test)]
mod tests {
    use super::{given_in, given_to};

    fn names(script: &str) -> Vec<String> {
        given_in(script).0.into_iter().map(|given| given.name).collect()
    }

    #[test]
    fn secrets_are_known_by_what_takes_them() {
        for (script, name) in [
            ("a --password hunter2", "--password"),
            ("a --token=abcdef", "--token"),
            ("a -api-key abcdef", "-api-key"),
            ("tailscale up --authkey tskey-abc", "--authkey"),
            ("PGPASSWORD=hunter2 psql -c x", "PGPASSWORD"),
            ("export API_TOKEN='abc def'\na", "API_TOKEN"),
            ("docker run -e ADMIN_PASSWORD=hunter2 x", "ADMIN_PASSWORD"),
            ("docker run --env=ADMIN_PASSWORD=hunter2 x", "ADMIN_PASSWORD"),
            ("curl -H 'Authorization: Bearer abcdef' x", "Authorization"),
            ("curl -H 'X-Api-Key: abcdef' x", "X-Api-Key"),
            ("curl -u me:hunter2 x", "-u"),
            ("sshpass -phunter2 ssh x", "-p"),
            ("mysql -u root -phunter2", "-p"),
            ("openssl enc -pass pass:hunter2", "-pass"),
            ("x=hunter2\na --password $x", "--password"),
            ("bash -c 'a --password hunter2'", "--password"),
        ] {
            assert_eq!(names(script), [name], "{script}");
        }
        assert_eq!(given_to(&["-v", "--password", "hunter2"]).as_deref(), Some("--password"));
        assert_eq!(given_to(&["--password=hunter2"]).as_deref(), Some("--password"));
    }

    #[test]
    fn what_names_a_secret_is_none() {
        for script in [
            "a --password-file /run/x --password",
            "a --password ''",
            "a --password \"$TOKEN\" --token=${TOKEN}",
            "a --password $(cat /run/x) --token `cat /run/x`",
            "a --password /run/x --token file:/run/x --api-key %d/x",
            "a --password changeme --token xxxxx --api-key <key> --passphrase ... --password REPLACE_ME",
            "a --no-password x --with-token x --ask-password x --next-token x --eos-token x",
            "a --password -x --token -",
            "podman run --secret wifi x",
            "PASSWORD= a; TOKEN=$(b); SECRET_FILE=/x a; TOKEN=none a",
            "secret=wifi; token=wifi; SECRET=wifi",
            "curl -H \"Authorization: Bearer $(cat x)\" -H 'Accept: token' -u me: x",
            "mkdir -p hunter2; mysql -p; ssh -p 2222 x; sshpass -p $X a",
            "echo --password hunter2",
            "openssl enc -pass file:/run/x -passin env:X",
            "kdialog --password 'Enter your passphrase'; notify-send 'Token: expired'; grep -q PASSWORD=x f",
            "a --password op://vault/item --token vault:secret/x --password=interactive",
            "TOKEN=__TOKEN__ a; PASSWORD=YOUR_PASSWORD_HERE b; c --password PASSWORD --token XXXX-XXXX",
            "connect(user=user, password=cfg.password); API_KEY=key, TOKEN=os.environ[0]",
            "curl -u anonymous:anonymous x; a --db-password-secret web-secret; curl -H 'X-CSRF-Token: fetch'",
            "read -r PASSWORD; a --password true --token 1",
        ] {
            assert!(names(script).is_empty(), "{script}: {:?}", names(script));
        }
    }
}
