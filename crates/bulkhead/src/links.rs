//! A link that leads out of the tree stops many rules: it is one finding, which says what else can't be told.

use bulkhead_diagnostics::{Diagnostic, Severity};

/// How findings speak of a link, and of what it points to.
const LEADS_OUT: &str = " leads out of the tree, to `";
const LIES_OUTSIDE: &str = " lies outside the tree that is read";

/// A link out of the tree that a finding is about.
struct Link {
    /// The finding's index.
    index: usize,
    path: String,
    target: String,
    notes: Vec<String>,
}

impl Link {
    fn of(index: usize, finding: &Diagnostic) -> Option<Link> {
        let message = &finding.message;
        let (path, target) = match message.split_once(LEADS_OUT) {
            Some((before, after)) => (before.rsplit('`').nth(1)?, after.split('`').next()?),
            // Nothing can be read behind such a link: who points into a file has read it, and a path in it leads out.
            None if finding.place.span.is_some() => return None,
            None => (&*finding.place.file, message.split_once(LIES_OUTSIDE)?.0.rsplit('`').nth(1)?),
        };
        let is_about_it = *path == *finding.place.file || finding.rule == "unreadable-file";
        is_about_it.then(|| Link { index, path: path.to_owned(), target: target.to_owned(), notes: Vec::new() })
    }

    /// Whether a sentence says that this link is in the way.
    fn is_cause_in(&self, sentence: &str) -> bool {
        let target = &self.target;
        sentence.contains(&format!("`{}`{LEADS_OUT}{target}`", self.path))
            || sentence.contains(&format!("`{target}`{LIES_OUTSIDE}"))
    }
}

/// Keep one finding of those that are there only because of the same link out of the tree; notes say what the others said.
pub(crate) fn one_for_each_link(mut findings: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut links: Vec<Link> = Vec::new();
    // Where several are at the link, that of the rule about files names it best.
    let mut order: Vec<usize> = (0..findings.len()).collect();
    order.sort_by_key(|index| findings[*index].rule != "unreadable-file");
    for index in order {
        let Some(link) = Link::of(index, &findings[index]) else { continue };
        if !links.iter().any(|known| known.path == link.path) {
            links.push(link);
        }
    }
    if links.is_empty() {
        return findings;
    }
    let mut dropped = vec![false; findings.len()];
    for (index, finding) in findings.iter().enumerate() {
        // What is an error is one for whoever counts on it: gen-secrets refuses for the same reason.
        let is_consequence = finding.severity == Severity::Undecided;
        let cause = links.iter_mut().find(|link| {
            let related = &finding.related;
            let is_it = |message: &str, file: &str| link.is_cause_in(message) || *file == *link.path;
            let in_all =
                !related.is_empty() && related.iter().all(|related| is_it(&related.message, &related.place.file));
            link.index != index && (link.is_cause_in(&finding.message) || (in_all && is_consequence))
        });
        // Another file with the same target has a finding of its own.
        if let Some(cause) = cause.filter(|_| is_consequence && finding.rule != "unreadable-file") {
            let said = finding.message.rsplit_once(": ").map_or(&*finding.message, |(said, _)| said);
            let said = said.strip_suffix(": this is unknown").unwrap_or(said);
            cause.notes.push(format!("because of it, {}: {said}", finding.rule));
            dropped[index] = true;
        }
    }
    for link in links {
        let finding = &mut findings[link.index];
        finding.notes.extend(link.notes);
        if !finding.message.contains(LEADS_OUT) {
            finding.notes.push(format!("`{}` is a link to `{}`", link.path, link.target));
        }
    }
    let mut dropped = dropped.into_iter();
    findings.retain(|_| !dropped.next().unwrap_or_default());
    findings
}
