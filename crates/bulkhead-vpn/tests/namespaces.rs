//! The daemon itself between real neighbours: tinyproxy, wireguard-go, nf_tables, in network namespaces of their own.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod lab;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use fake_pia::{Endpoint, Fault, Injection};
use lab::{EXIT, INTERNET, Lab, SEARCH, TORRENT, address, missing, skip};
use pretty_assertions::assert_eq;

fn lab(test: &str) -> Option<Lab> {
    match missing() {
        Some(why) => {
            skip(test, &why);
            None
        }
        None => Some(Lab::new()),
    }
}

#[test]
fn services_reach_the_internet_through_the_tunnel_and_in_no_other_way() {
    let Some(mut lab) = lab("services_reach_the_internet_through_the_tunnel_and_in_no_other_way") else { return };
    lab.run("vpn", "nft add table inet somebody_elses");
    assert_eq!(lab.ask_internet("torrent"), None, "before the tunnel");

    let mut daemon = lab.daemon();
    let ready = daemon.ready();
    println!("ready after {ready:?}; {}; {}", daemon.memory("VmRSS"), daemon.memory("VmHWM"));
    lab.reaches_the_internet("torrent");
    lab.reaches_the_internet("search");
    lab.eventually("names are looked up", || lab.resolve("torrent") == Some(INTERNET));

    // The status knows, and has no secrets.
    let status = daemon.status();
    assert_eq!(status["connection"]["server"], "alpha401");
    assert!(status["services"][1]["sentBytes"].as_u64().unwrap() > 0, "{status}");
    assert!(status["port"]["bound"].as_bool().unwrap());
    assert_eq!(daemon.command(&["status"]).status.code(), Some(0));
    let metrics = String::from_utf8(daemon.command(&["status", "--metrics"]).stdout).unwrap();
    assert!(metrics.contains("bulkhead_vpn_connected 1") && metrics.contains("service=\"torrent\""), "{metrics}");
    let socket = std::fs::metadata(lab.folder.path().join("vpn.sock")).unwrap();
    assert_eq!(socket.permissions().mode() & 0o777, 0o600);

    // Nothing that came into the tunnel unasked reaches a service or the container.
    let stray =
        lab.within("pia", || TcpStream::connect_timeout(&address(TORRENT, 22), Duration::from_millis(500)).is_ok());
    assert!(!stray);

    // The provider forgets us: the tunnel is dead, and nothing takes another way.
    lab.pia(|fake| fake.drop_peers().unwrap());
    lab.seen.lock().unwrap().clear();
    assert_eq!(lab.ask_internet("torrent"), None);
    assert_eq!(lab.resolve("torrent"), None);
    assert_eq!(*lab.seen.lock().unwrap(), [] as [std::net::IpAddr; 0]);
    // A renewal is a way back.
    assert_eq!(daemon.command(&["renew"]).status.code(), Some(0));
    lab.eventually("the tunnel works again", || lab.ask_internet("torrent").is_some());

    // The interface is gone.
    lab.kill("wireguard-go");
    lab.seen.lock().unwrap().clear();
    assert_eq!(lab.ask_internet("torrent"), None);
    assert_eq!(lab.seen.lock().unwrap().len(), 0);
    lab.eventually("the daemon sees it", || {
        daemon.status()["lastFault"].as_str().unwrap_or_default().contains("no interface")
    });
    assert_eq!(daemon.command(&["status"]).status.code(), Some(1));
    lab.start_wireguard();
    lab.eventually("the daemon comes back by itself", || lab.ask_internet("torrent").is_some());

    // What was changed is set back, and nothing else.
    assert_eq!(daemon.terminate().0, Some(0));
    assert_eq!(lab.run("vpn", "nft list tables").trim(), "table inet somebody_elses");
    assert_eq!(lab.run("vpn", "ip -4 route show default"), "");
    assert_eq!(lab.run("vpn", &format!("ip -4 -o address show dev {}", lab.interface)), "");
    assert_eq!(lab.run("vpn", "cat /proc/sys/net/ipv4/conf/host0/forwarding").trim(), "0");
    assert_eq!(lab.run("vpn", &format!("wg show {} peers", lab.interface)), "");
    assert_eq!(lab.ask_internet("torrent"), None);
    assert!(!lab.folder.path().join("vpn.sock").exists() && !lab.folder.path().join("vpn.prom").exists());
    let log = daemon.log();
    assert!(!log.contains("correct horse"), "{log}");
}

