//! The texts that a definition has, with what is known of what is put into them: scripts, command lines and the like.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bulkhead_diagnostics::Place;
use bulkhead_eval::data::{Data, DataKind};
use bulkhead_modules::{BUILT_IN, systems_file};
use bulkhead_source::{FileTree, Span, TreePath, read_text};
use bulkhead_syntax::{Ast, Expr, ExprId, StringPart};
use foldhash::{HashMap, HashSet};

use super::Named;
use super::given::called;
use super::made::{COMPUTED, makes_file};
use super::repository_file::file_of_expression;
use super::secret_mention::{Mention, Names, written};
use crate::context::Context;

/// Variables that lead to variables, and lists in sets, are followed this far.
const DEEPEST: u8 = 16;

/// What a file is called that Nix makes of a text.
pub(crate) const MADE: &str = "a file that is made";

/// What is put into longer texts is passed over, in bytes.
const LONGEST: usize = 256 << 10;

/// How much of a machine's texts is looked at, in bytes. Thousands of options may name one text, or each a long one.
const MOST_BYTES: usize = 16 << 20;

/// How many parts are put together to one text: what they lead to may be empty again and again.
const MOST_PARTS: usize = 64 << 10;

/// The first of the characters that stand for what is put into a text. They are for private use.
const FIRST: u32 = 0xE000;

/// How many of them there are.
const MOST: u32 = 0x1900;

/// A text.
pub(crate) struct Text {
    /// What it says. A character for private use stands for each expression that is put into it; the same for the same.
    pub(crate) text: String,
    /// What they stand for.
    holes: BTreeMap<char, Hole>,
    /// What of the text is put into it, in its order, and where that is written.
    put: Vec<(Range<usize>, Span)>,
    /// Where it is written.
    pub(crate) place: Place,
}

/// What is put into a text.
struct Hole {
    what: What,
    /// How it is written.
    written: String,
}

/// What an expression is that is put into a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// The path of this decrypted secret.
    Secret(String),
    /// A file that Nix copies into its store, or makes there.
    Stored(String),
    /// Something else.
    Other,
}

impl Text {
    /// What a character stands for.
    pub(crate) fn what(&self, c: char) -> Option<&What> {
        self.holes.get(&c).map(|hole| &hole.what)
    }

    /// Whether the path of a secret is put into it.
    pub(crate) fn has_secret(&self) -> bool {
        self.holes.values().any(|hole| matches!(hole.what, What::Secret(_)))
    }

    /// A part of the text as it is written.
    pub(crate) fn shown(&self, part: &str) -> String {
        let mut shown = String::new();
        for c in part.chars() {
            match self.holes.get(&c) {
                Some(hole) => shown.extend(["${", &hole.written, "}"]),
                None => shown.push(c),
            }
        }
        shown
    }

    /// Where a part of the text is written: a secret or file that is put into it, else its words, else the whole.
    pub(crate) fn place_of(&self, context: &Context<'_>, part: Range<usize>) -> Place {
        let found = || {
            let names = context.names_in(&self.place.file)?;
            let whole = self.place.span?;
            let (mut pieces, mut at, mut from) = (Vec::new(), part.start, whole.start);
            for (range, span) in &self.put {
                if range.end <= part.start {
                    from = from.max(span.end);
                } else if range.start < part.end {
                    let first = self.text.get(range.clone())?.chars().next();
                    if first.and_then(|c| self.what(c)).is_some_and(|what| *what != What::Other) {
                        return Some(Place::new(self.place.file.clone(), *span));
                    }
                    pieces.push(self.text.get(at..range.start).unwrap_or_default());
                    at = range.end;
                }
            }
            pieces.push(self.text.get(at..part.end).unwrap_or_default());
            let lines = pieces.into_iter().flat_map(str::lines).map(str::trim);
            let longest = lines.max_by_key(|piece| piece.len()).filter(|piece| !piece.is_empty())?;
            let around = names.ast.text.get(from as usize..whole.end as usize)?;
            let start = from + u32::try_from(around.find(longest)?).ok()?;
            let span = Span { start, end: start + u32::try_from(longest.len()).ok()? };
            Some(Place::new(self.place.file.clone(), span))
        };
        found().unwrap_or_else(|| self.place.clone())
    }

    /// The text with [`COMPUTED`] for all that is put into it.
    pub(crate) fn without_holes(&self) -> String {
        self.text.chars().map(|c| if self.holes.contains_key(&c) { COMPUTED } else { c }).collect()
    }
}

/// What texts of a machine were looked at, and how many more may be.
pub(crate) struct Looked {
    /// Numbers of what texts are judged by.
    surroundings: HashMap<String, usize>,
    /// What stands in a file, judged by the surroundings of this number.
    written: HashSet<(Arc<str>, ExprId, usize)>,
    known: HashSet<(Place, Arc<str>, usize)>,
    /// How many bytes more are looked at.
    left: usize,
    /// The first place that was passed over.
    pub(super) passed: Option<Place>,
    /// The first text of which not all was looked at.
    cut: Option<Place>,
}

