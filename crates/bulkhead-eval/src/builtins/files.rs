//! Builtins that read files or make store paths of them. They see the trees of the [`World`](crate::World) alone.

use std::borrow::Cow;
use std::sync::Arc;

use bulkhead_source::{FileKind, ReadError, TreePath};
use bulkhead_syntax::Symbol;
use sha2::{Digest, Sha256};

use super::strings::algorithm_of;
use super::{Builtin, builtin, forcing};
use crate::code::Source;
use crate::data::FailureKind;
use crate::error::{Cause, Error, Result};
use crate::eval::limits::RAISE_LIMIT;
use crate::eval::{Evaluator, normal_path};
use crate::operators::CoerceMode;
use crate::outcome::{check_globals, parse_failure};
use crate::pure::derivation::{Fixed, fixed_path};
use crate::pure::store::{self, NarNode};
use crate::pure::{hash, path};
use crate::value::{Attr, Attrs, ContextElement, Pos, State, Str, Value};
use crate::world::{Located, ParseFailure};

pub const BUILTINS: &[Builtin] = &[
    forcing(0b1, "import", 1, |ev, args, pos| {
        let path = match path_of(ev, args[0], pos) {
            Ok(path) => path,
            Err(error) => return ev.stands_in_for("file", error, pos),
        };
        // A nixpkgs at hand is none of the fleet's files.
        if ev.stands_for_files_at_hand.get()
            && ev.world.in_first_tree(&path).is_none()
            && let Some(value) = ev.stands_in("file", &path, pos)?
        {
            return Ok(value);
        }
        ev.import_path(&path, None, pos)
    }),
    builtin("scopedImport", 2, |ev, args, pos| {
        let scope = ev.closed_attrs_of(args[0], pos)?;
        let path = path_of(ev, args[1], pos)?;
        ev.import_path(&path, Some(scope), pos)
    }),
    builtin("readFile", 1, |ev, args, pos| {
        let path = path_of(ev, args[0], pos)?;
        let bytes = ev.read(&path, pos)?;
        if bytes.contains(&0) {
            let message = format!("the contents of the file '{path}' cannot be represented as a Nix string");
            return Err(Error::evaluation(message, pos).with_help("the file has a NUL byte: is it binary?"));
        }
        Ok(ev.string(bytes, pos))
    }),
    builtin("readDir", 1, |ev, args, pos| {
        let path = path_of(ev, args[0], pos)?;
        let located = ev.locate(&path, pos)?;
        ev.charge_system();
        let entries = ev.world.list(&located).map_err(|error| unreadable(ev, error, pos))?;
        if entries.is_empty() && located.mount.tree.is_submodule(&located.path) {
            let (path, submodule) = (located.path.clone(), located.path.clone());
            return Err(unreadable(ev, ReadError::InSubmodule { path, submodule }, pos));
        }
        ev.tick(pos, 100 * entries.len() as u64)?;
        let entries = entries.iter().map(|entry| Attr {
            name: ev.intern(&entry.name),
            key: pos.carried(),
            value: ev.borrowed_string(kind_name(entry.kind).as_bytes(), pos),
        });
        Ok(ev.attrs(entries.collect(), pos))
    }),
    builtin("readFileType", 1, |ev, args, pos| {
        let path = path_of(ev, args[0], pos)?;
        let located = ev.locate(&path, pos)?;
        ev.charge_system();
        match located.mount.tree.kind(&located.path).map_err(|error| unreadable(ev, error, pos))? {
            Some(kind) => Ok(ev.string(kind_name(kind).as_bytes(), pos)),
            None => Err(unreadable(ev, ReadError::NotFound { path: located.path }, pos)),
        }
    }),
    builtin("pathExists", 1, |ev, args, pos| {
        let value = ev.force(args[0])?;
        let text = ev.coerce_to_string(value, CoerceMode::Path, pos)?.bytes();
        let must_be_folder = text.ends_with(b"/") || text.ends_with(b"/.");
        let path = path_of(ev, value, pos)?;
        let located = ev.locate(&path, pos)?;
        let exists = if must_be_folder { is_folder(ev, &located, pos)? } else { kind_at(ev, &located, pos)?.is_some() };
        Ok(Value::bool(exists, pos))
    }),
    builtin("path", 1, add_path),
    builtin("filterSource", 2, |ev, args, pos| {
        let path = path_of(ev, args[1], pos)?;
        let filter = Some(ev.expect_function(args[0], pos)?);
        let copy = Copy { name: base_name(&path), filter, recursive: true, expected: None };
        Ok(Value::String(ev.copy(&path, copy, pos)?, pos))
    }),
    builtin("toPath", 1, |ev, args, pos| {
        let path = path_of(ev, args[0], pos)?;
        Ok(ev.string(path.as_bytes(), pos))
    }),
    builtin("storePath", 1, |ev, args, pos| {
        let path = path_of(ev, args[0], pos)?;
        if !path.starts_with("/nix/store/") {
            return Err(Error::evaluation(format!("path '{path}' is not in the Nix store"), pos));
        }
        let path = ev.arena.text(&path);
        Ok(Value::String(ev.str(path.as_bytes(), ev.context(vec![ContextElement::Opaque(path)])), pos))
    }),
    builtin("toFile", 2, |ev, args, pos| {
        let name = ev.text_of(args[0], pos)?;
        let content = ev.expect_string(args[1], pos)?;
        let mut references = Vec::new();
        for element in content.context.iter().flat_map(|context| context.elements) {
            match element {
                ContextElement::Opaque(path) => references.push(path.to_string()),
                _ => {
                    let message =
                        format!("files created by 'builtins.toFile' may not reference derivations, but {name} does");
                    return Err(Error::evaluation(message, pos));
                }
            }
        }
        let references: Vec<&[u8]> = references.iter().map(String::as_bytes).collect();
        ev.charge(200 + content.len() / 4);
        let path = store::text_store_path(name.as_bytes(), content.bytes(), &references)
            .map_err(|message| Error::evaluation(message, pos))?;
        Ok(ev.stored(path, Stored::Text(content), pos))
    }),
    builtin("findFile", 2, find_file),
    builtin("hashFile", 2, |ev, args, pos| {
        let algorithm = algorithm_of(ev.text_of(args[0], pos)?, pos)?;
        let path = path_of(ev, args[1], pos)?;
        let bytes = ev.read(&path, pos)?;
        ev.tick(pos, (bytes.len() / 4) as u64)?;
        Ok(ev.string(hash::hash_string(algorithm, &bytes).into_bytes(), pos))
    }),
    builtin("baseNameOf", 1, |ev, args, pos| {
        let value = ev.force(args[0])?;
        let text = ev.coerce_to_string(value, CoerceMode::Path, pos)?;
        ev.charge_bytes(text.len());
        Ok(Value::String(ev.str(path::base_name(text.bytes()), text.context), pos))
    }),
    builtin("dirOf", 1, |ev, args, pos| {
        let value = ev.force(args[0])?;
        if let Value::Path(path, _) = value {
            ev.charge_bytes(path.path.len());
            return Ok(ev.path(&String::from_utf8_lossy(path::directory_of_path(path.path.as_bytes())), pos));
        }
        let text = ev.coerce_to_string(value, CoerceMode::Path, pos)?;
        ev.charge_bytes(text.len());
        Ok(Value::String(ev.str(path::directory_of_string(text.bytes()), text.context), pos))
    }),
];

