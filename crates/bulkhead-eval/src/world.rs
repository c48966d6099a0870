//! What evaluated code may see.

use std::cell::Cell;
use std::collections::HashMap;
use std::convert::Infallible;
use std::hash::Hash;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bulkhead_source::{Entry, FileTree, ReadError, TreePath};
use bulkhead_syntax::{Ast, SyntaxError};

use crate::arena::{Arena, Memory};
use crate::data::{Data, DataKind, Failure, FailureKind};
use crate::eval::Evaluator;
use crate::explain::Explanation;
use crate::request::{Answer, Request};

/// How much an evaluation may use before it ends with an error that names the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Evaluation steps (expressions and built-in loops).
    pub steps: u64,
    /// Nested evaluations (calls, forced thunks). What needs more stack than [`STACK_SIZE`] ends at fewer.
    pub depth: u32,
    /// Bytes that the values alive at one time may take.
    pub memory: u64,
    /// Size of one file that is read, in bytes.
    pub file_size: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { steps: 500_000_000, depth: 100_000, memory: 2 << 30, file_size: 256 << 20 }
    }
}

/// Stack of the threads that evaluate: address space, of which only what is used takes memory. Evaluations that would
/// need more end with the error that names the limit of depth.
pub const STACK_SIZE: usize = 1 << 30;

/// So much of the stack is left alone, for what runs between two looks at it (parsing a file, for one).
const STACK_RESERVE: usize = 16 << 20;

thread_local! {
    /// Where the large stack of this thread begins, if it has one.
    static LARGE_STACK: Cell<Option<usize>> = const { Cell::new(None) };
}

/// Tell that the current thread was made with at least [`STACK_SIZE`] of stack, so that evaluations run on it rather
/// than on threads of their own. For the start handler of a thread pool.
pub fn mark_large_stack() {
    LARGE_STACK.set(Some(stack_position()));
}

/// The address up to which the stack of this thread may grow, downwards.
pub(crate) fn stack_end() -> usize {
    LARGE_STACK.get().unwrap_or_else(stack_position).saturating_sub(STACK_SIZE - STACK_RESERVE)
}

/// The address of the innermost frame, roughly.
#[inline(always)]
pub(crate) fn stack_position() -> usize {
    let marker = 0_u8;
    std::ptr::from_ref(&marker) as usize
}

/// Run something on a thread whose stack is large enough to evaluate on: this one if it is marked, else a new one.
/// Fails when the system gives no thread.
pub fn on_large_stack<R: Send>(work: impl FnOnce() -> R + Send) -> std::io::Result<R> {
    if LARGE_STACK.get().is_some() {
        return Ok(work());
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_SIZE).spawn_scoped(scope, || {
            mark_large_stack();
            work()
        })?;
        match thread.join() {
            Ok(result) => Ok(result),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// A tree of files under an absolute path.
#[derive(Clone)]
pub struct Mount {
    /// Where evaluated code sees the root of the tree: absolute, normalised, `/home/me/fleet`; empty for `/`.
    pub at: Arc<str>,
    /// How messages name files of the tree: empty for the fleet itself, else for instance `<nixpkgs>`.
    pub name: Arc<str>,
    /// The files.
    pub tree: Arc<dyn FileTree>,
}

/// Why a file can't be had as a syntax tree.
#[derive(Clone, Debug, PartialEq)]
pub enum ParseFailure {
    /// It can't be read.
    Read(ReadError),
    /// It is not UTF-8; the offset of the first wrong byte, and that byte.
    NotUtf8(usize, u8),
    /// It is no Nix.
    Syntax(Vec<SyntaxError>),
}

/// A file of one of the trees.
#[derive(Clone)]
pub struct Located<'w> {
    /// The tree.
    pub mount: &'w Mount,
    /// The path in it.
    pub path: TreePath,
}

impl Located<'_> {
    /// By what it is remembered.
    fn key(&self) -> (Arc<str>, TreePath) {
        (self.mount.at.clone(), self.path.clone())
    }

    /// The absolute path that evaluated code sees.
    pub fn absolute(&self) -> String {
        if self.path.is_root() && !self.mount.at.is_empty() {
            return self.mount.at.to_string();
        }
        format!("{}/{}", self.mount.at, self.path.as_str())
    }

    /// How messages name the file.
    pub fn display(&self) -> Arc<str> {
        if self.mount.name.is_empty() {
            return self.path.to_arc();
        }
        Arc::from(format!("{}/{}", self.mount.name, self.path.as_str()))
    }
}

