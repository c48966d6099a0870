//! The header's grammar, its limits, and what is said about files that are no age files.
#![allow(clippy::unwrap_used)]

use bulkhead_age::header::{FIRST_READ, HEADER_LIMIT, MAX_LINE_LEN, MAX_STANZAS};
use bulkhead_age::{Foreign, Header, HeaderError, HeaderErrorKind, PrivateKeyKind, parse_header};

const MAC: &str = "--- HK2NmOBN9Dpq0Gw6xMCuhFcQlQLvZ/wQUi/2scLG75s\n";
const X25519: &str = "-> X25519 XEl0dJ6y3C7KZkgmgWUicg63EyXJiwBJW8PdYJ/cYBE\n\
                      qRS0AMjdjPvZ/WT08U2KL4G+PIooA3hy38SvLpvaC1E\n";
/// A nonce and an empty chunk.
const PAYLOAD: &[u8] = &[0x81; 32];

fn file(stanzas: &str) -> Vec<u8> {
    let mut bytes = format!("age-encryption.org/v1\n{stanzas}{MAC}").into_bytes();
    bytes.extend_from_slice(PAYLOAD);
    bytes
}

fn armored(bytes: &[u8], line_end: &str) -> Vec<u8> {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(bytes);
    let mut lines = vec!["-----BEGIN AGE ENCRYPTED FILE-----"];
    let mut rest = encoded.as_str();
    while !rest.is_empty() {
        let (line, next) = rest.split_at(rest.len().min(64));
        lines.push(line);
        rest = next;
    }
    lines.push("-----END AGE ENCRYPTED FILE-----");
    (lines.join(line_end) + line_end).into_bytes()
}

fn whole(bytes: &[u8]) -> Result<Header, HeaderError> {
    parse_header(bytes, true)
}

#[track_caller]
fn assert_refused(bytes: &[u8], kind: HeaderErrorKind, words: &str) {
    let error = whole(bytes).unwrap_err();
    assert_eq!(error.kind, kind, "{error}");
    assert!(error.message.contains(words), "`{}` does not mention `{words}`", error.message);
    assert!(error.offset <= bytes.len());
}

#[test]
fn the_example_of_the_specification() {
    let bytes = file(X25519);
    let header = whole(&bytes).unwrap();
    assert!(!header.armored && !header.is_passphrase());
    assert_eq!(header.problem(), None);
    assert_eq!(header.payload_offset, bytes.len() - PAYLOAD.len());
    assert_eq!(header.mac[..2], [0x1c, 0xad]);
    let [stanza] = header.stanzas.as_slice() else { panic!("one stanza") };
    assert_eq!(stanza.type_name(), "X25519");
    assert_eq!(stanza.args().collect::<Vec<_>>(), ["XEl0dJ6y3C7KZkgmgWUicg63EyXJiwBJW8PdYJ/cYBE"]);
    assert_eq!((stanza.body().len(), stanza.offset(), stanza.tag(), stanza.problem()), (32, 22, None, None));
    assert_eq!(header.payload_problem(&bytes, bytes.len() as u64), None);
}

#[test]
fn armor_changes_nothing_but_the_flag() {
    let plain = whole(&file(X25519)).unwrap();
    for text in [
        armored(&file(X25519), "\n"),
        armored(&file(X25519), "\r\n"),
        [armored(&file(X25519), "\n").as_slice(), b"\n \t\n"].concat(),
        armored(&file(X25519), "\n").trim_ascii_end().to_vec(),
    ] {
        let header = whole(&text).unwrap();
        assert!(header.armored);
        assert_eq!(header.stanzas, plain.stanzas);
        assert_eq!(header.payload_offset, plain.payload_offset);
        assert_eq!(header.payload_problem(&text, text.len() as u64), None);
    }
}

#[test]
fn grease_and_multi_line_bodies() {
    let line = "q".repeat(64);
    let header = whole(&file(&format!("{X25519}-> ~Ge|-grease !\"# $\n\n-> x\n{line}\n{line}\n\n"))).unwrap();
    assert!(header.stanzas[1].is_grease() && !header.stanzas[2].is_grease());
    assert_eq!(header.stanzas[1].args().collect::<Vec<_>>(), ["!\"#", "$"]);
    assert_eq!(header.stanzas[2].body().len(), 96);
}

