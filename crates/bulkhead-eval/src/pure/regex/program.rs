//! From the text of a regular expression to its automaton.
//!
//! The automaton is built state for state like libstdc++'s, because what Nix prints depends on it: the order in which
//! alternatives are tried decides what groups capture, and an automaton of more than 100,000 states is refused.

use rustc_hash::FxHashMap;

use super::Invalid;
use super::bracket::{self, ByteSet};

/// `_GLIBCXX_REGEX_STATE_LIMIT`: regular expressions that need more states are an error in Nix.
const STATE_LIMIT: usize = 100_000;

/// Not yet connected.
const NOWHERE: u32 = u32::MAX;

#[derive(Clone, Copy)]
pub(super) enum Node {
    /// Goes on with `next`; only there while the automaton is built.
    Skip,
    /// One byte of the set with this index.
    Bytes(u32),
    /// The start of a group.
    Open(u32),
    /// The end of a group.
    Close(u32),
    /// `^`
    TextStart,
    /// `$`
    TextEnd,
    /// `other` is the left alternative, `next` the right one.
    Alternative,
    /// `other` is one more repetition, `next` leaves the loop. `may_be_empty`: a repetition can match nothing.
    Repeat { may_be_empty: bool },
    /// The whole expression has matched.
    Accept,
}

#[derive(Clone, Copy)]
pub(super) struct State {
    pub(super) node: Node,
    pub(super) next: u32,
    pub(super) other: u32,
}

pub(super) struct Program {
    pub(super) states: Vec<State>,
    pub(super) sets: Vec<ByteSet>,
    pub(super) start: u32,
    /// Groups, with the whole match as group 0.
    pub(super) groups: u32,
}

/// A piece of automaton with one entry and one exit.
#[derive(Clone, Copy)]
struct Piece {
    start: u32,
    end: u32,
    may_be_empty: bool,
}

/// A group that is being read; the outermost is the whole expression.
struct Open {
    group: u32,
    start: Piece,
    /// What is left of the last `|`.
    left: Option<Piece>,
    /// What was read since the last `|`.
    sequence: Option<Piece>,
}

impl Program {
    pub(super) fn parse(pattern: &[u8]) -> Result<Program, Invalid> {
        let mut builder = Builder { states: Vec::new(), sets: Vec::new(), groups: 0 };
        let whole = builder.read(pattern)?;
        builder.remove_skips();
        Ok(Program { states: builder.states, sets: builder.sets, start: whole.start, groups: builder.groups })
    }

    /// The bytes a match can begin with, or nothing if it can be empty (or depend on its place alone).
    pub(super) fn first_bytes(&self) -> Option<ByteSet> {
        let mut first = ByteSet::default();
        let mut seen = vec![false; self.states.len()];
        let mut todo = vec![self.start];
        while let Some(id) = todo.pop() {
            if std::mem::replace(&mut seen[id as usize], true) {
                continue;
            }
            let state = self.states[id as usize];
            match state.node {
                Node::Bytes(set) => first = first.union(self.sets[set as usize]),
                Node::Accept => return None,
                Node::Alternative | Node::Repeat { .. } => todo.extend([state.next, state.other]),
                Node::Skip | Node::Open(_) | Node::Close(_) | Node::TextStart | Node::TextEnd => todo.push(state.next),
            }
        }
        Some(first)
    }
}

struct Builder {
    states: Vec<State>,
    sets: Vec<ByteSet>,
    groups: u32,
}

impl Builder {
    fn read(&mut self, pattern: &[u8]) -> Result<Piece, Invalid> {
        let mut open = self.open()?;
        let mut outer = Vec::new();
        let mut at = 0;
        while let Some(&byte) = pattern.get(at) {
            at += 1;
            let atom = match byte {
                b'^' | b'$' => {
                    // Not something that can be repeated: `^*` is an error.
                    let piece = self.add(if byte == b'^' { Node::TextStart } else { Node::TextEnd }, true)?;
                    self.append(&mut open, piece);
                    continue;
                }
                b'|' => {
                    let piece = self.finish_alternative(&mut open)?;
                    open.left = Some(piece);
                    continue;
                }
                b'(' => {
                    let inner = self.open()?;
                    outer.push(std::mem::replace(&mut open, inner));
                    continue;
                }
                b')' => {
                    let enclosing = outer.pop().ok_or(Invalid::Syntax)?;
                    self.close(std::mem::replace(&mut open, enclosing))?
                }
                b'.' => self.bytes(ByteSet::any())?,
                b'[' => {
                    let set = bracket::parse(pattern, &mut at)?;
                    self.bytes(set)?
                }
                b'\\' => {
                    let escaped = pattern.get(at).copied().ok_or(Invalid::Syntax)?;
                    at += 1;
                    if !b".[\\()*+?{|^$".contains(&escaped) {
                        return Err(Invalid::Syntax);
                    }
                    self.bytes(ByteSet::of(escaped))?
                }
                b'*' | b'+' | b'?' | b'{' | 0 => return Err(Invalid::Syntax),
                _ => self.bytes(ByteSet::of(byte))?,
            };
            let repeated = self.quantifiers(atom, pattern, &mut at)?;
            self.append(&mut open, repeated);
        }
        if !outer.is_empty() {
            return Err(Invalid::Syntax);
        }
        let mut whole = self.close(open)?;
        let accept = self.add(Node::Accept, true)?;
        self.connect(&mut whole, accept);
        Ok(whole)
    }

