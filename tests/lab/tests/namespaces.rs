//! The lab itself: what it makes is apart from the machine, and goes when nobody needs it.
#![allow(clippy::unwrap_used)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use anyhow::Result;
use bulkhead_lab::frame::{BROADCAST, canaries, canary, ethernet};
use bulkhead_lab::{Namespace, Need, Part, Socket, Tables, skip_without};

const NEEDS: [Need; 2] = [Need::Root, Need::Program("ip")];

#[test]
fn a_namespace_is_apart_and_goes_also_after_a_panic() -> Result<()> {
    if skip_without(&NEEDS, "namespaces that come and go") {
        return Ok(());
    }
    let here = Namespace::new("here")?;
    let links = |namespace: &Namespace| namespace.run("ip", &["-brief", "link"]).unwrap();
    assert_eq!(links(&here).lines().count(), 1, "nothing but lo: {}", links(&here));
    let gone = Namespace::new("gone")?;
    here.connect("to-gone", &gone, "eth0")?;
    assert!(links(&here).contains("to-gone"));
    let outcome = catch_unwind(AssertUnwindSafe(move || {
        let _gone = gone;
        panic!("as a failing test does");
    }));
    assert!(outcome.is_err());
    // The kernel takes its time to remove a namespace, and the other ends of its wires with it.
    let end = Instant::now() + Duration::from_secs(10);
    while links(&here).contains("to-gone") {
        assert!(Instant::now() < end, "the namespace is still there");
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

#[test]
fn frames_arrive_as_they_were_sent() -> Result<()> {
    if skip_without(&NEEDS, "frames between namespaces") {
        return Ok(());
    }
    let (here, there) = (Namespace::new("here")?, Namespace::new("there")?);
    here.connect("eth0", &there, "eth0")?;
    let (sender, receiver) = (Socket::open(&here, "eth0")?, Socket::open(&there, "eth0")?);
    let frame = ethernet(BROADCAST, [2, 0, 0, 0, 0, 1], 0x88b5, &canary(7));
    sender.send(&frame)?;
    let end = Instant::now() + Duration::from_secs(5);
    let arrived = loop {
        let frames = receiver.drain()?;
        if let Some(found) = frames.into_iter().find(|frame| canaries(frame) == [7]) {
            break found;
        }
        assert!(Instant::now() < end, "nothing arrives");
    };
    assert_eq!(arrived, frame);
    assert!(sender.drain()?.iter().all(|frame| canaries(frame).is_empty()), "it captures what it sends");
    Ok(())
}

#[test]
fn an_error_in_a_namespace_names_it() -> Result<()> {
    if skip_without(&NEEDS, "errors in namespaces") {
        return Ok(());
    }
    let here = Namespace::new("here")?;
    let error = here.run("ip", &["link", "show", "none"]).unwrap_err().to_string();
    assert!(error.starts_with("ip link show none in here: ") && error.contains("none"), "{error}");
    let error = here.enter(|| -> Result<()> { panic!("of no use") }).unwrap_err().to_string();
    assert_eq!(error, "panic in here: of no use");
    Ok(())
}

#[test]
fn parts_of_tables_are_taken_out_one_at_a_time() -> Result<()> {
    if skip_without(&[NEEDS[0], Need::Program("nft")], "parts of tables") {
        return Ok(());
    }
    let host = Namespace::new("host")?;
    let rules = "
table inet lab
delete table inet lab
table inet lab {
  set names {
    type ifname . ipv4_addr
    elements = { \"a\" . 10.0.0.1, \"b\" . 10.0.0.2 }
  }
  chain input {
    type filter hook input priority filter; policy accept;
    iifname . ip saddr @names accept
    tcp dport 22 counter drop
  }
}
";
    let tables = Tables::load(&host, rules)?;
    let parts = tables.parts("lab")?;
    let texts: Vec<String> = parts.iter().map(Part::to_string).collect();
    assert_eq!(texts.len(), 4, "{texts:#?}");
    for (index, part) in parts.iter().enumerate() {
        tables.remove(part)?;
        let left: Vec<String> = tables.parts("lab")?.iter().map(Part::to_string).collect();
        let mut expected = texts.clone();
        expected.remove(index);
        assert_eq!(left, expected);
        tables.reload()?;
    }
    assert!(Tables::load(&host, "table inet lab { nonsense }").is_err());
    assert_eq!(tables.parts("lab")?.len(), 4, "what nft refuses changes nothing");
    Ok(())
}
