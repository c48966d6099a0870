//! What a lab needs of the machine, and saying so where it is not there.

use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::process::{Command, Stdio};

use crate::Namespace;

/// Something that a test needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Root's rights, and a kernel with network namespaces.
    Root,
    /// A program.
    Program(&'static str),
    /// A file, such as a device.
    File(&'static str),
    /// The bridge and netfilter parts of the kernel that show bridged frames to rules for IP.
    BrNetfilter,
}

impl Need {
    /// Why it is not there, or nothing.
    fn missing(self) -> Option<String> {
        match self {
            Need::Root => {
                let is_root = std::fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0);
                if !is_root {
                    return Some("it makes network namespaces, which takes root".to_owned());
                }
                Namespace::new("probe").err().map(|error| format!("{error:#}"))
            }
            Need::Program(program) => {
                let mut asked = Command::new(program);
                asked.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
                asked.status().is_err().then(|| format!("{program} is not installed"))
            }
            Need::File(file) => (!std::path::Path::new(file).exists()).then(|| format!("there is no {file}")),
            Need::BrNetfilter => {
                let path = "/proc/sys/net/bridge/bridge-nf-call-iptables";
                (!std::path::Path::new(path).exists())
                    .then(|| "the kernel module br_netfilter is not loaded".to_owned())
            }
        }
    }
}

/// Whether something is missing for `what`. If so, it is said on standard error, past the test harness.
pub fn skip_without(needs: &[Need], what: &str) -> bool {
    let Some(why) = needs.iter().find_map(|need| need.missing()) else { return false };
    let _ = writeln!(std::io::stderr(), "SKIPPED {what}: {why}");
    true
}