impl Default for Looked {
    fn default() -> Looked {
        Looked {
            surroundings: HashMap::default(),
            written: HashSet::default(),
            known: HashSet::default(),
            left: MOST_BYTES,
            passed: None,
            cut: None,
        }
    }
}

impl Looked {
    /// Whether a text of some bytes is looked at.
    fn takes(&mut self, bytes: usize, place: &Place) -> bool {
        match self.left.checked_sub(bytes) {
            Some(left) if self.passed.is_none() => self.left = left,
            _ => self.passed = self.passed.take().or_else(|| Some(place.clone())),
        }
        self.passed.is_none()
    }
}

/// The scripts of machines that a rule looks at: those that have one of its words.
pub(crate) struct Scripts {
    words: &'static [&'static str],
    /// What files are written, if they have one of the words.
    files: HashMap<Arc<str>, Option<Arc<Ast>>>,
    /// Which of them are meant on the machine.
    meant: HashMap<Arc<str>, bool>,
    looked: Looked,
}

impl Scripts {
    pub(crate) fn of(words: &'static [&'static str]) -> Scripts {
        Scripts { words, files: HashMap::default(), meant: HashMap::default(), looked: Looked::default() }
    }

    /// Go on to the next machine. Returns where the first text of the last one is that was not looked at, or not to its end.
    pub(crate) fn next_machine(&mut self) -> Option<Place> {
        self.meant.clear();
        let Looked { passed, cut, .. } = std::mem::take(&mut self.looked);
        passed.or(cut)
    }

    /// Note a text of which not all was looked at.
    pub(crate) fn note_cut(&mut self, at: Place) {
        self.looked.cut.get_or_insert(at);
    }

    /// Whether a text has one of the words.
    pub(crate) fn has_word(&self, text: &str) -> bool {
        self.words.iter().any(|word| text.contains(word))
    }

    /// Whether a definition may have such a script; `is_meant` is about the text of it, or of its file.
    pub(crate) fn may_be_in(&mut self, context: &Context<'_>, named: &Named, is_meant: &dyn Fn(&str) -> bool) -> bool {
        let is_run = named.path.names().last().is_some_and(|name| name.starts_with("Exec"));
        match &named.definition.value.kind {
            DataKind::String(text) => self.has_word(text) && is_meant(text),
            DataKind::Path(_) => is_run,
            DataKind::List(items) if is_run && items.iter().any(|item| matches!(item.kind, DataKind::Path(_))) => true,
            DataKind::List(_) | DataKind::Attrs(_) | DataKind::Unknown(_) | DataKind::Failed(_) => {
                let file = named.place().file;
                if let Some(known) = self.meant.get(&file) {
                    return *known;
                }
                let words = self.words;
                let ast = self.files.entry(file.clone()).or_insert_with(|| {
                    let ast = context.world?.parse(&TreePath::new(&file).ok()?).ok()?;
                    words.iter().any(|word| ast.text.contains(word)).then_some(ast)
                });
                // What it calls is about the secret that it is given.
                let has_word = |path: &Arc<str>| {
                    let ast = TreePath::new(path).ok().and_then(|path| context.world?.parse(&path).ok());
                    ast.is_some_and(|ast| words.iter().any(|word| ast.text.contains(word)))
                };
                let is_meant = ast.as_ref().is_some_and(|ast| is_meant(&ast.text))
                    || context.given().calls.get(&file).is_some_and(|called| called.iter().any(has_word));
                self.meant.insert(file, is_meant);
                is_meant
            }
            _ => false,
        }
    }

    /// The scripts of a definition that were not looked at before in the same surroundings.
    pub(crate) fn fresh(&mut self, context: &Context<'_>, named: &Named, surroundings: &str) -> Vec<Text> {
        fresh_texts_of(context, &named.definition.value, &named.place(), &mut self.looked, surroundings)
    }
}

/// The texts of a value at a place: what is known, and where nothing is, those that are written there and in the
/// variables that are named there.
pub(crate) fn texts_of(context: &Context<'_>, data: &Data, place: &Place) -> Vec<Text> {
    fresh_texts_of(context, data, place, &mut Looked::default(), "")
}

/// Those that were not looked at before in the same surroundings: in what they are judged by besides what they say.
pub(crate) fn fresh_texts_of(
    context: &Context<'_>,
    data: &Data,
    place: &Place,
    looked: &mut Looked,
    surroundings: &str,
) -> Vec<Text> {
    let next = looked.surroundings.len();
    let number = *looked.surroundings.entry(surroundings.to_owned()).or_insert(next);
    let mut fresh = Fresh { looked, number, found: Vec::new() };
    of_data(context, data, place, DEEPEST, &mut fresh);
    fresh.found
}