/// Files and folders of a mount, by its place.
type ByPath<T> = HashMap<(Arc<str>, TreePath), T>;

/// So many bytes of files are kept for evaluations that read them again.
const MOST_KEPT: usize = 32 << 20;

/// What is known of `key`, or what `compute` gives, which is kept if `keeps` says so.
fn remembered<K: Eq + Hash, V: Clone, E>(
    known: &Mutex<HashMap<K, V>>,
    key: K,
    compute: impl FnOnce() -> Result<V, E>,
    keeps: impl FnOnce(&V) -> bool,
) -> Result<V, E> {
    // Not locked while it is computed, which may take long and ask for others.
    if let Some(value) = known.lock().unwrap_or_else(PoisonError::into_inner).get(&key) {
        return Ok(value.clone());
    }
    let value = compute()?;
    if keeps(&value) {
        known.lock().unwrap_or_else(PoisonError::into_inner).insert(key, value.clone());
    }
    Ok(value)
}

/// What evaluated code may see, the files parsed and the hashes of archives computed so far. Shared by threads.
pub struct World {
    limits: Limits,
    mounts: Vec<Mount>,
    search_path: Vec<(String, String)>,
    abort_on_warnings: bool,
    pipe_operators: bool,
    /// What options are called otherwise: the name that the code has, and the usual one.
    renamed: Vec<(String, String)>,
    parsed: Mutex<ByPath<Result<Arc<Ast>, ParseFailure>>>,
    /// The contents of files, and what lies in folders: each machine's evaluation reads the same ones.
    files: Mutex<ByPath<Arc<[u8]>>>,
    folders: Mutex<ByPath<Arc<[Entry]>>>,
    /// How many bytes of `files` were kept.
    kept: AtomicUsize,
    /// The SHA-256 of the archive of a file or folder, by absolute path: code that puts a path into a string in a loop
    /// would read the whole folder each time.
    archives: Mutex<HashMap<Box<str>, [u8; 32]>>,
    /// Where what evaluations put into the store was copied from, by its path there.
    copies: Mutex<HashMap<Box<str>, Box<str>>>,
}

impl World {
    /// A world of one tree. It is mounted at the tree's own root on disk, or at `/` where it has none.
    pub fn new(tree: Arc<dyn FileTree>, limits: Limits) -> World {
        let at = tree.root().and_then(|root| root.to_str()).unwrap_or("").trim_end_matches('/');
        let mount = Mount { at: Arc::from(at), name: Arc::from(""), tree };
        World {
            limits,
            mounts: vec![mount],
            search_path: Vec::new(),
            abort_on_warnings: false,
            pipe_operators: false,
            renamed: Vec::new(),
            parsed: Mutex::default(),
            files: Mutex::default(),
            folders: Mutex::default(),
            kept: AtomicUsize::new(0),
            archives: Mutex::default(),
            copies: Mutex::default(),
        }
    }

    /// Add another tree. Of trees below one another the inner one counts for its paths.
    pub fn mount(&mut self, mount: Mount) {
        self.mounts.push(mount);
    }

    /// Add an entry to the search path that `<name>` looks through; an empty name matches every path. `path` is
    /// absolute.
    pub fn add_search_path(&mut self, name: &str, path: &str) {
        self.search_path.push((name.to_owned(), path.to_owned()));
    }

    /// Let `builtins.warn` end an evaluation, like Nix's option `abort-on-warn`.
    pub fn abort_on_warnings(&mut self) {
        self.abort_on_warnings = true;
    }

    pub(crate) fn aborts_on_warnings(&self) -> bool {
        self.abort_on_warnings
    }

    /// Take `|>` and `<|`, as Nix does when its experimental feature `pipe-operators` is on.
    pub fn allow_pipe_operators(&mut self) {
        self.pipe_operators = true;
    }