#[test]
fn a_forwarded_port_leads_to_its_service_and_survives() {
    let Some(lab) = lab("a_forwarded_port_leads_to_its_service_and_survives") else { return };
    for (service, address) in [("torrent", TORRENT), ("search", SEARCH)] {
        let (ready, wait) = mpsc::channel();
        lab.spawn(service, move || {
            let listener = TcpListener::bind((address, 2000)).unwrap();
            ready.send(()).unwrap();
            listener.incoming().for_each(drop);
        });
        wait.recv().unwrap();
    }
    let mut daemon = lab.daemon();
    daemon.ready();
    let port = u16::try_from(daemon.status()["port"]["port"].as_u64().unwrap()).unwrap();

    // The service answers on tcp and udp.
    let (ready, wait) = mpsc::channel();
    lab.spawn("torrent", move || {
        let listener = TcpListener::bind((TORRENT, port)).unwrap();
        let other = TcpListener::bind((TORRENT, port + 1)).unwrap();
        let socket = UdpSocket::bind((TORRENT, port)).unwrap();
        ready.send(()).unwrap();
        std::thread::spawn(move || {
            let mut packet = [0; 100];
            while let Ok((length, from)) = socket.recv_from(&mut packet) {
                socket.send_to(&packet[..length], from).unwrap();
            }
        });
        for mut stream in listener.incoming().flatten() {
            stream.write_all(b"torrent").unwrap();
        }
        drop(other);
    });
    wait.recv().unwrap();
    let arrives = |port: u16| {
        lab.within("net", move || {
            let mut text = String::new();
            let mut stream = TcpStream::connect_timeout(&address(EXIT, port), Duration::from_secs(2)).ok()?;
            stream.read_to_string(&mut text).ok()?;
            Some(text)
        })
    };
    let udp_arrives = move |lab: &Lab| {
        lab.within("net", move || {
            let socket = UdpSocket::bind((INTERNET, 0)).unwrap();
            socket.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
            socket.send_to(b"hello", (EXIT, port)).unwrap();
            socket.recv(&mut [0; 100]).is_ok()
        })
    };
    lab.eventually("tcp arrives", || arrives(port).as_deref() == Some("torrent"));
    lab.eventually("udp arrives", || udp_arrives(&lab));
    assert_eq!(arrives(port + 1), None);

    // The hook was told, and knows nothing else.
    let told = lab.folder.path().join("hook.ran");
    lab.eventually("the hook runs", || told.exists());
    let environment = std::fs::read_to_string(&told).unwrap();
    let names: Vec<&str> = environment.lines().filter_map(|line| line.split('=').next()).collect();
    assert!(environment.contains(&format!("PORT={port}\nPWD=")), "{environment}");
    assert!(environment.contains(&format!("TARGET_IP={TORRENT}\n")));
    assert!(names.iter().all(|name| ["PATH", "PORT", "TARGET_IP", "PWD", "SHLVL", "_"].contains(name)), "{names:?}");
    // It reaches its service, and no other.
    let reached = lab.folder.path().join("hook.reached");
    lab.eventually("the hook reaches its service", || reached.exists());
    assert_eq!(std::fs::read_to_string(&reached).unwrap(), format!("{TORRENT}\n"));

    // A renewal is one short interruption, and the port stays.
    let stop = Arc::new(AtomicBool::new(false));
    let stopped = stop.clone();
    let pings = lab.spawn("search", move || {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(20))).unwrap();
        let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
        while !stopped.load(Ordering::Relaxed) {
            socket.send_to(b"ping", (INTERNET, 7)).unwrap();
            if socket.recv(&mut [0; 16]).is_ok() {
                longest = longest.max(last.elapsed());
                last = Instant::now();
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        (longest, last.elapsed())
    });
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(daemon.command(&["renew"]).status.code(), Some(0));
    lab.eventually("it is renewed", || daemon.status()["renewals"] == 1);
    std::thread::sleep(Duration::from_millis(500));
    stop.store(true, Ordering::Relaxed);
    let (longest, last) = pings.join().unwrap();
    println!("longest interruption by a renewal: {longest:?}");
    assert!(last < Duration::from_secs(10), "it goes on afterwards");
    lab.eventually("tcp arrives", || arrives(port).as_deref() == Some("torrent"));

    // A kill and a new start, too.
    daemon.kill();
    // The tunnel outlives the daemon, and its rules too.
    lab.reaches_the_internet("torrent");
    let daemon = lab.daemon();
    daemon.ready();
    assert_eq!(daemon.status()["port"]["port"].as_u64(), Some(port.into()));
    lab.eventually("udp arrives", || udp_arrives(&lab));
    assert_eq!(lab.pia(|fake| fake.count(Endpoint::GetSignature)), 1);
}