#[test]
fn every_breach_of_the_grammar_has_its_own_words() {
    use HeaderErrorKind::{Foreign as Is, Syntax, UnsupportedVersion};
    let full = "q".repeat(64);
    for (stanzas, words) in [
        (format!("{X25519}x\n"), "a recipient (`-> …`) or the end"),
        ("->x\n\n".to_string(), "begins with `-> ` and its type"),
        ("-> \n\n".to_string(), "single spaces"),
        ("-> a  b\n\n".to_string(), "single spaces"),
        ("-> a b \n\n".to_string(), "single spaces"),
        ("-> a\u{e9}\n\n".to_string(), "visible ASCII"),
        ("-> a\r\n\r\n".to_string(), "carriage return"),
        (format!("-> a\n{full}\n"), "must end with a line of less than 64"),
        ("-> a\n".to_string(), "must end with a line of less than 64"),
        (format!("-> a\n{full}q\n"), "more than 64 characters"),
        ("-> a\nqqq=\n".to_string(), "not canonical base64"),
        ("-> a\nqr\n".to_string(), "not canonical base64"),
        ("-> a\nq\n".to_string(), "not canonical base64"),
        (String::new(), "names no recipient"),
    ] {
        assert_refused(&file(&stanzas), Syntax, words);
        assert!(whole(&armored(&file(&stanzas), "\n")).is_err());
    }
    for mac in [
        "---\n",
        "--- \n",
        "--- HK2N\n",
        "---  HK2NmOBN9Dpq0Gw6xMCuhFcQlQLvZ/wQUi/2scLG75s\n",
        "--- HK2NmOBN9Dpq0Gw6xMCuhFcQlQLvZ/wQUi/2scLG75t\n",
    ] {
        assert_refused(format!("age-encryption.org/v1\n{X25519}{mac}").as_bytes(), Syntax, "`--- ` and 43 characters");
    }
    assert_refused(b"age-encryption.org/v2\n\x00", UnsupportedVersion, "version `v2`");
    assert_refused(b"age-encryption.org/\n", UnsupportedVersion, "damaged version line");
    let windows = String::from_utf8_lossy(&file(X25519)).replace('\n', "\r\n");
    assert_refused(windows.as_bytes(), Is(Foreign::ChangedLineEnds), "line ends");
}

#[test]
fn errors_point_at_the_byte() {
    assert_eq!(whole(&file(&format!("{X25519}-> a\n!\n"))).unwrap_err().offset, 22 + X25519.len() + 5);
    // In an armored file: at the line and column of the armor that holds the byte.
    let broken = file(&format!("{X25519}x\n"));
    let at = 22 + X25519.len();
    let expected = 35 + at / 48 * 65 + at % 48 * 4 / 3;
    assert_eq!(whole(&armored(&broken, "\n")).unwrap_err().offset, expected);
}

#[test]
fn a_prefix_asks_for_more_and_a_whole_file_is_cut_off() {
    for bytes in [file(X25519), armored(&file(X25519), "\n"), armored(&file(X25519), "\r\n")] {
        let complete = whole(&bytes).unwrap();
        for length in 0..bytes.len() {
            let prefix = &bytes[..length];
            match parse_header(prefix, false) {
                Ok(header) => assert_eq!(header, complete),
                Err(error) => assert_eq!(error.kind, HeaderErrorKind::Incomplete, "{length}: {error}"),
            }
            match parse_header(prefix, true) {
                Ok(_) if prefix.trim_ascii_end() == bytes.trim_ascii_end() => {} // only the last line end is gone
                Ok(header) => assert!(header.payload_problem(prefix, length as u64).is_some(), "{length}"),
                Err(error) => assert_ne!(error.kind, HeaderErrorKind::Incomplete, "{length}: {error}"),
            }
        }
    }
}

#[test]
fn contents_that_are_cut_off() {
    let bytes = file(X25519);
    let header = whole(&bytes).unwrap();
    let start = header.payload_offset as u64;
    let chunk = 65_536 + 16;
    for (length, is_whole) in [
        (0, false),
        (16, false),
        (31, false),
        (32, true),
        (33, true),
        (16 + chunk, true),
        (16 + chunk + 1, false),
        (16 + chunk + 16, false),
        (16 + chunk + 17, true),
        (16 + 2 * chunk, true),
    ] {
        let problem = header.payload_problem(&bytes, start + length);
        assert_eq!(problem.is_none(), is_whole, "{length}: {problem:?}");
    }
}

#[test]
fn armor_is_strict() {
    let good = String::from_utf8(armored(&file(X25519), "\n")).unwrap();
    let begin = "-----BEGIN AGE ENCRYPTED FILE-----\n";
    for (text, words) in [
        (good.replace(begin, &format!("{begin}\n")), "empty line"),
        (good.replace(begin, &format!("{begin}Comment: x\n\n")), "not canonical base64"),
        (good.replace(begin, &format!("{}  \n", begin.trim_end())), "something follows"),
        (format!(" {good}"), "blanks stand in front"),
        (format!("\n{good}"), "blanks stand in front"),
        (format!("x\n{good}"), "something stands before"),
    ] {
        assert_refused(text.as_bytes(), HeaderErrorKind::Armor, words);
    }
    for (text, words) in [
        (format!("{good}x"), "something follows"),
        (format!("{good}{}", " ".repeat(1024)), "1024 or more blanks"),
        (good.replace("-----END", "\n-----END"), "must follow it"),
        (good.replace("-----END AGE ENCRYPTED FILE-----\n", ""), "cut off"),
    ] {
        let header = whole(text.as_bytes()).unwrap();
        let problem = header.payload_problem(text.as_bytes(), text.len() as u64).unwrap();
        assert!(problem.message.contains(words), "{problem}");
    }
}

