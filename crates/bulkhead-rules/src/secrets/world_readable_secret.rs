//! `world-readable-secret`: a decrypted secret that everybody on the machine can read.

use std::sync::Arc;

use bulkhead_diagnostics::{Diagnostic, Severity};
use bulkhead_eval::data::{Data, DataKind};
use bulkhead_modules::OptionPath;
use foldhash::HashSet;

use super::declared::declarations;
use super::opened::{
    Judge, Outcome, is_below, is_umask_open, lets_others_read, may_enter, opened_by_script, others_read,
};
use crate::context::Context;
use crate::rule::{Area, Rule};
use crate::trees::secret_mention::ALL;
use crate::trees::texts::{Scripts, Text, What};
use crate::trees::tmpfiles::{self, Line};
use crate::trees::{Named, Tree, When, option, plain_path, text};
use crate::unlock::initrd_key_in_use::host_keys;

pub(crate) const RULE: Rule = Rule {
    name: "world-readable-secret",
    area: Area::Secrets,
    severity: Severity::Warning,
    summary: "Everybody on a machine can read a decrypted secret.",
    docs: "\
`mode` of a secret lets everybody read the decrypted file: in `secrets/properties.nix`, or in `age.secrets` of a
machine, of its users (home-manager), its containers and virtual machines. Or a script (of a unit, of the activation,
or one that is written in the same file and named there) changes the mode of a secret or of the SSH server's key
(`chmod a+r`, `chmod -R … /run/agenix`, `find … -exec chmod`, `… | xargs chmod`), or makes a copy that everybody can
read: by `install -m 644` (without `-m` it is 0755), by `cp` and `chmod`, or with the mode of a new file (`cat … >
/etc/…`, `echo \"$(cat …)\" | tee`, `cp --no-preserve=mode`); or it gives a program the secret as an argument (`--token
\"$(cat …)\"`), which is in `/proc/PID/cmdline`; or a line for systemd-tmpfiles does (`C`, `z`, `Z`), also one in
`/etc/tmpfiles.d`.

**Why it matters.** Any user and any service of the machine has the secret, one that talks to the internet among them.

**Fix.** Say by `owner` or `group` who needs it.

```nix
# bad
age.secrets.wifi.mode = \"0444\";
# good
age.secrets.wifi = { owner = \"wpa_supplicant\"; mode = \"0400\"; };
```

**Limits.** Modes are read as chmod(1) reads them, octal or symbolic. Who may read the folder of a secret is not
looked at. A copy is not told in a folder that is closed: `/root`, `/home`, what the script, systemd-tmpfiles, the
unit's `StateDirectoryMode` or the user's `homeMode` close; or one in a folder that is not known (`./`, `$(mktemp
-d)`), or, with the mode of a new file, in any but the usual open ones and those that the script makes, or behind an
`umask`; nor is a copy in `/etc/ssl/certs`, or one that is called `*.pub` or `*.crt`, nor one in the `/tmp` of a unit
with `PrivateTmp` or `DynamicUser`. Of scripts, each command counts as run once, in the order of the text. Arguments
are not told where `/proc` is mounted with `hidepid`, nor in the boot environment; functions of another file that a
script reads (`source`) are taken for programs. Nor are texts in the script (`cat > FILE <<EOF`) or what is put in the
place of something in a file (`sed -i`, `replace-secret`).
What other programs do with a secret than those that copy it (`cat`, `head`, `sed`, `tr` …) is not looked at, nor
what `find` changes with other tests than `-type`, `-name` and those of depth, nor what comes of a loop that reads
(`while read f`), nor modules that can't be read (those of flake inputs). A script of more than 256 KiB is not read,
of one with more than 32,768 words the beginning, and of one that copies or opens more than 256 secrets, those; a
machine's scripts are read up to 16 MiB. If there is more, that is told as undecided. A secret that a file is called
with is followed in that file alone, where it takes its arguments by their names.

**Data.** `secret`: the secret, or the path of the key. `mode`: its mode, or that of the copy, or of a command line.
`machine`: the machine, for one in `age.secrets`.
",
    check: Some(check),
};

