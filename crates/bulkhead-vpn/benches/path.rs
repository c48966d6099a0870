//! What the daemon costs, in the lab: start to readiness, memory, interruption by a renewal, and throughput of the whole
//! path beside plain WireGuard's in the same run. `cargo bench -p bulkhead-vpn`, as root.

#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

#[path = "../tests/lab/mod.rs"]
mod lab;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use lab::{Daemon, INTERNET, Lab, missing, skip};

const STARTS: usize = 10;
const RENEWALS: usize = 10;
const ROUNDS: usize = 5;
const TRANSFER: Duration = Duration::from_secs(2);
const SINK: u16 = 5001;

fn main() {
    // cargo test runs benches too, without this argument.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    if let Some(why) = missing() {
        return skip("the benchmark of the VPN", &why);
    }
    let lab = Lab::new();
    starts(&lab);
    let daemon = lab.daemon();
    daemon.ready();
    renewals(&lab, &daemon);
    throughput(&lab);
    println!("memory of the daemon: {}, {}", memory(&daemon, "VmRSS"), memory(&daemon, "VmHWM"));
    println!("lines in its log: {}", daemon.log().lines().count());
}

fn starts(lab: &Lab) {
    for (what, keep) in [("with nothing stored", false), ("with token, list and port stored", true)] {
        let times: Vec<Duration> = (0..STARTS)
            .map(|_| {
                if !keep {
                    let _ = std::fs::remove_dir_all(lab.folder.path().join("state"));
                }
                let mut daemon = lab.daemon();
                let ready = daemon.ready();
                daemon.terminate();
                ready
            })
            .collect();
        println!("start to ready, {what}: {}", summary(times));
    }
}

/// How long a service gets no answer, asking every millisecond.
fn renewals(lab: &Lab, daemon: &Daemon) {
    let mut gaps = Vec::new();
    for renewal in 1..=RENEWALS {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let pings = lab.spawn("search", move || {
            let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
            socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
            let (mut last, mut longest) = (Instant::now(), Duration::ZERO);
            while !stopped.load(Ordering::Relaxed) {
                // While the route is replaced there may be none.
                if socket.send_to(b"ping", (INTERNET, 7)).is_ok() && socket.recv(&mut [0; 16]).is_ok() {
                    longest = longest.max(last.elapsed());
                    last = Instant::now();
                }
                sleep(Duration::from_millis(1));
            }
            longest
        });
        sleep(Duration::from_millis(200));
        assert_eq!(daemon.command(&["renew"]).status.code(), Some(0));
        lab.eventually("it is renewed", || daemon.status()["renewals"] == renewal);
        sleep(Duration::from_millis(300));
        stop.store(true, Ordering::Relaxed);
        gaps.push(pings.join().unwrap());
    }
    println!("longest time without an answer around a renewal: {}", summary(gaps));
}

fn throughput(lab: &Lab) {
    let (ready, wait) = mpsc::channel();
    lab.spawn("net", move || {
        let listener = TcpListener::bind((INTERNET, SINK)).unwrap();
        ready.send(()).unwrap();
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut buffer = vec![0; 1 << 16];
                let mut total: u64 = 0;
                while let Ok(count) = stream.read(&mut buffer)
                    && count > 0
                {
                    total += count as u64;
                }
                let _ = stream.write_all(&total.to_be_bytes());
            });
        }
    });
    wait.recv().unwrap();
    let (mut whole, mut plain) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        whole.push(lab.within("torrent", transfer));
        plain.push(lab.within("vpn", transfer));
    }
    let median = |rates: &mut Vec<f64>| {
        rates.sort_by(f64::total_cmp);
        rates[rates.len() / 2]
    };
    let (whole, plain) = (median(&mut whole), median(&mut plain));
    println!("throughput of a service by bridge, NAT and tunnel: {whole:.0} Mbit/s (median of {ROUNDS})");
    println!("throughput of the tunnel alone, same run: {plain:.0} Mbit/s; ratio {:.2}", whole / plain);
}

/// Mbit/s of one TCP connection, counted by the receiver.
fn transfer() -> f64 {
    let mut stream = TcpStream::connect((INTERNET, SINK)).unwrap();
    let block = vec![0x55; 1 << 16];
    let start = Instant::now();
    while start.elapsed() < TRANSFER {
        stream.write_all(&block).unwrap();
    }
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut total = [0; 8];
    stream.read_exact(&mut total).unwrap();
    u64::from_be_bytes(total) as f64 * 8.0 / 1e6 / start.elapsed().as_secs_f64()
}

fn memory(daemon: &Daemon, field: &str) -> String {
    daemon.memory(field).split_whitespace().collect::<Vec<_>>().join(" ")
}

fn summary(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |index: usize| times[index].as_secs_f64() * 1000.0;
    let last = times.len() - 1;
    format!("median {:.1} ms, {:.1} to {:.1} ms, of {}", at(times.len() / 2), at(0), at(last), times.len())
}
