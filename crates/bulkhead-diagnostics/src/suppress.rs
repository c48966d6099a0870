//! Suppression comments: `# bulkhead: allow(rule, other-rule) reason`.
//!
//! An allow in a line of code suppresses the findings that start on that line. One on a line of its own suppresses
//! those that start on the next line that is not itself such a comment, so that several can be stacked. A finding
//! about a file as a whole is suppressed by an allow on line 1. A finding that is about several places
//! ([`Related::is_same`](crate::Related::is_same)) is left with those of them where nothing allows it. Where a finding's
//! own place can hold no comment, because the file is generated or no text, the caller says where else an allow holds
//! ([`apply_at`]). Every allow must name known rules, give a reason and suppress something; what does not is a finding
//! of its own.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bulkhead_source::Span;

use crate::text::{Text, Texts};
use crate::{Diagnostic, Place, Severity, Sources, nearest};

/// The rule that reports an allow which suppresses nothing.
pub const UNUSED_ALLOW: &str = "unused-allow";
/// The rule that reports an allow which gives no reason.
pub const ALLOW_WITHOUT_REASON: &str = "allow-without-reason";
/// The rule that reports an allow which can't be read, or names an unknown rule.
pub const MALFORMED_ALLOW: &str = "malformed-allow";
/// The rules of this module, for lists of rules.
pub const RULES: [&str; 3] = [ALLOW_WITHOUT_REASON, MALFORMED_ALLOW, UNUSED_ALLOW];

const MARKER: &str = "bulkhead";
const FORM: &str = "write `# bulkhead: allow(rule) reason`, several rules separated by commas";

/// Gives the comments of a file.
pub trait Comments {
    /// The comments of `file`, in order: where each is, markers included, and its text without the markers. Empty for
    /// a file that has none or can't be read.
    fn comments(&self, file: &str) -> Vec<(Span, Arc<str>)>;
}

/// Which rules there are.
#[derive(Clone, Copy)]
pub struct Rules<'a> {
    /// The names of all rules, those of this module ([`RULES`]) included or not.
    pub known: &'a [&'a str],
    /// Whether a rule was checked in this run. An allow for a rule that was not is never unused.
    pub ran: &'a dyn Fn(&str) -> bool,
}

/// What is left of `findings` without those that comments in `files` allow, and with the findings about the allows
/// themselves. The order stays; new findings come last. `sources` must give the texts that `comments` speaks about.
#[must_use]
pub fn apply<'f>(
    findings: Vec<Diagnostic>,
    files: impl IntoIterator<Item = &'f str>,
    comments: &dyn Comments,
    sources: &dyn Sources,
    rules: Rules<'_>,
) -> Vec<Diagnostic> {
    apply_at(findings, files, comments, sources, rules, &|_, _| Vec::new())
}

/// As [`apply`]; `elsewhere` gives the places besides one that a finding is about where it can be allowed, too.
#[must_use]
pub fn apply_at<'f>(
    findings: Vec<Diagnostic>,
    files: impl IntoIterator<Item = &'f str>,
    comments: &dyn Comments,
    sources: &dyn Sources,
    rules: Rules<'_>,
    elsewhere: &dyn Fn(&Diagnostic, &Place) -> Vec<Place>,
) -> Vec<Diagnostic> {
    let texts = Texts::new(sources);
    let mut found = Vec::new();
    let mut allows = Vec::new();
    for file in files {
        let comments = comments.comments(file);
        if !comments.iter().any(|(_, text)| is_marked(text)) {
            continue;
        }
        let file: Arc<str> = Arc::from(file);
        if let Some(text) = texts.get(&file) {
            read_file(&file, &text, &comments, rules, &mut allows, &mut found);
        }
    }
    if allows.is_empty() && found.is_empty() {
        return findings;
    }
    let mut allows = Allows::new(allows);
    let mut left = allows.take(findings, &texts, elsewhere);

    // Findings about allows can be allowed too. Only those that say this in vain can't: it would have no end.
    let about_rules = allows.unused(rules, |rule| !RULES.contains(&rule));
    found.extend(about_rules);
    left.extend(allows.take(found, &texts, &|_, _| Vec::new()));
    left.extend(allows.unused(rules, |rule| RULES.contains(&rule)));
    left
}

/// One rule of an allow.
struct Allow {
    rule: String,
    /// Where the rule's name is written.
    place: Place,
    /// The line that the comment begins on, from 1.
    own_line: u32,
    /// The line whose findings are suppressed besides: the same, or the line below a comment that stands alone.
    line: u32,
    used: bool,
}

