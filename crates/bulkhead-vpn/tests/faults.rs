//! What the machine does about each fault: of the provider, of the network, of its own files, of clocks.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use base64::Engine as _;
use bulkhead_vpn::config::Location;
use bulkhead_vpn::context::Step;
use common::{DAY, HOUR, Lab};
use fake_pia::{Endpoint, Fault, Injection};
use pretty_assertions::assert_eq;

/// When a pause of `seconds` is over at the latest: pauses are a little random.
fn after(seconds: u64) -> std::ops::RangeInclusive<u64> {
    seconds..=seconds + seconds / 4 + 3
}

#[test]
fn a_damaged_or_late_token_is_asked_for_again() {
    let faults = [
        Fault::Truncate(10),
        Fault::Endless,
        Fault::SlowLoris(100),
        Fault::Silence,
        Fault::Close,
        Fault::UntrustedAuthority,
        Fault::WrongName("evil.example".to_owned()),
        Fault::answer(500, "oops"),
        Fault::answer(200, "{\"tok"),
        Fault::answer(200, "[]"),
        Fault::answer(200, "{\"token\":\"a\\r\\nb\"}"),
        Fault::answer(200, "<html>"),
    ];
    let start = Instant::now();
    let lab = Lab::new();
    for fault in faults {
        let mut lab = Lab::new();
        lab.fake.inject(Injection::once(Endpoint::Token, fault.clone()));
        // With nothing else to ask, the next round asks again.
        let until = 60;
        lab = lab.with_pia(|pia| pia.api.meta_servers.clear());
        let status = lab.run_until(until);
        assert!(lab.ready().is_some_and(|at| after(1).contains(&at)), "{fault:?}: {:?}", lab.ready());
        assert_eq!((status.faults, lab.fake.count(Endpoint::Token)), (1, 2), "{fault:?}");
    }
    drop(lab);
    assert!(start.elapsed() < Duration::from_secs(600), "no request outlasts its time-out");
}

#[test]
fn a_slow_answer_within_the_time_is_taken() {
    let lab = Lab::new();
    lab.fake.inject(Injection::once(Endpoint::Token, Fault::Delay(300)));
    assert_eq!(lab.run_until(60).faults, 0);
}

