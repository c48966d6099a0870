//! `bulkhead-vpn`: the one program in a VPN container that talks to the provider.
//!
//! It logs in, registers a key, configures the WireGuard interface that the host has moved into the container, loads its
//! rules, proves a handshake, has a port forwarded, and watches and renews all of that. What it does in which order, and
//! what after which fault, is written down in [`machine`]; where it can't leak, and why, in [`network::rules`]. The
//! program `vpn` is the host's: it shows the status, and attacks what should not leak ([`host`]).
//!
//! **Threads, not async.** One connection is one sequence of requests, each after the other; a request blocks for as long
//! as its deadline. Three threads are enough (machine, signals, control socket), all decisions are in one of them, and
//! their time comes from one [`clock::Clock`] that tests replace. tokio would add a runtime, and a second notion of time.
//!
//! **Secrets** ([`secret`]) are wiped when dropped, shown by no `Debug`, and never in arguments, environments or logs:
//! WireGuard gets keys over netlink or its socket, `nft` gets rules (which have no secrets) by standard input.
//!
//! # What the container's host has to do
//!
//! | what | how it has to be |
//! |---|---|
//! | namespace | the VPN container has a network namespace of its own, with the bridge's interface (`bridge.interface` of the configuration; in NixOS containers `eth0`), the address `bridge.vpnAddress`, and **no default route**: a default route other than the one made here is refused |
//! | interface | a WireGuard interface of the name `interface`, without key, peer and address. The host makes it in its *own* namespace, so that the encrypted UDP stays there, and moves it into the container's at **each** start of the container (`ip link add NAME type wireguard`, then systemd-nspawn's `--network-interface=NAME`). It goes with the container's namespace. Without WireGuard in the kernel: `wireguard-go NAME` on the host, and its socket `/run/wireguard/NAME.sock` mounted at the same path of the container |
//! | rights | `CAP_NET_ADMIN` in the container's network namespace; a user namespace is fine. `/proc/sys/net/ipv4/conf/*/forwarding` of the two interfaces is written if it is not 1 |
//! | IPv6 | there is none: the rules drop it, and the host leaves it off on the bridge |
//! | configuration | one JSON file, `/etc/bulkhead-vpn/config.json` in the container; `schemas/vpn-config.schema.json`. `bulkhead-vpn check-config --no-files --config FILE` checks it where it is made |
//! | secrets | `credentialsFile` (and `dedicatedIpFile`, `wireguard.file`): **the one file** each, that only root of the container can read: a copy that systemd-nspawn and the unit pass on (`--load-credential=NAME:FILE`, `LoadCredential=NAME`), or a read-only mount |
//! | certificates | `caFile`, `listKeyFile`: no secrets, may be in the store |
//! | state | `/var/lib/bulkhead-vpn`, mode 0700 (`StateDirectory=`), which must survive restarts of the container: token, list of servers, and the signed port, without which the forwarded port changes |
//! | control | `controlSocket` is in a folder that only root of the container can use and that the host sees too: one of the host, mounted, or one of the container's root file system. `vpn` on the host talks to the daemon there, and follows no link below the `root` that its configuration names. The daemon makes and removes the socket |
//! | proxy | `pia.proxy` is `hostAddress:8888`. What has to be let through by CONNECT: the ports 443, 8080 and 1337; names that end in `.privateinternetaccess.com` or `.piaservers.net`, and addresses (servers are asked by address, and change too often for a list) |
//! | metrics | `metricsFile`, if wanted: world-readable, without secrets |
//!
//! **The unit in the container**, `bulkhead-vpn.service`:
//!
//! ```ini
//! [Unit]
//! FailureAction=reboot-force      # ends systemd-nspawn with 133, on which the host's unit starts the container anew
//! StartLimitIntervalSec=0
//!
//! [Service]
//! Type=notify
//! ExecStart=…/bin/bulkhead-vpn run --config /etc/bulkhead-vpn/config.json
//! ExecReload=kill -HUP $MAINPID   # renews the connection
//! StateDirectory=bulkhead-vpn
//! StateDirectoryMode=0700
//! TimeoutStartSec=180             # extended by the daemon for as long as it tries
//! TimeoutStopSec=20
//! WatchdogSec=120
//! CapabilityBoundingSet=CAP_NET_ADMIN
//! ```
//!
//! There is no `Restart=`: with it, systemd takes the failure's action only when it has given up restarting. Only a start of
//! the container brings a new interface, so the host's unit is what restarts: at once, then in steps up to 5 minutes
//! (`RestartSec=1`, `RestartSteps=6`, `RestartMaxDelaySec=300` of `container@….service`).
//!
//! Readiness means that a handshake was proven, rules are loaded and (unless the provider refuses it for the moment) the
//! port is bound: a container that waits for this unit, and services that are ordered after the container, start with real
//! connectivity. It may take as long as the provider is away, so `container@….service` must not time out before. A tunnel
//! that can't be had back for 15 minutes for a reason of this machine (no interface, no handshake) stops feeding the
//! watchdog, since only a new interface may help: the unit fails, and with it the container.
//!
//! **The hook** (`portForwarding.onForwarded`) runs in the VPN container, as the daemon's user, after readiness and never
//! before; it is repeated until it succeeds, so a service that starts later is found in the end. It may open connections
//! to the service that receives the port, and to no other: the guard on the host has to let `vpnAddress` reach that one.
//!
//! **The host's tool**, `vpn`, reads `/etc/bulkhead/vpn.json` (`schemas/vpn-host.schema.json`, [`host::HostConfig`]).
//! `vpn status` needs the control socket alone. `vpn leak-test` enters the network namespaces of the service containers
//! (by the name of the machine, which it asks `machinectl` for, or by a path), sends frames from there, and watches all
//! interfaces of the host; it compares the guard's tables with what `guard.rules` gives in an empty namespace. It changes
//! nothing.

pub mod backoff;
pub mod cli;
pub mod clock;
mod command;
pub mod config;
pub mod context;
pub mod control;
mod date;
pub mod fault;
pub mod host;
pub mod http;
mod log;
pub mod machine;
#[cfg(test)]
mod mutate;
pub mod network;
pub mod notify;
pub mod pia;
pub mod provider;
pub mod run;
pub mod secret;
pub mod state;
pub mod status;
mod timed;
pub mod wireguard_file;