    /// Tell what options of modules are called otherwise: `name` is what the code calls the option `usual`, with `<name>` in
    /// both for any name. Evaluation does not change by it.
    pub fn rename_option(&mut self, name: &str, usual: &str) {
        self.renamed.push((name.to_owned(), usual.to_owned()));
    }

    /// What [`World::rename_option`] was told, in order.
    pub fn renamed_options(&self) -> &[(String, String)] {
        &self.renamed
    }

    /// The entries of the search path, in order: name and absolute path.
    pub fn search_path(&self) -> &[(String, String)] {
        &self.search_path
    }

    /// Let evaluations use at least so many steps, and so much memory in bytes.
    pub fn allow(&mut self, steps: u64, memory: u64) {
        self.limits.steps = self.limits.steps.max(steps);
        self.limits.memory = self.limits.memory.max(memory);
    }

    /// What an evaluation may use.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// The tree given to [`World::new`].
    pub fn tree(&self) -> &Arc<dyn FileTree> {
        &self.mounts[0].tree
    }

    /// The syntax tree of a file of the first tree; parsed once.
    pub fn parse(&self, path: &TreePath) -> Result<Arc<Ast>, ParseFailure> {
        self.parse_located(&Located { mount: &self.mounts[0], path: path.clone() })
    }

    /// The value of a file of the first tree, evaluated all the way down. What fails is
    /// [`DataKind::Failed`] just where it fails; a file that can't be parsed is so as a whole. So is what lies
    /// deeper than 500 levels, that data may be walked recursively.
    pub fn evaluate(&self, path: &TreePath) -> Data {
        let evaluated = on_large_stack(|| {
            let memory = Memory::new();
            let arena = Arena::new(&memory);
            let evaluator = Evaluator::new(self, &arena);
            let located = Located { mount: &self.mounts[0], path: path.clone() };
            match evaluator.import_located(&located, None, crate::value::Pos::NONE) {
                Ok(value) => evaluator.data_of(value),
                Err(error) => Data { kind: DataKind::Failed(Arc::new(evaluator.failure_of(*error))), place: None },
            }
        });
        evaluated.unwrap_or_else(|error| Data { kind: DataKind::Failed(Arc::new(no_thread(&error))), place: None })
    }

    /// Evaluate as `bulkhead eval` does; see [`Request`].
    pub fn request(&self, request: &Request) -> Result<Answer, Failure> {
        let answer = on_large_stack(|| crate::request::answer(self, request));
        answer.unwrap_or_else(|error| Err(no_thread(&error)))
    }

    /// Where the value at `path`, an attribute path as [`Request::attr_path`], in the value of a request comes from.
    pub fn explain(&self, request: &Request, path: &str) -> Result<Explanation, Failure> {
        let explained = on_large_stack(|| crate::explain::explain(self, request, path));
        explained.unwrap_or_else(|error| Err(no_thread(&error)))
    }

    /// The text of a file as messages name it ([`Located::display`]), if it can be read.
    pub fn text(&self, display: &str) -> Option<Arc<str>> {
        let named = |mount: &&Mount| !mount.name.is_empty() && display.starts_with(&*mount.name);
        let mount = self.mounts.iter().filter(named).max_by_key(|mount| mount.name.len()).unwrap_or(&self.mounts[0]);
        let path = TreePath::new(display[mount.name.len()..].trim_start_matches('/')).ok()?;
        bulkhead_source::read_text(&*mount.tree, &path, self.limits.file_size).ok()
    }

    /// The tree given to [`World::new`], with its place.
    pub(crate) fn first_mount(&self) -> &Mount {
        &self.mounts[0]
    }

    /// The file or folder of the first tree that evaluated code names by this absolute path; `None` for what lies elsewhere.
    pub fn in_first_tree(&self, absolute: &str) -> Option<TreePath> {
        let located = self.locate(absolute)?;
        std::ptr::eq(located.mount, &self.mounts[0]).then_some(located.path)
    }

    /// Where evaluated code sees the root of the first tree; empty for `/`.
    pub fn root(&self) -> &str {
        &self.mounts[0].at
    }

