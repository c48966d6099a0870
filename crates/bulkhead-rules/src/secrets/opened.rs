//! What scripts and systemd-tmpfiles do to the modes of secrets, and of the keys that decrypt them.

use std::ops::Range;

use foldhash::HashSet;

use crate::trees::shell::{Command, commands, copies_input, read_within};

/// How many copies of secrets a script makes at most, and how many it opens; more are passed over.
const MOST_COPIES: usize = 256;

/// Something that everybody can read in the end.
pub(crate) struct Opened<K> {
    /// What it is, or is a copy of.
    pub(crate) what: K,
    /// The copy, if it is one; as in the script.
    pub(crate) copy: Option<String>,
    /// The mode, or `None` if the file has the one that a new file gets.
    pub(crate) mode: Option<String>,
    /// Where the command is in the script that makes it so.
    pub(crate) range: Range<usize>,
}

/// A secret that a program is given as an argument.
pub(crate) struct Told<K> {
    /// What it is.
    pub(crate) what: K,
    /// The program.
    pub(crate) program: String,
    /// Where the command is in the script.
    pub(crate) range: Range<usize>,
}

/// What a script does.
pub(crate) struct Outcome<K> {
    /// What it opens to everybody.
    pub(crate) opened: Vec<Opened<K>>,
    /// What stands in the command lines of its programs, which everybody can read.
    pub(crate) told: Vec<Told<K>>,
    /// Whether it may be more: the script is too long to be read to its end.
    pub(crate) is_cut: bool,
}

/// What there is in a folder, of the files with names that fit.
type Below<'j, K> = dyn Fn(&str, &dyn Fn(&str) -> bool) -> Vec<K> + 'j;

/// What a script is judged by.
pub(crate) struct Judge<'j, K> {
    /// What the file at a path is, if nobody should read it.
    pub(crate) at: &'j dyn Fn(&str) -> Option<K>,
    /// What there is of that kind in a folder, of the files with names that fit.
    pub(crate) below: &'j Below<'j, K>,
    /// Whether a file lies where not everybody can come.
    pub(crate) is_closed: &'j dyn Fn(&str) -> bool,
    /// Whether new files are for everybody to read, as far as the script's surroundings tell.
    pub(crate) is_umask_open: bool,
}

/// A file that the script has written a secret to.
struct Copied<K> {
    path: String,
    /// Its path if `path` is a folder that is there.
    inside: Option<String>,
    what: K,
    /// The mode with which everybody reads it, and the command.
    open: Option<(Option<String>, Range<usize>)>,
}

struct State<'s, K> {
    judge: &'s Judge<'s, K>,
    /// What was there before, and is open now.
    opened: Vec<(String, Opened<K>)>,
    copies: Vec<Copied<K>>,
    /// Files and folders that the script has closed.
    closed: HashSet<String>,
    /// Folders that the script has made so that everybody comes in.
    made: Vec<String>,
    is_umask_open: bool,
    /// Where the script has gone.
    folder: Option<String>,
    /// The files whose paths go into the next command.
    listed: Option<Listed>,
    /// Whether there are more copies, or more that is open.
    is_cut: bool,
}

/// What a script opens to everybody, and tells everybody.
pub(crate) fn opened_by_script<K: Clone>(script: &str, judge: &Judge<'_, K>) -> Outcome<K> {
    let mut state = State {
        judge,
        opened: Vec::new(),
        copies: Vec::new(),
        closed: HashSet::default(),
        made: Vec::new(),
        is_umask_open: judge.is_umask_open,
        folder: None,
        listed: None,
        is_cut: false,
    };
    let mut piped = None;
    let mut told = Vec::new();
    let functions = functions(script);
    let script = commands(script);
    for command in script.all {
        if told.len() <= MOST_COPIES && !functions.contains(command.name()) {
            let left = MOST_COPIES + 1 - told.len();
            told.extend(state.told(&command).take(left).map(|what| Told {
                what,
                program: command.name().to_owned(),
                range: command.range.clone(),
            }));
        }
        piped = state.run(&command, piped);
    }
    let is_full = told.len() > MOST_COPIES;
    told.truncate(MOST_COPIES);
    let State { opened, copies, closed, is_cut, .. } = state;
    let is_reached = |path: &str| {
        !is_public(path) && !(judge.is_closed)(path) && !closed.iter().any(|folder| is_below(path, folder))
    };
    let copies = copies.into_iter().filter(|copied| is_reached(&copied.path)).filter_map(|copied| {
        let (mode, range) = copied.open?;
        Some(Opened { what: copied.what, copy: Some(copied.path), mode, range })
    });
    let opened = opened.into_iter().map(|(_, opened)| opened).chain(copies).collect();
    Outcome { opened, told, is_cut: is_cut || is_full || script.is_cut }
}