#[test]
fn sigterm_cleans_up_in_every_step() {
    let Some(lab) = lab("sigterm_cleans_up_in_every_step") else { return };
    for (endpoint, step, fault) in [
        (Endpoint::Token, "token", Fault::Silence),
        (Endpoint::List, "list", Fault::Silence),
        (Endpoint::AddKey, "key", Fault::Silence),
        (Endpoint::AddKey, "handshake", Fault::NoPeer),
        (Endpoint::GetSignature, "port", Fault::Silence),
        (Endpoint::BindPort, "port", Fault::Silence),
    ] {
        let _ = std::fs::remove_dir_all(lab.folder.path().join("state"));
        lab.pia(|fake| fake.clear());
        lab.pia(move |fake| fake.inject(Injection::always(endpoint, fault)));
        let mut daemon = lab.daemon();
        lab.eventually(step, || daemon.status()["step"] == step);
        let (code, took) = daemon.terminate();
        println!("stopped in step {step} after {took:?}");
        assert_eq!(code, Some(0), "{step}");
        assert_eq!(lab.run("vpn", "nft list tables"), "", "{step}");
        assert_eq!(lab.run("vpn", "ip -4 route show default"), "", "{step}");
    }
}

/// Answers CONNECT after a while; all names are those of the provider's public hosts.
fn slow_proxy(mut client: TcpStream) -> Option<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let to = head.split(' ').nth(1)?;
    let to = to.parse().unwrap_or_else(|_| address([198, 51, 100, 2].into(), 443));
    std::thread::sleep(Duration::from_millis(200));
    let mut server = TcpStream::connect(to).ok()?;
    client.write_all(b"HTTP/1.1 200 OK\r\n\r\n").ok()?;
    let (mut from, mut back) = (client.try_clone().ok()?, server.try_clone().ok()?);
    std::thread::spawn(move || std::io::copy(&mut from, &mut back));
    std::io::copy(&mut server, &mut client).ok().map(drop)
}