#[test]
fn a_passphrase_stands_alone() {
    let scrypt = "-> scrypt ajMFur+EJLGaohv/dLRGnw 18\n8SHBz/ldWnjyGFQqfjat6uNBarWqqEMDS7W8X7+Xq5Q\n";
    let header = whole(&file(scrypt)).unwrap();
    assert!(header.is_passphrase() && header.problem().is_none() && header.stanzas[0].problem().is_none());
    let mixed = whole(&file(&format!("{scrypt}{X25519}"))).unwrap();
    assert!(mixed.problem().is_some_and(|problem| problem.contains("refuses")));
    for bad in [
        scrypt.replace(" 18", " 018"),
        scrypt.replace(" 18", " 0x12"),
        scrypt.replace(" 18", ""),
        scrypt.replace("w 18", " 18"),
    ] {
        assert!(whole(&file(&bad)).unwrap().stanzas[0].problem().is_some(), "{bad}");
    }
}

#[test]
fn hostile_sizes_are_bounded() {
    let many = file(&"-> x\n\n".repeat(100_000));
    assert_refused(&many, HeaderErrorKind::TooLarge, "more than 32768 recipients");
    let allowed = file(&"-> x\n\n".repeat(MAX_STANZAS));
    assert_eq!(whole(&allowed).unwrap().stanzas.len(), MAX_STANZAS);

    let long = format!("-> {}\n\n", "x".repeat(MAX_LINE_LEN));
    assert_refused(&file(&long), HeaderErrorKind::TooLarge, "a line of the header");
    let within = format!("-> {}\n\n", "x".repeat(MAX_LINE_LEN - 3));
    assert_eq!(whole(&file(&within)).unwrap().stanzas.len(), 1);

    let endless =
        format!("age-encryption.org/v1\n-> x\n{}", format!("{}\n", "q".repeat(64)).repeat(HEADER_LIMIT / 65 + 1));
    for is_whole in [true, false] {
        let error = parse_header(endless.as_bytes(), is_whole).unwrap_err();
        assert_eq!(error.kind, HeaderErrorKind::TooLarge, "{error}");
    }
    let first = &endless.as_bytes()[..FIRST_READ];
    assert_eq!(parse_header(first, false).unwrap_err().kind, HeaderErrorKind::Incomplete);
}

#[test]
fn what_is_no_age_file_is_named() {
    let openssh = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ==\n";
    for (bytes, foreign) in [
        (b"".as_slice(), Foreign::Empty),
        (b" \n\n", Foreign::Empty),
        (openssh.as_bytes(), Foreign::PrivateKey(PrivateKeyKind::OpenSsh)),
        (b"\0GITCRYPT\0\x01\x02", Foreign::GitCrypt),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", Foreign::LfsPointer),
        (b"-----BEGIN PGP MESSAGE-----\n\nhQ\n", Foreign::Pgp),
        (b"-----BEGIN CERTIFICATE-----\nMII\n", Foreign::Pem),
        (b"{\"data\": \"ENC[AES256_GCM,data:x]\"}", Foreign::Sops),
        (b"$ANSIBLE_VAULT;1.1;AES256\n", Foreign::AnsibleVault),
        (b"<<<<<<< HEAD\nage-encryption.org/v1\n", Foreign::MergeConflict),
        (b"\xef\xbb\xbfage-encryption.org/v1\n", Foreign::ByteOrderMark),
        (
            b"# the key of a card\n\nage1yubikey1qt9fuygt02rl3j88m0xsgm9cla2nuu5yjmra6f02uy2pel4kvnymkx0utje\n",
            Foreign::Text,
        ),
        (
            b"# the first\nssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL0idNvgGiucWgup/mP78zyC23uFjYq0evcWdjGQUaBH ponyo\n\n",
            Foreign::PublicKeys,
        ),
        (b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL0idNvgGiucWgup/mP78zyC23uFjYq0evcWdjGQUaBH\nhunter2\n", Foreign::Text),
        (b"hunter2\n", Foreign::Text),
    ] {
        assert_refused(bytes, HeaderErrorKind::Foreign(foreign), "");
    }
    assert_refused(&[0x7f, b'E', b'L', b'F', 0, 0], HeaderErrorKind::NotAge, "begins neither with");
    assert!(!whole(b"hunter2\n").unwrap_err().to_string().contains("hunter2"), "the text may be the secret");
}