fn check(context: &Context<'_>, found: &mut Vec<Diagnostic>) {
    for secret in &context.fleet.secrets {
        let Some(mode) = secret.mode.known().filter(|mode| is_open(&mode.value)) else { continue };
        let message = format!("everybody can read `{}` where it is decrypted: its mode is {}", secret.name, mode.value);
        found.push(finding(
            RULE.judged(context.tree, &When::default(), mode.place.clone(), message),
            &secret.name,
            &mode.value,
        ));
    }
    let mut scripts = Scripts::of(&OPENING);
    for tree in context.all_trees().with_others() {
        for (secrets, _) in declarations(tree) {
            for (name, _) in tree.children(&secrets) {
                open_modes(context, tree, &secrets.join(&name).join("mode"), &name, found);
            }
        }
        let (lines, passed) = tmpfiles::lines(context, tree);
        let kept = Kept::of(tree, &lines);
        for line in &lines {
            opened_by_line(context, tree, &kept, line, found);
        }
        let mut seen = HashSet::default();
        for named in tree.definitions() {
            opened_by_scripts(context, tree, &kept, named, &mut scripts, &mut seen, found);
        }
        if let Some(at) = scripts.next_machine().or(passed) {
            let message =
                format!("can't tell whether scripts open secrets of `{}` to everybody: they are too long", tree.name);
            let mut undecided = RULE.finding(at, message).with_label("it is too much to look at all of it");
            undecided.severity = Severity::Undecided;
            found.push(undecided.with_data("machine", &*tree.name));
        }
    }
}

/// What a line of systemd-tmpfiles opens.
fn opened_by_line(context: &Context<'_>, tree: &Tree<'_>, kept: &Kept, line: &Line, found: &mut Vec<Diagnostic>) {
    let at = |path: &str| of_text(&line.text, path).or_else(|| kept.at(path));
    let folder = line.path.strip_suffix("/*");
    let (held, copy) = match line.kind.chars().next() {
        Some('C') => {
            let Some(mode) = line.mode.as_deref().map(|mode| mode.trim_start_matches([':', '~'])) else { return };
            let source = line.argument.as_deref().and_then(at).filter(|_| is_open(mode));
            let is_closed = kept.is_closed(&line.path, &line.text);
            (source.filter(|_| !is_closed).into_iter().collect(), true)
        }
        Some('z' | 'Z' | 'm' | 'a' | 'A') => {
            let is_list = line.kind.starts_with(['a', 'A']);
            let entries = line.argument.as_deref().filter(|_| is_list).unwrap_or_default();
            let is_opened = if is_list {
                entries.split(',').any(lets_others_read)
            } else {
                line.mode_of_present().is_some_and(is_open)
            };
            if !is_opened {
                return;
            }
            let mut held: Vec<Held> = at(&line.path).into_iter().collect();
            // A link to a folder is not followed, but whoever writes this means what is in it.
            if let Some(folder) = folder.or_else(|| line.kind.starts_with(['Z', 'A']).then_some(&*line.path)) {
                held.extend(kept.below(folder, &|_| true));
            }
            (held, false)
        }
        _ => return,
    };
    let mode = line.mode.clone().or_else(|| line.argument.clone()).unwrap_or_default();
    for held in held {
        let how = if copy { format!("is copied to {}", line.text.shown(&line.path)) } else { "is changed".to_owned() };
        let message = format!(
            "everybody on `{}` can read {}: it {how} by systemd-tmpfiles, with the mode {mode}",
            tree.name,
            held.shown()
        );
        let place = line.text.place_of(context, line.range.clone());
        let told = RULE.judged(context.tree, &line.when, place, message);
        found.push(finding(told, held.name(), &Arc::from(&*mode)).with_data("machine", &*tree.name));
    }
}