/// What the shell does itself, or runs as scripts of their own: their words are in no command line.
const OF_SHELL: [&str; 43] = [
    ".",
    ":",
    "[",
    "[[",
    "alias",
    "bash",
    "case",
    "cd",
    "dash",
    "declare",
    "done",
    "echo",
    "esac",
    "eval",
    "exit",
    "export",
    "false",
    "fi",
    "function",
    "hash",
    "let",
    "local",
    "mapfile",
    "printf",
    "pushd",
    "read",
    "readarray",
    "readonly",
    "return",
    "runtimeShell",
    "select",
    "set",
    "sh",
    "shift",
    "source",
    "test",
    "trap",
    "true",
    "type",
    "ulimit",
    "unset",
    "wait",
    "zsh",
];

/// The names of the functions in a script, which are no programs: `name() { … }`, `function name`.
fn functions(script: &str) -> HashSet<&str> {
    let goes_on = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':');
    // Else it is in a comment, or in a text.
    let is_begin = |at: usize| {
        let before = script.get(..at).unwrap_or_default().trim_end_matches([' ', '\t']);
        before.is_empty() || before.ends_with(['\n', ';', '&', '|', '{', '(', ')'])
    };
    let before = script.match_indices('(').filter_map(|(at, _)| {
        let is_empty = script.get(at + 1..)?.trim_start_matches([' ', '\t']).starts_with(')');
        let name = script.get(..at)?.trim_end_matches([' ', '\t']);
        let start = name.trim_end_matches(goes_on).len();
        name.get(start..).filter(|name| is_empty && !name.is_empty() && is_begin(start))
    });
    let behind = script.match_indices("function ").filter(|(at, _)| is_begin(*at)).filter_map(|(at, word)| {
        let rest = script.get(at + word.len()..)?.trim_start();
        rest.get(..rest.find(|c| !goes_on(c)).unwrap_or(rest.len()))
    });
    before.chain(behind).collect()
}

