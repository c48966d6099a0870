//! What needs a store, a network, a clock or an environment: here all of it is unknown, with a reason.

use bulkhead_syntax::Symbol;

use super::{Builtin, builtin};
use crate::error::{Error, Result};
use crate::eval::Evaluator;
use crate::pure::{flake_ref, path, store};
use crate::value::{Pos, Value};

pub const BUILTINS: &[Builtin] = &[
    builtin("fetchClosure", 1, |ev, _, pos| fetched(ev, pos)),
    builtin("fetchGit", 1, |ev, args, pos| fetched_from(ev, args[0], pos)),
    builtin("fetchMercurial", 1, |ev, _, pos| fetched(ev, pos)),
    builtin("fetchTarball", 1, |ev, args, pos| fetched_from(ev, args[0], pos)),
    builtin("fetchTree", 1, fetch_tree),
    builtin("fetchurl", 1, fetch_url),
    builtin("getEnv", 1, |ev, args, pos| {
        let name = ev.expect_string(args[0], pos)?;
        if OVERRIDES.iter().any(|start| name.bytes().starts_with(start.as_bytes())) {
            return Ok(ev.string("", pos));
        }
        let reason = format!("the environment (here the variable `{}`) is not read", name.lossy());
        Err(Error::unknown(ev.unknown(&reason, None, pos), pos))
    }),
    builtin("getFlake", 1, |ev, _, pos| {
        Err(Error::unknown(ev.unknown("flakes are not fetched or locked by an analysis", None, pos), pos))
    }),
    builtin("parseFlakeRef", 1, |ev, args, pos| {
        let text = ev.text_of(args[0], pos)?;
        match flake_ref::parse(text).map_err(|message| Error::evaluation(message, pos))? {
            None => Err(Error::unknown(
                ev.unknown("only references to forges and registries are read here", None, pos),
                pos,
            )),
            Some(attributes) => {
                let attr = |(name, value): (&str, String)| ev.attr(name, ev.string(value, pos), pos);
                Ok(ev.attrs(attributes.into_iter().map(attr).collect(), pos))
            }
        }
    }),
    builtin("flakeRefToString", 1, |ev, args, pos| {
        let mut attributes = Vec::new();
        for attr in ev.by_name(ev.closed_attrs_of(args[0], pos)?) {
            let name = attr.name.as_str();
            let value = match ev.force(attr.value)? {
                Value::Int(number @ ..0, _) => {
                    let message = format!("negative value given for flake ref attr {name}: {number}");
                    return Err(Error::evaluation(message, attr.key));
                }
                Value::Int(number, _) => number.to_string(),
                Value::Bool(truth, _) => if truth.0 { "1" } else { "0" }.to_owned(),
                Value::String(text, _) => {
                    ev.tick(pos, (text.len() / 2) as u64)?;
                    text.lossy().into_owned()
                }
                other => return Err(ev.wrong_type("a string, Boolean or integer", other, attr.key)),
            };
            attributes.push((name.to_owned(), value));
        }
        match flake_ref::show(&attributes) {
            None => Err(Error::unknown(
                ev.unknown("only references to forges and registries are read here", None, pos),
                pos,
            )),
            Some(text) => Ok(ev.string(text, pos)),
        }
    }),
];

/// How the variables begin by which npins and niv take a folder for what is pinned: for a try on one machine. What is in the
/// files is judged, and so none is set.
const OVERRIDES: [&str; 2] = ["NPINS_OVERRIDE_", "NIV_OVERRIDE_"];

/// What is wrong with the arguments is told; what would come is unknown.
fn fetch_tree<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> Result<'a, Value<'a>> {
    match ev.force(args[0])? {
        Value::Attrs(attrs, _) => {
            for attr in ev.by_name(attrs) {
                if let Value::Int(number @ ..0, _) = ev.force(attr.value)? {
                    let message = format!("negative value given for 'fetchTree' argument '{}': {number}", attr.name);
                    return Err(Error::evaluation(message, attr.key));
                }
            }
        }
        Value::String(url, _) if url.bytes().starts_with(b"file:.") => {
            let message = format!("'{}' must use an absolute path", url.lossy());
            return Err(Error::evaluation(message, pos).with_help("the scheme `file` does not support relative paths"));
        }
        _ => {}
    }
    fetched_from(ev, args[0], pos)
}