    /// How messages name the file or folder of an absolute path, if it is in one of the trees.
    pub fn display(&self, absolute: &str) -> Option<Arc<str>> {
        self.locate(absolute).map(|located| located.display())
    }

    /// The file or folder of the first tree that a path in the store is a copy of.
    pub fn copied_from(&self, stored: &str) -> Option<TreePath> {
        let inside = stored.strip_prefix("/nix/store/")?;
        let (copy, rest) = stored.split_at(inside.find('/').map_or(stored.len(), |end| end + "/nix/store/".len()));
        let origin = self.copies.lock().unwrap_or_else(PoisonError::into_inner).get(copy).cloned()?;
        self.in_first_tree(&format!("{origin}{rest}"))
    }

    /// That an absolute path was copied to the store.
    pub(crate) fn note_copy(&self, stored: &str, origin: &str) {
        let mut copies = self.copies.lock().unwrap_or_else(PoisonError::into_inner);
        if !copies.contains_key(stored) {
            copies.insert(Box::from(stored), Box::from(origin));
        }
    }

    /// Which tree an absolute path lies in.
    pub(crate) fn locate(&self, absolute: &str) -> Option<Located<'_>> {
        let inside = |mount: &&Mount| {
            absolute.strip_prefix(&*mount.at).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let mount = self.mounts.iter().filter(inside).max_by_key(|mount| mount.at.len())?;
        let path = TreePath::new(absolute[mount.at.len()..].trim_start_matches('/')).ok()?;
        Some(Located { mount, path })
    }

    /// The hash of the archive of the file or folder at an absolute path: what is known, or what `compute` gives.
    pub(crate) fn archive_hash<E>(
        &self,
        absolute: &str,
        compute: impl FnOnce() -> Result<[u8; 32], E>,
    ) -> Result<[u8; 32], E> {
        remembered(&self.archives, Box::from(absolute), compute, |_| true)
    }

    /// The content of a file.
    pub(crate) fn read(&self, file: &Located<'_>) -> Result<Arc<[u8]>, ReadError> {
        let read = || Ok(file.mount.tree.read(&file.path, self.limits.file_size)?.into());
        remembered(&self.files, file.key(), read, |bytes: &Arc<[u8]>| {
            self.kept.fetch_add(bytes.len(), Ordering::Relaxed) + bytes.len() <= MOST_KEPT
        })
    }

    /// What lies in a folder.
    pub(crate) fn list(&self, folder: &Located<'_>) -> Result<Arc<[Entry]>, ReadError> {
        let list = || Ok(folder.mount.tree.list(&folder.path)?.into());
        remembered(&self.folders, folder.key(), list, |_| true)
    }

    pub(crate) fn parse_located(&self, file: &Located<'_>) -> Result<Arc<Ast>, ParseFailure> {
        // A failure is as well worth keeping.
        let parse = || Ok::<_, Infallible>(self.parse_uncached(file));
        match remembered(&self.parsed, file.key(), parse, |_| true) {
            Ok(parsed) => parsed,
            Err(never) => match never {},
        }
    }

    fn parse_uncached(&self, file: &Located<'_>) -> Result<Arc<Ast>, ParseFailure> {
        let bytes = file.mount.tree.read(&file.path, self.limits.file_size).map_err(ParseFailure::Read)?;
        let text = String::from_utf8(bytes).map_err(|error| {
            let offset = error.utf8_error().valid_up_to();
            ParseFailure::NotUtf8(offset, error.as_bytes()[offset])
        })?;
        self.parse_text(&text).map_err(ParseFailure::Syntax)
    }

    /// The syntax tree of a text.
    pub(crate) fn parse_text(&self, text: &str) -> Result<Arc<Ast>, Vec<SyntaxError>> {
        let ast = bulkhead_syntax::parse(text)?;
        Ok(Arc::new(if self.pipe_operators { ast } else { ast.without_pipe_operators()? }))
    }
}

fn no_thread(error: &std::io::Error) -> Failure {
    Failure {
        message: format!("no thread to evaluate on: {error}"),
        kind: FailureKind::Limit,
        place: None,
        help: None,
        trace: Vec::new(),
    }
}
