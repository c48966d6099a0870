//! Interned names.

use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt;
use std::sync::{LazyLock, Mutex};

use foldhash::fast::RandomState;

/// A name, interned: equal names are equal numbers. Names live as long as the process, as they do in Nix.
///
/// The order of symbols is that of their first use, not that of their texts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Symbol(u32);

#[derive(Default)]
struct Table {
    ids: HashMap<&'static str, Symbol, RandomState>,
    names: Vec<&'static str>,
}

static GLOBAL: LazyLock<Mutex<Table>> = LazyLock::new(Mutex::default);

thread_local! {
    /// What this thread has seen of the global table, so that it is seldom locked.
    static LOCAL: RefCell<Table> = RefCell::default();
}

impl Symbol {
    /// The symbol of a name.
    pub fn new(name: &str) -> Symbol {
        LOCAL.with_borrow_mut(|local| {
            if let Some(symbol) = local.ids.get(name) {
                return *symbol;
            }
            let mut global = GLOBAL.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            let (symbol, name) = match global.ids.get_key_value(name) {
                Some((name, symbol)) => (*symbol, *name),
                None => {
                    let name: &'static str = Box::leak(Box::from(name));
                    let symbol = Symbol(global.names.len() as u32);
                    global.names.push(name);
                    global.ids.insert(name, symbol);
                    (symbol, name)
                }
            };
            local.ids.insert(name, symbol);
            symbol
        })
    }

    /// The number: how many other names the process had seen before.
    #[inline]
    pub fn number(self) -> u32 {
        self.0
    }

    /// The name.
    pub fn as_str(self) -> &'static str {
        LOCAL.with_borrow_mut(|local| {
            if let Some(name) = local.names.get(self.0 as usize) {
                return *name;
            }
            let global = GLOBAL.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            let known = local.names.len();
            local.names.extend_from_slice(&global.names[known..]);
            local.names[self.0 as usize]
        })
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}