/// Texts that are looked for.
struct Fresh<'l> {
    looked: &'l mut Looked,
    /// That of the surroundings.
    number: usize,
    found: Vec<Text>,
}

impl Fresh<'_> {
    /// Add a text that is known.
    fn add(&mut self, text: &Arc<str>, place: &Place) {
        let is_fresh = self.looked.passed.is_none()
            && self.looked.known.insert((place.clone(), text.clone(), self.number))
            && self.looked.takes(text.len(), place);
        if is_fresh {
            let text = text.to_string();
            self.found.push(Text { text, holes: BTreeMap::new(), put: Vec::new(), place: place.clone() });
        }
    }

    /// Add one that is written in a file.
    fn add_written(&mut self, file: &File<'_, '_>, id: ExprId) {
        if self.looked.passed.is_some() {
            return;
        }
        let text = text(file, id);
        let holes: usize = text.holes.values().map(|hole| hole.written.len()).sum();
        let size = text.text.len() + holes + text.put.len() * size_of::<(Range<usize>, Span)>();
        if self.looked.takes(size, &text.place) {
            self.found.push(text);
        }
    }

    /// Whether an expression was not met before.
    fn is_new(&mut self, file: &File<'_, '_>, id: ExprId) -> bool {
        self.looked.written.insert((file.path.clone(), id, self.number))
    }
}

fn of_data(context: &Context<'_>, data: &Data, around: &Place, depth: u8, found: &mut Fresh<'_>) {
    let Some(depth) = depth.checked_sub(1) else { return };
    // What a function of `lib` made has no place of its own.
    let place = data.place.as_ref().filter(|at| &*at.file != BUILT_IN).unwrap_or(around);
    match &data.kind {
        DataKind::String(text) => found.add(text, place),
        // A script of the repository.
        DataKind::Path(path) => {
            if let Some(text) = context.text_of(path) {
                found.add(&text, place);
            }
        }
        DataKind::List(items) => items.iter().for_each(|item| of_data(context, item, place, depth, found)),
        DataKind::Attrs(set) => {
            set.attrs.values().for_each(|field| of_data(context, &field.value, place, depth, found));
        }
        DataKind::Unknown(_) | DataKind::Failed(_) => {
            if let Some(names) = context.names_in(&place.file) {
                let is_flake = systems_file(context.tree).is_some_and(|file| file.name() == "flake.nix");
                let file = File { context, files: context.tree, names: &names, path: &place.file, is_flake };
                for id in names.at_or_behind(place) {
                    let is_text = matches!(names.ast.expr(id), Expr::Text(..) | Expr::Interpolated(_));
                    if !is_text && names.mention(id).is_some() && found.is_new(&file, id) {
                        found.add_written(&file, id);
                    }
                    written_in(&file, id, depth, found);
                }
            }
        }
        _ => {}
    }
}

/// Add the texts that are written in an expression.
fn written_in(file: &File<'_, '_>, id: ExprId, depth: u8, found: &mut Fresh<'_>) {
    let names = file.names;
    let Some(depth) = depth.checked_sub(1) else { return };
    for id in names.within(names.ast.span(id)) {
        match names.ast.expr(id) {
            Expr::Text(..) | Expr::Interpolated(_) if found.is_new(file, id) => found.add_written(file, id),
            // A script of the repository.
            Expr::Apply { function, arguments } if written(&names.ast, *function).ends_with("readFile") => {
                let path = arguments.first().and_then(|path| file_of_expression(names, *path, &file.place(id)));
                if let Some(text) = path.and_then(|path| read_text(file.files, &path, MOST_BYTES as u64).ok()) {
                    found.add(&text, &file.place(id));
                }
            }
            // Another file that is given a secret.
            Expr::Apply { .. } => {
                let Some((path, given)) = called(file.files, names, id, file.path) else { continue };
                if !file.context.given().arguments.contains_key(path.as_str()) || !names.gives_secret(given) {
                    continue;
                }
                let path = path.to_arc();
                let Some(names) = file.context.names_in(&path) else { continue };
                let inner = File { names: &names, path: &path, ..*file };
                if found.is_new(&inner, names.ast.root) {
                    written_in(&inner, names.ast.root, depth, found);
                }
            }
            Expr::Variable { .. } => {
                // A set has much that is not meant.
                let value = names.stands_for(id).filter(|value| !matches!(names.ast.expr(*value), Expr::Attrs(_)));
                if let Some(value) = value.filter(|value| found.is_new(file, *value)) {
                    if matches!(names.ast.expr(value), Expr::Text(..) | Expr::Interpolated(_)) {
                        found.add_written(file, value);
                    }
                    written_in(file, value, depth, found);
                }
            }
            _ => {}
        }
    }
}

