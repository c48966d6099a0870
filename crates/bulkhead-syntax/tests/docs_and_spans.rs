//! Comments, documentation, and where things are written.
#![allow(clippy::unwrap_used)]

use bulkhead_syntax::{AttrSet, AttrValue, Expr, ExprId, StringPart, parse};

/// The documentation of each attribute of the set that `text` is.
fn docs(text: &str) -> Vec<(String, Option<String>)> {
    let ast = parse(text).unwrap();
    let Expr::Attrs(set) = ast.expr(ast.root) else { panic!() };
    let doc = |attr: &bulkhead_syntax::Attr| (attr.name.to_string(), ast.doc_comment(ast.name_span(attr.key).start));
    set.attrs.iter().map(doc).collect()
}

#[test]
fn documentation_is_the_comment_before_the_key() {
    let text = "{
  /**
    Adds one.

      indented
  */
  a = x: x + 1;

  # Two lines
  #   of text.
  b = 1; # about b

  c = 2;
  # about d
  d = 3;

  # too far away

  e = 4;
  /* in one line */ f = 5;
  /* Several
     lines. */
  g = 6;
  /**/ h = 7;
}";
    let doc = |name: &str, text: &str| (name.to_owned(), (!text.is_empty()).then(|| text.to_owned()));
    assert_eq!(
        docs(text),
        [
            doc("a", "Adds one.\n\n  indented"),
            doc("b", "Two lines\n  of text."),
            doc("c", ""),
            doc("d", "about d"),
            doc("e", ""),
            doc("f", "in one line"),
            doc("g", "Several\nlines."),
            doc("h", ""),
        ]
    );
}

#[test]
fn a_doc_block_counts_across_blank_lines() {
    let ast = parse("/** The file. */\n\nx: x").unwrap();
    assert_eq!(ast.doc_comment(ast.span(ast.root).start).as_deref(), Some("The file."));
}

#[test]
fn comments_are_kept_in_order() {
    let ast = parse("# a\r\n1 /* b */ + # c\n2").unwrap();
    let found: Vec<(&str, &str)> = ast
        .comments
        .iter()
        .map(|comment| (&*comment.text, &ast.text[comment.span.start as usize..comment.span.end as usize]))
        .collect();
    assert_eq!(found, [(" a", "# a"), (" b ", "/* b */"), (" c", "# c")]);
}

fn written(text: &str, pick: impl Fn(&AttrSet) -> ExprId) -> String {
    let ast = parse(text).unwrap();
    let Expr::Attrs(set) = ast.expr(ast.root) else { panic!() };
    let span = ast.span(pick(set));
    ast.text[span.start as usize..span.end as usize].to_owned()
}

fn first_value(set: &AttrSet) -> ExprId {
    match set.attrs[0].value {
        AttrValue::Expr(id) | AttrValue::Inherit(id) => id,
        AttrValue::InheritFrom { source } => set.inherit_from[source as usize],
    }
}

#[test]
fn expressions_know_where_they_are_written() {
    for (text, expected) in [
        ("{ a = \"x\"; }", "\"x\""),
        ("{ a = ( 1 + 2 ); }", "1 + 2"),
        ("{ a = f  x /* c */ ; }", "f  x"),
        ("{ inherit b; }", "b"),
        ("{ inherit (b.c) d; }", "b.c"),
        ("{ a.b.c = 1; a.d = 2; }", "b.c = 1"),
        ("{ a = rec { }; }", "rec { }"),
        // Places are those of the text as it was given, also where it is changed before it is parsed.
        ("{ a = x/(y) + let { body = z; }; }", "x/(y) + let { body = z; }"),
        ("{ b = 1/(2); a = ''\n  x''; }", "1/(2)"),
    ] {
        assert_eq!(written(text, first_value), expected, "{text}");
    }
}

#[test]
fn the_place_of_a_long_chain() {
    let text = format!("{{ a = {}1/(2); }}", "x + ".repeat(2000));
    assert_eq!(written(&text, first_value), text[6..text.len() - 3]);
}

#[test]
fn names_know_where_they_are_written() {
    let ast = parse("{ a.\"b c\" = 1; }").unwrap();
    let names: Vec<&str> =
        ast.name_spans.iter().map(|span| &ast.text[span.start as usize..span.end as usize]).collect();
    assert_eq!(names, ["a", "\"b c\""]);
}

#[test]
fn text_between_interpolations_knows_where_it_is_written() {
    let ast = parse("''\n  a ''${ b\n  ${c}''").unwrap();
    let Expr::Interpolated(parts) = ast.expr(ast.root) else { panic!() };
    let StringPart::Text(text, span) = &parts[0] else { panic!() };
    assert_eq!(&**text, "a ${ b\n");
    assert_eq!(&ast.text[span.start as usize..span.end as usize], "  a ''${ b\n  ");
}