impl<K: Clone> State<'_, K> {
    /// A path, from where the script is.
    fn path(&self, path: &str) -> String {
        let is_relative = path.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '.' || c == '*');
        match &self.folder {
            Some(folder) if is_relative => plain(&format!("{folder}/{path}")),
            _ => plain(path),
        }
    }

    fn at(&self, path: &str) -> Option<K> {
        (self.judge.at)(&self.path(path))
    }

    /// The secrets that are arguments of a program: `--token "$(cat FILE)"`.
    fn told<'c>(&'c self, command: &'c Command) -> impl Iterator<Item = K> + 'c {
        let is_program = !OF_SHELL.contains(&command.name());
        // `<(…)` is the name of a file.
        let words = command.arguments().iter().filter(move |word| is_program && !word.contains("<("));
        let scripts = words.flat_map(|word| word.match_indices("$(").filter_map(|(at, _)| word.get(at..)));
        scripts.filter_map(|script| {
            let end = script.find(')').map_or(script.len(), |end| end + 1);
            self.at(read_within(script.get(..end)?)?)
        })
    }

    /// Run a command into which `piped` goes; returns what goes into the next one.
    fn run(&mut self, command: &Command, piped: Option<K>) -> Option<K> {
        match command.name() {
            "umask" => self.is_umask_open = command.arguments().last().is_some_and(|mask| is_umask_open(mask)),
            "cd" => {
                let folder = command.arguments().last().map(|folder| self.path(folder));
                self.folder = folder.filter(|folder| folder.starts_with('/'));
            }
            "chmod" => self.chmod(command.arguments(), false, command),
            "find" => self.find(command),
            "xargs" => self.xargs(command),
            "setfacl" => {
                let options = Options::of(command.arguments(), "m");
                let entries = options.value(&["-m", "--modify"]).unwrap_or_default();
                if entries.split(',').any(lets_others_read) {
                    let is_recursive = options.has('R', "--recursive");
                    options.rest.iter().for_each(|target| {
                        self.change(&self.path(target), "o+r", is_recursive, command);
                    });
                }
            }
            "install" => self.install(command, piped.as_ref()),
            "mkdir" => {
                let options = Options::of(command.arguments(), "mZ");
                let folders: Vec<String> = options.rest.iter().map(|folder| self.path(folder)).collect();
                match options.mode(&["--mode"]) {
                    Some(mode) if !may_enter(mode) => self.closed.extend(folders),
                    None if self.is_umask_open => self.made.extend(folders),
                    _ => {}
                }
            }
            "cp" => {
                let options = Options::of(command.arguments(), "tS");
                let is_new = options.given.iter().any(|(name, value)| {
                    *name == "--no-preserve" && value.is_some_and(|what| what.contains("mode") || what == "all")
                });
                self.copy(command, &options, is_new.then_some(None), piped.as_ref());
            }
            "mv" => {
                let options = Options::of(command.arguments(), "tS");
                if let [from, to] = options.rest.as_slice() {
                    let (from, to) = (self.path(from), self.path(to));
                    self.copies.retain(|copied| copied.path != to);
                    self.copies.iter_mut().filter(|copied| copied.path == from).for_each(|copied| {
                        copied.path.clone_from(&to);
                    });
                }
            }
            "rm" => {
                let options = Options::of(command.arguments(), "");
                let gone: Vec<String> = options.rest.iter().map(|path| self.path(path)).collect();
                self.copies.retain(|copied| !gone.contains(&copied.path));
            }
            _ => {}
        }
        let passes_on = ["sort", "uniq"].contains(&command.name());
        if !passes_on || !command.is_piped {
            self.listed = if command.is_piped { Listed::of(command) } else { None };
        }
        let what = self.written_by(command, piped)?;
        let tee = if command.name() == "tee" { Options::of(command.arguments(), "").rest } else { Vec::new() };
        for output in command.outputs.iter().map(String::as_str).chain(tee) {
            self.write(self.path(output), None, what.clone(), None, command);
        }
        command.is_piped.then_some(what)
    }

    /// The secret that a command writes as it is.
    fn written_by(&self, command: &Command, piped: Option<K>) -> Option<K> {
        let at = |path: &str| self.at(path);
        match command.name() {
            name if copies_input(name) => {
                let input = command.input.as_deref().map(|input| read_within(input).unwrap_or(input));
                let input = input.and_then(at).or(piped);
                let is_reading = command.name() != "tee";
                input.or_else(|| command.arguments().iter().filter(|_| is_reading).find_map(|path| at(path)))
            }
            // `echo "$(cat secret)"`
            "echo" | "printf" => command.arguments().iter().filter_map(|argument| read_within(argument)).find_map(at),
            _ => None,
        }
    }

    /// A secret in a file that may be new; `mode` is the one that it is given.
    fn write(&mut self, path: String, inside: Option<String>, what: K, mode: Option<&str>, command: &Command) {
        let is_reached = is_for_all(&path) || self.made.iter().any(|folder| is_below(&path, folder));
        let is_new_open = self.is_umask_open && !self.closed.contains(&path) && is_reached;
        let open = match mode {
            Some(mode) => others_read(mode, false).then(|| (Some(mode.to_owned()), command.range.clone())),
            None => is_new_open.then(|| (None, command.range.clone())),
        };
        self.add(Copied { path, inside, what, open });
    }

    fn add(&mut self, copied: Copied<K>) {
        self.copies.retain(|other| other.path != copied.path);
        if self.copies.len() < MOST_COPIES {
            self.copies.push(copied);
        } else {
            self.is_cut = true;
        }
    }

    /// `cp` and `install`. The mode is that of each copy, if it is not the source's; `None` inside is that of a new file.
    fn copy(&mut self, command: &Command, options: &Options<'_>, mode: Option<Option<&str>>, piped: Option<&K>) {
        let given = options.value(&["-t", "--target-directory"]);
        let (sources, folder, target) = match (given, options.rest.as_slice()) {
            (Some(folder), sources) => (sources, Some(folder), None),
            (None, [source, target]) if !target.ends_with('/') => (std::slice::from_ref(source), None, Some(*target)),
            (None, [sources @ .., folder]) => (sources, Some(*folder), None),
            (None, []) => return,
        };
        for source in sources {
            let given = piped.filter(|_| *source == "/dev/stdin").cloned();
            let Some(what) = given.or_else(|| self.at(source)) else { continue };
            let name = source.rsplit('/').next().unwrap_or(source);
            let (path, inside) = match (target, folder) {
                (Some(target), _) => (self.path(target), Some(self.path(&format!("{target}/{name}")))),
                (None, Some(folder)) => (self.path(&format!("{folder}/{name}")), None),
                (None, None) => continue,
            };
            match mode {
                Some(mode) => self.write(path, inside, what, mode, command),
                None => {
                    self.add(Copied { path, inside, what, open: None });
                }
            }
        }
    }

    /// `find FOLDER … -exec chmod MODE {} +`
    fn find(&mut self, command: &Command) {
        let Some(mut listed) = Listed::of(command) else { return };
        for (run, has_files) in std::mem::take(&mut listed.runs) {
            let Some((program, rest)) = run.split_first() else { continue };
            if program.rsplit('/').next() == Some("chmod") {
                listed.has_files = has_files;
                let given: Vec<String> = rest.iter().take_while(|word| *word != "{}").cloned().collect();
                self.chmod_listed(&given, &listed, command);
            }
        }
    }

    /// `… | xargs chmod MODE`
    fn xargs(&mut self, command: &Command) {
        let Some(listed) = self.listed.take() else { return };
        let mut words = command.arguments().iter().map(String::as_str);
        let run = loop {
            match words.next() {
                Some("-a" | "-d" | "-E" | "-I" | "-L" | "-n" | "-P" | "-s") => {
                    words.next();
                }
                Some(option) if option.starts_with('-') => {}
                run => break run,
            }
        };
        if run.and_then(|run| run.rsplit('/').next()) == Some("chmod") {
            let given: Vec<String> = words.map(str::to_owned).collect();
            self.chmod_listed(&given, &listed, command);
        }
    }

    /// `chmod` with these arguments and files behind them.
    fn chmod_listed(&mut self, given: &[String], listed: &Listed, command: &Command) {
        let Some(mode) = given.iter().find(|word| !word.starts_with('-')) else { return };
        if !listed.has_files {
            if !may_enter(mode) {
                let closed: Vec<String> = listed.paths.iter().map(|folder| self.path(folder)).collect();
                self.closed.extend(closed);
            }
            return;
        }
        for path in &listed.paths {
            self.change_named(&self.path(path), mode, listed.is_recursive, listed.names.as_deref(), command);
        }
    }

    fn install(&mut self, command: &Command, piped: Option<&K>) {
        let options = Options::of(command.arguments(), "gmoSt");
        let mode = options.mode(&["--mode"]).unwrap_or("0755");
        if options.has('d', "--directory") {
            if !may_enter(mode) {
                let closed: Vec<String> = options.rest.iter().map(|folder| self.path(folder)).collect();
                self.closed.extend(closed);
            }
            return;
        }
        if !others_read(mode, false) {
            self.closed.extend(options.rest.last().map(|file| self.path(file)));
        }
        self.copy(command, &options, Some(Some(mode)), piped);
    }

    /// `chmod` with these arguments, perhaps on all that is in folders.
    fn chmod(&mut self, arguments: &[String], mut is_recursive: bool, command: &Command) {
        let mut words = arguments.iter().map(String::as_str);
        let mode = loop {
            let Some(word) = words.next() else { return };
            match word.strip_prefix('-') {
                Some(flags) if !flags.is_empty() && flags.chars().all(|c| "Rcfv".contains(c)) => {
                    is_recursive |= flags.contains('R');
                }
                Some("-") => {}
                Some(long) if long.starts_with("-reference") => return,
                Some(long) if long.starts_with('-') => is_recursive |= long == "-recursive",
                _ => break word,
            }
        };
        for target in words {
            self.change(&self.path(target), mode, is_recursive, command);
        }
    }

    /// The mode of a file, a folder, or what a pattern stands for.
    fn change(&mut self, target: &str, mode: &str, is_recursive: bool, command: &Command) {
        self.change_named(target, mode, is_recursive, None, command);
    }

    /// The same; in folders, of what has a name that is one of these patterns.
    fn change_named(
        &mut self,
        target: &str,
        mode: &str,
        is_recursive: bool,
        names: Option<&[String]>,
        command: &Command,
    ) {
        let folder = target.strip_suffix("/*");
        let is_named = |path: &str| names.is_none_or(|names| fits(names, path.rsplit('/').next().unwrap_or(path)));
        let is_meant = |path: &str| {
            is_named(path)
                && (path == target
                    || (is_recursive && is_below(path, target))
                    || folder.is_some_and(|folder| is_below(path, folder)))
        };
        for copied in &mut self.copies {
            if !is_meant(&copied.path) {
                let Some(inside) = copied.inside.take_if(|inside| is_meant(inside)) else { continue };
                copied.path = inside;
            }
            let is_open = others_read(mode, copied.open.is_some());
            if !is_open {
                copied.open = None;
            } else if copied.open.is_none() {
                copied.open = Some((Some(mode.to_owned()), command.range.clone()));
            }
        }
        self.opened.retain(|(path, _)| !is_meant(path) || others_read(mode, true));
        if others_read(mode, false) {
            let mut all: Vec<K> = (self.judge.at)(target).filter(|_| is_named(target)).into_iter().collect();
            if let Some(folder) = folder.or(is_recursive.then_some(target)) {
                all.extend((self.judge.below)(folder, &|name| names.is_none_or(|names| fits(names, name))));
            }
            let left = MOST_COPIES.saturating_sub(self.opened.len());
            self.is_cut |= all.len() > left;
            self.opened.extend(all.into_iter().take(left).map(|what| {
                let (mode, range) = (Some(mode.to_owned()), command.range.clone());
                (target.to_owned(), Opened { what, copy: None, mode, range })
            }));
        }
        if names.is_some() {
            return;
        }
        if !others_read(mode, true) || !may_enter(mode) {
            self.closed.insert(target.to_owned());
        } else {
            self.closed.remove(target);
        }
    }
}