#[test]
fn signals_break_nothing_off() {
    let Some(mut lab) = lab("signals_break_nothing_off") else { return };
    // rustls begins anew by itself what was broken off; what comes before it, the proxy's answer, is made slow too.
    lab.kill("tinyproxy");
    let (ready, wait) = mpsc::channel();
    lab.spawn("host", move || {
        let listener = TcpListener::bind("10.73.0.1:8888").unwrap();
        ready.send(()).unwrap();
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || slow_proxy(stream));
        }
    });
    wait.recv().unwrap();
    for endpoint in [Endpoint::Token, Endpoint::List, Endpoint::AddKey, Endpoint::GetSignature, Endpoint::BindPort] {
        lab.pia(move |fake| fake.inject(Injection::always(endpoint, Fault::Delay(200))));
    }
    let mut daemon = lab.daemon();
    lab.eventually("it receives signals", || lab.folder.path().join("vpn.sock").exists());
    let pid = rustix::process::Pid::from_raw(daemon.pid() as i32).unwrap();
    // SIGHUP asks for a renewal, and comes to any thread; being stopped and continued ends the waiting of all of them
    // (signal(7), "Interruption of system calls and library functions by stop signals").
    use rustix::process::Signal;
    for signal in [Signal::HUP, Signal::STOP, Signal::CONT].into_iter().cycle().take(900) {
        rustix::process::kill_process(pid, signal).unwrap();
        std::thread::sleep(Duration::from_millis(3));
    }
    daemon.ready();
    lab.eventually("it is renewed", || daemon.status()["renewals"].as_u64() > Some(0));
    let status = daemon.status();
    assert_eq!((&status["faults"], &status["connects"]), (&0.into(), &1.into()), "{}", daemon.log());
    lab.reaches_the_internet("torrent");
    assert_eq!(daemon.terminate().0, Some(0));
}

#[test]
fn there_is_one_daemon_in_a_namespace() {
    let Some(lab) = lab("there_is_one_daemon_in_a_namespace") else { return };
    let mut first = lab.daemon();
    first.ready();
    // Another state directory and socket do not make it another table.
    let mut config: serde_json::Value =
        serde_json::from_slice(&std::fs::read(lab.folder.path().join("vpn.json")).unwrap()).unwrap();
    config["stateDirectory"] = lab.folder.path().join("other").display().to_string().into();
    config["controlSocket"] = lab.folder.path().join("other.sock").display().to_string().into();
    let file = lab.folder.path().join("other.json");
    std::fs::write(&file, config.to_string()).unwrap();
    let program = env!("CARGO_BIN_EXE_bulkhead-vpn");
    let second = lab.output("vpn", &[program, "run", "--config", file.to_str().unwrap()]);
    let told = String::from_utf8_lossy(&second.stderr).into_owned();
    assert_eq!(second.status.code(), Some(2), "{told}");
    assert!(told.contains("another bulkhead-vpn runs in this network namespace"), "{told}");
    lab.reaches_the_internet("torrent");
    assert!(!lab.folder.path().join("other.sock").exists());
    first.kill();
    // One that was killed is in nobody's way.
    lab.daemon().ready();
}

#[test]
fn what_others_change_is_set_right() {
    let Some(lab) = lab("what_others_change_is_set_right") else { return };
    let daemon = lab.daemon();
    daemon.ready();
    let interface = lab.interface.clone();
    let peer = peer_of(&lab);
    // What is changed between two looks is set right in one.
    for changes in [
        vec![("nft flush ruleset".to_owned(), "the rules"), ("ip route del default".to_owned(), "the default route")],
        vec![
            ("nft flush chain inet bulkhead_vpn output".to_owned(), "the rules"),
            (format!("wg set {interface} peer {peer} remove"), "the keys"),
        ],
        vec![
            (format!("ip address flush dev {interface}"), "the address"),
            (format!("sysctl -qw net.ipv4.conf.{interface}.forwarding=0"), "forwarding"),
        ],
        vec![(format!("ip link set {interface} down"), "the default route")],
    ] {
        let told = daemon.log().len();
        for (change, _) in &changes {
            lab.run("vpn", change);
        }
        for (change, what) in &changes {
            lab.eventually(change, || {
                daemon.log()[told..].lines().any(|line| line.starts_with("somebody has changed") && line.contains(what))
            });
        }
        lab.eventually("services are connected again", || lab.ask_internet("torrent").is_some());
    }
    assert!(daemon.status()["repairs"].as_u64().unwrap() >= 4);
    assert_eq!(daemon.status()["connects"], 1, "the tunnel stayed");
    // A way out that is added is no way: all is closed until it is gone.
    lab.run("vpn", "ip route add default via 10.73.0.1 metric 5000");
    lab.eventually("it is closed", || lab.ask_internet("torrent").is_none());
    lab.run("vpn", "ip route del default via 10.73.0.1 metric 5000");
    lab.eventually("it is open again", || lab.ask_internet("torrent").is_some());
}

