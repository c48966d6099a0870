//! Interned names.

use std::cell::RefCell;
use std::fmt;
use std::hash::BuildHasher;
use std::sync::{LazyLock, Mutex};

use foldhash::fast::RandomState;
use hashbrown::HashTable;

/// A name, interned: equal names are equal numbers. Names live as long as the process, as they do in Nix.
///
/// The order of symbols is that of their first use, not that of their texts.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Symbol(u32);

/// Names and their symbols. What is hashed are the names, but only the numbers lie in the hash table: a name takes 16 bytes
/// of text and length here, and five there.
#[derive(Default)]
struct Table {
    symbols: HashTable<Symbol>,
    /// By the numbers of the symbols.
    names: Vec<&'static str>,
}

impl Table {
    fn find(&self, hash: u64, name: &str) -> Option<Symbol> {
        self.symbols.find(hash, |symbol| self.names[symbol.0 as usize] == name).copied()
    }

    /// Note the symbol of a name that is in `names`, but not yet found.
    fn insert(&mut self, hash: u64, symbol: Symbol) {
        self.symbols.insert_unique(hash, symbol, |symbol| hash_of(self.names[symbol.0 as usize]));
    }
}

static GLOBAL: LazyLock<Mutex<Table>> = LazyLock::new(Mutex::default);

static HASHER: LazyLock<RandomState> = LazyLock::new(RandomState::default);

fn hash_of(name: &str) -> u64 {
    HASHER.hash_one(name)
}

thread_local! {
    /// What this thread has seen of the global table, so that it is seldom locked: the names from the first on, and the
    /// symbols that it was asked for.
    static LOCAL: RefCell<Table> = RefCell::default();
}

impl Symbol {
    /// The symbol of a name.
    pub fn new(name: &str) -> Symbol {
        let hash = hash_of(name);
        LOCAL.with_borrow_mut(|local| {
            if let Some(symbol) = local.find(hash, name) {
                return symbol;
            }
            let mut global = GLOBAL.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            let symbol = match global.find(hash, name) {
                Some(symbol) => symbol,
                None => {
                    let symbol = Symbol(global.names.len() as u32);
                    global.names.push(Box::leak(Box::from(name)));
                    global.insert(hash, symbol);
                    symbol
                }
            };
            let known = local.names.len();
            local.names.extend_from_slice(&global.names[known..]);
            local.insert(hash, symbol);
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
