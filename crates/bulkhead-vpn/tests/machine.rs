//! The machine on its good days: from nothing to ready, and what it keeps.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use bulkhead_vpn::config::{Location, LowestLatency};
use bulkhead_vpn::context::Step;
use common::{DAY, HOUR, Lab};
use fake_pia::Endpoint;
use pretty_assertions::assert_eq;

#[test]
fn from_nothing_to_ready() {
    let lab = Lab::new();
    let status = lab.run_until(60);
    assert_eq!(lab.ready(), Some(0));
    assert_eq!(status.step, Step::Watch);
    assert_eq!(Lab::server(&status), "alpha401");
    let port = status.port.unwrap();
    assert!(port.bound && port.port.unwrap() >= 10_000);
    assert_eq!(lab.fake.bound().keys().copied().collect::<Vec<_>>(), [port.port.unwrap()]);
    let order: Vec<Endpoint> = lab.fake.requests().iter().map(|request| request.endpoint).collect();
    let expected = [Endpoint::Token, Endpoint::List, Endpoint::AddKey, Endpoint::GetSignature, Endpoint::BindPort];
    assert_eq!(order, expected);
}

#[test]
fn the_proxy_is_asked_for_names_of_public_hosts_and_addresses_of_servers_only() {
    let lab = Lab::new();
    lab.run_until(60);
    let [a, b, c] = lab.base;
    let key_server = format!("{a}.{b}.{c}.11:21337");
    let expected = ["www.privateinternetaccess.com:443", "serverlist.piaservers.net:443", key_server.as_str()];
    assert_eq!(lab.proxy.asked(), expected);
}

#[test]
fn what_was_changed_is_set_back_at_the_end() {
    let lab = Lab::new();
    lab.run_until(60);
    assert_eq!(lab.network.inner().cleaned, 1);
    assert_eq!(lab.told.count("stopping"), 1);
}

#[test]
fn state_is_private_and_has_what_a_restart_needs() {
    let lab = Lab::new();
    lab.run_until(60);
    let mode = |path| std::fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    assert_eq!(mode(lab.state_file()), 0o600);
    assert_eq!(mode(lab.config.state_directory.join("servers")), 0o600);
    assert_eq!(mode(lab.config.state_directory.clone()), 0o700);
    let state = lab.state();
    assert!(state.token.is_some() && state.port.is_some());
}

#[test]
fn the_port_is_bound_again_every_15_minutes() {
    let lab = Lab::new();
    let status = lab.run_until(6 * HOUR);
    // 24 quarters of an hour, and the first.
    assert_eq!(lab.fake.count(Endpoint::BindPort), 24);
    assert_eq!(lab.fake.count(Endpoint::GetSignature), 1);
    assert!(status.port.unwrap().bound);
    assert_eq!(lab.network.count("configure"), 1);
}

#[test]
fn the_port_survives_restarts_and_renewals_byte_for_byte() {
    let mut lab = Lab::new();
    lab.run_until(60);
    let before = lab.state().port.unwrap();
    lab.restart();
    lab.run_until(120);
    assert_eq!(lab.state().port.as_ref(), Some(&before));
    // The token and the list are young enough.
    assert_eq!((lab.fake.count(Endpoint::Token), lab.fake.count(Endpoint::List)), (1, 1));

    lab.restart();
    let inbox = lab.inbox.clone();
    lab.at(180, move || inbox.renew());
    let status = lab.run_until(240);
    assert_eq!(status.renewals, 1);
    assert_eq!(lab.state().port.as_ref(), Some(&before));
    assert_eq!(lab.network.forwarded().map(|forwarded| forwarded.port), None, "cleaned up");
    assert_eq!(lab.fake.count(Endpoint::GetSignature), 1);
}

#[test]
fn a_renewal_replaces_key_and_peer_at_once() {
    let lab = Lab::new();
    let (inbox, network) = (lab.inbox.clone(), lab.network.clone());
    lab.at(100, move || {
        network.inner().calls.clear();
        inbox.renew();
    });
    let status = lab.run_until(200);
    assert_eq!(status.renewals, 1);
    let calls: Vec<&str> =
        lab.network.inner().calls.iter().map(|(_, call)| *call).filter(|call| *call != "peer").collect();
    // Nothing is closed meanwhile, and the rules are replaced once.
    assert_eq!(calls, ["configure", "load"]);
    let keys = lab.fake.keys();
    assert_eq!(keys.len(), 2);
    assert_ne!(keys[0].key, keys[1].key);
}

