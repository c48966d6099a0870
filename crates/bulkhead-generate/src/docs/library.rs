//! The functions of the fleet's Nix library, with their documentation.

use bulkhead_diagnostics::Diagnostic;
use bulkhead_fleet::{Config, Evaluate, diagnostics_of_parse_failure};
use bulkhead_source::{FileKind, FileTree, ReadError, TreePath};

use super::signature;

/// Folders below the library's are read down to this depth.
const MAX_DEPTH: usize = 16;
/// More files are not documented.
const MAX_FILES: usize = 2_000;

/// The library: the `.nix` files in a folder.
#[derive(Clone, Debug, Default)]
pub struct Library {
    /// The files that define something, sorted by path.
    pub files: Vec<LibraryFile>,
    /// What could not be read.
    pub findings: Vec<Diagnostic>,
}

/// A file of the library.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibraryFile {
    /// The file, relative to the fleet's root.
    pub path: TreePath,
    /// What its first comment says.
    pub doc: Option<String>,
    /// What it defines, in the order in which it is written.
    pub functions: Vec<LibraryFunction>,
}

/// A function, or another attribute, of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LibraryFunction {
    /// Its name; empty where the whole file is one function.
    pub name: String,
    /// What it takes, as written: `x`, `{ a, b ? 1, ... }`; empty for values that are no functions, as far as the text
    /// tells.
    pub arguments: Vec<String>,
    /// Its doc comment, in Markdown.
    pub doc: Option<String>,
}

/// Read the library of a fleet: the `.nix` files in the configured folder and below. Nothing is evaluated.
pub fn read_library(tree: &dyn FileTree, evaluator: &dyn Evaluate, config: &Config) -> Library {
    let mut library = Library::default();
    let mut paths = Vec::new();
    // The root as a library would be every file of the repository.
    if !config.lib.is_root() {
        find(tree, config, &config.lib, 0, &mut paths, &mut library);
    }
    paths.sort();
    for path in paths {
        match evaluator.parse(&path) {
            Ok(ast) => {
                let functions = signature::functions(&ast);
                if !functions.is_empty() {
                    let doc = signature::file_doc(&ast)
                        .filter(|doc| functions.iter().all(|one| one.doc.as_ref() != Some(doc)));
                    library.files.push(LibraryFile { path, doc, functions });
                }
            }
            Err(failure) => library.findings.extend(diagnostics_of_parse_failure(&path, &failure)),
        }
    }
    library
}

fn find(
    tree: &dyn FileTree,
    config: &Config,
    folder: &TreePath,
    depth: usize,
    paths: &mut Vec<TreePath>,
    library: &mut Library,
) {
    if config.is_ignored(folder) {
        return;
    }
    let entries = match tree.list(folder) {
        Ok(entries) => entries,
        Err(ReadError::NotFound { .. }) => return,
        Err(error) => {
            let place = bulkhead_diagnostics::Place::file(folder.to_arc());
            let severity = bulkhead_diagnostics::Severity::Error;
            library.findings.push(Diagnostic::new("unreadable-file", severity, place, error.to_string()));
            return;
        }
    };
    for entry in entries {
        let Ok(path) = folder.join(&entry.name) else { continue };
        match entry.kind {
            FileKind::Regular
                if entry.name.ends_with(".nix") && paths.len() < MAX_FILES && !config.is_ignored(&path) =>
            {
                paths.push(path);
            }
            FileKind::Directory if depth < MAX_DEPTH => find(tree, config, &path, depth + 1, paths, library),
            _ => {}
        }
    }
}