/// The secret whose path is put into a text, and is all of a word.
fn of_text(text: &Text, word: &str) -> Option<Held> {
    let mut chars = word.chars();
    match (chars.next().and_then(|c| text.what(c)), chars.next()) {
        (Some(What::Secret(name)), None) if name == ALL => Some(Held::Secrets),
        (Some(What::Secret(name)), None) => Some(Held::Secret(name.clone())),
        _ => None,
    }
}

/// Words of commands that may open something.
const OPENING: [&str; 7] = ["chmod", "install", ">", "tee", "no-preserve", "setfacl", "$("];

/// The mode of `/proc/PID/cmdline`.
const OF_ARGUMENTS: &str = "0444";

/// Whether a machine hides the processes of others: `hidepid=` of `/proc`.
fn hides_processes(tree: &Tree<'_>) -> bool {
    let hides = |option: &str| option.strip_prefix("hidepid=").is_some_and(|how| !["0", "off"].contains(&how));
    ["boot.specialFileSystems", "fileSystems"].iter().any(|systems| {
        let options = tree.items(&option(systems).join("/proc").join("options"));
        options
            .iter()
            .any(|item| item.when.is_sure() && text(item.value).is_some_and(|text| text.split(',').any(hides)))
    })
}

/// What the scripts of a definition open. What was `seen` is told once.
fn opened_by_scripts(
    context: &Context<'_>,
    tree: &Tree<'_>,
    kept: &Kept,
    named: &Named,
    scripts: &mut Scripts,
    seen: &mut HashSet<(String, String)>,
    found: &mut Vec<Diagnostic>,
) {
    let is_meant =
        |text: &str| ["agenix", "secrets", "ssh"].iter().any(|word| text.contains(word)) || kept.is_named_in(text);
    if named.path.names().iter().any(|name| **name == *"tmpfiles")
        || !scripts.may_be_in(context, named, &is_meant)
        || !tree.counts(named)
    {
        return;
    }
    // In the boot environment there is nobody else.
    let is_early = matches!(named.path.names(), [boot, initrd, ..] if (&**boot, &**initrd) == ("boot", "initrd"));
    let are_seen = !is_early && !kept.hides_processes;
    let unit = unit_of(&named.path);
    let setting = |name: &str| unit.as_ref().map(|unit| unit.join("serviceConfig").join(name));
    let is_umask_closed = setting("UMask").is_some_and(|option| {
        let is_closed = |data: &Data| text(data).is_none_or(|mask| !is_umask_open(&mask)).then_some(());
        !tree.stated(&option, is_closed, None).is_empty()
    });
    let is_dynamic = setting("DynamicUser").is_some_and(|option| !tree.on(&option).is_empty());
    // With a user of its own a unit has its own `/tmp`, too.
    let has_own_tmp = is_dynamic || setting("PrivateTmp").is_some_and(|option| !tree.on(&option).is_empty());
    let surroundings = format!("{is_umask_closed} {is_dynamic} {has_own_tmp} {:?}", named.definition.condition);
    for text in scripts.fresh(context, named, &surroundings) {
        if !scripts.has_word(&text.text) || !(text.has_secret() || kept.is_named_in(&text.text)) {
            continue;
        }
        let judge = Judge {
            at: &|path: &str| of_text(&text, path).or_else(|| kept.at(path)),
            below: &|folder: &str, fits: &dyn Fn(&str) -> bool| kept.below(folder, fits),
            is_closed: &|path: &str| {
                let is_own = has_own_tmp && (is_below(path, "/tmp") || is_below(path, "/var/tmp"));
                // Its folders are links into closed ones.
                let is_private =
                    is_dynamic && ["/var/cache", "/var/lib", "/var/log"].iter().any(|of| is_below(path, of));
                is_own || is_private || kept.is_closed(path, &text)
            },
            is_umask_open: !is_umask_closed,
        };
        let Outcome { opened, told, is_cut } = opened_by_script(&text.text, &judge);
        if is_cut {
            scripts.note_cut(text.place.clone());
        }
        for told in told.iter().filter(|_| are_seen) {
            let (what, program) = (told.what.shown(), text.shown(&told.program));
            let message =
                format!("everybody on `{}` can read {what}: it is an argument of `{program}`, in /proc", tree.name);
            let at = text.place_of(context, told.range.clone());
            if !seen.insert((format!("{at:?}"), message.clone())) {
                continue;
            }
            let finding = RULE.judged(context.tree, &When::of(&named.definition.condition), at, message);
            found.push(
                finding
                    .with_help("have the program read the file, or its input")
                    .with_data("secret", told.what.name())
                    .with_data("mode", OF_ARGUMENTS)
                    .with_data("machine", &*tree.name),
            );
        }
        for opened in opened {
            let what = opened.what.shown();
            let mode =
                opened.mode.as_deref().map_or_else(|| "the one of a new file".to_owned(), |mode| text.shown(mode));
            let message = match &opened.copy {
                Some(copy) => {
                    let copy = text.shown(copy);
                    format!("everybody on `{}` can read {what}: the mode of its copy {copy} is {mode}", tree.name)
                }
                None => format!("everybody on `{}` can read {what}: a script gives it the mode {mode}", tree.name),
            };
            let at = text.place_of(context, opened.range.clone());
            // A script may be named by several options.
            if !seen.insert((format!("{at:?}"), message.clone())) {
                continue;
            }
            let told = RULE.judged(context.tree, &When::of(&named.definition.condition), at, message);
            found.push(finding(told, opened.what.name(), &Arc::from(&*mode)).with_data("machine", &*tree.name));
        }
    }
}

