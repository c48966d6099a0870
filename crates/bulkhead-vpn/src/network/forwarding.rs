//! Forwarding of IPv4 between two interfaces, and no others.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

/// The switches that were changed, and what they were.
#[derive(Debug, Default)]
pub struct Forwarding {
    before: BTreeMap<PathBuf, String>,
}

impl Forwarding {
    /// Let packets that come in by an interface be forwarded (ip-sysctl, `conf/INTERFACE/forwarding`); whether they were
    /// not.
    pub fn enable(&mut self, interface: &str) -> Result<bool, String> {
        let path = PathBuf::from("/proc/sys/net/ipv4/conf").join(interface).join("forwarding");
        let failed = |error: io::Error| {
            format!("can't switch forwarding on ({}: {error}); set it to 1 for the container", path.display())
        };
        let before = fs::read_to_string(&path).map_err(failed)?;
        if before.trim() == "1" {
            return Ok(false);
        }
        fs::write(&path, "1").map_err(failed)?;
        self.before.entry(path).or_insert(before);
        Ok(true)
    }

    /// Set all back. An interface that has gone has taken its switch along.
    pub fn restore(&mut self) -> Result<(), String> {
        for (path, before) in std::mem::take(&mut self.before) {
            match fs::write(&path, before.trim()) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(format!("can't set {} back: {error}", path.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }
}
