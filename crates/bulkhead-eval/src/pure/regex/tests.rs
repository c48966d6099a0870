//! The expected values are those of `nix-instantiate --eval`.
#![allow(clippy::unwrap_used)]

use super::*;

const BUDGET: u64 = 10_000_000;

/// As Nix prints it: the groups, or nothing without a match.
fn matched(pattern: &str, text: &str) -> Option<Vec<Option<String>>> {
    let captures =
        Regex::new(pattern.as_bytes()).unwrap().match_whole(text.as_bytes(), &mut BUDGET.clone()).unwrap()?;
    assert_eq!(captures[0], Some(0..text.len()));
    Some(groups(&captures, text))
}

fn groups(captures: &Captures, text: &str) -> Vec<Option<String>> {
    captures[1..].iter().map(|group| Some(text[group.clone()?].to_owned())).collect()
}

/// As Nix prints it, in short: `a[g1 g2]b`, with `-` for a group without a part in the match.
fn split(pattern: &str, text: &str) -> String {
    let regex = Regex::new(pattern.as_bytes()).unwrap();
    let mut matches = regex.matches(text.as_bytes());
    let (mut result, mut at) = (String::new(), 0);
    while let Some(captures) = matches.next(&mut BUDGET.clone()).unwrap() {
        let whole = captures[0].clone().unwrap();
        let groups: Vec<String> =
            groups(&captures, text).into_iter().map(|group| group.unwrap_or("-".to_owned())).collect();
        result += &format!("{}[{}]", &text[at..whole.start], groups.join(" "));
        at = whole.end;
    }
    result + &text[at..]
}

#[test]
fn match_takes_the_whole_text() {
    for (pattern, text, expected) in [
        ("ab", "abc", None),
        ("abc", "abc", Some(&[][..])),
        ("a(b)(c)", "abc", Some(&["b", "c"])),
        ("[[:space:]]+([[:upper:]]+)[[:space:]]+", "  FOO   ", Some(&["FOO"])),
        ("(.*)\\.nix", "a.b.nix", Some(&["a.b"])),
        ("(a|ab)(c|bcd)(d*)", "abcd", Some(&["a", "bcd", ""])),
        ("(a*)*", "aa", Some(&[""])),
        ("(a*)+", "aa", Some(&[""])),
        ("(a*)+", "b", None),
        ("", "", Some(&[])),
        ("", "a", None),
        ("a||b", "", Some(&[])),
        ("a{2,3}", "aaa", Some(&[])),
        ("a{2,3}", "aaaa", None),
        ("a{2}{2}", "aaaa", Some(&[])),
        ("(a|b){2}", "ab", Some(&["b"])),
        ("a{0}", "", Some(&[])),
        ("a**", "aaa", Some(&[])),
        ("^a$", "a", Some(&[])),
        ("a^b", "a^b", None),
        ("]}", "]}", Some(&[])),
        ("\\{\\$\\|", "{$|", Some(&[])),
        (".", "\n", Some(&[])),
        (".", "é", None),
        ("..", "é", Some(&[])),
        ("(([0-9]+)\\.)*", "1.22.", Some(&["22.", "22"])),
    ] {
        let expected = expected.map(|groups| groups.iter().map(|group| Some((*group).to_owned())).collect());
        assert_eq!(matched(pattern, text), expected, "{pattern} {text}");
    }
    assert_eq!(matched("(a)|b", "b"), Some(vec![None]));
    assert_eq!(matched("((a)|b)*", "ab"), Some(vec![Some("b".into()), Some("a".into())]));
}

#[test]
fn split_takes_all_matches() {
    for (pattern, text, expected) in [
        ("(a)b", "abc", "[a]c"),
        ("([ac])", "abc", "[a]b[c]"),
        ("(a)|(c)", "abc", "[a -]b[- c]"),
        ("([[:upper:]]+)", " FOO ", " [FOO] "),
        ("(a*)", "baac", "[]b[aa][]c[]"),
        ("", "abc", "[]a[]b[]c[]"),
        ("", "", "[]"),
        ("x", "", ""),
        ("x", "abc", "abc"),
        ("\n", "a\n\nb\n", "a[][]b[]"),
        ("a|ab", "abab", "[][]"),
        ("a|ab|abc", "xabcab", "x[][]"),
        ("^a", "aa", "[]a"),
        ("a$", "aa", "a[]"),
        ("$", "ab", "ab[]"),
        ("(|a)+", "aab", "[][]b[]"),
        ("(^|b)", "abab", "[]a[b]a[b]"),
        ("c*|(c(ba|.*)*a|b)", "cba", "[cba ][- -]"),
        ("[,;]", "a,b;c", "a[]b[]c"),
    ] {
        assert_eq!(split(pattern, text), expected, "{pattern} {text}");
    }
}

