//! Names as strings, and strings as names.

use std::cell::Cell;
use std::ptr;

use bulkhead_syntax::Symbol;

use super::Evaluator;
use crate::value::Str;

/// How many of each kind are kept: a power of two.
const KEPT: usize = 256;

/// Names that were made strings lately, and strings that were taken for names, so that the table of all names is seldom
/// asked.
pub struct Names<'a> {
    strings: [Cell<Option<(Symbol, &'a Str<'a>)>>; KEPT],
    /// By the address of the string, which is nobody else's until the evaluation ends.
    symbols: [Cell<Option<(usize, Symbol)>>; KEPT],
}

impl Default for Names<'_> {
    fn default() -> Self {
        Names { strings: [const { Cell::new(None) }; KEPT], symbols: [const { Cell::new(None) }; KEPT] }
    }
}

impl<'a> Evaluator<'a> {
    /// The string of a name.
    pub fn string_of(&self, name: Symbol) -> &'a Str<'a> {
        let kept = &self.names.strings[name.number() as usize % KEPT];
        if let Some((known, string)) = kept.get()
            && known == name
        {
            return string;
        }
        let string = self.str(name.as_str().as_bytes(), None);
        kept.set(Some((name, string)));
        string
    }

    /// The name that a string is; none if it is not UTF-8.
    pub fn symbol_of(&self, string: &'a Str<'a>) -> Option<Symbol> {
        let address = ptr::from_ref(string) as usize;
        let kept = &self.names.symbols[address / size_of::<Str<'_>>() % KEPT];
        if let Some((known, symbol)) = kept.get()
            && known == address
        {
            return Some(symbol);
        }
        let symbol = self.intern(std::str::from_utf8(string.bytes()).ok()?);
        kept.set(Some((address, symbol)));
        Some(symbol)
    }
}