/// Files that a command lists, one a line.
struct Listed {
    /// Files and folders.
    paths: Vec<String>,
    /// Whether it is also what lies in them.
    is_recursive: bool,
    /// Whether files are among them, and not folders alone.
    has_files: bool,
    /// The patterns of which the names have one, if not all are meant.
    names: Option<Vec<String>>,
    /// What is run with them, by `-exec`, and whether files are among those.
    runs: Vec<(Vec<String>, bool)>,
}

impl Listed {
    /// What a command lists. `None` where that is not known.
    fn of(command: &Command) -> Option<Listed> {
        let files = |paths: Vec<String>, is_recursive| Listed {
            paths,
            is_recursive,
            has_files: true,
            names: None,
            runs: Vec::new(),
        };
        let plain = || command.arguments().iter().filter(|word| !word.starts_with('-')).cloned();
        match command.name() {
            // What `ls` says of a folder are names alone.
            "ls" => {
                let paths: Vec<String> = plain().filter(|path| path.ends_with('*')).collect();
                Some(files(paths, false)).filter(|listed| !listed.paths.is_empty())
            }
            "echo" => Some(files(plain().collect(), false)),
            "printf" => Some(files(plain().skip(1).collect(), false)),
            "find" => {
                let mut words =
                    command.arguments().iter().skip_while(|word| ["-H", "-L", "-P"].contains(&&***word)).peekable();
                let mut listed = files(Vec::new(), true);
                while let Some(path) = words.next_if(|word| !word.starts_with(['-', '(', '!'])) {
                    listed.paths.push(path.clone());
                }
                while let Some(word) = words.next() {
                    match word.as_str() {
                        // What comes after that is about others.
                        "-o" | "-or" if !listed.runs.is_empty() => (listed.has_files, listed.names) = (true, None),
                        "-xdev" | "-mount" | "-print" | "-print0" | "-o" | "-or" | "(" | ")" | "-depth" | "-follow" => {
                        }
                        "-type" | "-xtype" => {
                            listed.has_files = words.next().is_some_and(|kinds| kinds.contains(['f', 'l']))
                        }
                        "-name" | "-iname" => listed.names.get_or_insert_default().extend(words.next().cloned()),
                        "-mindepth" | "-maxdepth" => {
                            words.next();
                        }
                        "-exec" | "-execdir" | "-ok" | "-okdir" => {
                            let run = words.by_ref().take_while(|word| !["+", ";"].contains(&word.as_str()));
                            listed.runs.push((run.cloned().collect(), listed.has_files));
                        }
                        // Which files it is about is not known.
                        _ => return None,
                    }
                }
                Some(listed)
            }
            _ => None,
        }
    }
}