#[test]
fn brackets() {
    for (pattern, members, others) in [
        ("[abc]", "abc", "d-"),
        ("[^abc]", "d-]\n", "abc"),
        ("[]a]", "]a", "["),
        ("[^]a]", "[b", "]a"),
        ("[a-c]", "abc", "-d"),
        ("[a-]", "a-", "b"),
        ("[-a]", "a-", "b"),
        ("[--0]", "-./0", ",1"),
        ("[+--]", "+,-", "."),
        ("[a\\]", "a\\", "b"),
        ("[.*+?$^|(){}]", ".*+?$^|(){}", "a"),
        ("[[:alnum:]_]", "aZ09_", "-"),
        ("[[:ALPHA:]]", "aZ", "0"),
        ("[[:w:]]", "aZ0_", "-"),
        ("[[:punct:]]", "!_~", "a "),
        ("[[:blank:]]", " \t", "\n"),
        ("[[:space:]]", " \t\n\u{b}", "a"),
        ("[[=a=]]", "aA", "b"),
        ("[[.hyphen.][.zero.]]", "-0", "a"),
        ("[[.a.]-c]", "abc", "-"),
        ("[[a]", "[a", "]"),
    ] {
        for (texts, expected) in [(members, true), (others, false)] {
            for text in texts.chars() {
                assert_eq!(matched(pattern, &text.to_string()).is_some(), expected, "{pattern} {text}");
            }
        }
    }
}

#[test]
fn invalid_expressions() {
    for pattern in [
        "*",
        "+a",
        "?",
        "{1}",
        "a|*",
        "(*a)",
        "^*",
        "$+",
        "(",
        ")",
        "a)",
        "(a",
        "[",
        "[]",
        "[a",
        "[^]",
        "[b-a]",
        "[a-é]",
        "[a-b-c]",
        "[[:alpha:]-z]",
        "[a-[:alpha:]]",
        "[[:foo:]]",
        "[[:alpha]",
        "[[.x1.]]",
        "[[=-=]]",
        "\\",
        "\\d",
        "\\]",
        "\\}",
        "\\-",
        "\\/",
        "\\1",
        "a{",
        "a{}",
        "a{1",
        "a{,2}",
        "a{2,1}",
        "a{x}",
        "a{1,2",
        "(?:a)",
        "\0",
    ] {
        let error = Regex::new(pattern.as_bytes()).err();
        assert_eq!(error, Some(format!("invalid regular expression '{pattern}'")));
    }
    for pattern in ["(((a{100}){100}){100}){100}", "a{100000}", "a{99999999999999999999}", &"(a?){1000}".repeat(100)] {
        let error = Regex::new(pattern.as_bytes()).err();
        assert_eq!(error, Some(format!("memory limit exceeded by regular expression '{pattern}'")));
    }
}

#[test]
fn hostile_expressions_end_within_the_budget() {
    let text = "a".repeat(5_000);
    for pattern in [
        "(a*)*b",
        "(a|a)*b",
        "(a|aa)+b",
        "((((a*)*)*)*)*b",
        "(a?){5000}b",
        "(()?){5000}b",
        "(|a)*(|a)*(|a)*(|a)*b",
        "(a*a*a*a*a*)*b",
        &format!("{}a{}", "(".repeat(20_000), ")".repeat(20_000)),
        &format!("{}b", "(a|".repeat(10_000) + &")*".repeat(10_000)),
    ] {
        let regex = Regex::new(pattern.as_bytes()).unwrap();
        let mut budget = 100_000;
        assert!(matches!(regex.match_whole(text.as_bytes(), &mut budget), Ok(None) | Err(_)));
        let mut budget = 100_000;
        assert!(matches!(regex.matches(text.as_bytes()).next(&mut budget), Ok(_) | Err(_)));
    }
    // Exponential or quadratic elsewhere.
    for pattern in ["(a*)*b", "(a|a)*b", "(a|aa)+b", "a*b"] {
        let regex = Regex::new(pattern.as_bytes()).unwrap();
        assert_eq!(regex.match_whole(text.as_bytes(), &mut 500_000), Ok(None), "{pattern}");
        assert_eq!(regex.matches(text.as_bytes()).next(&mut 500_000), Ok(None), "{pattern}");
    }
    assert_eq!(Regex::new(b"a*").unwrap().match_whole(b"aaa", &mut 2), Err(Exhausted::Budget));
}

#[test]
fn long_texts_take_few_steps() {
    let line = "some text, and more of it\n";
    let text = line.repeat(10_000);
    for (pattern, steps) in [("\n", 250_000), ("[,\n]", 400_000), ("([a-z]+)\n", 1_250_000)] {
        let regex = Regex::new(pattern.as_bytes()).unwrap();
        let mut matches = regex.matches(text.as_bytes());
        let (mut budget, mut count) = (steps, 0);
        while matches.next(&mut budget).unwrap().is_some() {
            count += 1;
        }
        assert_eq!(count % 10_000, 0);
    }
    let regex = Regex::new(b"(.|\n)*").unwrap();
    assert!(regex.match_whole(&text.as_bytes()[..100_000], &mut 2_000_000).unwrap().is_some());
    assert!(Regex::new(b"[^@]*").unwrap().match_whole(text.as_bytes(), &mut 200_000).unwrap().is_some());
}
