//! Parsed files as an evaluator holds them, and the numbering of their places.

use std::cell::{Cell, OnceCell, RefCell};
use std::sync::Arc;

use bulkhead_diagnostics::Place;
use bulkhead_source::{Position, Span};
use bulkhead_syntax::{Ast, Expr, ExprId, NameId, Symbol, TextId};

use crate::arena::{Arena, Held};
use crate::value::{Attrs, Pos, Str};

/// A file that has been parsed, for one evaluator.
pub struct Code<'a> {
    pub ast: &'a Ast,
    exprs: &'a [Expr],
    /// Its number among the evaluator's files.
    pub index: u32,
    /// The [`Pos`] of its first expression; the others follow, then the names.
    base: u32,
    /// That of its first name.
    names: u32,
    /// How messages name the file.
    pub file: &'a Arc<str>,
    /// The folder that its relative paths start from: absolute, without a slash at the end.
    pub folder: &'a str,
    /// The absolute path of the file, if it is one.
    path: Option<&'a str>,
    /// What `scopedImport` put over the globals.
    pub scope: Option<&'a Attrs<'a>>,
    /// The strings without interpolation, by [`TextId`].
    texts: &'a [Str<'a>],
    /// The names of all variables that are read in it, sorted.
    read: OnceCell<&'a [Symbol]>,
}

impl<'a> Code<'a> {
    /// The place of an expression.
    pub fn pos(&self, expr: ExprId) -> Pos {
        Pos(self.base + expr.0)
    }

    /// The place of a name.
    pub fn name_pos(&self, name: NameId) -> Pos {
        Pos(self.names + name.0)
    }

    /// An expression of the file.
    #[inline]
    pub fn expr(&self, id: ExprId) -> &'a Expr {
        &self.exprs[id.0 as usize]
    }

    /// The string of a literal without interpolation, made once.
    #[inline]
    pub fn text(&self, id: TextId) -> &'a Str<'a> {
        &self.texts[id.0 as usize]
    }

    /// Whether a variable of this name is read anywhere in the file.
    pub fn reads(&self, arena: &'a Arena<'a>, name: Symbol) -> bool {
        let read = self.read.get_or_init(|| {
            let names = self.exprs.iter().filter_map(|expr| match expr {
                Expr::Variable { name, .. } => Some(*name),
                _ => None,
            });
            let mut names: Vec<Symbol> = names.collect();
            names.sort_unstable();
            names.dedup();
            arena.copied(&names)
        });
        read.binary_search(&name).is_ok()
    }

    fn span(&self, pos: Pos) -> Span {
        let offset = (pos.number() - self.base) as usize;
        let exprs = self.ast.expr_spans.len();
        if offset < exprs { self.ast.expr_spans[offset] } else { self.ast.name_spans[offset - exprs] }
    }
}

/// What a new [`Code`] is made of.
pub struct Source<'a> {
    pub ast: Arc<Ast>,
    pub file: Arc<str>,
    pub folder: &'a str,
    pub path: Option<&'a str>,
    pub scope: Option<&'a Attrs<'a>>,
}

/// The files of one evaluator.
#[derive(Default)]
pub struct Files<'a> {
    files: RefCell<Vec<&'a Code<'a>>>,
    next: Cell<u32>,
}

impl<'a> Files<'a> {
    /// Number a file; `None` when there are too many (2 billion places).
    pub fn add(&self, arena: &'a Arena<'a>, source: Source<'a>) -> Option<&'a Code<'a>> {
        let mut files = self.files.borrow_mut();
        let index = u32::try_from(files.len()).ok()?;
        let base = self.next.get().max(1);
        let places = u32::try_from(source.ast.exprs.len() + source.ast.name_spans.len()).ok()?;
        let next = base.checked_add(places).filter(|next| *next < 1 << 31)?;
        self.next.set(next);
        let Source { ast, file, folder, path, scope } = source;
        let Held { ast, file } = arena.hold(Held { ast, file });
        let mut texts = ast.exprs.iter().filter_map(|expr| match expr {
            Expr::Text(text, _) => Some(text.as_bytes()),
            _ => None,
        });
        let texts = arena.slice((0..ast.texts).map(|_| Str::flat(texts.next().unwrap_or_default(), None)));
        let names = base + ast.exprs.len() as u32;
        let read = OnceCell::new();
        let exprs = &ast.exprs;
        let code = arena.alloc(Code { ast, exprs, index, base, names, file, folder, path, scope, texts, read });
        files.push(code);
        Some(code)
    }

    #[inline]
    pub fn get(&self, index: u32) -> &'a Code<'a> {
        self.files.borrow()[index as usize]
    }

    fn find(&self, pos: Pos) -> Option<&'a Code<'a>> {
        if pos == Pos::NONE {
            return None;
        }
        let files = self.files.borrow();
        let after = files.partition_point(|code| code.base <= pos.number());
        files.get(after.checked_sub(1)?).copied()
    }

    /// A place for messages.
    pub fn place(&self, pos: Pos) -> Option<Place> {
        let code = self.find(pos)?;
        Some(Place::new(code.file.clone(), code.span(pos)))
    }

    /// A place for `unsafeGetAttrPos`: the file's absolute path and where its text begins.
    pub fn position(&self, pos: Pos) -> Option<(&'a str, Position)> {
        let code = self.find(pos)?;
        let position = code.ast.lines.position(&code.ast.text, code.span(pos).start);
        Some((code.path.unwrap_or(code.file), position))
    }
}