/// Whether a name is one of some patterns, of which `*` and `?` are known.
fn fits(patterns: &[String], name: &str) -> bool {
    fn one(pattern: &[u8], name: &[u8]) -> bool {
        // Where the last `*` stands, and how far the name has come there.
        let (mut p, mut n, mut star) = (0, 0, None);
        while n < name.len() {
            match pattern.get(p) {
                Some(b'*') => {
                    star = Some((p, n));
                    p += 1;
                }
                Some(c) if *c == b'?' || Some(c) == name.get(n) => (p, n) = (p + 1, n + 1),
                _ => match star {
                    Some((at, from)) => {
                        star = Some((at, from + 1));
                        (p, n) = (at + 1, from + 1);
                    }
                    None => return false,
                },
            }
        }
        pattern.get(p..).unwrap_or_default().iter().all(|c| *c == b'*')
    }
    patterns.iter().any(|pattern| one(pattern.as_bytes(), name.as_bytes()))
}

/// The options of a command, and its other arguments.
struct Options<'o> {
    given: Vec<(&'o str, Option<&'o str>)>,
    rest: Vec<&'o str>,
}

impl<'o> Options<'o> {
    /// Read arguments. The letters of `valued` take a value.
    fn of(arguments: &'o [String], valued: &str) -> Options<'o> {
        let mut options = Options { given: Vec::new(), rest: Vec::new() };
        let mut arguments = arguments.iter().map(String::as_str).peekable();
        while let Some(argument) = arguments.next() {
            if argument == "--" {
                options.rest.extend(arguments);
                break;
            }
            if argument.starts_with("--") {
                let takes_one = ["--mode", "--target-directory", "--owner", "--group", "--suffix"].contains(&argument);
                match argument.split_once('=') {
                    Some((name, value)) => options.given.push((name, Some(value))),
                    None => {
                        let value = if takes_one { arguments.next() } else { None };
                        options.given.push((argument, value));
                    }
                }
                continue;
            }
            let Some(flags) = argument.strip_prefix('-').filter(|flags| !flags.is_empty()) else {
                options.rest.push(argument);
                continue;
            };
            for (at, flag) in flags.char_indices() {
                let end = at + flag.len_utf8();
                let name = flags.get(at..end).unwrap_or_default();
                if valued.contains(flag) {
                    let value = flags.get(end..).filter(|rest| !rest.is_empty()).or_else(|| arguments.next());
                    options.given.push((name, value));
                    break;
                }
                options.given.push((name, None));
            }
        }
        options
    }

    /// Whether an option is given, by its letter or its name.
    fn has(&self, letter: char, name: &str) -> bool {
        self.given.iter().any(|(given, _)| *given == name || given.chars().eq([letter]))
    }

    fn value(&self, names: &[&str]) -> Option<&'o str> {
        let is_meant = |given: &str| names.iter().any(|name| given == *name || name.strip_prefix('-') == Some(given));
        self.given.iter().rev().find(|(given, _)| is_meant(given)).and_then(|(_, value)| *value)
    }