/// The public key of the server that the tunnel leads to.
fn peer_of(lab: &Lab) -> String {
    lab.run("vpn", &format!("wg show {} peers", lab.interface)).trim().to_owned()
}

#[test]
fn an_interface_that_is_replaced_is_configured_anew() {
    let Some(mut lab) = lab("an_interface_that_is_replaced_is_configured_anew") else { return };
    let daemon = lab.daemon();
    daemon.ready();
    let port = daemon.status()["port"]["port"].clone();
    // Between two looks of the daemon: it never sees that there is none.
    lab.kill("wireguard-go");
    lab.start_wireguard();
    lab.eventually("services are connected again", || lab.ask_internet("torrent").is_some());
    assert!(daemon.log().contains("somebody has changed the keys"), "{}", daemon.log());
    let status = daemon.status();
    assert_eq!((&status["connects"], &status["port"]["port"]), (&1.into(), &port), "it is the same connection");
    assert_eq!(status["faults"], 0, "{}", daemon.log());

    // Keys that the provider has forgotten meanwhile don't help: it logs in anew.
    lab.kill("wireguard-go");
    lab.pia(|fake| fake.drop_peers().unwrap());
    lab.start_wireguard();
    lab.eventually("services are connected again", || lab.ask_internet("torrent").is_some());
    assert_eq!(daemon.status()["connects"], 2, "{}", daemon.log());
}

#[test]
fn another_way_out_is_refused() {
    let Some(lab) = lab("another_way_out_is_refused") else { return };
    lab.run("vpn", "ip route add default via 10.73.0.1");
    let daemon = lab.daemon();
    lab.eventually("it is told", || daemon.log().contains("there is a default route past"));
    assert_eq!(lab.ask_internet("torrent"), None);
    // While it is closed, the container itself reaches the proxy and nothing else, even with a route.
    let closed = lab.within("vpn", || UdpSocket::bind("0.0.0.0:0").unwrap().send_to(b"x", (INTERNET, 7)).is_err());
    assert!(closed);
    lab.run("vpn", "ip route del default");
    daemon.ready();
}

#[test]
fn a_wireguard_file_is_a_provider_too() {
    let Some(lab) = lab("a_wireguard_file_is_a_provider_too") else { return };
    let config = lab.configure();
    // A key that the provider's web page would have made.
    let private = lab.run("host", "wg genkey");
    let file = lab.folder.path().join("wg.conf");
    let output = std::process::Command::new("sh")
        .args(["-c", &format!("echo {} | wg pubkey", private.trim())])
        .output()
        .unwrap();
    let public = String::from_utf8(output.stdout).unwrap().trim().to_owned();
    let server = lab.pia(move |fake| fake.register("alpha401", &public).unwrap());
    std::fs::write(
        &file,
        format!(
            "[Interface]\nPrivateKey = {}\nAddress = {}/32\nDNS = 10.0.0.242\nMTU = 1380\n\n[Peer]\nPublicKey = {}\n\
             AllowedIPs = 0.0.0.0/0, ::/0\nEndpoint = 198.51.100.11:1337\n",
            private.trim(),
            server.1,
            server.0
        ),
    )
    .unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let mut value: serde_json::Value = serde_json::from_slice(&std::fs::read(&config).unwrap()).unwrap();
    value["provider"] = serde_json::json!({"wireguard": {"file": file}});
    value.as_object_mut().unwrap().remove("portForwarding");
    let daemon = lab.daemon_with(&value);
    daemon.ready();
    lab.reaches_the_internet("torrent");
    lab.eventually("names are looked up", || lab.resolve("search") == Some(INTERNET));
    assert_eq!(daemon.command(&["check-config"]).status.code(), Some(0));
    assert_eq!(lab.pia(|fake| fake.requests().len()), 0);
}