/// What lies behind a store path that was made during the evaluation.
pub enum Stored<'a> {
    /// A copy of this absolute path.
    Copy(Arc<str>),
    /// A copy of what a filter leaves of this absolute path.
    Filtered(Arc<str>),
    /// The text given to `toFile`.
    Text(&'a Str<'a>),
}

/// How a file or folder is copied to the store.
struct Copy<'n, 'a> {
    name: &'n str,
    /// Which entries of folders are copied.
    filter: Option<Value<'a>>,
    /// As an archive, or as a plain file.
    recursive: bool,
    /// The SHA-256 that it must have.
    expected: Option<[u8; 32]>,
}

fn base_name(absolute: &str) -> &str {
    absolute.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("source")
}

/// `builtins.path { path, name ? …, filter ? …, recursive ? true, sha256 ? … }`
fn add_path<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> Result<'a, Value<'a>> {
    let attrs = ev.attrs_of(args[0], pos)?;
    let (mut path, mut name, mut filter, mut recursive, mut expected) = (None, None, None, true, None);
    for attr in ev.by_name(attrs) {
        let at = attr.key;
        match attr.name.as_str() {
            "path" => path = Some(path_of(ev, attr.value, at)?),
            "name" => name = Some(ev.text_of(attr.value, at)?),
            "filter" => filter = Some(ev.expect_function(attr.value, at)?),
            "recursive" => recursive = ev.bool_of_value(attr.value, at)?,
            "sha256" => {
                let text = ev.text_of(attr.value, at)?;
                let (_, bytes) = hash::parse(text, Some(hash::Algorithm::Sha256))
                    .map_err(|message| Error::evaluation(message, at))?;
                expected = <[u8; 32]>::try_from(bytes.as_slice()).ok();
            }
            name => {
                let message = format!("unsupported argument '{name}' to 'builtins.path'");
                return Err(Error::evaluation(message, at));
            }
        }
    }
    let Some(path) = path else {
        return Err(match attrs.open {
            Some(unknown) => Error::unknown(unknown, pos),
            None => {
                Error::evaluation("missing required 'path' attribute in the first argument to 'builtins.path'", pos)
            }
        });
    };
    if let Some(unknown) = attrs.open {
        return Err(Error::unknown(unknown, pos));
    }
    let copy = Copy { name: name.unwrap_or_else(|| base_name(&path)), filter, recursive, expected };
    Ok(Value::String(ev.copy(&path, copy, pos)?, pos))
}

