//! Pieces of Nix source text.

/// Words that can't stand as a name without quotes. `or` can in some places and versions only.
const KEYWORDS: [&str; 10] = ["assert", "else", "if", "in", "inherit", "let", "or", "rec", "then", "with"];

/// A string literal.
pub(crate) fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '$' if chars.peek() == Some(&'{') => out.push_str("\\$"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// The name of an attribute, in quotes only where it needs them.
pub(crate) fn attr_name(name: &str) -> String {
    let mut bytes = name.bytes();
    let is_identifier = bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_')
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"_'-".contains(&byte))
        && !KEYWORDS.contains(&name);
    if is_identifier { name.to_owned() } else { string(name) }
}

/// Text that is safe in a comment up to the end of the line.
pub(crate) fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The widest line that a list may stand on, in characters; longer lists have a line for each item.
const LINE_WIDTH: usize = 100;

/// `name = [ items ];` at an indentation: on one line if it fits, else with a line for each item.
pub(crate) fn list_binding(out: &mut String, indent: usize, name: &str, items: &[String]) {
    let pad = " ".repeat(indent);
    let inline: usize = items.iter().map(|item| item.chars().count() + 1).sum();
    if items.is_empty() {
        out.push_str(&format!("{pad}{name} = [ ];\n"));
    } else if indent + name.chars().count() + inline + " = [ ];".len() <= LINE_WIDTH {
        out.push_str(&format!("{pad}{name} = [ {} ];\n", items.join(" ")));
    } else {
        out.push_str(&format!("{pad}{name} = [\n"));
        for item in items {
            out.push_str(&format!("{pad}  {item}\n"));
        }
        out.push_str(&format!("{pad}];\n"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_hold_no_interpolation_and_no_end() {
        assert_eq!(string("a\"b"), r#""a\"b""#);
        assert_eq!(string("${x} $$ $"), r#""\${x} $$ $""#);
        assert_eq!(string("a\\\n\r\t"), r#""a\\\n\r\t""#);
        assert_eq!(string("$${x}"), r#""$\${x}""#);
    }

    #[test]
    fn names_have_quotes_where_nix_wants_them() {
        for plain in ["s0", "_x", "pia-login", "a'b", "iff"] {
            assert_eq!(attr_name(plain), plain);
        }
        for quoted in ["", "0s", "-x", "a.b", "a b", "with", "or", "ü"] {
            assert_eq!(attr_name(quoted), format!("\"{quoted}\""));
        }
    }

    #[test]
    fn long_lists_have_a_line_for_each_item() {
        let mut out = String::new();
        list_binding(&mut out, 4, "pia", &["machines.a".to_owned(), "machines.b".to_owned()]);
        assert_eq!(out, "    pia = [ machines.a machines.b ];\n");
        out.clear();
        let items: Vec<String> = (0..12).map(|i| format!("machines.m{i}")).collect();
        list_binding(&mut out, 0, "all", &items);
        assert_eq!(out.lines().count(), 14);
        assert!(out.starts_with("all = [\n  machines.m0\n"));
    }
}
