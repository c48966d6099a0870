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
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
