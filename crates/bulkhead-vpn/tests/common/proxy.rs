//! A CONNECT proxy that knows some names, and remembers what it was asked for.

use std::collections::HashMap;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

#[derive(Clone)]
pub struct Proxy {
    pub address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    refuses: Arc<Mutex<bool>>,
    slow: Arc<Mutex<Option<String>>>,
}

impl Proxy {
    pub fn start(address: Ipv4Addr, names: HashMap<String, SocketAddr>) -> Self {
        let listener = TcpListener::bind((address, 0)).unwrap();
        let proxy = Self {
            address: listener.local_addr().unwrap(),
            asked: Arc::default(),
            refuses: Arc::default(),
            slow: Arc::default(),
        };
        let (asked, refuses, slow) = (proxy.asked.clone(), proxy.refuses.clone(), proxy.slow.clone());
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (names, asked, refuses) = (names.clone(), asked.clone(), *refuses.lock().unwrap());
                let slow = slow.lock().unwrap().clone();
                thread::spawn(move || serve(stream, &names, &asked, refuses, slow.as_deref()));
            }
        });
        proxy
    }

    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    pub fn refuse(&self, refuse: bool) {
        *self.refuses.lock().unwrap() = refuse;
    }

    /// It takes some hundred milliseconds more to connect to this one.
    pub fn slow_down(&self, target: &str) {
        *self.slow.lock().unwrap() = Some(target.to_owned());
    }
}

fn serve(
    mut client: TcpStream,
    names: &HashMap<String, SocketAddr>,
    asked: &Mutex<Vec<String>>,
    refuses: bool,
    slow: Option<&str>,
) -> Option<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        client.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).ok()?;
    let target = head.strip_prefix("CONNECT ")?.split(' ').next()?.to_owned();
    asked.lock().unwrap().push(target.clone());
    if slow == Some(&target) {
        thread::sleep(Duration::from_millis(400));
    }
    let address = target.parse().ok().or_else(|| names.get(target.rsplit_once(':')?.0).copied());
    let server = address.filter(|_| !refuses).and_then(|address| TcpStream::connect(address).ok());
    let Some(mut server) = server else {
        client.write_all(b"HTTP/1.0 403 Filtered\r\n\r\n").ok()?;
        return None;
    };
    client.write_all(b"HTTP/1.0 200 Connection established\r\nProxy-agent: test\r\n\r\n").ok()?;
    let (mut from_client, mut to_server) = (client.try_clone().ok()?, server.try_clone().ok()?);
    let upwards = thread::spawn(move || {
        let _ = std::io::copy(&mut from_client, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Both);
    });
    let _ = std::io::copy(&mut server, &mut client);
    let _ = client.shutdown(Shutdown::Both);
    upwards.join().ok()
}
