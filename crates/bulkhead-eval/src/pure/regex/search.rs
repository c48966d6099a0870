//! Runs an automaton over a text.
//!
//! libstdc++ explores the automaton depth first and keeps the longest match of all it comes across, where a loop that
//! matched is left alone but both sides of every `|` are tried. This does the same, without recursion, and remembers
//! what it has already explored: exploring a state at a place a second time can't find a longer match. So the work is
//! bounded by states times bytes (times the budget), where libstdc++'s grows exponentially.

use rustc_hash::FxHashMap;

use super::bracket::ByteSet;
use super::program::{Node, Program};
use super::{Captures, Exhausted};

/// Bounds of the memory of one search (a frame takes 48 bytes, a remembered state 32); beyond the first the search
/// gives up, beyond the second it goes on and forgets.
const MAX_FRAMES: usize = 1 << 22;
const MAX_REMEMBERED: usize = 1 << 21;
const MAX_COUNTERS: usize = 1 << 22;

/// Steps that remembering a state takes.
const REMEMBERING: u64 = 4;

/// How often loops that may match nothing were entered at the current place: an index into `Search::entries`.
type Entries = u32;
const NONE_ENTERED: Entries = 0;

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
struct Point {
    state: u32,
    entries: Entries,
    at: usize,
}

enum Frame {
    /// A repetition was tried; without success the loop is left.
    Repeat(Point),
    /// A loop over single bytes has taken all it could, up to `taken`; without success it takes one less.
    /// `end` is the end of the bytes it could ever take.
    Run { point: Point, taken: usize, end: usize },
    /// The loop was left: the result is that of the loop.
    Leave(Point),
    /// The left alternative was tried, now the right one.
    Right(Point),
    /// Both alternatives were tried.
    Join { point: Point, left: bool },
    /// Restores the start or end of a group.
    Restore { slot: usize, value: Option<usize> },
}

pub(super) struct Search<'a> {
    program: &'a Program,
    text: &'a [u8],
    /// Only matches that end at the end of the text.
    whole: bool,
    /// Starts and ends of groups on the current way.
    slots: Vec<Option<usize>>,
    best: Option<(usize, Vec<Option<usize>>)>,
    frames: Vec<Frame>,
    remembered: FxHashMap<Point, bool>,
    /// For each loop over single bytes, the last stretch of places, up to the end of the bytes it can
    /// take, at which going on after the loop failed (with no loops entered there).
    failed_runs: FxHashMap<u32, (usize, usize)>,
    entries: Vec<Vec<(u32, u8)>>,
    entries_by_value: FxHashMap<Vec<(u32, u8)>, Entries>,
    counters: usize,
}