fn kind_name(kind: FileKind) -> &'static str {
    match kind {
        FileKind::Regular => "regular",
        FileKind::Directory => "directory",
        FileKind::Symlink => "symlink",
        FileKind::Other => "unknown",
    }
}

/// What can't be read; what lies outside of the tree is unknown.
fn unreadable<'a>(ev: &Evaluator<'a>, error: ReadError, pos: Pos) -> Box<Error<'a>> {
    match error {
        ReadError::LeavesRoot { target, .. } => outside(ev, &target, pos),
        error @ ReadError::InSubmodule { .. } => not_there(ev, &error, pos),
        error @ ReadError::TooLarge { .. } => {
            Error::new(FailureKind::Read, error.to_string(), pos).with_help(RAISE_LIMIT)
        }
        error => Error::new(FailureKind::Read, error.to_string(), pos),
    }
}

/// What may lie there or not, since the files around it are not in the tree.
fn not_there<'a>(ev: &Evaluator<'a>, error: &ReadError, pos: Pos) -> Box<Error<'a>> {
    let help = "check a working tree with the submodule: git submodule update --init";
    Error::unknown(ev.unknown(&error.to_string(), Some(help), pos), pos)
}

/// Steps that finding nothing takes.
const MISSING: usize = 5000;

/// What lies somewhere, if anything does; links that lead nowhere are nothing.
fn kind_at<'a>(ev: &Evaluator<'a>, at: &Located<'_>, pos: Pos) -> Result<'a, Option<FileKind>> {
    ev.charge_system();
    match at.mount.tree.kind(&at.path) {
        Ok(None) => {
            // Whether it would be in a submodule that is not checked out takes a look at the folder.
            ev.charge(MISSING);
            Ok(None)
        }
        Ok(kind) => Ok(kind),
        Err(error) => nothing_there(ev, error, pos).map(|()| None),
    }
}

/// What can't be reached is not there; all else that can go wrong is no answer.
fn nothing_there<'a>(ev: &Evaluator<'a>, error: ReadError, pos: Pos) -> Result<'a, ()> {
    match error {
        ReadError::NotFound { .. } | ReadError::NotDirectory { .. } | ReadError::LinkLoop { .. } => Ok(()),
        error => Err(unreadable(ev, error, pos)),
    }
}

/// Whether a folder lies somewhere, perhaps behind a link.
fn is_folder<'a>(ev: &Evaluator<'a>, at: &Located<'_>, pos: Pos) -> Result<'a, bool> {
    match at.mount.tree.resolve(&at.path) {
        Ok(path) => Ok(kind_at(ev, &Located { mount: at.mount, path }, pos)? == Some(FileKind::Directory)),
        Err(error) => nothing_there(ev, error, pos).map(|()| false),
    }
}

