//! Where values come from: names, expressions, and the parts of strings.

#![allow(clippy::unwrap_used)]

mod common;

use bulkhead_diagnostics::Place;
use bulkhead_eval::{Explanation, Input, Part};

const FILES: &[(&str, &str)] = &[
    (
        "main.nix",
        "let
  net = import ./net.nix;
  names = [ \"web\" \"db\" ];
  machine = name: { inherit name; host = net.host name; ports = [ 80 ] ++ net.ports; };
  all = builtins.listToAttrs (map (name: { inherit name; value = machine name; }) names);
in
all // { extra = all.web // { label = \"at \" + all.web.host; list = builtins.concatStringsSep \",\" names; }; }",
    ),
    (
        "net.nix",
        "rec {
  domain = \"example.net\";
  ports = [ 443 ];
  host = name: \"${name}.${domain}\";
}",
    ),
];

fn explain(path: &str) -> Explanation {
    let request = bulkhead_eval::Request { input: Input::File("/main.nix".to_owned()), ..common::strict("") };
    common::world(FILES).explain(&request, path).unwrap()
}

/// The text at a place, after the name of its file.
fn shown(place: Option<&Place>) -> String {
    let Some(place) = place else { return "nowhere".to_owned() };
    let (_, text) = FILES.iter().find(|(path, _)| *path == &*place.file).unwrap();
    let span = place.span.unwrap();
    format!("{}: {}", place.file, &text[span.start as usize..span.end as usize])
}

fn parts(parts: &[Part]) -> Vec<(String, String)> {
    parts.iter().map(|part| (part.text.clone(), shown(part.place.as_ref()))).collect()
}

#[track_caller]
fn check_parts(found: &[Part], expected: &[(&str, &str)]) {
    let expected: Vec<_> = expected.iter().map(|(text, place)| ((*text).to_owned(), (*place).to_owned())).collect();
    assert_eq!(parts(found), expected);
}

#[test]
fn an_interpolation_in_another_file() {
    let host = explain("web.host");
    assert_eq!((host.value.as_str(), host.kind), ("\"web.example.net\"", "string"));
    assert_eq!(shown(host.key.as_ref()), "main.nix: host");
    assert_eq!(shown(host.place.as_ref()), "net.nix: \"${name}.${domain}\"");
    check_parts(
        &host.parts,
        &[("web", "main.nix: \"web\""), (".", "net.nix: ."), ("example.net", "net.nix: \"example.net\"")],
    );
}

#[test]
fn parts_of_parts() {
    let label = explain("extra.label");
    assert_eq!(shown(label.place.as_ref()), "main.nix: \"at \" + all.web.host");
    check_parts(&label.parts, &[("at ", "main.nix: \"at \""), ("web.example.net", "net.nix: \"${name}.${domain}\"")]);
    check_parts(
        &label.parts[1].parts,
        &[("web", "main.nix: \"web\""), (".", "net.nix: ."), ("example.net", "net.nix: \"example.net\"")],
    );
    check_parts(
        &explain("extra.list").parts,
        &[("web", "main.nix: \"web\""), (",", "main.nix: \",\""), ("db", "main.nix: \"db\"")],
    );
}

#[test]
fn names_through_functions_and_updates() {
    let name = explain("extra.name");
    assert_eq!(shown(name.key.as_ref()), "main.nix: name");
    assert_eq!(shown(name.place.as_ref()), "main.nix: \"web\"");
    assert!(name.parts.is_empty());
    // The names of a set that `listToAttrs` makes are where the texts are written.
    let web = explain("web");
    assert_eq!(shown(web.key.as_ref()), "main.nix: \"web\"");
    let members: Vec<&str> = web.members.iter().map(|member| member.name.as_str()).collect();
    assert_eq!(members, ["host", "name", "ports"]);
}

#[test]
fn items_of_lists() {
    let ports = explain("db.ports");
    assert_eq!(shown(ports.place.as_ref()), "main.nix: [ 80 ] ++ net.ports");
    let made: Vec<String> = ports.members.iter().map(|member| shown(member.place.as_ref())).collect();
    assert_eq!(made, ["main.nix: 80", "net.nix: 443"]);
    let port = explain("db.ports.1");
    assert_eq!((port.value.as_str(), shown(port.place.as_ref()).as_str()), ("443", "net.nix: 443"));
    assert_eq!(port.key, None);
}

#[test]
fn what_is_not_there() {
    let request = bulkhead_eval::Request { input: Input::File("/main.nix".to_owned()), ..common::strict("") };
    let failure = common::world(FILES).explain(&request, "web.hosts").unwrap_err();
    assert_eq!(failure.message, "attribute 'hosts' in selection path 'web.hosts' not found");
    assert_eq!(failure.help.unwrap(), "did you mean `host`?");
}