impl<'a> Search<'a> {
    pub(super) fn new(program: &'a Program, text: &'a [u8], whole: bool) -> Search<'a> {
        Search {
            program,
            text,
            whole,
            slots: vec![None; program.groups as usize * 2],
            best: None,
            frames: Vec::new(),
            remembered: FxHashMap::default(),
            failed_runs: FxHashMap::default(),
            entries: vec![Vec::new()],
            entries_by_value: FxHashMap::default(),
            counters: 0,
        }
    }

    /// Forgets what was explored; needed once something has been found, or when other matches are allowed.
    pub(super) fn forget(&mut self) {
        // Clearing takes as long as the table is large, which may be much longer than the next search.
        if self.remembered.capacity() > 4096 {
            self.remembered = FxHashMap::default();
        }
        self.remembered.clear();
        self.failed_runs.clear();
    }

    /// The match that begins at `start`. `not_empty`: the empty match there doesn't count.
    pub(super) fn match_at(
        &mut self,
        start: usize,
        not_empty: bool,
        budget: &mut u64,
    ) -> Result<Option<Captures>, Exhausted> {
        self.best = None;
        let mut current = Some(Point { state: self.program.start, entries: NONE_ENTERED, at: start });
        let mut found = false;
        loop {
            if let Some(point) = current {
                *budget = budget.checked_sub(1).ok_or(Exhausted::Budget)?;
                if self.frames.len() >= MAX_FRAMES {
                    return Err(Exhausted::Memory);
                }
                found = false;
                current = match self.step(point, budget)? {
                    Step::Go(next) => Some(next),
                    Step::Fail => None,
                    Step::Known(result) => {
                        found = result;
                        None
                    }
                    Step::Accept => {
                        *budget = budget.checked_sub(self.slots.len() as u64 / 8).ok_or(Exhausted::Budget)?;
                        found = self.accept(point.at, start, not_empty);
                        if found && (self.whole || point.at == self.text.len()) {
                            // Nothing can be longer. What is left to try would have restored the slots.
                            self.frames.clear();
                            self.slots.fill(None);
                            break;
                        }
                        None
                    }
                };
            } else if let Some(frame) = self.frames.pop() {
                current = self.resume(frame, &mut found);
            } else {
                break;
            }
        }
        let best = self.best.take();
        Ok(best.map(|(_, slots)| {
            let pairs = slots.chunks_exact(2);
            pairs
                .map(|pair| match pair {
                    [Some(from), Some(to)] => Some(*from..*to),
                    _ => None,
                })
                .collect()
        }))
    }

    fn step(&mut self, point: Point, budget: &mut u64) -> Result<Step, Exhausted> {
        let program = self.program;
        let state = program.states[point.state as usize];
        let next = Point { state: state.next, ..point };
        Ok(match state.node {
            Node::Skip => Step::Go(next),
            Node::Bytes(set) => match self.text.get(point.at) {
                Some(&byte) if program.sets[set as usize].contains(byte) => {
                    Step::Go(Point { state: state.next, entries: NONE_ENTERED, at: point.at + 1 })
                }
                _ => Step::Fail,
            },
            Node::Open(group) => self.set(group as usize * 2, point.at, next),
            Node::Close(group) => self.set(group as usize * 2 + 1, point.at, next),
            Node::TextStart if point.at == 0 => Step::Go(next),
            Node::TextEnd if point.at == self.text.len() => Step::Go(next),
            Node::TextStart | Node::TextEnd => Step::Fail,
            Node::Accept => Step::Accept,
            Node::Alternative => {
                if let Some(&result) = self.remembered.get(&point) {
                    return Ok(Step::Known(result));
                }
                *budget = budget.checked_sub(REMEMBERING).ok_or(Exhausted::Budget)?;
                self.remember(point, false);
                self.frames.push(Frame::Right(point));
                Step::Go(Point { state: state.other, ..point })
            }
            Node::Repeat { may_be_empty } => {
                let body = program.states[state.other as usize];
                if let Node::Bytes(set) = body.node
                    && body.next == point.state
                {
                    return self.run(point, program.sets[set as usize], budget);
                }
                if let Some(&result) = self.remembered.get(&point) {
                    return Ok(Step::Known(result));
                }
                *budget = budget.checked_sub(REMEMBERING).ok_or(Exhausted::Budget)?;
                self.remember(point, false);
                self.frames.push(Frame::Repeat(point));
                if !may_be_empty {
                    return Ok(Step::Go(Point { state: state.other, ..point }));
                }
                match self.enter(point, budget)? {
                    Some(entries) => Step::Go(Point { state: state.other, entries, ..point }),
                    None => Step::Fail,
                }
            }
        })
    }

    fn set(&mut self, slot: usize, at: usize, next: Point) -> Step {
        self.frames.push(Frame::Restore { slot, value: self.slots[slot] });
        self.slots[slot] = Some(at);
        Step::Go(next)
    }

    /// A loop over single bytes: takes as many as there are; `resume` gives them back one by one. Places where going on
    /// after the loop is known to fail are left out.
    fn run(&mut self, point: Point, set: ByteSet, budget: &mut u64) -> Result<Step, Exhausted> {
        let failed = self.failed_runs.get(&point.state).copied().filter(|&(_, end)| point.at <= end);
        let limit = match failed {
            Some((from, _)) if from <= point.at => return Ok(Step::Fail),
            Some((from, _)) => from,
            None => self.text.len(),
        };
        let ahead = self.text.get(point.at..limit).unwrap_or_default();
        let length = ahead.iter().position(|&byte| !set.contains(byte)).unwrap_or(ahead.len());
        *budget = budget.checked_sub(length as u64 / 8).ok_or(Exhausted::Budget)?;
        let (mut taken, mut end) = (point.at + length, point.at + length);
        if let Some((from, failed_end)) = failed
            && taken == from
        {
            (taken, end) = (from - 1, failed_end);
        }
        self.frames.push(Frame::Run { point, taken, end });
        Ok(Step::Go(self.after_run(point, taken)))
    }

    fn after_run(&self, point: Point, taken: usize) -> Point {
        let state = self.program.states[point.state as usize].next;
        let entries = if taken == point.at { point.entries } else { NONE_ENTERED };
        Point { state, entries, at: taken }
    }

    fn resume(&mut self, frame: Frame, found: &mut bool) -> Option<Point> {
        match frame {
            Frame::Repeat(point) if *found => self.remember(point, true),
            Frame::Repeat(point) => {
                if !self.whole {
                    self.frames.push(Frame::Leave(point));
                }
                return Some(Point { state: self.program.states[point.state as usize].next, ..point });
            }
            Frame::Leave(point) => {
                if *found {
                    self.remember(point, true);
                }
            }
            Frame::Run { .. } if *found => {}
            Frame::Run { point, taken, end } if taken > point.at => {
                self.frames.push(Frame::Run { point, taken: taken - 1, end });
                return Some(self.after_run(point, taken - 1));
            }
            Frame::Run { point, end, .. } => {
                // With loops entered at the first place, failing there says nothing about arriving by other ways.
                let from = if point.entries == NONE_ENTERED { point.at } else { point.at + 1 };
                if from <= end {
                    self.failed_runs.insert(point.state, (from, end));
                }
            }
            Frame::Right(point) => {
                self.frames.push(Frame::Join { point, left: *found });
                return Some(Point { state: self.program.states[point.state as usize].next, ..point });
            }
            Frame::Join { point, left } => {
                *found |= left;
                if *found {
                    self.remember(point, true);
                }
            }
            Frame::Restore { slot, value } => self.slots[slot] = value,
        }
        None
    }

    fn accept(&mut self, end: usize, start: usize, not_empty: bool) -> bool {
        if (self.whole && end != self.text.len()) || (not_empty && end == start) {
            return false;
        }
        if self.best.as_ref().is_none_or(|(longest, _)| *longest < end) {
            self.best = Some((end, self.slots.clone()));
        }
        true
    }

    fn remember(&mut self, point: Point, result: bool) {
        if self.remembered.len() < MAX_REMEMBERED || self.remembered.contains_key(&point) {
            self.remembered.insert(point, result);
        }
    }

    /// Enters a loop whose body may match nothing: at one place that is done twice at most (so that an empty
    /// repetition is captured, but not forever).
    fn enter(&mut self, point: Point, budget: &mut u64) -> Result<Option<Entries>, Exhausted> {
        let mut entries = self.entries[point.entries as usize].clone();
        *budget = budget.checked_sub(entries.len() as u64).ok_or(Exhausted::Budget)?;
        match entries.binary_search_by_key(&point.state, |&(state, _)| state) {
            Ok(index) if entries[index].1 >= 2 => return Ok(None),
            Ok(index) => entries[index].1 += 1,
            Err(index) => entries.insert(index, (point.state, 1)),
        }
        if let Some(&known) = self.entries_by_value.get(&entries) {
            return Ok(Some(known));
        }
        self.counters += entries.len();
        if self.counters > MAX_COUNTERS {
            return Err(Exhausted::Memory);
        }
        let id = Entries::try_from(self.entries.len()).map_err(|_| Exhausted::Memory)?;
        self.entries.push(entries.clone());
        self.entries_by_value.insert(entries, id);
        Ok(Some(id))
    }
}

enum Step {
    Go(Point),
    Fail,
    /// Explored before, with this result.
    Known(bool),
    Accept,
}