/// The unit that an option belongs to.
fn unit_of(path: &OptionPath) -> Option<OptionPath> {
    let names = path.names();
    let at = names.windows(2).position(|pair| *pair[0] == *"systemd" && *pair[1] == *"services")?;
    (at + 2 < names.len()).then(|| OptionPath::of(&names[..at + 3]))
}

/// What is told of the mode of a secret, which is the option at `path`.
fn open_modes(context: &Context<'_>, tree: &Tree<'_>, path: &OptionPath, name: &str, found: &mut Vec<Diagnostic>) {
    for (why, at) in tree.unknown(path) {
        let message = format!("can't tell whether everybody on `{}` can read the secret `{name}`: {why}", tree.name);
        let mut undecided = RULE.finding(at, message).with_label("its mode is not known");
        undecided.severity = Severity::Undecided;
        found.push(undecided.with_data("secret", name).with_data("machine", &*tree.name));
    }
    for mode in tree.texts(path, None) {
        let Some(at) = mode.place.clone().filter(|_| is_open(&mode.value)) else { continue };
        let message = format!("everybody on `{}` can read the secret `{name}`: its mode is {}", tree.name, mode.value);
        let found_here = RULE.judged(context.tree, &mode.when, at, message);
        found.push(finding(found_here, name, &mode.value).with_data("machine", &*tree.name));
    }
}

fn finding(finding: Diagnostic, secret: &str, mode: &Arc<str>) -> Diagnostic {
    finding.with_help("say by `owner` or `group` who needs it").with_data("secret", secret).with_data("mode", &**mode)
}

/// Whether a mode lets everybody read. What agenix decrypts is closed to others before.
fn is_open(mode: &str) -> bool {
    others_read(mode, false)
}

/// What nobody but its owner should read.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Held {
    /// A decrypted secret.
    Secret(String),
    /// All of them.
    Secrets,
    /// A key of the SSH server, or one that decrypts secrets.
    Key(String),
}

impl Held {
    fn shown(&self) -> String {
        match self {
            Held::Secret(name) => format!("the secret `{name}`"),
            Held::Secrets => "all secrets".to_owned(),
            Held::Key(path) => format!("the private key {path}"),
        }
    }

