//! `eval --explain`: where a value comes from, as text and as JSON.

use std::fmt::Write;

use anyhow::Result;
use bulkhead_diagnostics::{Place, Sources};
use bulkhead_eval::{Explanation, Part};
use bulkhead_source::LineIndex;
use serde_json::{Value, json as object};

/// Longer texts are cut, in characters.
const MOST: usize = 100;

/// For people: a line for each thing that is said.
pub fn lines(path: &str, explanation: &Explanation, texts: &dyn Sources) -> String {
    let mut out = String::new();
    let name = if path.is_empty() { "the value" } else { path };
    let _ = writeln!(out, "{name} = {}", short(&explanation.value));
    if let Some(key) = &explanation.key {
        let _ = writeln!(out, "  named   {}", at(key, texts));
    }
    let made = explanation.place.as_ref().map_or_else(|| "by no expression of a file".to_owned(), |at_| at(at_, texts));
    let _ = writeln!(out, "  made    {made}");
    if !explanation.parts.is_empty() {
        out.push_str("  put together of\n");
        parts(&explanation.parts, 2, texts, &mut out);
    }
    for member in &explanation.members {
        let _ = write!(out, "  {}", member.name);
        if let Some(key) = &member.key {
            let _ = write!(out, "  named {}", position(key, texts));
        }
        if let Some(place) = &member.place {
            let _ = write!(out, "  made {}", at(place, texts));
        }
        out.push('\n');
    }
    out
}

fn parts(of: &[Part], depth: usize, texts: &dyn Sources, out: &mut String) {
    for part in of {
        let mut quoted = String::new();
        bulkhead_eval::quote(&part.text, &mut quoted);
        let place = part.place.as_ref().map_or_else(String::new, |place| format!("  {}", at(place, texts)));
        let _ = writeln!(out, "{:width$}{}{place}", "", short(&quoted), width = depth * 2);
        parts(&part.parts, depth + 1, texts, out);
    }
}

/// A position and what is written there.
fn at(place: &Place, texts: &dyn Sources) -> String {
    let written = place.span.zip(texts.text(&place.file)).and_then(|(span, text)| {
        text.get(span.start as usize..span.end as usize)
            .map(|text| text.split_whitespace().collect::<Vec<_>>().join(" "))
    });
    match written {
        Some(written) => format!("{}  {}", position(place, texts), short(&written)),
        None => position(place, texts),
    }
}

/// `file:line:column`
fn position(place: &Place, texts: &dyn Sources) -> String {
    match place.span.zip(texts.text(&place.file)) {
        Some((span, text)) => {
            let position = LineIndex::new(&text).position(&text, span.start);
            format!("{}:{}:{}", place.file, position.line, position.column)
        }
        None => place.file.to_string(),
    }
}

fn short(text: &str) -> String {
    match text.char_indices().nth(MOST) {
        Some((cut, _)) => format!("{}…", &text[..cut]),
        None => text.to_owned(),
    }
}

/// For programs.
pub fn json(explanation: &Explanation, texts: &dyn Sources) -> Result<String> {
    let place = |place: &Option<Place>| place.as_ref().map(|place| place_json(place, texts));
    let members: Vec<Value> = explanation
        .members
        .iter()
        .map(|member| object!({ "name": member.name, "key": place(&member.key), "place": place(&member.place) }))
        .collect();
    let whole = object!({
        "value": explanation.value,
        "type": explanation.kind,
        "key": place(&explanation.key),
        "place": place(&explanation.place),
        "parts": parts_json(&explanation.parts, texts),
        "members": members,
    });
    Ok(serde_json::to_string_pretty(&whole)? + "\n")
}

fn parts_json(parts: &[Part], texts: &dyn Sources) -> Vec<Value> {
    let part = |part: &Part| {
        object!({
            "text": part.text,
            "place": part.place.as_ref().map(|place| place_json(place, texts)),
            "parts": parts_json(&part.parts, texts),
        })
    };
    parts.iter().map(part).collect()
}

fn place_json(place: &Place, texts: &dyn Sources) -> Value {
    let position = place.span.zip(texts.text(&place.file)).map(|(span, text)| {
        let lines = LineIndex::new(&text);
        (span, lines.position(&text, span.start), lines.position(&text, span.end))
    });
    match position {
        Some((span, start, end)) => object!({
            "file": &*place.file,
            "start": { "line": start.line, "column": start.column, "offset": span.start },
            "end": { "line": end.line, "column": end.column, "offset": span.end },
        }),
        None => object!({ "file": &*place.file }),
    }
}