    fn quantifiers(&mut self, mut piece: Piece, pattern: &[u8], at: &mut usize) -> Result<Piece, Invalid> {
        while let Some(&byte) = pattern.get(*at) {
            let body_may_be_empty = piece.may_be_empty;
            match byte {
                b'*' => {
                    let repeat = self.repeat(piece.start, body_may_be_empty)?;
                    self.connect(&mut piece, repeat);
                    piece = repeat;
                }
                b'+' => {
                    let repeat = self.repeat(piece.start, body_may_be_empty)?;
                    self.connect(&mut piece, repeat);
                    piece.may_be_empty = body_may_be_empty;
                }
                b'?' => {
                    let end = self.add(Node::Skip, true)?;
                    let mut repeat = self.repeat(piece.start, body_may_be_empty)?;
                    self.connect(&mut piece, end);
                    self.connect(&mut repeat, end);
                    piece = repeat;
                }
                b'{' => {
                    *at += 1;
                    piece = self.interval(piece, pattern, at)?;
                    continue;
                }
                _ => break,
            }
            *at += 1;
        }
        Ok(piece)
    }

    /// `{3}`, `{3,}` and `{3,7}`: copies of the piece; what was read itself is not used.
    fn interval(&mut self, piece: Piece, pattern: &[u8], at: &mut usize) -> Result<Piece, Invalid> {
        let least = count(pattern, at)?.ok_or(Invalid::Syntax)?;
        let mut most = Some(least);
        if pattern.get(*at) == Some(&b',') {
            *at += 1;
            most = count(pattern, at)?;
        }
        if pattern.get(*at) != Some(&b'}') {
            return Err(Invalid::Syntax);
        }
        *at += 1;
        let mut result = self.add(Node::Skip, true)?;
        for _ in 0..least {
            let copy = self.copy(piece)?;
            self.connect(&mut result, copy);
        }
        result.may_be_empty = least == 0 || piece.may_be_empty;
        let Some(most) = most else {
            let mut copy = self.copy(piece)?;
            let repeat = self.repeat(copy.start, piece.may_be_empty)?;
            self.connect(&mut copy, repeat);
            self.connect(&mut result, repeat);
            return Ok(result);
        };
        let optional = most.checked_sub(least).ok_or(Invalid::Syntax)?;
        let end = self.add(Node::Skip, true)?;
        for _ in 0..optional {
            let copy = self.copy(piece)?;
            let repeat = self.repeat(copy.start, piece.may_be_empty)?;
            self.states[repeat.start as usize].next = end.start;
            self.connect(&mut result, Piece { start: repeat.start, end: copy.end, may_be_empty: true });
        }
        self.connect(&mut result, end);
        Ok(result)
    }

    /// Copies all states of a piece that is not yet connected to anything behind it.
    fn copy(&mut self, piece: Piece) -> Result<Piece, Invalid> {
        let mut copies = FxHashMap::default();
        let mut todo = vec![piece.start];
        while let Some(id) = todo.pop() {
            if copies.contains_key(&id) {
                continue;
            }
            let state = self.states[id as usize];
            copies.insert(id, self.push(state)?);
            if state.other != NOWHERE {
                todo.push(state.other);
            }
            if id != piece.end && state.next != NOWHERE {
                todo.push(state.next);
            }
        }
        let moved = |id: u32| copies.get(&id).copied().unwrap_or(NOWHERE);
        for &copy in copies.values() {
            let state = &mut self.states[copy as usize];
            state.next = moved(state.next);
            state.other = moved(state.other);
        }
        Ok(Piece { start: moved(piece.start), end: moved(piece.end), may_be_empty: piece.may_be_empty })
    }

    fn open(&mut self) -> Result<Open, Invalid> {
        let group = self.groups;
        self.groups += 1;
        let start = self.add(Node::Open(group), true)?;
        Ok(Open { group, start, left: None, sequence: None })
    }

