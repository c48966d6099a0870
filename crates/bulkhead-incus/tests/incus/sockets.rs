//! Sockets that know no network namespace. The program that opens them inside is this one.

use std::path::Path;
use std::process::Command;

use pretty_assertions::assert_eq;
use rustix::net::{AddressFamily, SocketType, socket};

use crate::assert_code;
use crate::lab::Lab;

/// The families that are tried, by their names.
const FAMILIES: [(&str, AddressFamily); 6] = [
    ("unix", AddressFamily::UNIX),
    ("inet", AddressFamily::INET),
    ("inet6", AddressFamily::INET6),
    ("netlink", AddressFamily::NETLINK),
    // Linux numbers them so, in socket.h.
    ("alg", AddressFamily::from_raw(38)),
    ("vsock", AddressFamily::from_raw(40)),
];

/// What the other test runs: it tells which sockets it gets.
#[test]
#[ignore = "runs inside of a workspace"]
fn opens_sockets() {
    // The harness has begun a line.
    println!();
    for (name, family) in FAMILIES {
        let kinds = [SocketType::STREAM, SocketType::DGRAM, SocketType::SEQPACKET];
        if kinds.into_iter().any(|kind| socket(family, kind, None).is_ok()) {
            println!("socket: {name}");
        }
    }
}

fn opened(output: &str) -> Vec<&str> {
    output.lines().filter_map(|line| line.strip_prefix("socket: ")).collect()
}

#[test]
fn no_socket_goes_past_the_network_of_a_workspace() {
    let Some(lab) = Lab::new() else { return };
    let program = std::env::current_exe().unwrap();
    let arguments = ["--exact", "sockets::opens_sockets", "--ignored", "--nocapture"];
    let outside = Command::new(&program).args(arguments).output().unwrap();
    let outside = String::from_utf8_lossy(&outside.stdout).into_owned();
    let outside = opened(&outside);
    if !outside.contains(&"vsock") {
        println!("SKIPPED sockets beside the network: this kernel has no vsock");
        return;
    }
    let spec = lab.workspace("a", 10);
    assert_code(&lab.start(&spec), 0);
    let interpreter = put_program(&program, &lab.home("a"));
    let script = format!("cd /home/dev && ./{interpreter} --library-path . ./program {}", arguments.join(" "));
    let inside = lab.inside("a", &script);
    assert_eq!(opened(&inside), ["unix", "inet", "inet6", "netlink"], "{inside}");
    assert_code(&lab.stop(&spec), 0);
}

/// Copy a program and its libraries. Gives the name of the interpreter that loads them.
fn put_program(program: &Path, folder: &Path) -> String {
    let listing = Command::new("ldd").arg(program).output().unwrap();
    let listing = String::from_utf8_lossy(&listing.stdout).into_owned();
    let mut interpreter = None;
    for library in listing.split_whitespace().filter(|word| word.starts_with('/')).map(Path::new) {
        let name = library.file_name().unwrap().to_str().unwrap();
        std::fs::copy(library, folder.join(name)).unwrap();
        if name.starts_with("ld-") {
            interpreter = Some(name.to_owned());
        }
    }
    std::fs::copy(program, folder.join("program")).unwrap();
    interpreter.expect("it is linked dynamically")
}
