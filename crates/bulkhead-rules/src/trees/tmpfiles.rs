//! What systemd-tmpfiles is told to make, copy and change.

use std::ops::Range;
use std::sync::Arc;

use bulkhead_diagnostics::Place;
use bulkhead_eval::data::{Data, DataKind};

use super::texts::{Looked, Text, fresh_texts_of, texts_of};
use super::{Tree, When, text};
use crate::context::Context;

/// A line for systemd-tmpfiles, or the same as a set.
pub(crate) struct Line {
    /// The letter, and what is behind it: `C+`.
    pub(crate) kind: String,
    /// The path.
    pub(crate) path: String,
    /// The mode, if it has one.
    pub(crate) mode: Option<String>,
    /// The argument, if it has one.
    pub(crate) argument: Option<String>,
    /// The text that it is a line of.
    pub(crate) text: Arc<Text>,
    /// Where it is in it.
    pub(crate) range: Range<usize>,
    /// When it is there.
    pub(crate) when: When,
}

impl Line {
    /// The mode without what is said before it, unless that makes it one for new files only.
    pub(crate) fn mode_of_present(&self) -> Option<&str> {
        self.mode.as_deref().filter(|mode| !mode.contains(':')).map(|mode| mode.trim_start_matches('~'))
    }
}

/// All lines of a machine, as far as they are written, and where the first text is that was not looked at, if there are too
/// many.
pub(crate) fn lines(context: &Context<'_>, tree: &Tree<'_>) -> (Vec<Line>, Option<Place>) {
    let mut found = Vec::new();
    let mut looked = Looked::default();
    for named in tree.definitions() {
        let names = named.path.names();
        let when = || When::of(&named.definition.condition);
        match names {
            [.., around, last] if are_lines(names, around, last) && tree.counts(named) => {
                let surroundings = format!("{:?}", when());
                for text in fresh_texts_of(context, &named.definition.value, &named.place(), &mut looked, &surroundings)
                {
                    let text = Arc::new(text);
                    let mut at = 0;
                    for line in text.text.split_inclusive('\n') {
                        found.extend(of_text(&text, line, at, when()));
                        at += line.len();
                    }
                }
            }
            [.., tmpfiles, settings, _, path, kind, last]
                if **tmpfiles == *"tmpfiles"
                    && **settings == *"settings"
                    && **last == *"mode"
                    && tree.counts(named) =>
            {
                let Some(mode) = text(&named.definition.value) else { continue };
                let around = bulkhead_modules::OptionPath::of(&names[..names.len() - 1]);
                let place = named.place();
                let of = |data: &Data, place: &Place| texts_of(context, data, place).into_iter().next();
                let mut arguments = tree.below(&around.join("argument")).iter();
                let argument = arguments.find_map(|named| of(&named.definition.value, &named.place()));
                let own = Data { kind: DataKind::String(mode.clone()), place: Some(place.clone()) };
                let shown = argument.as_ref().map(|text| text.text.clone());
                let Some(text) = argument.or_else(|| of(&own, &place)) else { continue };
                found.push(Line {
                    kind: kind.to_string(),
                    path: path.to_string(),
                    mode: Some(mode.to_string()),
                    argument: shown,
                    range: 0..text.text.len(),
                    text: Arc::new(text),
                    when: when(),
                });
            }
            _ => {}
        }
    }
    (found, looked.passed)
}

/// Whether an option is a list of lines, or a file of them.
fn are_lines(names: &[Arc<str>], around: &str, last: &str) -> bool {
    let is_file = || match names {
        [environment, etc, file, text] => {
            let is_text = (&**environment, &**etc, &**text) == ("environment", "etc", "text");
            is_text && file.starts_with("tmpfiles.d/") && file.ends_with(".conf")
        }
        _ => false,
    };
    (around == "tmpfiles" && last == "rules") || is_file()
}

fn of_text(text: &Arc<Text>, line: &str, at: usize, when: When) -> Option<Line> {
    let mut fields = Vec::new();
    let mut rest = line.trim_start();
    // The argument is all that is left.
    while fields.len() < 6 && !rest.is_empty() {
        let quote = rest.chars().next().filter(|c| ['"', '\''].contains(c));
        let (field, after) = match quote {
            Some(quote) => rest.get(1..)?.split_once(quote)?,
            None => rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len())),
        };
        fields.push(field);
        rest = after.trim_start();
    }
    let [kind, path, others @ ..] = fields.as_slice() else { return None };
    let given = |at: usize| others.get(at).filter(|field| !["", "-"].contains(*field)).map(|field| (*field).to_owned());
    let argument = Some(rest.trim()).filter(|rest| !["", "-"].contains(rest)).map(str::to_owned);
    let is_kind = kind.starts_with(|c: char| c.is_ascii_alphabetic()) && kind.len() <= 4;
    is_kind.then(|| Line {
        kind: (*kind).to_owned(),
        path: (*path).to_owned(),
        mode: given(0),
        argument,
        text: text.clone(),
        range: at..at + line.len(),
        when,
    })
}