struct Allows {
    list: Vec<Allow>,
    /// Indices into `list` by file and line.
    by_line: BTreeMap<(Arc<str>, u32), Vec<usize>>,
}

impl Allows {
    fn new(list: Vec<Allow>) -> Allows {
        let mut by_line: BTreeMap<_, Vec<usize>> = BTreeMap::new();
        for (index, allow) in list.iter().enumerate() {
            by_line.entry((allow.place.file.clone(), allow.line)).or_default().push(index);
            if allow.own_line != allow.line {
                by_line.entry((allow.place.file.clone(), allow.own_line)).or_default().push(index);
            }
        }
        Allows { list, by_line }
    }

    /// Drop the findings that are allowed and note which allows that needed.
    fn take(
        &mut self,
        mut findings: Vec<Diagnostic>,
        texts: &Texts<'_>,
        elsewhere: &dyn Fn(&Diagnostic, &Place) -> Vec<Place>,
    ) -> Vec<Diagnostic> {
        findings.retain_mut(|finding| {
            let mut is_allowed = |finding: &Diagnostic, place: &Place| {
                // Each place is asked, so that no allow of several is taken for unused.
                let mut allowed = self.allows(finding, place, texts);
                for other in elsewhere(finding, place) {
                    allowed |= self.allows(finding, &other, texts);
                }
                allowed
            };
            let allowed = is_allowed(finding, &finding.place);
            let mut same: Vec<bool> = Vec::new();
            for related in &finding.related {
                same.push(related.is_same && is_allowed(finding, &related.place));
            }
            let mut same = same.into_iter();
            finding.related.retain(|_| !same.next().unwrap_or(false));
            if !allowed {
                return true;
            }
            let Some(next) = finding.related.iter().position(|related| related.is_same) else { return false };
            finding.place = finding.related.remove(next).place;
            true
        });
        findings
    }

    /// Whether the rule of `finding` is allowed at `place`.
    fn allows(&mut self, finding: &Diagnostic, place: &Place, texts: &Texts<'_>) -> bool {
        // What must not be shown is told by its line alone.
        let told = || finding.data.get("line")?.as_u64()?.try_into().ok();
        let line = match place.span {
            None if *place == finding.place => told().unwrap_or(1),
            _ => texts.positions(place).map_or(1, |(start, _)| start.line),
        };
        let Some(here) = self.by_line.get(&(place.file.clone(), line)) else { return false };
        let mut allowed = false;
        for index in here {
            let allow = &mut self.list[*index];
            if allow.rule == finding.rule {
                allow.used = true;
                allowed = true;
            }
        }
        allowed
    }

    fn unused(&self, rules: Rules<'_>, which: impl Fn(&str) -> bool) -> Vec<Diagnostic> {
        let unused = self.list.iter().filter(|allow| !allow.used && which(&allow.rule));
        // The rules of this module always run here.
        let unused = unused.filter(|allow| RULES.contains(&&*allow.rule) || (rules.ran)(&allow.rule));
        unused
            .map(|allow| {
                let message = format!("this allows `{}`, but nothing here is reported by it", allow.rule);
                Diagnostic::new(UNUSED_ALLOW, Severity::Warning, allow.place.clone(), message)
                    .with_label(format!("suppresses nothing on line {}", allow.line))
                    .with_note("an allow that outlives its finding would hide the next one")
                    .with_help("remove it; if it was meant for another line, put it on that line or on the one above")
                    .with_data("rule", &*allow.rule)
            })
            .collect()
    }
}

/// Whether a comment may be an allow; cheap, to pass over all others.
fn is_marked(text: &str) -> bool {
    text.trim_start().starts_with(MARKER)
}