    fn mode(&self, names: &[&str]) -> Option<&'o str> {
        self.value(names).or_else(|| self.value(&["-m"]))
    }
}

/// A path as it is compared.
fn plain(path: &str) -> String {
    if path.starts_with('/') {
        bulkhead_eval::normal_path(path)
    } else {
        path.strip_suffix('/').filter(|rest| !rest.is_empty()).unwrap_or(path).to_owned()
    }
}

/// Whether a path is inside of a folder.
pub(crate) fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')) || (folder == "/" && path.starts_with('/'))
}

/// Whether what lies there is for everybody: certificates and public keys may be encrypted with the others.
fn is_public(path: &str) -> bool {
    is_below(path, "/etc/ssl/certs") || path.ends_with(".pub") || path.ends_with(".crt")
}

/// Whether a new file there has the mode that a script gives to new files, and everybody comes to it.
fn is_for_all(path: &str) -> bool {
    ["/etc", "/nix/store", "/opt", "/srv", "/tmp", "/usr", "/var/tmp", "/var/www"]
        .iter()
        .any(|folder| is_below(path, folder))
}

/// Whether an entry of an access control list is for everybody to read: `o::r`.
pub(crate) fn lets_others_read(entry: &str) -> bool {
    let mut fields = entry.trim().split(':');
    let is_other = fields.next().is_some_and(|kind| ["o", "other"].contains(&kind));
    is_other && fields.next_back().is_some_and(|rights| rights.contains('r'))
}

