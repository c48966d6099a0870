//! TOML as `builtins.fromTOML` reads it. (No Nix has a builtin that writes TOML.)
//!
//! Of TOML 1.1 what is new is accepted too, which Nix's reader may refuse.

use toml::Value;

use super::data::{Data, MAX_DEPTH, reject_nul};

/// Reads a TOML text. Dates and times are an error, as Nix has no such values.
pub(crate) fn parse(text: &[u8]) -> Result<Data, String> {
    let error = |what: &dyn std::fmt::Display| format!("while parsing TOML: {what}");
    let text = std::str::from_utf8(text).map_err(|utf8| error(&utf8))?;
    let table: toml::Table = text.parse().map_err(|toml: toml::de::Error| error(&toml))?;
    convert(Value::Table(table), 0).map_err(|message| error(&message))
}

fn convert(value: Value, depth: usize) -> Result<Data, String> {
    if depth > MAX_DEPTH {
        return Err(format!("arrays and tables are nested more than {MAX_DEPTH} deep"));
    }
    Ok(match value {
        Value::String(text) => {
            reject_nul(&text)?;
            Data::String(text)
        }
        Value::Integer(value) => Data::Int(value),
        Value::Float(value) => Data::Float(value),
        Value::Boolean(value) => Data::Bool(value),
        Value::Datetime(value) => return Err(format!("Dates and times are not supported (found {value})")),
        Value::Array(items) => {
            let items = items.into_iter().map(|item| convert(item, depth + 1));
            Data::Array(items.collect::<Result<_, _>>()?)
        }
        Value::Table(table) => {
            let members = table.into_iter().map(|(key, value)| {
                reject_nul(&key)?;
                Ok((key, convert(value, depth + 1)?))
            });
            Data::object(members.collect::<Result<_, String>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn object(members: Vec<(&str, Data)>) -> Data {
        Data::object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
    }

    #[test]
    fn a_document() {
        let text = br#"
            title = "x"
            list = [1, 2.5, true]
            [b]
            a.c = 0xff
            [[b.items]]
            n = -1
        "#;
        let inner = vec![
            ("a", object(vec![("c", Data::Int(255))])),
            ("items", Data::Array(vec![object(vec![("n", Data::Int(-1))])])),
        ];
        let expected = object(vec![
            ("title", Data::String("x".into())),
            ("list", Data::Array(vec![Data::Int(1), Data::Float(2.5), Data::Bool(true)])),
            ("b", object(inner)),
        ]);
        assert_eq!(parse(text).unwrap(), expected);
        assert_eq!(parse(b"").unwrap(), object(vec![]));
    }

    #[test]
    fn faults() {
        for (text, message) in [
            (&b"a = 1979-05-27"[..], "Dates and times are not supported"),
            (b"a = [07:32:00]", "Dates and times are not supported"),
            (b"a = 1\na = 2", "line 2"),
            (b"a = ", "line 1"),
            (b"a = 9223372036854775808", "line 1"),
            (b"a = \"\xff\"", "utf-8"),
            (br#"a = "x\u0000""#, "null bytes"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn hostile_nesting_is_refused() {
        for text in [
            format!("a = {}", "[".repeat(100_000)),
            format!("a = {}{}", "[".repeat(2_000), "]".repeat(2_000)),
            format!("a = {}", "{a=".repeat(100_000)),
            format!("{}a = 1", "a.".repeat(100_000)),
            format!("[{}a]", "a.".repeat(100_000)),
        ] {
            assert!(parse(text.as_bytes()).is_err());
        }
    }
}