/// What helps where something lies outside of all trees: what is on the machine of whoever evaluates is nobody else's.
const OUTSIDE_HELP: &str = "write down what is in it, or put it into the repository; for another tree of Nix files: `-I name=PATH` or \
                            `--nixpkgs PATH`";

fn outside<'a>(ev: &Evaluator<'a>, path: &str, pos: Pos) -> Box<Error<'a>> {
    let reason = format!("`{path}` lies outside the tree that is read");
    Error::unknown(ev.unknown(&reason, Some(OUTSIDE_HELP), pos), pos)
}

/// The argument as an absolute, normalised path.
fn path_of<'a>(ev: &Evaluator<'a>, value: Value<'a>, pos: Pos) -> Result<'a, String> {
    let value = ev.force(value)?;
    if let Value::Path(path, _) = &value {
        ev.tick_bulk(pos, path.path.len())?;
        return Ok(path.path.to_string());
    }
    let text = ev.coerce_to_string(value, CoerceMode::Path, pos)?;
    ev.charge_bytes(text.len());
    let text = std::str::from_utf8(text.bytes()).map_err(|_| Error::evaluation("a path that is not UTF-8", pos))?;
    if !text.starts_with('/') {
        return Err(Error::evaluation(format!("string '{text}' doesn't represent an absolute path"), pos)
            .with_help("write a path (`./x`) rather than a string (`\"x\"`)"));
    }
    Ok(normal_path(text))
}

/// Look `name` up in a search path: a list of `{ prefix, path }`.
fn find_file<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> Result<'a, Value<'a>> {
    let entries = ev.list_of(args[0], pos)?;
    let name = ev.text_of(args[1], pos)?;
    ev.charge_bytes(name.len());
    for entry in entries.iter() {
        ev.charge(10);
        let entry = ev.force(entry)?;
        let prefix = match entry {
            Value::Attrs(attrs, _) => match (attrs.get(Symbol::new("prefix")), attrs.open) {
                (Some(attr), _) => ev.text_of(attr.value, pos)?,
                (None, Some(unknown)) => return Err(Error::unknown(unknown, pos)),
                (None, None) => "",
            },
            other => return Err(ev.wrong_type("a set", other, pos)),
        };
        let rest = match name.strip_prefix(prefix) {
            Some(rest) if prefix.is_empty() || rest.is_empty() => rest,
            Some(rest) if rest.starts_with('/') => &rest[1..],
            _ => continue,
        };
        let folder = ev.select_name(entry, Symbol::new("path"), pos)?;
        let folder = path_of(ev, folder, pos)?;
        let candidate = normal_path(&format!("{folder}/{rest}"));
        let located = ev.locate(&candidate, pos)?;
        if kind_at(ev, &located, pos)?.is_some() {
            return Ok(ev.path(&candidate, pos));
        }
    }
    let ours = matches!(ev.globals.nix_path(), Value::List(list, _) if std::ptr::eq(list, entries));
    if ours {
        let first = name.split('/').next().unwrap_or_default();
        let reason = format!("no `{first}` is known here");
        let help = match first {
            "nixpkgs" => "name one with --nixpkgs PATH or NIX_PATH, or run with --evaluator nix".to_owned(),
            other => format!("name it with -I {other}=PATH, or run with --evaluator nix"),
        };
        let error = Error::unknown(ev.unknown(&reason, Some(&help), pos), pos);
        return Err(ev.on_trail(error, |_| format!(".{name}")));
    }
    let message = format!("file '{name}' was not found in the Nix search path (add it using $NIX_PATH or -I)");
    Err(Error::new(FailureKind::Thrown, message, pos))
}

impl<'a> Evaluator<'a> {
    /// Which tree an absolute path lies in; outside of all of them it is unknown.
    pub fn locate(&self, absolute: &str, pos: Pos) -> Result<'a, Located<'a>> {
        let origin = self.store_origin(absolute, pos)?;
        let absolute = origin.as_deref().unwrap_or(absolute);
        self.world.locate(absolute).ok_or_else(|| outside(self, absolute, pos))
    }