fn read_file(
    file: &Arc<str>,
    text: &Text,
    comments: &[(Span, Arc<str>)],
    rules: Rules<'_>,
    allows: &mut Vec<Allow>,
    found: &mut Vec<Diagnostic>,
) {
    let known: Vec<&str> = rules.known.iter().copied().chain(RULES).collect();
    // For each line that holds nothing but a comment: the first line after that comment.
    let mut alone: BTreeMap<u32, u32> = BTreeMap::new();
    for (span, _) in comments {
        let range = text.clamp(*span);
        let (first, last) = (text.position(range.start).line, text.position(range.end).line);
        if is_alone(text, &range, first, last) {
            alone.insert(first, last + 1);
        }
    }
    for (span, comment) in comments {
        let Some(parsed) = parse(comment) else { continue };
        let range = text.clamp(*span);
        let place_of =
            |part: &Range<usize>| Place { file: file.clone(), span: Some(part_span(text, &range, comment, part)) };
        let whole = || Place { file: file.clone(), span: Some(span_of(&range)) };
        let parsed = match parsed {
            Ok(parsed) => parsed,
            Err(reason) => {
                found.push(malformed(whole(), format!("this allow can't be read: {reason}")).with_help(FORM));
                continue;
            }
        };
        let own_line = text.position(range.start).line;
        let mut line = own_line;
        while let Some(next) = alone.get(&line) {
            line = *next;
        }
        if !parsed.has_reason {
            let finding = Diagnostic::new(
                ALLOW_WITHOUT_REASON,
                Severity::Warning,
                whole(),
                "this allow does not say why the finding is fine",
            );
            found.push(finding.with_help("write the reason after the closing parenthesis, for whoever reads it next"));
        }
        for part in &parsed.rules {
            let rule = &comment[part.clone()];
            let place = place_of(part);
            if known.contains(&rule) {
                allows.push(Allow { rule: rule.to_owned(), place, own_line, line, used: false });
                continue;
            }
            let finding = malformed(place, format!("there is no rule `{rule}` to allow"));
            found.push(match nearest(rule, known.iter().copied()) {
                Some(meant) => finding.with_help(format!("did you mean `{meant}`?")),
                None => finding.with_help("`bulkhead explain` lists the rules"),
            });
        }
    }
}

fn malformed(place: Place, message: String) -> Diagnostic {
    Diagnostic::new(MALFORMED_ALLOW, Severity::Warning, place, message)
}

/// Whether nothing but the comment at `range` is on its lines.
fn is_alone(text: &Text, range: &Range<usize>, first: u32, last: u32) -> bool {
    let before = text.line(first).start.min(range.start)..range.start;
    let after = range.end..text.line(last).end.max(range.end);
    [before, after].into_iter().all(|part| text.text[part].trim().is_empty())
}

fn span_of(range: &Range<usize>) -> Span {
    let offset = |offset: usize| u32::try_from(offset).unwrap_or(u32::MAX);
    Span::new(offset(range.start), offset(range.end))
}

/// The span of the bytes `part` of a comment's text, or of all of the comment where its text isn't found in it.
fn part_span(text: &Text, range: &Range<usize>, comment: &str, part: &Range<usize>) -> Span {
    match text.text[range.clone()].find(comment) {
        Some(at) => span_of(&(range.start + at + part.start..range.start + at + part.end)),
        None => span_of(range),
    }
}

/// An allow as written: where its rules are in the comment's text, and whether there is a reason.
#[derive(Debug, PartialEq)]
struct Parsed {
    rules: Vec<Range<usize>>,
    has_reason: bool,
}

/// Read a comment's text; `None` where it does not try to be an allow, as in "bulkhead: the tool that checks this".
fn parse(comment: &str) -> Option<Result<Parsed, String>> {
    let text = comment.trim_start().strip_prefix(MARKER)?;
    let (has_colon, rest) = match text.trim_start().strip_prefix(':') {
        Some(rest) => (true, rest.trim_start()),
        None => (false, text.strip_prefix(char::is_whitespace)?.trim_start()),
    };
    let word = &rest[..rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '-').unwrap_or(rest.len())];
    let arguments = rest[word.len()..].trim_start();
    let is_attempt = word == "allow" || (!word.is_empty() && arguments.starts_with('('));
    if !is_attempt || (!has_colon && !arguments.starts_with('(')) {
        return None;
    }
    if word != "allow" {
        return Some(Err(format!("`{word}` is not known here, only `allow`")));
    }
    if !has_colon {
        return Some(Err("a colon is missing after `bulkhead`".to_owned()));
    }
    let Some(inner) = arguments.strip_prefix('(') else {
        return Some(Err("no rules in parentheses follow `allow`".to_owned()));
    };
    let Some((list, reason)) = inner.split_once(')') else {
        return Some(Err("the closing parenthesis is missing".to_owned()));
    };
    let mut rules = Vec::new();
    let mut at = comment.len() - inner.len();
    for part in list.split(',') {
        let rule = part.trim();
        if rule.is_empty() {
            return Some(Err("the name of a rule is missing".to_owned()));
        }
        let start = at + (part.len() - part.trim_start().len());
        rules.push(start..start + rule.len());
        at += part.len() + 1;
    }
    Some(Ok(Parsed { rules, has_reason: reason.contains(char::is_alphanumeric) }))
}
