//! The status as metrics (Prometheus' text format 0.0.4).

use std::fmt::Write as _;

use super::{Status, unix_seconds};
use std::time::SystemTime;

/// The metrics. Names of services can't have characters that would need escaping; those of servers are escaped.
pub fn metrics(status: &Status) -> String {
    let mut text = String::with_capacity(4096);
    let mut metric = |name: &str, kind: &str, help: &str, samples: &[(String, f64)]| {
        let _ = writeln!(text, "# HELP bulkhead_vpn_{name} {help}\n# TYPE bulkhead_vpn_{name} {kind}");
        for (labels, value) in samples {
            let _ = writeln!(text, "bulkhead_vpn_{name}{labels} {value}");
        }
    };
    let one = |value: f64| vec![(String::new(), value)];
    let connected = if status.connection.is_some() { 1.0 } else { 0.0 };
    metric("connected", "gauge", "Whether there is a tunnel that works.", &one(connected));
    if let Some(connection) = &status.connection {
        let labels = format!("{{region=\"{}\",server=\"{}\"}}", escape(&connection.region), escape(&connection.server));
        metric("server_info", "gauge", "The server of the tunnel.", &[(labels, 1.0)]);
        let age = connection.handshake_age_seconds as f64;
        metric("handshake_age_seconds", "gauge", "Time since the last handshake.", &one(age));
        metric(
            "received_bytes_total",
            "counter",
            "Bytes received by WireGuard.",
            &one(connection.received_bytes as f64),
        );
        metric("sent_bytes_total", "counter", "Bytes sent by WireGuard.", &one(connection.sent_bytes as f64));
        metric("renewal_due_seconds", "gauge", "When the connection is renewed.", &one(connection.renewal_due as f64));
    }
    if let Some(port) = &status.port {
        metric("port_bound", "gauge", "Whether the port is forwarded.", &one(if port.bound { 1.0 } else { 0.0 }));
        if let Some(number) = port.port {
            metric("port", "gauge", "The forwarded port.", &one(number.into()));
        }
        if let Some(expires) = port.expires {
            metric("port_expires_seconds", "gauge", "Until when the port is promised.", &one(expires as f64));
        }
    }
    metric("connects_total", "counter", "Connections made, renewals not counted.", &one(status.connects as f64));
    metric("renewals_total", "counter", "Renewals made.", &one(status.renewals as f64));
    metric("faults_total", "counter", "Faults.", &one(status.faults as f64));
    metric(
        "repairs_total",
        "counter",
        "Rules, keys, address, route or forwarding set right.",
        &one(status.repairs as f64),
    );
    metric("hook_failures_total", "counter", "Failures of the port program.", &one(status.hook_failures as f64));
    let services = |value: fn(&super::ServiceStatus) -> u64| -> Vec<(String, f64)> {
        let sample =
            |service: &super::ServiceStatus| (format!("{{service=\"{}\"}}", service.name), value(service) as f64);
        status.services.iter().map(sample).collect()
    };
    metric("service_sent_bytes_total", "counter", "Bytes of a service sent.", &services(|s| s.sent_bytes));
    metric("service_received_bytes_total", "counter", "Bytes of a service received.", &services(|s| s.received_bytes));
    let written = unix_seconds(SystemTime::now()) as f64;
    metric("written_seconds", "gauge", "When these numbers were written.", &one(written));
    text
}

fn escape(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() && c != '\n' { ' ' } else { c }).collect();
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::status::{ConnectionStatus, PortStatus, ServiceStatus};

    /// Every line is a comment or `name{labels} value`, each name was announced, and appears in one block.
    #[test]
    fn the_format_is_kept_whatever_servers_are_called() {
        let service = ServiceStatus {
            name: "torrent".to_owned(),
            address: [10, 73, 0, 10].into(),
            sent_packets: 1,
            sent_bytes: u64::MAX,
            received_packets: 0,
            received_bytes: 0,
        };
        let status = Status {
            connection: Some(ConnectionStatus {
                region: "a\"b\\c\nd".to_owned(),
                server: "}\r\nbulkhead_vpn_connected 7".to_owned(),
                ..ConnectionStatus::default()
            }),
            port: Some(PortStatus { port: Some(40_000), expires: Some(1), ..PortStatus::default() }),
            services: vec![service],
            ..Status::default()
        };
        let text = metrics(&status);
        let mut announced = BTreeSet::new();
        let mut current = "";
        for line in text.lines() {
            if let Some(comment) = line.strip_prefix("# ") {
                let mut words = comment.split(' ');
                let kind = words.next().unwrap();
                current = words.next().unwrap();
                assert!(kind == "HELP" || kind == "TYPE", "{line}");
                assert_eq!(announced.insert(current), kind == "HELP", "{line}");
                continue;
            }
            let (name, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
            assert!(name == current || name.strip_prefix(current).is_some_and(|rest| rest.starts_with('{')), "{line}");
        }
        assert!(text.contains("{region=\"a\\\"b\\\\c\\nd\",server=\"} \\nbulkhead_vpn_connected 7\"} 1\n"), "{text}");
        assert!(text.ends_with('\n'));
    }
}
