//! Parsed files as an evaluator holds them, and the numbering of their places.

use std::cell::{OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use bulkhead_diagnostics::Place;
use bulkhead_source::{Position, Span};
use bulkhead_syntax::{Ast, ExprId, NameId, Symbol};
use rustc_hash::FxHashMap;

use crate::value::{Pos, Str, Value};

/// A file that has been parsed, for one evaluator.
pub struct Code {
    pub ast: Arc<Ast>,
    /// Its number among the evaluator's files.
    pub index: u16,
    /// The [`Pos`] of its first expression; the others follow, then the names.
    base: u32,
    /// How messages name the file.
    pub file: Arc<str>,
    /// The folder that its relative paths start from: absolute, without a slash at the end.
    pub folder: Arc<str>,
    /// The absolute path of the file, if it is one.
    pub path: Option<Arc<str>>,
    /// What `scopedImport` put over the globals.
    pub scope: Option<FxHashMap<Symbol, Value>>,
    texts: Box<[OnceCell<Rc<Str>>]>,
}

impl Code {
    /// The place of an expression.
    pub fn pos(&self, expr: ExprId) -> Pos {
        Pos(self.base + expr.0)
    }

    /// The place of a name.
    pub fn name_pos(&self, name: NameId) -> Pos {
        Pos(self.base + self.ast.exprs.len() as u32 + name.0)
    }

    /// The string of a literal without interpolation, made once.
    pub fn text(&self, expr: ExprId, text: &str) -> Rc<Str> {
        self.texts[expr.0 as usize].get_or_init(|| Str::new(text.as_bytes().into(), None)).clone()
    }

    fn span(&self, pos: Pos) -> Span {
        let offset = (pos.0 - self.base) as usize;
        let exprs = self.ast.expr_spans.len();
        if offset < exprs { self.ast.expr_spans[offset] } else { self.ast.name_spans[offset - exprs] }
    }
}

/// What a new [`Code`] is made of.
pub struct Source {
    pub ast: Arc<Ast>,
    pub file: Arc<str>,
    pub folder: Arc<str>,
    pub path: Option<Arc<str>>,
    pub scope: Option<FxHashMap<Symbol, Value>>,
}

/// The files of one evaluator.
#[derive(Default)]
pub struct Files {
    files: RefCell<Vec<Rc<Code>>>,
    next: std::cell::Cell<u32>,
}

impl Files {
    /// Number a file; `None` when there are too many (65,535 files or 4 billion places).
    pub fn add(&self, source: Source) -> Option<Rc<Code>> {
        let mut files = self.files.borrow_mut();
        let index = u16::try_from(files.len()).ok()?;
        let base = self.next.get().max(1);
        let places = u32::try_from(source.ast.exprs.len() + source.ast.name_spans.len()).ok()?;
        self.next.set(base.checked_add(places)?);
        let texts = (0..source.ast.exprs.len()).map(|_| OnceCell::new()).collect();
        let Source { ast, file, folder, path, scope } = source;
        let code = Rc::new(Code { ast, index, base, file, folder, path, scope, texts });
        files.push(code.clone());
        Some(code)
    }

    pub fn get(&self, index: u16) -> Rc<Code> {
        self.files.borrow()[index as usize].clone()
    }

    fn find(&self, pos: Pos) -> Option<Rc<Code>> {
        if pos == Pos::NONE {
            return None;
        }
        let files = self.files.borrow();
        let after = files.partition_point(|code| code.base <= pos.0);
        files.get(after.checked_sub(1)?).cloned()
    }

    /// A place for messages.
    pub fn place(&self, pos: Pos) -> Option<Place> {
        let code = self.find(pos)?;
        Some(Place::new(code.file.clone(), code.span(pos)))
    }

    /// A place for `unsafeGetAttrPos`: the file's absolute path and where its text begins.
    pub fn position(&self, pos: Pos) -> Option<(Arc<str>, Position)> {
        let code = self.find(pos)?;
        let position = code.ast.lines.position(&code.ast.text, code.span(pos).start);
        Some((code.path.clone().unwrap_or_else(|| code.file.clone()), position))
    }
}
