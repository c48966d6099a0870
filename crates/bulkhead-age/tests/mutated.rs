//! Damaged input: nothing panics, nothing is both refused and accepted, offsets stay within the input.
#![allow(clippy::unwrap_used)]

use bulkhead_age::{Recipient, looks_like_private_key, match_recipients, parse_header, parse_onion};

const ROUNDS: usize = 20_000;

/// SplitMix64: the same inputs on every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    /// One to four edits: a byte replaced, removed or inserted, a piece repeated or cut off.
    fn damage(&mut self, seed: &[u8]) -> Vec<u8> {
        const LIKELY: &[u8] = b"\n\r -=>1A/\0\xff\x7f\"";
        let mut bytes = seed.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(bytes.len());
            let byte = if self.below(2) == 0 { LIKELY[self.below(LIKELY.len())] } else { self.next() as u8 };
            match self.below(5) {
                0 if at < bytes.len() => bytes[at] = byte,
                1 if at < bytes.len() => drop(bytes.remove(at)),
                2 => bytes.insert(at, byte),
                3 => {
                    let end = at + self.below(bytes.len() - at);
                    let piece = bytes[at..end].to_vec();
                    bytes.extend_from_slice(&piece);
                }
                _ => bytes.truncate(at.max(1)),
            }
        }
        bytes
    }
}

const KEYS: [&str; 7] = [
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIL0idNvgGiucWgup/mP78zyC23uFjYq0evcWdjGQUaBH ponyo",
    "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAQQC7 x",
    "age1zvkyg2lqzraa2lnjvqej32nkuu0ues2s82hzrye869xeexvn73equnujwj",
    "age1tpm1qtzcedwcyuemjkynrvucs5wyhue4h528vv7s2z9k8xvr78ky6c72wff0tz2",
    "age1tag1qt8lw0ual6avlwmwatk888yqnmdamm7xfd0wak53ut6elz5c4swx2yqdj4e",
    "from=\"a b\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5",
    "AGE-SECRET-KEY-1GFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPYYSJZGFPQ4EGAEX",
];

const HEADER: &str = "age-encryption.org/v1\n\
    -> ssh-ed25519 V3XmEA XEl0dJ6y3C7KZkgmgWUicg63EyXJiwBJW8PdYJ/cYBE\n\
    qRS0AMjdjPvZ/WT08U2KL4G+PIooA3hy38SvLpvaC1E\n\
    -> p256tag CXBuUw BOqTylUtZFwkMTxd6UENg8kopiMhRJBOUXMv5w2xVOmJu7eezoALGXiNtq5Vka+UQvaYbQvAdwjIJEDaoBaq7So\n\
    bZQpLsV8uGqGPs70J6dVodiHejsZ5BODjaRsB0RcBqI\n\
    -> X-grease ! ~\n\n\
    --- HK2NmOBN9Dpq0Gw6xMCuhFcQlQLvZ/wQUi/2scLG75s\n\
    0123456789abcdef0123456789abcdef";

#[test]
fn damaged_headers() {
    use base64::Engine as _;
    let encoded = base64::engine::general_purpose::STANDARD.encode(HEADER);
    let lines: Vec<_> = encoded.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
    let armored =
        format!("-----BEGIN AGE ENCRYPTED FILE-----\n{}\n-----END AGE ENCRYPTED FILE-----\n", lines.join("\n"));
    let recipients: Vec<_> = KEYS.iter().filter_map(|text| Recipient::parse(text).ok()).collect();
    let mut random = Random(1);
    let (mut accepted, mut refused) = (0, 0);
    for i in 0..ROUNDS {
        let bytes = random.damage(if i % 2 == 0 { HEADER.as_bytes() } else { armored.as_bytes() });
        let length = bytes.len() as u64;
        match parse_header(&bytes, true) {
            Ok(header) => {
                accepted += 1;
                assert_eq!(parse_header(&bytes, true).as_ref(), Ok(&header));
                assert!(header.payload_problem(&bytes, length).is_none_or(|problem| problem.offset <= bytes.len()));
                let result = match_recipients(&header, &recipients);
                let listed = result.matched.len() + result.missing.len() + result.impossible.len();
                assert!(listed <= recipients.len());
            }
            Err(error) => {
                refused += 1;
                assert!(error.offset <= bytes.len() && !error.to_string().is_empty());
            }
        }
        let _ = parse_header(&bytes, false);
        let _ = looks_like_private_key(&bytes);
    }
    assert!(accepted > ROUNDS / 100 && refused > ROUNDS / 2, "{accepted} accepted, {refused} refused");
}

#[test]
fn damaged_recipients() {
    let mut random = Random(2);
    let mut accepted = 0;
    for i in 0..ROUNDS {
        let text = String::from_utf8_lossy(&random.damage(KEYS[i % KEYS.len()].as_bytes())).into_owned();
        if let Ok(recipient) = Recipient::parse(&text) {
            accepted += 1;
            // What is accepted is the same key again when it is written as told.
            let again = Recipient::parse(recipient.canonical()).unwrap();
            assert_eq!((&again, again.comment()), (&recipient, None));
            assert_eq!(recipient.age_can_encrypt(), again.age_can_encrypt());
            assert!(!recipient.public_key_id().is_empty());
        }
    }
    assert!(accepted > ROUNDS / 100, "{accepted} accepted");
}

#[test]
fn damaged_onion_addresses() {
    let mut random = Random(3);
    for _ in 0..ROUNDS {
        let address = b"www.2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion";
        let text = String::from_utf8_lossy(&random.damage(address)).into_owned();
        if let Ok(onion) = parse_onion(&text) {
            assert_eq!(onion.address.as_bytes(), &address[4..]);
        }
    }
}