    fn name(&self) -> &str {
        match self {
            Held::Secret(name) | Held::Key(name) => name,
            Held::Secrets => SECRETS,
        }
    }
}

/// Where agenix puts secrets, and the link that leads there.
const SECRETS: &str = "/run/agenix";

/// What of a machine is to be kept, and where.
struct Kept {
    all: Vec<(String, Held)>,
    /// The names of the secrets.
    secrets: Vec<String>,
    /// What a text names that is about one of them.
    folders: Vec<String>,
    /// Folders above one of them.
    above: Vec<String>,
    /// Folders into which not everybody comes.
    closed: Vec<String>,
    /// Whether nobody sees the processes of others.
    hides_processes: bool,
}

impl Kept {
    fn of(tree: &Tree<'_>, lines: &[Line]) -> Kept {
        let (mut all, mut declared) = (Vec::new(), Vec::new());
        for (secrets, _) in declarations(tree) {
            for (name, _) in tree.children(&secrets) {
                declared.push(name.to_string());
                let paths = tree.texts(&secrets.join(&name).join("path"), None);
                let held = |path: &str| (plain_path(path).to_string(), Held::Secret(name.to_string()));
                all.extend(paths.iter().map(|path| held(&path.value)));
            }
        }
        let keys = host_keys(tree).into_iter().map(|key| key.path.to_string());
        let usual = ["ed25519", "rsa"].map(|kind| format!("/etc/ssh/ssh_host_{kind}_key"));
        all.extend(keys.chain(usual).map(|path| (path.clone(), Held::Key(path))));
        // The outermost one that says more than where everything is: a script may change all that is in it.
        let usual = ["", "/etc", "/home", "/nix", "/root", "/run", "/var", "/var/lib"];
        let outermost = |path: &str| folders_of(path).find(|folder| !usual.contains(folder)).map(str::to_owned);
        let mut folders: Vec<String> =
            all.iter().map(|(path, _)| outermost(path).unwrap_or_else(|| path.clone())).collect();
        folders.sort();
        folders.dedup();
        let mut above: Vec<String> = all.iter().flat_map(|(path, _)| folders_of(path)).map(str::to_owned).collect();
        above.sort();
        above.dedup();
        Kept {
            all,
            secrets: declared,
            folders,
            above,
            closed: closed_folders(tree, lines),
            hides_processes: hides_processes(tree),
        }
    }

    /// Whether a text has the path of something that is kept, or of the folder where it is; or of one above it, of which it
    /// may mean all that is inside.
    fn is_named_in(&self, text: &str) -> bool {
        let goes_inside = || ["-R", "--recursive", "cd ", "find "].iter().any(|word| text.contains(word));
        [SECRETS, "/etc/ssh"].iter().any(|folder| text.contains(folder))
            || self.folders.iter().any(|path| text.contains(path))
            || (goes_inside() && self.above.iter().any(|folder| text.contains(folder)))
    }

    /// What lies at a path.
    fn at(&self, path: &str) -> Option<Held> {
        let path = &*plain_path(path);
        if let Some(name) = path.strip_prefix(SECRETS).and_then(|rest| rest.strip_prefix('/')) {
            return Some(if name.contains('*') { Held::Secrets } else { Held::Secret(name.to_owned()) });
        }
        let known = self.all.iter().find(|(known, _)| known == path).map(|(_, held)| held.clone());
        known.or_else(|| {
            let name = path.strip_prefix("/etc/ssh/ssh_host_")?;
            (name.ends_with("_key") || name.ends_with('*')).then(|| Held::Key(path.to_owned()))
        })
    }