/// The same for `fetchurl`: the name that the file would have in the store must be one.
fn fetch_url<'a>(ev: &Evaluator<'a>, args: &[Value<'a>], pos: Pos) -> Result<'a, Value<'a>> {
    let (url, name) = match ev.force(args[0])? {
        Value::Attrs(attrs, _) => {
            let get = |name| attrs.get(Symbol::new(name)).map(|attr| ev.force(attr.value)).transpose();
            (get("url")?, get("name")?.or(attrs.open.map(|unknown| Value::Unknown(unknown, pos))))
        }
        url => (Some(url), None),
    };
    let name = match (name, url) {
        (Some(Value::String(name, _)), _) => name.bytes(),
        (None, Some(Value::String(url, _))) => path::base_name(url.bytes()),
        _ => return fetched(ev, pos),
    };
    store::check_name(name).map_err(|error| {
        Error::evaluation(format!("invalid store path name when fetching a URL: {error}"), pos)
            .with_help("give a set with `url` and a `name` of its own")
    })?;
    fetched(ev, pos)
}

/// Why something is unknown that would come from elsewhere; after it the URL, if that is known.
const NOT_FETCHED: &str = "nothing is fetched from the network";

/// The URL that something would come from which is unknown for this reason, if that is known.
pub fn url_of(reason: &str) -> Option<&str> {
    reason.strip_prefix(NOT_FETCHED)?.strip_prefix(": `")?.strip_suffix('`')
}

/// What comes from a URL is known by it to who asks, as far as it makes systems.
fn fetched_from<'a>(ev: &Evaluator<'a>, from: Value<'a>, pos: Pos) -> Result<'a, Value<'a>> {
    if ev.stand_in.get().is_none() {
        return fetched(ev, pos);
    }
    let text = |value| match ev.force(value) {
        Ok(Value::String(text, _)) => text.lossy().into_owned(),
        _ => String::new(),
    };
    let url: String = match ev.force(from) {
        Ok(Value::Attrs(attrs, _)) => {
            let named = ["url", "repo"].map(|name| attrs.get(Symbol::new(name)).map(|attr| text(attr.value)));
            named.into_iter().flatten().collect()
        }
        Ok(other) => text(other),
        Err(_) => String::new(),
    };
    let lower = url.to_ascii_lowercase();
    let known = MAKERS.iter().find(|(part, _)| lower.contains(part));
    // Before an `@` there may be a password, and behind a `?` a token.
    let is_shown = !url.is_empty() && url.bytes().all(|b| b.is_ascii_graphic() && !b"@?`".contains(&b));
    let reason = match is_shown && url.len() <= LONGEST_URL {
        true => &format!("{NOT_FETCHED}: `{url}`"),
        false => NOT_FETCHED,
    };
    let error = Error::unknown(ev.unknown(reason, None, pos), pos);
    Err(ev.on_trail(error, |_| known.map_or_else(String::new, |(_, trail)| (*trail).to_owned())))
}

/// Longer ones are not told, in bytes.
const LONGEST_URL: usize = 200;

/// What the URLs of those have in them whose functions make systems, and by what they are known.
const MAKERS: [(&str, &str); 5] = [
    ("nixpkgs", ".nixpkgs"),
    ("channels.nixos.org", ".nixpkgs"),
    ("releases.nixos.org/nixos", ".nixpkgs"),
    ("home-manager", ".home-manager"),
    ("nix-darwin", ".nix-darwin"),
];

fn fetched<'a>(ev: &Evaluator<'a>, pos: Pos) -> Result<'a, Value<'a>> {
    Err(Error::unknown(ev.unknown(NOT_FETCHED, None, pos), pos))
}
