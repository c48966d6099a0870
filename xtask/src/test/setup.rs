//! The programs that tests compare Bulkhead with, and how to get them.

use std::ffi::OsStr;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::{backports, unpacked};

/// A program that tests run.
pub struct Tool {
    /// The program.
    pub program: &'static str,
    /// The package of Debian that has it.
    package: &'static str,
    /// What is tested with it.
    pub used_for: &'static str,
}

const TOOLS: [Tool; 17] = [
    Tool {
        program: "nix-instantiate",
        package: "nix-bin",
        used_for: "evaluating with Nix and with Bulkhead gives the same; agenix' own queries of a generated secrets.nix",
    },
    Tool { program: "age", package: "age", used_for: "recipients of files that age itself has written" },
    Tool { program: "age-keygen", package: "age", used_for: "recipients and keys that age itself has made" },
    Tool { program: "ssh-keygen", package: "openssh-client", used_for: "keys that ssh-keygen has made" },
    Tool { program: "git", package: "git", used_for: "reading the index and revisions; the pre-commit hook" },
    Tool { program: "incusd", package: "incus-base", used_for: "bulkhead-incus, with a real Incus" },
    Tool { program: "zstd", package: "zstd", used_for: "images of bulkhead-incus that are compressed with zstd" },
    Tool {
        program: "ip",
        package: "iproute2",
        used_for: "networks in namespaces: the sandbox is attacked there, Incus lives there",
    },
    Tool {
        program: "nft",
        package: "nftables",
        used_for: "loading the rules of the sandbox into a kernel, and attacking them",
    },
    Tool { program: "iptables", package: "iptables", used_for: "the guard beside a firewall of iptables" },
    Tool { program: "systemd-nspawn", package: "systemd-container", used_for: "attacks from inside of a container" },
    Tool {
        program: "busybox",
        package: "busybox-static",
        used_for: "attacks from inside of a container; images of bulkhead-incus",
    },
    Tool { program: "unshare", package: "util-linux", used_for: "the verification of the guard" },
    Tool { program: "unbound", package: "unbound", used_for: "the resolver of the sandbox" },
    Tool { program: "tinyproxy", package: "tinyproxy-bin", used_for: "the proxy of a VPN container" },
    Tool {
        program: "wireguard-go",
        package: "wireguard-go",
        used_for: "the tunnel of a VPN container, and its far end",
    },
    Tool { program: "wg", package: "wireguard-tools", used_for: "the tunnel of a VPN container, and its far end" },
];

/// Packages that Debian starts a server of as it installs them. They are unpacked, and not installed.
const SERVERS: [&str; 1] = ["unbound"];

/// Folders of programs beside those of PATH: a user's may lack those of the administrator, and a daemon is in none.
const FOLDERS: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/libexec/incus", "/usr/lib/incus"];

impl Tool {
    /// What a person can do about its absence.
    pub fn advice(&self) -> String {
        match self.program {
            "nix-instantiate" => "see https://nixos.org/download".to_owned(),
            _ => format!("install {} with your system's package manager", self.package),
        }
    }
}

/// The tools that are not installed.
pub fn missing() -> Vec<Tool> {
    TOOLS.into_iter().filter(|tool| !is_installed(tool.program)).collect()
}

/// Install what is missing where we may, and give what is missing still. Failures are told and not fatal: the tests
/// skip what they can't do.
pub fn install() -> Vec<Tool> {
    let before = missing();
    if before.is_empty() {
        return before;
    }
    let mut packages: Vec<&str> = before.iter().map(|tool| tool.package).collect();
    packages.dedup();
    let (servers, mut packages): (Vec<&str>, Vec<&str>) =
        packages.into_iter().partition(|package| SERVERS.contains(package));
    let line = format!("apt-get install -y --no-install-recommends {}", packages.join(" "));
    if !Path::new("/etc/debian_version").exists() || !is_installed("apt-get") {
        println!("Only on Debian and Ubuntu are missing programs installed; nothing is installed here.");
        return before;
    }
    if !is_root() {
        println!("Not root, so nothing is installed.");
        if !packages.is_empty() {
            println!("To run all tests, first type: sudo {line}");
        }
        return before;
    }
    // Old lists may do as well, so a failure here is not the end.
    apt_get(&["update"]);
    if !packages.is_empty() {
        println!("Installing {} for the tests.", packages.join(", "));
        backports::offer(&packages);
        // One that apt does not know would keep it from installing the others.
        packages.retain(|package| backports::is_known(package));
        if !apt_get(&[&["install", "-y", "--no-install-recommends"][..], &packages].concat()) {
            println!("That failed (is there a network?). The tests run without: {}", packages.join(", "));
        }
    }
    if !servers.is_empty() {
        unpacked::unpack(&servers);
    }
    missing()
}

pub(super) fn apt_get(arguments: &[&str]) -> bool {
    println!("$ apt-get {}", arguments.join(" "));
    let mut command = Command::new("apt-get");
    command.args(["-q", "-o", "Acquire::Retries=1"]).args(arguments);
    command.env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null());
    match command.status() {
        Ok(status) => status.success(),
        Err(error) => {
            println!("can't run apt-get: {error}");
            false
        }
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

fn is_installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(FOLDERS.map(PathBuf::from)).chain([unpacked::programs()]);
    folders.into_iter().any(|folder| is_executable(&folder.join(OsStr::new(program))))
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}