#[test]
fn thirty_days() {
    let lab = Lab::new();
    let days: Vec<u64> = (1..=31).collect();
    for day in days {
        let fake = lab.fake.clone();
        lab.at(day * DAY - 1, move || assert_eq!(fake.bound().len(), 1, "the port is bound on day {day}"));
    }
    let status = lab.run_until(31 * DAY);
    assert_eq!((status.connects, status.renewals, status.faults), (1, 1, 0));
    // Bound every quarter of an hour, and once by the renewal; signed once.
    assert_eq!(lab.fake.count(Endpoint::BindPort), 31 * 96 + 1);
    assert_eq!(lab.fake.count(Endpoint::GetSignature), 1);
    assert_eq!(lab.network.count("configure"), 2);
    // The watchdog was fed at least every minute.
    let fed = lab.told.count("alive");
    assert!(fed >= 31 * 1440, "{fed}");
}

#[test]
fn a_signature_is_renewed_below_7_days() {
    let lab = Lab::new();
    let (clock, fake) = (lab.clock.clone(), lab.fake.clone());
    // As after a long sleep; the promise has 8 days left, then 6.
    lab.at(HOUR, move || clock.jump(54 * DAY as i64));
    lab.at(2 * HOUR, move || assert_eq!(fake.count(Endpoint::GetSignature), 1));
    let clock = lab.clock.clone();
    lab.at(2 * HOUR, move || clock.jump(2 * DAY as i64));
    let status = lab.run_until(3 * HOUR);
    assert_eq!(lab.fake.count(Endpoint::GetSignature), 2);
    assert!(status.port.unwrap().bound);
    assert_eq!(lab.network.count("configure"), 1, "the tunnel stays");
}

#[test]
fn the_fastest_server_is_taken() {
    // By turns one of two is slow; gamma forwards no ports.
    for (slow, fast) in [(11, "beta401"), (13, "alpha401")] {
        let lab = Lab::new().with_pia(|pia| pia.location = Location::LowestLatency(LowestLatency::default()));
        let [a, b, c] = lab.base;
        lab.proxy.slow_down(&format!("{a}.{b}.{c}.{slow}:21337"));
        assert_eq!(Lab::server(&lab.run_until(60)), fast);
    }
    let nowhere = LowestLatency { countries: vec!["ZZ".to_owned()] };
    let lab = Lab::new().with_pia(|pia| pia.location = Location::LowestLatency(nowhere));
    let status = lab.run_until(60);
    assert!(status.last_fault.unwrap().contains("no region fits"));
}

#[test]
fn a_dedicated_ip_is_connected_to() {
    let mut lab = Lab::with(|options| {
        let ip = options.servers[2].ip.parse().unwrap();
        let dedicated = |status: &str| fake_pia::Dedicated {
            status: status.to_owned(),
            ip,
            cn: "beta401".to_owned(),
            id: "beta".to_owned(),
        };
        options.dedicated.insert("DIPactive".to_owned(), dedicated("active"));
        options.dedicated.insert("DIPover".to_owned(), dedicated("expired"));
    });
    let file = lab.folder.path().join("dip");
    std::fs::write(&file, "DIPactive\n").unwrap();
    lab = lab.with_pia(|pia| pia.dedicated_ip_file = Some(file.clone()));
    let status = lab.run_until(60);
    assert_eq!(Lab::server(&status), "beta401");
    assert!(status.port.unwrap().bound);

    for (token, reason) in [("DIPover", "its status is `expired`"), ("DIPwrong", "its status is `invalid`")] {
        lab.restart();
        std::fs::write(&file, token).unwrap();
        let until = lab.clock.seconds() + 60;
        let status = lab.run_until(until);
        assert!(status.last_fault.unwrap().contains(reason));
        assert_eq!(lab.ready(), None);
    }
}

#[test]
fn no_port_is_asked_for_if_none_is_wanted() {
    let lab = Lab::new().configured(|config| config.port_forwarding = None);
    let lab = lab.with_pia(|pia| pia.location = Location::Regions(vec!["gamma".to_owned()]));
    let status = lab.run_until(HOUR);
    assert_eq!((Lab::server(&status), &status.port), ("gamma401", &None));
    assert_eq!(lab.fake.count(Endpoint::GetSignature) + lab.fake.count(Endpoint::BindPort), 0);
}

#[test]
fn starting_is_extended_and_the_watchdog_fed_while_it_takes_long() {
    let lab = Lab::new();
    lab.proxy.refuse(true);
    let proxy = lab.proxy.clone();
    lab.at(20 * 60, move || proxy.refuse(false));
    lab.run_until(HOUR);
    let ready = lab.told.when("ready").unwrap();
    assert!(ready > Duration::from_secs(20 * 60) && ready < Duration::from_secs(27 * 60), "{ready:?}");
    assert!(lab.told.count("extend") > 20 && lab.told.has("trying again in"));
}

/// PIA's own authority has an RSA key of 4096 bits.
#[test]
fn an_authority_as_large_as_pias_is_verified() {
    let lab = Lab::with(|options| options.authority_bits = 4096);
    lab.run_until(60);
    assert_eq!(lab.ready(), Some(0));
}