    /// What lies in a folder, and in those in it. Links there, as agenix makes them, are not followed.
    fn below(&self, folder: &str, fits: &dyn Fn(&str) -> bool) -> Vec<Held> {
        if folder == SECRETS || is_below(folder, "/run/agenix.d") || folder == "/run/agenix.d" {
            let named: Vec<Held> =
                self.secrets.iter().filter(|name| fits(name)).map(|name| Held::Secret(name.clone())).collect();
            // Which there are may not be known.
            return if named.len() == self.secrets.len() { vec![Held::Secrets] } else { named };
        }
        let is_meant = |path: &str| is_below(path, folder) && fits(path.rsplit('/').next().unwrap_or(path));
        let keys = self.all.iter().filter(|(path, held)| matches!(held, Held::Key(_)) && is_meant(path));
        keys.map(|(_, held)| held.clone()).collect()
    }

    /// Whether not everybody comes to a path, or it is not known where it is.
    fn is_closed(&self, path: &str, text: &Text) -> bool {
        let of_users = ["~", "$HOME", "${HOME}", "%h", "$(", "$CREDENTIALS_DIRECTORY", "${CREDENTIALS_DIRECTORY}"];
        let is_of_user = |what: &str| {
            ["homeDirectory", "configHome", "dataHome", "stateHome", ".home"].iter().any(|part| what.contains(part))
        };
        let begin = path.split('/').next().unwrap_or_default();
        let is_relative = begin.is_empty() && !path.starts_with('/');
        is_relative
            || (begin.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c)) && !begin.is_empty())
            || of_users.iter().any(|begin| path.starts_with(begin))
            || is_of_user(&text.shown(path))
            || self.closed.iter().any(|folder| is_below(path, folder))
    }
}

/// The folders around a file, but for the outermost one.
fn folders_of(path: &str) -> impl Iterator<Item = &str> {
    let ends = path.char_indices().filter(|(_, c)| *c == '/').map(|(at, _)| at);
    ends.filter_map(|end| path.get(..end)).filter(|folder| !folder.is_empty())
}

/// Folders that the machine closes to others, as far as that is written.
fn closed_folders(tree: &Tree<'_>, lines: &[Line]) -> Vec<String> {
    let mut found: Vec<String> =
        ["/boot", "/home", "/proc", "/root", "/run/credentials", "/run/user", "/var/lib/private"]
            .map(str::to_owned)
            .to_vec();
    let users = option("users.users");
    for (name, _) in tree.children(&users) {
        let user = users.join(&name);
        let is_made = !tree.on(&user.join("createHome")).is_empty() || !tree.on(&user.join("isNormalUser")).is_empty();
        let modes = tree.texts(&user.join("homeMode"), Some("700"));
        if is_made && !modes.iter().any(|mode| may_enter(&mode.value)) {
            found.extend(tree.texts(&user.join("home"), None).iter().map(|home| plain_path(&home.value).to_string()));
        }
    }
    for named in tree.definitions() {
        let [.., around, last] = named.path.names() else { continue };
        let Some(text) = text(&named.definition.value) else { continue };
        // `StateDirectory` with `StateDirectoryMode`.
        let folder = last.strip_suffix("DirectoryMode").filter(|_| **around == *"serviceConfig" && !may_enter(&text));
        let root = folder.and_then(|kind| {
            let root = match kind {
                "Cache" => "/var/cache",
                "Logs" => "/var/log",
                "Runtime" => "/run",
                "State" => "/var/lib",
                _ => return None,
            };
            Some((kind, root))
        });
        if let Some((kind, root)) = root {
            let names = named.path.names();
            let unit = OptionPath::of(&names[..names.len() - 1]);
            for item in tree.items(&unit.join(&format!("{kind}Directory"))) {
                let DataKind::String(name) = &item.value.kind else { continue };
                found.extend(name.split_whitespace().map(|name| format!("{root}/{name}")));
            }
        }
    }
    for line in lines {
        let is_folder = line.kind.starts_with(['d', 'D', 'e', 'v', 'q', 'Q', 'z', 'Z', 'm']);
        if is_folder && line.mode.as_deref().is_some_and(|mode| !may_enter(mode.trim_start_matches(['~', ':']))) {
            found.push(plain_path(&line.path).to_string());
        }
    }
    found
}