    fn close(&mut self, mut open: Open) -> Result<Piece, Invalid> {
        let inner = self.finish_alternative(&mut open)?;
        let mut piece = open.start;
        self.connect(&mut piece, inner);
        let end = self.add(Node::Close(open.group), true)?;
        self.connect(&mut piece, end);
        piece.may_be_empty = inner.may_be_empty;
        Ok(piece)
    }

    /// What was read of the group so far, as one piece: the alternatives to the left and the sequence since then.
    fn finish_alternative(&mut self, open: &mut Open) -> Result<Piece, Invalid> {
        let end = self.add(Node::Skip, true)?;
        self.append(open, end);
        let mut right = open.sequence.take().unwrap_or(end);
        let Some(mut left) = open.left.take() else {
            return Ok(right);
        };
        let join = self.add(Node::Skip, true)?;
        self.connect(&mut left, join);
        self.connect(&mut right, join);
        let may_be_empty = left.may_be_empty || right.may_be_empty;
        let start = self.push(State { node: Node::Alternative, next: right.start, other: left.start })?;
        Ok(Piece { start, end: join.end, may_be_empty })
    }

    fn append(&mut self, open: &mut Open, piece: Piece) {
        match &mut open.sequence {
            Some(sequence) => {
                let may_be_empty = sequence.may_be_empty && piece.may_be_empty;
                self.connect(sequence, piece);
                sequence.may_be_empty = may_be_empty;
            }
            None => open.sequence = Some(piece),
        }
    }

    fn connect(&mut self, piece: &mut Piece, next: Piece) {
        self.states[piece.end as usize].next = next.start;
        piece.end = next.end;
    }

    fn repeat(&mut self, body: u32, may_be_empty: bool) -> Result<Piece, Invalid> {
        let id = self.push(State { node: Node::Repeat { may_be_empty }, next: NOWHERE, other: body })?;
        Ok(Piece { start: id, end: id, may_be_empty: true })
    }

    fn bytes(&mut self, set: ByteSet) -> Result<Piece, Invalid> {
        let index = self.sets.iter().rev().take(16).position(|known| *known == set);
        let index = match index {
            Some(back) => self.sets.len() - 1 - back,
            None => {
                self.sets.push(set);
                self.sets.len() - 1
            }
        };
        self.add(Node::Bytes(u32::try_from(index).map_err(|_| Invalid::TooLarge)?), false)
    }

    fn add(&mut self, node: Node, may_be_empty: bool) -> Result<Piece, Invalid> {
        let id = self.push(State { node, next: NOWHERE, other: NOWHERE })?;
        Ok(Piece { start: id, end: id, may_be_empty })
    }

    fn push(&mut self, state: State) -> Result<u32, Invalid> {
        if self.states.len() >= STATE_LIMIT {
            return Err(Invalid::TooLarge);
        }
        self.states.push(state);
        u32::try_from(self.states.len() - 1).map_err(|_| Invalid::TooLarge)
    }

    /// Lets every state point behind the `Skip`s that were only there to build the automaton.
    fn remove_skips(&mut self) {
        let mut target: Vec<u32> = vec![NOWHERE; self.states.len()];
        for id in 0..self.states.len() {
            let mut chain = Vec::new();
            let mut at = id;
            while target[at] == NOWHERE {
                let state = self.states[at];
                if !matches!(state.node, Node::Skip) || state.next == NOWHERE {
                    break;
                }
                chain.push(at);
                at = state.next as usize;
            }
            if target[at] == NOWHERE {
                // The state itself; there are far fewer states than `u32` can count.
                target[at] = u32::try_from(at).unwrap_or(NOWHERE);
            }
            let end = target[at];
            for link in chain {
                target[link] = end;
            }
        }
        for state in &mut self.states {
            for link in [&mut state.next, &mut state.other] {
                if *link != NOWHERE {
                    *link = target[*link as usize];
                }
            }
        }
    }
}

/// The decimal number at `at`, if there is one.
fn count(pattern: &[u8], at: &mut usize) -> Result<Option<usize>, Invalid> {
    let rest = pattern.get(*at..).unwrap_or_default();
    let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if digits == 0 {
        return Ok(None);
    }
    *at += digits;
    let mut value = 0_usize;
    for digit in &rest[..digits] {
        value = value.saturating_mul(10).saturating_add(usize::from(digit - b'0'));
    }
    // Copies of even an empty group need more states than there may be.
    if value > STATE_LIMIT { Err(Invalid::TooLarge) } else { Ok(Some(value)) }
}
