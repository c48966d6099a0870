//! The texts and comments of a project's files, for renderers and suppressions.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use bulkhead_diagnostics::Sources;
use bulkhead_diagnostics::suppress::Comments;
use bulkhead_source::{Span, TreePath, read_text};

use crate::Project;

/// Texts longer than this are not shown.
const SHOWN: u64 = 8 << 20;

/// Reads files of a project when they are first asked for.
pub struct TreeSources<'p> {
    project: &'p Project,
    texts: RefCell<HashMap<Box<str>, Option<Arc<str>>>>,
}

impl<'p> TreeSources<'p> {
    /// The texts of `project`'s files.
    pub fn new(project: &'p Project) -> TreeSources<'p> {
        TreeSources { project, texts: RefCell::default() }
    }
}

impl Sources for TreeSources<'_> {
    fn text(&self, file: &str) -> Option<Arc<str>> {
        if let Some(text) = self.texts.borrow().get(file) {
            return text.clone();
        }
        let path = TreePath::new(file).ok();
        let text = path.and_then(|path| read_text(self.project.tree(), &path, SHOWN).ok());
        self.texts.borrow_mut().insert(Box::from(file), text.clone());
        text
    }
}

impl Comments for TreeSources<'_> {
    fn comments(&self, file: &str) -> Vec<(Span, Arc<str>)> {
        let Ok(path) = TreePath::new(file) else { return Vec::new() };
        if !file.ends_with(".nix") {
            return Vec::new();
        }
        match self.project.world().parse(&path) {
            Ok(ast) => ast.comments.iter().map(|comment| (comment.span, comment.text.clone())).collect(),
            Err(_) => Vec::new(),
        }
    }
}