/// A file whose texts are looked at.
struct File<'f, 'c> {
    context: &'f Context<'c>,
    files: &'f dyn FileTree,
    names: &'f Names,
    path: &'f Arc<str>,
    /// Whether all files of the repository are in the store.
    is_flake: bool,
}

impl File<'_, '_> {
    fn place(&self, id: ExprId) -> Place {
        Place::new(self.path.clone(), self.names.ast.span(id))
    }

    /// What an expression is that is put into a text.
    fn what(&self, id: ExprId) -> What {
        let names = self.names;
        if let Some(Mention::Decrypted(name)) = names.mention(id) {
            return What::Secret(name);
        }
        let value = names.stands_for(id).unwrap_or(id);
        // The text of a path copies nothing.
        let is_text = matches!(names.ast.expr(value), Expr::Apply { function, .. } if
            written(&names.ast, *function).ends_with("toString"));
        match file_of_expression(names, id, &self.place(id)).filter(|_| self.is_flake || !is_text) {
            Some(file) => What::Stored(file.to_string()),
            None if makes_file(names, id) => What::Stored(MADE.to_owned()),
            None => What::Other,
        }
    }
}

fn text(file: &File<'_, '_>, id: ExprId) -> Text {
    let mut text = Text { text: String::new(), holes: BTreeMap::new(), put: Vec::new(), place: file.place(id) };
    let mut known = Known { holes: HashMap::default(), left: MOST_PARTS };
    add(file, id, DEEPEST, &mut known, &mut text);
    text
}

/// What is known of a text that is put together.
struct Known {
    /// The characters for what is put into it, by how that is written.
    holes: HashMap<String, char>,
    /// How many parts more are put into it.
    left: usize,
}

fn add(file: &File<'_, '_>, id: ExprId, depth: u8, known: &mut Known, text: &mut Text) {
    let names = file.names;
    // Variables that name others twice would double it again and again.
    let depth = depth.checked_sub(1).filter(|_| text.text.len() < LONGEST);
    let (Some(depth), Some(left)) = (depth, known.left.checked_sub(1)) else { return text.text.push(COMPUTED) };
    known.left = left;
    match names.ast.expr(id) {
        Expr::Text(own, _) => text.text.push_str(own),
        Expr::Interpolated(parts) => {
            for part in parts {
                match part {
                    StringPart::Text(own, _) => text.text.push_str(own),
                    StringPart::Interpolation(id) => {
                        let start = text.text.len();
                        let inner = text.put.len();
                        add(file, *id, depth, known, text);
                        // What is in it is written elsewhere.
                        text.put.truncate(inner);
                        text.put.extend(file.place(*id).span.map(|span| (start..text.text.len(), span)));
                    }
                }
            }
        }
        // The name of a program says what it does.
        Expr::Apply { function, arguments } if written(&names.ast, *function).ends_with("getExe'") => {
            if let [_, program] = &**arguments {
                add(file, *program, depth, known, text);
            }
        }
        _ => {
            let value = names.stands_for(id);
            let is_text = |id: &ExprId| matches!(names.ast.expr(*id), Expr::Text(..) | Expr::Interpolated(_));
            if let Some(value) = value.filter(is_text) {
                return add(file, value, depth, known, text);
            }
            let own = written(&names.ast, id).to_owned();
            let number = u32::try_from(text.holes.len()).ok().filter(|number| *number < MOST);
            let fresh = number.and_then(|number| char::from_u32(FIRST + number));
            let Some(c) = known.holes.get(&own).copied().or(fresh) else { return text.text.push(COMPUTED) };
            text.holes.entry(c).or_insert_with(|| Hole { what: file.what(id), written: own.clone() });
            known.holes.insert(own, c);
            text.text.push(c);
        }
    }
}

#[cfg(test)]
mod tests {
    use bulkhead_diagnostics::Place;

    use super::{Looked, MOST_BYTES, Scripts};

    #[test]
    fn what_is_too_much_is_told_of_each_machine() {
        let mut scripts = Scripts::of(&["a"]);
        assert!(scripts.looked.takes(MOST_BYTES, &Place::file("a")));
        assert_eq!(scripts.next_machine(), None);
        assert!(scripts.looked.takes(MOST_BYTES, &Place::file("a")));
        assert!(!scripts.looked.takes(1, &Place::file("b")));
        assert!(!scripts.looked.takes(0, &Place::file("c")));
        scripts.note_cut(Place::file("c"));
        assert_eq!(scripts.next_machine(), Some(Place::file("b")));
        scripts.note_cut(Place::file("c"));
        assert_eq!(scripts.next_machine(), Some(Place::file("c")));
        assert!(Looked::default().takes(1, &Place::file("a")));
    }
}