/// Whether files are for everybody to read with an umask.
pub(crate) fn is_umask_open(mask: &str) -> bool {
    if mask.bytes().all(|b| b.is_ascii_digit()) {
        return mask.bytes().last().is_none_or(|b| b.wrapping_sub(b'0') & 4 == 0);
    }
    others_read(mask, true)
}

/// Whether a mode lets everybody read what they could read `before`, or not. chmod(1) takes it, so it may have fewer
/// digits than three, or be symbolic.
pub(crate) fn others_read(mode: &str, before: bool) -> bool {
    others_may(mode, before, 4, ['r', 'u', 'g'])
}

/// Whether a mode lets everybody enter a folder.
pub(crate) fn may_enter(mode: &str) -> bool {
    others_may(mode, true, 1, ['x', 'X', 'u'])
}

fn others_may(mode: &str, before: bool, bit: u8, letters: [char; 3]) -> bool {
    if mode.bytes().all(|b| b.is_ascii_digit()) {
        return mode.bytes().last().is_some_and(|b| b.wrapping_sub(b'0') & bit != 0);
    }
    let mut is_open = before;
    for clause in mode.split(',') {
        let Some(operator) = clause.find(['+', '-', '=']) else { continue };
        let (whom, mut rest) = clause.split_at(operator);
        // Without a name it is for all, but for what the umask of root takes: that leaves others their reading.
        if !whom.is_empty() && !whom.contains(['o', 'a']) {
            continue;
        }
        while let Some(operator) = rest.chars().next() {
            let rights = rest.get(1..).unwrap_or_default();
            let end = rights.find(['+', '-', '=']).unwrap_or(rights.len());
            let (rights, after) = rights.split_at(end);
            // Those of the owner, or of the group, copied: the owner can read.
            let has = rights.contains(letters);
            match operator {
                '+' => is_open |= has,
                '-' => is_open &= !has,
                _ => is_open = has,
            }
            rest = after;
        }
    }
    is_open
}
