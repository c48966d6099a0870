//! What each construct of the language evaluates to.

mod common;
mod tables;

#[test]
fn every_construct_has_its_value() {
    common::large(|| {
        let mut wrong = Vec::new();
        for (text, expected) in tables::language::CASES {
            let found = common::print(text).unwrap_or_else(|message| format!("error: {message}"));
            if found != *expected {
                wrong.push(format!("{text}\n  expected {expected}\n  found    {found}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    });
}
