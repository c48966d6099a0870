//! The status for people.

use std::fmt::Write as _;

use super::{ServiceStatus, Status};
use crate::config::LONGEST_NAME;

/// Some lines. `now` is in seconds since 1970.
pub fn text(status: &Status, now: u64) -> String {
    let mut rows: Vec<(&str, String)> = vec![("state", status.step.to_string())];
    match &status.connection {
        None => rows.push(("server", "none".to_owned())),
        Some(connection) => {
            let region = if connection.region.is_empty() { &status.provider } else { &connection.region };
            rows.push(("region", region.clone()));
            rows.push(("server", format!("{} ({})", connection.server, connection.server_address)));
            let public =
                connection.public_address.map_or("not told by the provider".to_owned(), |address| address.to_string());
            rows.push(("public address", public));
            rows.push(("handshake", format!("{} ago", span(connection.handshake_age_seconds))));
            rows.push(("connected", format!("{} ago", span(now.saturating_sub(connection.connected)))));
            rows.push(("renewal due", due(connection.renewal_due, now)));
        }
    }
    if let Some(port) = &status.port {
        let number = port.port.map_or("none".to_owned(), |number| number.to_string());
        let target = port.target.map(|target| format!(" → {target}")).unwrap_or_default();
        let bound = if port.bound { "" } else { " (not forwarded now)" };
        rows.push(("port", format!("{number}{target}{bound}")));
        if let Some(expires) = port.expires {
            rows.push(("port ends", due(expires, now)));
        }
        if let Some(fault) = port.last_fault.as_ref().filter(|_| !port.bound) {
            rows.push(("port fault", fault.clone()));
        }
    }
    if status.faults > 0 {
        let last = status.last_fault.as_deref().unwrap_or_default();
        rows.push(("faults", format!("{}, the last: {last}", status.faults)));
    }
    let mut text = String::new();
    for (name, value) in rows {
        let _ = writeln!(text, "{name:<15} {}", printable(&value));
    }
    if status.services.is_empty() {
        return text;
    }
    // No configuration has longer ones; who answers may be somebody else.
    let name = |service: &ServiceStatus| printable(&service.name).chars().take(LONGEST_NAME).collect::<String>();
    let width = status.services.iter().map(|service| name(service).chars().count()).max().unwrap_or_default().max(7);
    let _ = writeln!(text, "\n{:<width$}  {:<15}  {:>12}  {:>12}", "service", "address", "sent", "received");
    for service in &status.services {
        let (sent, received) = (bytes(service.sent_bytes), bytes(service.received_bytes));
        let address = service.address.to_string();
        let _ = writeln!(text, "{:<width$}  {address:<15}  {sent:>12}  {received:>12}", name(service));
    }
    text
}

/// What others say must not move the cursor of a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn due(at: u64, now: u64) -> String {
    if at > now { format!("in {}", span(at - now)) } else { "now".to_owned() }
}

fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        7200..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86400),
    }
}

fn bytes(count: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{count} B") } else { format!("{value:.1} {}", units[unit]) }
}