#[test]
fn refusals_of_the_login_are_not_hammered() {
    let flood = r#"{"status":"error","code":"too_many_attempts","message":"locked"}"#;
    let cases = [
        (Fault::answer(401, "HTTP Token: Access denied.\n"), 600, "does not accept user name and password"),
        (Fault::answer(401, r#"{"status":"ERROR","message":"authentication failed"}"#), 600, "does not accept"),
        (Fault::answer(402, ""), 3600, "the subscription is over"),
        (Fault::too_many(77), 77, "a pause of 77 s"),
        (Fault::answer(429, ""), 300, "wants fewer requests"),
        (Fault::answer(200, flood), 300, "wants fewer requests"),
        (Fault::too_many(86_400), 7200, "a pause of 86400 s"),
    ];
    for (fault, pause, message) in cases {
        let lab = Lab::new();
        lab.fake.inject(Injection::once(Endpoint::Token, fault.clone()));
        let status = lab.run_until(pause + pause / 2 + 60);
        assert_eq!(lab.fake.count(Endpoint::Token), 2, "{fault:?}");
        assert!(lab.ready().is_some_and(|at| after(pause).contains(&at)), "{fault:?}: {:?}", lab.ready());
        assert!(status.last_fault.clone().unwrap().contains(message), "{status:?}");
        // Nobody goes around a refusal by asking a meta server.
        assert_eq!(lab.fake.count(Endpoint::MetaToken), 0);
    }
}

#[test]
fn credentials_are_read_anew() {
    let lab = Lab::new();
    let login = lab.folder.path().join("login");
    std::fs::write(&login, "p0000001\nwrong\n").unwrap();
    lab.at(300, move || std::fs::write(&login, "PIA_USER=p0000001\nPIA_PASS='correct horse'\n").unwrap());
    lab.run_until(HOUR);
    assert!(lab.ready().is_some_and(|at| after(600).contains(&at)), "{:?}", lab.ready());
}

#[test]
fn a_list_that_is_not_signed_is_not_used() {
    for fault in [
        Fault::BadSignature,
        Fault::Truncate(40),
        Fault::Replace { from: "\n\n".to_owned(), to: "\n".to_owned() + &"A".repeat(344) },
        Fault::answer(200, "{\"regions\":[]}\n\nAAAA\n"),
        Fault::answer(200, ""),
    ] {
        let lab = Lab::new();
        lab.fake.inject(Injection::always(Endpoint::List, fault.clone()));
        let status = lab.run_until(HOUR);
        assert_eq!(lab.ready(), None, "{fault:?}");
        assert!(!lab.config.state_directory.join("servers").exists());
        assert_eq!(lab.fake.count(Endpoint::AddKey), 0);
        if fault == Fault::BadSignature {
            assert!(status.last_fault.unwrap().contains("is not signed by the provider"));
        }
    }
}

#[test]
fn meta_servers_and_the_stored_list_are_other_ways() {
    let mut lab = Lab::new();
    lab.run_until(60);
    // A day later both hosts with names are gone, and the token is old.
    lab.restart();
    lab.clock.jump(DAY as i64);
    lab.fake.inject(Injection::always(Endpoint::Token, Fault::Close));
    lab.fake.inject(Injection::always(Endpoint::List, Fault::BadSignature));
    let status = lab.run_until(180);
    assert_eq!((status.faults, lab.fake.count(Endpoint::MetaToken), lab.fake.count(Endpoint::MetaList)), (0, 1, 1));

    // Now the meta servers too, but for the token.
    lab.restart();
    lab.clock.jump(DAY as i64);
    lab.fake.inject(Injection::always(Endpoint::MetaList, Fault::answer(500, "")));
    let status = lab.run_until(300);
    assert_eq!((status.faults, Lab::server(&status)), (0, "alpha401"));
}

#[test]
fn configured_meta_servers_help_at_the_first_start() {
    let lab = Lab::new();
    let [a, b, c] = lab.base;
    let meta = bulkhead_vpn::config::NamedAddress { ip: [a, b, c, 21].into(), cn: "meta401".to_owned() };
    let lab = lab.with_pia(|pia| pia.api.meta_servers.push(meta));
    lab.fake.inject(Injection::always(Endpoint::Token, Fault::Silence));
    lab.fake.inject(Injection::always(Endpoint::List, Fault::Silence));
    lab.run_until(60);
    assert_eq!(lab.ready(), Some(0));
}

#[test]
fn a_server_that_fails_is_followed_by_the_next() {
    let refused = r#"{"status":"ERROR","message":"no"}"#;
    for fault in [
        Fault::WrongName("alpha999".to_owned()),
        Fault::UntrustedAuthority,
        Fault::ExpiredCertificate,
        Fault::Close,
        Fault::Silence,
        Fault::SlowLoris(50),
        Fault::Endless,
        Fault::Truncate(5),
        Fault::answer(200, refused),
        Fault::answer(503, ""),
        Fault::NoPeer,
        // Lies.
        Fault::Replace { from: "\"peer_ip\":\"127".to_owned(), to: "\"peer_ip\":\"10.73.0.9\",\"x\":\"127".to_owned() },
        Fault::Replace { from: "10.0.0.242".to_owned(), to: "224.0.0.1".to_owned() },
        Fault::Replace { from: "10.0.0.242".to_owned(), to: "240.0.0.1".to_owned() },
        Fault::Replace { from: "10.0.0.242".to_owned(), to: "0.0.0.1".to_owned() },
        Fault::Replace { from: "10.0.0.242".to_owned(), to: "169.254.169.254".to_owned() },
        // We would be the DNS server, or ask ourselves for the port.
        Fault::Replace { from: "\"peer_ip\":\"".to_owned(), to: "\"peer_ip\":\"10.0.0.242\",\"x\":\"".to_owned() },
        Fault::Replace { from: "\"peer_pubkey\":\"".to_owned(), to: "\"peer_pubkey\":\"A".to_owned() },
        Fault::Replace { from: "\"server_port\":1337".to_owned(), to: "\"server_port\":0".to_owned() },
        Fault::Replace { from: "\"server_key\":\"3".to_owned(), to: "\"server_key\":\"".to_owned() },
        // The gateway is the host, a DNS server is the proxy's host, or an address carries rules for nft.
        Fault::Replace { from: "\"server_vip\":\"".to_owned(), to: "\"server_vip\":\"10.73.0.1\",\"x\":\"".to_owned() },
        Fault::Replace { from: "10.0.0.242".to_owned(), to: "10.73.0.1".to_owned() },
        Fault::Replace { from: "10.0.0.242".to_owned(), to: "10.0.0.242 } accept; #".to_owned() },
        Fault::Replace { from: "\"peer_ip\":\"".to_owned(), to: "\"peer_ip\":\"fd00::10\",\"x\":\"".to_owned() },
        // Wrong types, too much, too deep, somewhere else.
        Fault::Replace { from: "\"server_port\":1337".to_owned(), to: "\"server_port\":\"1337\"".to_owned() },
        Fault::Replace { from: "\"server_port\":1337".to_owned(), to: "\"server_port\":66873".to_owned() },
        Fault::answer(200, &format!("{{\"status\":\"OK\",\"x\":\"{}\"}}", "x".repeat(70 << 10))),
        Fault::answer(200, &"[".repeat(60 << 10)),
        Fault::answer(200, "{\"status\":[\"OK\"],\"message\":{\"a\":1}}"),
        Fault::Answer {
            status: 302,
            headers: vec![("Location".to_owned(), "https://evil.example/".to_owned())],
            body: String::new(),
        },
    ] {
        let lab = Lab::new();
        lab.fake.inject(Injection::always(Endpoint::AddKey, fault.clone()).of("alpha401"));
        let status = lab.run_until(60);
        assert_eq!(Lab::server(&status), "alpha402", "{fault:?}");
        assert_eq!(status.faults, 1, "{fault:?}");
        let late = if fault == Fault::NoPeer { 10 } else { 0 };
        assert_eq!(lab.ready(), Some(late), "{fault:?}");
    }
}

#[test]
fn dns_servers_with_ipv6_are_left_out() {
    let lab = Lab::new();
    let more = Fault::Replace { from: "\"10.0.0.242\"".to_owned(), to: "\"fd00::242\",\"10.0.0.242\"".to_owned() };
    lab.fake.inject(Injection::always(Endpoint::AddKey, more));
    let status = lab.run_until(60);
    assert_eq!(status.faults, 0);
    assert_eq!(status.connection.unwrap().dns, [[10, 0, 0, 242], [10, 0, 0, 244]].map(std::net::Ipv4Addr::from));
}

#[test]
fn a_server_on_the_bridge_is_not_asked() {
    for address in
        ["10.73.0.1", "10.73.0.2", "0.0.0.0", "224.0.0.1", "169.254.169.254", "255.255.255.255", "0.1.2.3", "240.0.0.1"]
    {
        let lab = Lab::new();
        lab.fake.change_servers(|servers| servers[0].ip = address.to_owned());
        let status = lab.run_until(60);
        assert_eq!((Lab::server(&status), status.faults), ("alpha402", 1), "{address}");
        assert!(lab.proxy.asked().iter().all(|asked| !asked.starts_with(address)), "{address}");
    }
}

#[test]
fn a_pause_ends_when_the_clock_is_set() {
    let lab = Lab::new().with_pia(|pia| pia.api.meta_servers.clear());
    // What every certificate seems to be while the clock is at 1970.
    lab.fake.inject(Injection::always(Endpoint::AddKey, Fault::ExpiredCertificate));
    let (fake, clock, board) = (lab.fake.clone(), lab.clock.clone(), lab.board.clone());
    lab.at(500, move || {
        assert!(board.read().last_fault.unwrap().contains("is this machine's clock right?"));
        fake.clear();
        clock.jump(3600);
    });
    lab.run_until(1000);
    assert!(lab.ready().is_some_and(|at| (500..=512).contains(&at)), "{:?}", lab.ready());
}

#[test]
fn retry_after_counts_for_every_refusal() {
    let lab = Lab::new().with_pia(|pia| pia.api.meta_servers.clear());
    let headers = vec![("Retry-After".to_owned(), "900".to_owned())];
    let busy = Fault::Answer { status: 503, headers, body: String::new() };
    lab.fake.inject(Injection::once(Endpoint::Token, busy));
    lab.run_until(HOUR);
    assert!(lab.ready().is_some_and(|at| after(900).contains(&at)), "{:?}", lab.ready());
}

#[test]
fn retry_after_may_be_a_date() {
    let lab = Lab::new().with_pia(|pia| pia.api.meta_servers.clear());
    // By the server's clock, which is years behind.
    let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let headers =
        vec![header("Date", "Sun, 06 Nov 1994 08:45:00 GMT"), header("Retry-After", "Sun, 06 Nov 1994 09:00:00 GMT")];
    lab.fake.inject(Injection::once(Endpoint::Token, Fault::Answer { status: 429, headers, body: String::new() }));
    lab.run_until(HOUR);
    assert!(lab.ready().is_some_and(|at| after(900).contains(&at)), "{:?}", lab.ready());
}

#[test]
fn renamed_and_offline_servers_are_passed_over() {
    let lab = Lab::with(|options| {
        options.servers[0].renamed = Some("alpha777".to_owned());
        options.servers[1].renamed = Some("alpha778".to_owned());
    });
    assert_eq!(Lab::server(&lab.run_until(60)), "beta401");

    let lab = Lab::with(|options| options.servers.iter_mut().for_each(|s| s.offline = s.region == "alpha"));
    let status = lab.run_until(60);
    assert_eq!((Lab::server(&status), status.faults), ("beta401", 0));
}

#[test]
fn regions_that_do_not_fit_are_told() {
    let regions = |names: &[&str]| Location::Regions(names.iter().map(|name| (*name).to_owned()).collect());
    let lab = Lab::new().with_pia(|pia| pia.location = regions(&["gamma", "alhpa"]));
    let status = lab.run_until(60);
    let fault = status.last_fault.unwrap();
    assert_eq!(
        fault,
        "no server to connect to: gamma forwards no ports; alhpa is not in the provider's list; did you mean `alpha`?"
    );
    assert_eq!(lab.network.inner().calls.iter().filter(|(_, call)| *call == "configure").count(), 0);
}

#[test]
fn when_all_servers_fail_the_next_round_comes_later_and_later() {
    let lab = Lab::new();
    lab.fake.inject(Injection::always(Endpoint::AddKey, Fault::answer(503, "")));
    lab.run_until(20 * 60);
    assert_eq!(lab.ready(), None);
    let rounds = lab.network.count("prepare");
    assert!((8..=10).contains(&rounds), "{rounds} rounds");
    assert_eq!(lab.fake.count(Endpoint::Token), 1);
}

#[test]
fn a_refused_token_is_replaced_once_a_round() {
    let mut lab = Lab::new();
    lab.run_until(60);
    lab.restart();
    lab.fake.expire_tokens();
    let status = lab.run_until(120);
    assert_eq!((status.faults, lab.fake.count(Endpoint::Token)), (0, 2));

    for answer in
        [r#"{"status":"ERROR","message":"Login failed!"}"#, r#"{"status":"ERROR","message":"authentication failed"}"#]
    {
        let lab = Lab::new();
        lab.fake.inject(Injection::always(Endpoint::AddKey, Fault::answer(200, answer)));
        lab.run_until(300);
        let (tokens, rounds) = (lab.fake.count(Endpoint::Token), lab.network.count("prepare"));
        assert_eq!(lab.ready(), None);
        assert!(tokens <= rounds + 1 && rounds < 8, "{tokens} tokens in {rounds} rounds");
    }
}

#[test]
fn a_port_that_can_not_be_had_is_no_reason_to_have_no_tunnel() {
    for endpoint in [Endpoint::GetSignature, Endpoint::BindPort] {
        for fault in [Fault::Silence, Fault::Truncate(3), Fault::answer(500, ""), Fault::Endless, Fault::Close] {
            let lab = Lab::new();
            lab.fake.inject(Injection::always(endpoint, fault.clone()));
            let fake = lab.fake.clone();
            lab.at(120, move || fake.clear());
            let status = lab.run_until(1200);
            assert!(lab.ready().is_some_and(|at| at < 15), "{fault:?} of {endpoint:?}: {:?}", lab.ready());
            assert!(status.port.unwrap().bound, "{fault:?} of {endpoint:?}");
            assert_eq!(lab.network.count("configure"), 1);
        }
    }
}

#[test]
fn a_binding_that_fails_for_a_while_keeps_its_port() {
    let lab = Lab::new();
    let fake = lab.fake.clone();
    lab.at(60, move || fake.inject(Injection::always(Endpoint::BindPort, Fault::Close)));
    let (board, fake) = (lab.board.clone(), lab.fake.clone());
    lab.at(40 * 60, move || {
        let port = board.read().port.unwrap();
        assert!(!port.bound && port.last_fault.is_some(), "the binding's 20 minutes are over: {port:?}");
        fake.clear();
    });
    let status = lab.run_until(2 * HOUR);
    assert!(status.port.unwrap().bound);
    assert_eq!((lab.fake.count(Endpoint::GetSignature), lab.network.count("configure")), (1, 1));
}

const BUSY: &str = r#"{"status":"","message":"Port 51813 IS BUSY. Please use another server"}"#;

#[test]
fn a_busy_port_moves_to_the_next_server() {
    let lab = Lab::new();
    lab.fake.inject(Injection::always(Endpoint::BindPort, Fault::answer(409, BUSY)).of("alpha401"));
    let status = lab.run_until(60);
    assert_eq!((Lab::server(&status), lab.fake.count(Endpoint::GetSignature)), ("alpha402", 1));
    assert!(status.port.unwrap().bound);
}

#[test]
fn a_port_that_is_busy_everywhere_is_replaced() {
    let lab = Lab::new();
    for server in ["alpha401", "alpha402", "beta401"] {
        lab.fake.inject(Injection::once(Endpoint::BindPort, Fault::answer(200, BUSY)).of(server));
    }
    let status = lab.run_until(60);
    assert_eq!((Lab::server(&status), lab.fake.count(Endpoint::GetSignature)), ("beta401", 2));
    assert!(status.port.unwrap().bound);
}

#[test]
fn a_port_that_becomes_busy_moves_without_a_new_start() {
    let lab = Lab::new();
    let fake = lab.fake.clone();
    lab.at(60, move || fake.inject(Injection::always(Endpoint::BindPort, Fault::answer(409, BUSY)).of("alpha401")));
    let status = lab.run_until(HOUR);
    assert_eq!(Lab::server(&status), "alpha402");
    assert_eq!((status.connects, status.renewals, lab.fake.count(Endpoint::GetSignature)), (1, 1, 1));
    assert!(status.port.unwrap().bound);
}

#[test]
fn a_server_that_forwards_nothing_is_followed_by_the_next() {
    for fault in [Fault::answer(401, "Unauthorized client"), Fault::answer(403, "port forwarding is not supported")] {
        let lab = Lab::new();
        lab.fake.inject(Injection::always(Endpoint::GetSignature, fault.clone()).of("alpha401"));
        let status = lab.run_until(60);
        assert_eq!(Lab::server(&status), "alpha402");
        // All of them: a tunnel without a port.
        let lab = Lab::new();
        lab.fake.inject(Injection::always(Endpoint::GetSignature, fault));
        let status = lab.run_until(60);
        assert_eq!((Lab::server(&status), lab.ready().is_some()), ("beta401", true));
        assert!(!status.port.unwrap().bound);
    }
}

#[test]
fn a_server_where_nothing_listens_for_ports_is_followed_by_the_next() {
    let lab = Lab::new().with_pia(|pia| pia.api.forwarding_port = 29_998);
    let status = lab.run_until(60);
    assert_eq!((Lab::server(&status), lab.ready().is_some()), ("beta401", true));
    let port = status.port.unwrap();
    assert!(!port.bound && port.last_fault.unwrap().contains("it refuses connections"));
}

#[test]
fn a_refused_signature_is_replaced() {
    let lab = Lab::new();
    let answer = r#"{"status":"ERROR","message":"bad signature"}"#;
    lab.fake.inject(Injection::once(Endpoint::BindPort, Fault::answer(401, answer)));
    let status = lab.run_until(60);
    assert_eq!(lab.fake.count(Endpoint::GetSignature), 2);
    assert!(status.port.unwrap().bound);
}

#[test]
fn a_payload_that_was_written_anew_is_refused_and_replaced() {
    let mut lab = Lab::new();
    lab.run_until(60);
    let before = lab.state().port.unwrap();
    // What a program does that decodes the payload and writes its own JSON.
    let text = std::fs::read_to_string(lab.state_file()).unwrap();
    let (payload, other) = (before.payload.reveal(), "eyJwb3J0Ijo0MDAwMn0");
    std::fs::write(lab.state_file(), text.replace(payload, other)).unwrap();
    lab.restart();
    let status = lab.run_until(120);
    assert_eq!(lab.fake.count(Endpoint::GetSignature), 2);
    assert!(status.port.unwrap().bound);
}

#[test]
fn a_low_port_is_not_accepted() {
    // {"token":"x","port":999,"expires_at":"2099-01-01T00:00:00Z"}
    let payload = "eyJ0b2tlbiI6IngiLCJwb3J0Ijo5OTksImV4cGlyZXNfYXQiOiIyMDk5LTAxLTAxVDAwOjAwOjAwWiJ9";
    let answer = format!(r#"{{"status":"OK","payload":"{payload}","signature":"s"}}"#);
    let lab = Lab::new();
    lab.fake
        .inject(Injection { times: Some(2), ..Injection::always(Endpoint::GetSignature, Fault::answer(200, &answer)) });
    let status = lab.run_until(60);
    assert!(status.port.unwrap().port.unwrap() >= 10_000);
    assert_eq!(lab.fake.count(Endpoint::GetSignature), 3);
}

/// An answer to `getSignature` whose port 47047 is promised until then, with a signature that nobody has made.
fn promised_until(expires: &str) -> Fault {
    let payload = format!(r#"{{"token":"x","port":47047,"expires_at":"{expires}"}}"#);
    let payload = base64::engine::general_purpose::STANDARD.encode(payload);
    Fault::answer(200, &format!(r#"{{"status":"OK","payload":"{payload}","signature":"s"}}"#))
}

#[test]
fn a_promise_for_ever_holds_until_it_is_refused() {
    let lab = Lab::new();
    lab.fake.inject(Injection::once(Endpoint::GetSignature, promised_until("9999-12-31T23:59:59.999999999Z")));
    lab.fake.inject(Injection {
        times: Some(2),
        ..Injection::always(
            Endpoint::BindPort,
            Fault::answer(200, r#"{"status":"OK","message":"port scheduled for add"}"#),
        )
    });
    let board = lab.board.clone();
    lab.at(60, move || {
        let port = board.read().port.unwrap();
        assert_eq!((port.port, port.bound, port.expires), (Some(47047), true, Some(253_402_300_799)));
    });
    let status = lab.run_until(HOUR);
    let port = status.port.unwrap();
    assert!(port.bound && port.port != Some(47047), "{port:?}");
    assert_eq!((lab.fake.count(Endpoint::GetSignature), lab.network.count("configure")), (2, 1));
}

#[test]
fn a_promise_that_is_over_at_once_is_not_taken() {
    let lab = Lab::new();
    lab.fake.inject(Injection::once(Endpoint::GetSignature, promised_until("2001-01-01T00:00:00Z")));
    let status = lab.run_until(60);
    assert!(status.port.unwrap().port != Some(47047));
    assert_eq!((lab.fake.count(Endpoint::GetSignature), lab.fake.count(Endpoint::BindPort)), (2, 1));
}

#[test]
fn a_promise_that_is_over_is_replaced() {
    let mut lab = Lab::new();
    lab.run_until(60);
    lab.restart();
    lab.clock.jump(63 * DAY as i64);
    let status = lab.run_until(120);
    assert_eq!(lab.fake.count(Endpoint::GetSignature), 2);
    assert!(status.port.unwrap().bound);
}

#[test]
fn a_dead_tunnel_is_found_and_replaced() {
    let lab = Lab::new();
    let network = lab.network.clone();
    lab.at(1000, move || {
        network.inner().dead.insert("alpha401".to_owned());
    });
    let status = lab.run_until(2000);
    assert_eq!(Lab::server(&status), "alpha402", "the dead one comes last");
    assert_eq!((status.connects, lab.network.count("probe")), (2, 1));
    let again = lab.network.inner().calls.iter().filter(|(_, call)| *call == "prepare").nth(1).unwrap().0;
    // 180 s of silence, up to two minutes after the last handshake; 15 s for an answer; a pause of 1 s.
    assert!((1000 + 60..1000 + 215).contains(&again), "{again}");
    assert_eq!(lab.fake.count(Endpoint::GetSignature), 1, "the port stays");
}

#[test]
fn an_idle_tunnel_is_asked_before_it_is_judged() {
    let lab = Lab::new();
    lab.network.inner().idle = true;
    let status = lab.run_until(2 * HOUR);
    assert_eq!((status.connects, status.faults), (1, 0));
    assert!(lab.network.count("probe") >= 30);
}

#[test]
fn a_renewal_that_fails_leaves_the_old_tunnel() {
    let lab = Lab::new();
    let (fake, inbox) = (lab.fake.clone(), lab.inbox.clone());
    lab.at(100, move || {
        fake.inject(Injection::always(Endpoint::AddKey, Fault::answer(503, "")));
        inbox.renew();
    });
    let (network, fake) = (lab.network.clone(), lab.fake.clone());
    lab.at(130, move || {
        assert_eq!((network.count("configure"), network.count("prepare")), (1, 1), "the old tunnel is as it was");
        fake.clear();
    });
    let status = lab.run_until(400);
    assert_eq!((status.connects, status.renewals), (1, 1), "it is tried again by itself");
}

#[test]
fn a_renewal_without_handshake_puts_the_old_tunnel_back() {
    let lab = Lab::new();
    let (fake, inbox) = (lab.fake.clone(), lab.inbox.clone());
    lab.at(100, move || {
        fake.inject(Injection::always(Endpoint::AddKey, Fault::NoPeer).of("alpha401"));
        inbox.renew();
    });
    let (network, first) = (lab.network.clone(), lab.fake.clone());
    lab.at(115, move || {
        let key = network.inner().tunnel.as_ref().unwrap().private_key.public().to_string();
        assert_eq!(key, first.keys()[0].key, "after 10 s the old key is back");
    });
    let status = lab.run_until(400);
    assert_eq!((status.connects, status.renewals, Lab::server(&status)), (1, 1, "alpha402"));
}

#[test]
fn a_broken_network_is_tried_again_and_ends_the_watchdogs_food() {
    let lab = Lab::new();
    let network = lab.network.clone();
    lab.at(HOUR, move || network.inner().broken = Some("there is no interface wg-vpn".to_owned()));
    let status = lab.run_until(2 * HOUR);
    assert!(status.connection.is_none() && status.last_fault.unwrap().contains("no interface"));
    let fed = lab.told.last("alive").unwrap().as_secs();
    assert!((HOUR + 10 * 60..HOUR + 21 * 60).contains(&fed), "fed until {fed}");
}

#[test]
fn a_login_that_is_refused_later_does_not_end_the_watchdogs_food() {
    let lab = Lab::new();
    let (network, fake) = (lab.network.clone(), lab.fake.clone());
    lab.at(HOUR, move || {
        network.inner().dead.extend(["alpha401", "alpha402", "beta401"].map(str::to_owned));
        fake.expire_tokens();
        fake.inject(Injection::always(Endpoint::Token, Fault::answer(402, "")));
    });
    lab.run_until(4 * HOUR);
    assert!(lab.told.last("alive").unwrap().as_secs() > 4 * HOUR - 120);
}

#[test]
fn files_that_are_damaged_are_put_aside() {
    for damage in ["", "{", "[1,2]", "{\"token\":7}", "\u{0}\u{ff}"] {
        let mut lab = Lab::new();
        lab.run_until(60);
        std::fs::write(lab.state_file(), damage).unwrap();
        std::fs::write(lab.config.state_directory.join("servers"), damage).unwrap();
        lab.restart();
        lab.run_until(120);
        assert_eq!(lab.ready(), Some(60), "{damage:?}");
        assert!(lab.config.state_directory.join("state.damaged").exists());
        assert!(lab.config.state_directory.join("servers.damaged").exists());
    }
}

#[test]
fn rights_of_others_are_taken_away() {
    let mut lab = Lab::new();
    lab.run_until(60);
    let open = |path: &std::path::Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    open(&lab.state_file(), 0o644);
    open(&lab.config.state_directory, 0o755);
    lab.restart();
    lab.run_until(120);
    let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&lab.state_file()), mode(&lab.config.state_directory)), (0o600, 0o700));
}

#[test]
fn a_clock_that_jumps_does_not_hurt_a_tunnel() {
    for jump in [-20 * 365 * DAY as i64, -(HOUR as i64), HOUR as i64, 30 * DAY as i64] {
        let lab = Lab::new();
        let clock = lab.clock.clone();
        lab.at(1000, move || clock.jump(jump));
        let status = lab.run_until(2 * HOUR);
        assert_eq!((status.connects, status.renewals, status.faults), (1, 0, 0), "{jump}");
        assert_eq!(lab.network.count("probe"), 0, "{jump}");
        assert!(status.port.unwrap().bound, "{jump}");
    }
}

#[test]
fn it_can_be_asked_to_stop_in_every_step() {
    // What is slow, and the step that the machine is in meanwhile.
    let cases = [
        (Endpoint::Token, Step::Token),
        (Endpoint::List, Step::List),
        (Endpoint::AddKey, Step::Key),
        (Endpoint::GetSignature, Step::Port),
        (Endpoint::BindPort, Step::Port),
    ];
    for (endpoint, step) in cases {
        let lab = Lab::new();
        lab.fake.inject(Injection::always(endpoint, Fault::Silence));
        let (inbox, board, fake) = (lab.inbox.clone(), lab.board.clone(), lab.fake.clone());
        let stopper = std::thread::spawn(move || {
            let start = Instant::now();
            while fake.count(endpoint) == 0 && start.elapsed() < Duration::from_secs(20) {
                std::thread::sleep(Duration::from_millis(2));
            }
            let seen = board.read().step;
            inbox.stop();
            seen
        });
        assert_eq!(lab.machine().run(), []);
        assert_eq!(stopper.join().unwrap(), step);
        assert_eq!(lab.network.inner().cleaned, 1);
        assert_eq!(lab.fake.count(endpoint), 1, "no request follows");
    }
    // While waiting for a handshake, and in a pause.
    let lab = Lab::new();
    lab.network.inner().dead.extend(["alpha401", "alpha402", "beta401"].map(str::to_owned));
    assert_eq!(lab.run_until(5).step, Step::Handshake);
    let lab = Lab::new();
    lab.proxy.refuse(true);
    assert_eq!(lab.run_until(40).step, Step::Pause);
}

#[test]
fn nothing_secret_is_in_what_is_shown() {
    // A server that echoes what it was sent, in every way.
    let lab = Lab::new();
    lab.run_until(60);
    let token = lab.state().token.unwrap().token;
    let lab = Lab::new();
    let echo = format!(r#"{{"status":"ERROR","message":"token {} is odd"}}"#, token.reveal());
    lab.fake.inject(Injection::always(Endpoint::AddKey, Fault::answer(400, &echo)));
    let status = lab.run_until(60);
    let shown = serde_json::to_string(&status).unwrap();
    assert!(!shown.contains(&token.reveal()[..16]), "{shown}");
    assert!(!shown.contains("correct horse") && !lab.told.has(&token.reveal()[..16]));
}