    /// The path that a store path was copied from.
    fn store_origin(&self, absolute: &str, pos: Pos) -> Result<'a, Option<String>> {
        let Some(inside) = absolute.strip_prefix("/nix/store/") else { return Ok(None) };
        let (copy, rest) = absolute.split_at(inside.find('/').map_or(absolute.len(), |end| end + 11));
        match self.store.borrow().get(copy) {
            Some(Stored::Copy(origin)) => Ok(Some(format!("{origin}{rest}"))),
            Some(Stored::Filtered(origin)) => {
                let reason = format!("what a filter leaves of `{origin}` is not read");
                Err(Error::unknown(self.unknown(&reason, None, pos), pos))
            }
            Some(Stored::Text(_)) | None => Ok(None),
        }
    }

    pub fn read(&self, absolute: &str, pos: Pos) -> Result<'a, Arc<[u8]>> {
        if let Some(Stored::Text(text)) = self.store.borrow().get(absolute) {
            return Ok(text.bytes().into());
        }
        let located = self.locate(absolute, pos)?;
        self.charge_system();
        let bytes = self.world.read(&located).map_err(|error| unreadable(self, error, pos))?;
        self.reserve(pos, bytes.len())?;
        self.charge_bytes(bytes.len());
        Ok(bytes)
    }

    /// The value of the file at an absolute path, or of its `default.nix`.
    pub fn import_path(&self, absolute: &str, scope: Option<&'a Attrs<'a>>, pos: Pos) -> Result<'a, Value<'a>> {
        let stored = match self.store.borrow().get(absolute) {
            Some(Stored::Text(text)) => Some(*text),
            _ => None,
        };
        if let Some(text) = stored {
            return self.import_once(Arc::from(absolute), scope, pos, |_| self.import_text(text, absolute, scope, pos));
        }
        let located = self.locate(absolute, pos)?;
        self.import_located(&located, scope, pos)
    }

    /// The value of a text that was given to `toFile`. Nothing else has parsed it, so all that its tree takes counts.
    fn import_text(
        &self,
        text: &'a Str<'a>,
        absolute: &str,
        scope: Option<&'a Attrs<'a>>,
        pos: Pos,
    ) -> Result<'a, Value<'a>> {
        self.tick(pos, 8 * text.len() as u64)?;
        self.keep_outside(TREE * text.len() as u64);
        self.reserve(pos, 0)?;
        self.text_value(&text.lossy(), absolute, "/nix/store", scope)
    }

    /// Where a path leads, and what lies there. As in Nix only links at its end are followed: what the file imports is
    /// found relative to the folder that it was reached through.
    fn follow_link(&self, mut located: Located<'a>, pos: Pos) -> Result<'a, (Located<'a>, FileKind)> {
        for _ in 0..LINK_LIMIT {
            let tree = &located.mount.tree;
            self.charge_system();
            match tree.kind(&located.path) {
                Ok(Some(FileKind::Symlink)) => {}
                Ok(Some(kind)) => return Ok((located, kind)),
                Ok(None) => return Err(unreadable(self, ReadError::NotFound { path: located.path }, pos)),
                Err(error) => return Err(unreadable(self, error, pos)),
            }
            let folder = located.path.parent().unwrap_or_else(TreePath::root);
            let Some(target) = tree.link_target(&located.path) else {
                let path = tree.resolve(&located.path).map_err(|error| unreadable(self, error, pos))?;
                located = Located { mount: located.mount, path };
                continue;
            };
            let absolute = if target.starts_with('/') {
                normal_path(&target)
            } else {
                let folder = Located { mount: located.mount, path: folder }.absolute();
                normal_path(&format!("{folder}/{target}"))
            };
            located = self.locate(&absolute, pos)?;
        }
        Err(unreadable(self, ReadError::LinkLoop { path: located.path }, pos))
    }

    pub fn import_located(
        &self,
        located: &Located<'a>,
        scope: Option<&'a Attrs<'a>>,
        pos: Pos,
    ) -> Result<'a, Value<'a>> {
        let (mut file, kind) = self.follow_link(located.clone(), pos)?;
        if kind == FileKind::Directory {
            let path = file.path.join("default.nix").map_err(|error| Error::evaluation(error.to_string(), pos))?;
            file = self.follow_link(Located { mount: file.mount, path }, pos)?.0;
        }
        let absolute: Arc<str> = Arc::from(file.absolute());
        self.import_once(absolute, scope, pos, |absolute| self.load(&file, absolute, scope, pos))
    }

    /// What `load` gives for the file at an absolute path: once, unless it has a scope of its own.
    fn import_once(
        &self,
        absolute: Arc<str>,
        scope: Option<&'a Attrs<'a>>,
        pos: Pos,
        load: impl FnOnce(Arc<str>) -> Result<'a, Value<'a>>,
    ) -> Result<'a, Value<'a>> {
        let known = if scope.is_none() { self.imports.borrow().get(&absolute).cloned() } else { None };
        if let Some(value) = known {
            return self.force(value).map_err(|error| error.or_at(pos));
        }
        if scope.is_some() {
            return self.nested(pos, || load(absolute));
        }
        // A file that needs its own value to have a value never gets one.
        self.imports.borrow_mut().insert(absolute.clone(), self.thunk_of(State::Running));
        let before = self.times_passed_over();
        let value = self.nested(pos, || load(absolute.clone()));
        match &value {
            Ok(value) => self.imports.borrow_mut().insert(absolute, self.thunk_of(self.done(*value, before))),
            Err(_) => self.imports.borrow_mut().remove(&absolute),
        };
        value
    }

    fn load(
        &self,
        file: &Located<'a>,
        absolute: Arc<str>,
        scope: Option<&'a Attrs<'a>>,
        pos: Pos,
    ) -> Result<'a, Value<'a>> {
        let display = file.display();
        let ast = self.world.parse_located(file).map_err(|failure| {
            let failure = match &failure {
                ParseFailure::Read(ReadError::LeavesRoot { target, .. }) => return outside(self, target, pos),
                ParseFailure::Read(error @ ReadError::InSubmodule { .. }) => return not_there(self, error, pos),
                _ => parse_failure(&display, failure),
            };
            Error::parsing(failure, pos)
        })?;
        let folder = file.path.parent().unwrap_or_else(TreePath::root);
        let folder = Located { mount: file.mount, path: folder }.absolute();
        let folder = self.arena.text(folder.trim_end_matches('/'));
        let path = Some(self.arena.text(&absolute));
        let source = Source { ast, file: display, folder, path, scope };
        let Some(code) = self.files.add(self.arena, source) else {
            return Err(Error::new(FailureKind::Limit, "too many files in one evaluation", pos));
        };
        self.charge(code.ast.exprs.len());
        check_globals(self, code)?;
        self.eval(code, None, code.ast.root)
    }

    /// What `"${./path}"` gives: the store path that Nix would copy the file to.
    pub fn copy_to_store(&self, absolute: &str, pos: Pos) -> Result<'a, &'a Str<'a>> {
        self.copy(absolute, Copy { name: base_name(absolute), filter: None, recursive: true, expected: None }, pos)
    }

    /// The store path that a copy of a file or folder would have.
    fn copy(&self, absolute: &str, how: Copy<'_, 'a>, pos: Pos) -> Result<'a, &'a Str<'a>> {
        let hash = match (self.content_hash(absolute, &how, pos), how.expected) {
            (Ok(found), Some(expected)) if found != expected => {
                let message = format!("store path mismatch in (possibly filtered) path added from '{absolute}'");
                return Err(Error::evaluation(message, pos));
            }
            (Ok(found), _) => found,
            // What can't be read is where its hash says.
            (Err(error), Some(expected)) if matches!(error.cause, Cause::Unknown(_)) => expected,
            (Err(error), _) => return Err(error),
        };
        let fixed = Fixed { recursive: how.recursive, algorithm: hash::Algorithm::Sha256, hash: hash.to_vec() };
        let path = fixed_path(how.name, &fixed).map_err(|message| Error::evaluation(message, pos))?;
        self.world.note_copy(&path, absolute);
        let origin = Arc::from(absolute);
        let copy = if how.filter.is_some() { Stored::Filtered(origin) } else { Stored::Copy(origin) };
        match self.stored(path.into_bytes(), copy, pos) {
            Value::String(string, _) => Ok(string),
            _ => Err(Error::evaluation("not a store path", pos)),
        }
    }

    fn content_hash(&self, absolute: &str, how: &Copy<'_, 'a>, pos: Pos) -> Result<'a, [u8; 32]> {
        if how.recursive && how.filter.is_none() {
            return self.world.archive_hash(absolute, || Ok(store::nar_sha256(&self.archive(absolute, how, pos)?)));
        }
        match self.archive(absolute, how, pos)? {
            node if how.recursive => Ok(store::nar_sha256(&node)),
            NarNode::File { contents, .. } => Ok(Sha256::digest(contents).into()),
            _ => {
                let message =
                    format!("'{absolute}' is not a regular file, and only such can be copied without 'recursive'");
                Err(Error::evaluation(message, pos))
            }
        }
    }

    fn archive(&self, absolute: &str, how: &Copy<'_, 'a>, pos: Pos) -> Result<'a, NarNode<'static>> {
        let located = self.locate(absolute, pos)?;
        let mut budget = COPY_LIMIT;
        self.nar_node(&located, how.filter, &mut budget, pos)
    }

    fn stored(&self, path: Vec<u8>, what: Stored<'a>, pos: Pos) -> Value<'a> {
        let path: Arc<str> = Arc::from(String::from_utf8_lossy(&path));
        let text = self.arena.text(&path);
        let mut store = self.store.borrow_mut();
        match what {
            // A filter that leaves everything gives the same copy.
            Stored::Filtered(_) => {
                store.entry(path).or_insert(what);
            }
            _ => {
                store.insert(path, what);
            }
        }
        Value::String(self.str(text.as_bytes(), self.context(vec![ContextElement::Opaque(text)])), pos)
    }

    fn nar_node(
        &self,
        file: &Located<'a>,
        filter: Option<Value<'a>>,
        budget: &mut u64,
        pos: Pos,
    ) -> Result<'a, NarNode<'static>> {
        let tree = &file.mount.tree;
        let too_large = || {
            let reason = format!("the store path of `{}` is not computed, because it is large", file.display());
            Error::unknown(self.unknown(&reason, None, pos), pos)
        };
        *budget = budget.checked_sub(64).ok_or_else(too_large)?;
        self.charge_system();
        let kind = tree.kind(&file.path).map_err(|error| unreadable(self, error, pos))?;
        match kind {
            Some(FileKind::Regular) => {
                let prefix = tree.read_prefix(&file.path, *budget).map_err(|error| unreadable(self, error, pos))?;
                self.tick(pos, prefix.length / 4)?;
                *budget = budget.checked_sub(prefix.length).ok_or_else(too_large)?;
                let Some(executable) = tree.is_executable(&file.path) else {
                    let reason = format!("whether `{}` is executable is not known here", file.display());
                    return Err(Error::unknown(self.unknown(&reason, None, pos), pos));
                };
                Ok(NarNode::File { executable, contents: Cow::Owned(prefix.bytes) })
            }
            Some(FileKind::Directory) => {
                let mut entries = Vec::new();
                for entry in tree.list(&file.path).map_err(|error| unreadable(self, error, pos))? {
                    let path = file.path.join(&entry.name).map_err(|e| Error::evaluation(e.to_string(), pos))?;
                    let child = Located { mount: file.mount, path };
                    if let Some(filter) = filter {
                        let arguments = [self.string(child.absolute(), pos), self.string(kind_name(entry.kind), pos)];
                        let wanted = self.apply(filter, &arguments, pos)?;
                        if !self.expect_bool(wanted, pos)? {
                            continue;
                        }
                    }
                    let node = self.nested(pos, || self.nar_node(&child, filter, budget, pos))?;
                    entries.push((entry.name.as_bytes().to_vec(), node));
                }
                Ok(NarNode::Directory(entries))
            }
            Some(FileKind::Symlink) if tree.link_target(&file.path).is_some() => {
                let target = tree.link_target(&file.path).unwrap_or_default();
                Ok(NarNode::Symlink { target: Cow::Owned(target.into_bytes()) })
            }
            Some(FileKind::Symlink | FileKind::Other) => {
                let reason = format!("the store path of `{}`, a link or special file, is not computed", file.display());
                Err(Error::unknown(self.unknown(&reason, None, pos), pos))
            }
            None => Err(unreadable(self, ReadError::NotFound { path: file.path.clone() }, pos)),
        }
    }
}

/// Bytes that the syntax tree of a byte of text takes, at most.
const TREE: u64 = 40;

/// How many links one path may lead through: Linux's limit, path_resolution(7).
const LINK_LIMIT: u32 = 40;

/// The most that is read to compute one store path, in bytes.
const COPY_LIMIT: u64 = 32 << 20;
