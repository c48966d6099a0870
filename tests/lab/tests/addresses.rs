//! Addresses and networks, as `nix/lib` and as Rust's standard library read them.
#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::Result;
use bulkhead_lab::{Need, evaluate, skip_without};
use pretty_assertions::assert_eq;
use serde_json::{Value, json};

/// A sequence of numbers that is the same in every run (Knuth's MMIX generator).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        self.0 >> 33
    }

    fn below(&mut self, end: usize) -> usize {
        self.next() as usize % end
    }

    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }
}

/// Addresses of both families, some of them spoiled.
fn texts() -> Vec<String> {
    let mut numbers = Numbers(4);
    let mut texts: Vec<String> = ["", ".", ":", "::", ":::", "0", "1.2.3.4", "::1.2.3.4", "1::1.2.3.4", "::ffff:0:1"]
        .map(str::to_owned)
        .to_vec();
    for _ in 0..1500 {
        let mut text = match numbers.below(3) {
            0 => (0..4).map(|_| (numbers.below(300)).to_string()).collect::<Vec<_>>().join("."),
            1 => {
                let groups: Vec<u16> =
                    (0..8).map(|_| if numbers.below(2) == 0 { 0 } else { numbers.next() as u16 }).collect();
                Ipv6Addr::from(<[u16; 8]>::try_from(groups).unwrap()).to_string()
            }
            _ => (0..numbers.below(12))
                .map(|_| *numbers.pick(&["0", "1", "ab", "FFFF", "00001", ":", "::", ":", "1.2.3.4", "."]))
                .collect(),
        };
        for _ in 0..numbers.below(3) {
            let at = numbers.below(text.len() + 1);
            match numbers.below(3) {
                0 => text.insert(at, *numbers.pick(&['0', ':', '.', 'f', 'g', '9', ' '])),
                1 if at < text.len() => drop(text.remove(at)),
                _ => {}
            }
        }
        texts.push(text);
    }
    texts
}

#[test]
fn addresses_are_read_and_written_as_by_rust() -> Result<()> {
    if skip_without(&[Need::Program("nix-instantiate")], "addresses in Nix and in Rust") {
        return Ok(());
    }
    let texts = texts();
    let expected: Vec<(String, Value)> = texts
        .iter()
        .map(|text| {
            let written = match text.parse::<IpAddr>() {
                Ok(IpAddr::V4(address)) => json!([address.to_string(), format!("{:08x}", u32::from(address))]),
                Ok(IpAddr::V6(address)) => json!([canonical(address), format!("{:032x}", u128::from(address))]),
                Err(_) => Value::Null,
            };
            (text.clone(), written)
        })
        .collect();
    let describe = "map (text: let parts = parseAddress text; in
        if parts == null then null else [ (formatAddress parts) (hexOfAddress parts) ])";
    let got = evaluate(describe, &json!(texts))?;
    let got: Vec<(String, Value)> = texts.iter().cloned().zip(got.as_array().into_iter().flatten().cloned()).collect();
    assert!(expected.iter().filter(|(_, written)| !written.is_null()).count() > 500);
    assert!(expected.iter().filter(|(_, written)| written.is_null()).count() > 300);
    assert_eq!(got, expected);
    Ok(())
}

#[test]
fn networks_hold_and_overlap_as_bits_say() -> Result<()> {
    if skip_without(&[Need::Program("nix-instantiate")], "networks in Nix and in Rust") {
        return Ok(());
    }
    let mut numbers = Numbers(5);
    // Few bits differ, so that many networks lie in each other.
    let mut address = |is_four: bool| -> IpAddr {
        if is_four {
            Ipv4Addr::from(0x0a00_0000 | (1 << numbers.below(32)) & 0x00ff_ffff).into()
        } else {
            Ipv6Addr::from(0xfd20 << 112 | (1_u128 << numbers.below(112))).into()
        }
    };
    let mut pairs = Vec::new();
    let mut lengths = Numbers(6);
    for index in 0..800 {
        let is_four = index % 2 == 0;
        let most = if is_four { 33 } else { 129 };
        let mut network = || (address(is_four), lengths.below(most) as u32);
        pairs.push((network(), network()));
    }
    let bits = |address: IpAddr| match address {
        IpAddr::V4(address) => u128::from(u32::from(address)) << 96,
        IpAddr::V6(address) => u128::from(address),
    };
    let same = |a: IpAddr, b: IpAddr, length: u32| length == 0 || (bits(a) ^ bits(b)) >> (128 - length) == 0;
    let expected: Vec<Value> = pairs
        .iter()
        .map(|((a, a_length), (b, b_length))| json!([same(*a, *b, *a_length), same(*a, *b, *a_length.min(b_length))]))
        .collect();
    let given: Vec<Value> = pairs
        .iter()
        .map(|((a, a_length), (b, b_length))| json!([format!("{a}/{a_length}"), format!("{b}/{b_length}"), b]))
        .collect();
    let describe = "map (pair: let
        a = networkOf (builtins.elemAt pair 0);
        b = networkOf (builtins.elemAt pair 1);
      in [ (isInNetwork a (builtins.elemAt pair 2)) (networksOverlap a b) ])";
    assert_eq!(evaluate(describe, &json!(given))?, Value::from(expected));
    Ok(())
}

/// As RFC 5952 has it, without the dotted form that Rust gives to mapped addresses.
fn canonical(address: Ipv6Addr) -> String {
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] => format!("::ffff:{high:x}:{low:x}"),
        _ => address.to_string(),
    }
}
