//! Port forwarding: a port is signed once and bound again and again. Both go to the server's address inside of the
//! tunnel.

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

use super::Pia;
use super::answer::{self, Said};
use crate::context::Context;
use crate::date;
use crate::fault::Fault;
use crate::http::{Request, Response, Target};
use crate::provider::{SignedPort, Tunnel};
use crate::secret::Secret;

/// Where a payload says only when it was made: PIA's are good for about 62 days.
const LIFE: Duration = Duration::from_secs(60 * 24 * 60 * 60);
/// PIA forwards no lower ports.
const LOWEST: u16 = 10_000;

#[derive(Deserialize)]
struct Signed {
    payload: Secret,
    signature: Secret,
}

#[derive(Deserialize)]
struct Payload {
    port: u16,
    #[serde(default)]
    expires_at: Option<String>,
    #[serde(default)]
    created_at: Option<String>,
}

impl Pia {
    /// Get a port.
    pub(super) fn get_signature(&mut self, context: &mut Context, tunnel: &Tunnel) -> Result<SignedPort, Fault> {
        let step = context.step();
        let token = self.log_in(context)?;
        context.enter(step)?;
        let target = self.forwarding_target(tunnel)?;
        let request = Request::get("/getSignature", &[("token", token.reveal())]);
        let response = self.send_to_forwarding(&target, tunnel, &request)?;
        let what = target.describe();
        self.forwarding_fault(&what, tunnel, &response)?;
        let said = Said::of(&response);
        if !said.status.eq_ignore_ascii_case("ok") && said.refuses_login(response.status) {
            return Err(Fault::TokenRefused { what });
        }
        if response.status != 200 || !said.status.eq_ignore_ascii_case("ok") {
            return Err(answer::refused(&what, &response, &said));
        }
        let signed: Signed = answer::parse(&what, &response)?;
        read_payload(signed, context.clock.wall())
    }

    /// Bind a port for the next minutes.
    pub(super) fn bind_port(&mut self, tunnel: &Tunnel, port: &SignedPort) -> Result<(), Fault> {
        let target = self.forwarding_target(tunnel)?;
        let parameters = [("payload", port.payload.reveal()), ("signature", port.signature.reveal())];
        let response = self.send_to_forwarding(&target, tunnel, &Request::get("/bindPort", &parameters))?;
        let what = target.describe();
        self.forwarding_fault(&what, tunnel, &response)?;
        let said = Said::of(&response);
        if response.status == 409 || said.mentions("is busy") {
            return Err(Fault::PortBusy { port: port.port, server: tunnel.server.name.clone() });
        }
        if response.status == 401 || said.mentions("bad signature") || said.mentions("expired") {
            return Err(Fault::PortRefused(format!("HTTP {}", response.status)));
        }
        if response.status != 200 || !said.status.eq_ignore_ascii_case("ok") {
            return Err(answer::refused(&what, &response, &said));
        }
        Ok(())
    }

    /// A server that forwards no ports has nothing listening for them.
    fn send_to_forwarding(&self, target: &Target, tunnel: &Tunnel, request: &Request) -> Result<Response, Fault> {
        self.client.send(target, request).map_err(|fault| match fault {
            Fault::ConnectionRefused { .. } => {
                let reason = "it refuses connections for that".to_owned();
                Fault::NotForwarding { server: tunnel.server.name.clone(), reason }
            }
            other => other,
        })
    }

    fn forwarding_target(&self, tunnel: &Tunnel) -> Result<Target, Fault> {
        let Some(gateway) = tunnel.gateway else {
            let reason = "it does not say its address in the tunnel".to_owned();
            return Err(Fault::NotForwarding { server: tunnel.server.name.clone(), reason });
        };
        let address = SocketAddr::new(gateway.into(), self.config.api.forwarding_port);
        Ok(self.private(&tunnel.server.name, address, true))
    }

    fn forwarding_fault(&self, what: &str, tunnel: &Tunnel, response: &Response) -> Result<(), Fault> {
        let said = Said::of(response);
        if let Some(fault) = answer::common_fault(what, response, &said) {
            return Err(fault);
        }
        let outside = said.mentions("unauthorized client");
        if outside || matches!(response.status, 403 | 404) || said.mentions("not supported") {
            let reason = if outside { "it says that we are not in its tunnel" } else { "it refuses" }.to_owned();
            return Err(Fault::NotForwarding { server: tunnel.server.name.clone(), reason });
        }
        Ok(())
    }
}

fn read_payload(signed: Signed, now: SystemTime) -> Result<SignedPort, Fault> {
    let bytes = decode(signed.payload.reveal());
    let payload: Option<Payload> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let unreadable = || Fault::PortRefused("its payload can't be read".to_owned());
    let payload = payload.ok_or_else(unreadable)?;
    let expires = match (&payload.expires_at, &payload.created_at) {
        (Some(text), _) => date::parse(text),
        (None, Some(text)) => date::parse(text).map(|created| created + LIFE),
        (None, None) => None,
    };
    let expires = expires.ok_or_else(unreadable)?;
    if payload.port < LOWEST {
        return Err(Fault::LowPort(payload.port));
    }
    if expires <= now {
        return Err(Fault::PortRefused("it is over already, or this machine's clock is wrong".to_owned()));
    }
    Ok(SignedPort { port: payload.port, expires, payload: signed.payload, signature: signed.signature })
}

/// Base64 with or without padding.
fn decode(text: &str) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(&ALPHABET, config).decode(text.trim()).ok()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used)]
mod tests {
    use super::*;

    fn signed(payload: &str) -> Result<SignedPort, Fault> {
        let encoded = base64::engine::general_purpose::STANDARD_NO_PAD.encode(payload);
        let now = date::parse("2020-06-01T00:00:00Z").expect("a date");
        read_payload(Signed { payload: Secret::new(encoded), signature: Secret::new("s") }, now)
    }

    #[test]
    fn payloads_are_read_and_kept_as_they_came() {
        let text = r#"{"token":"x","port":47047,"expires_at":"2020-06-30T22:33:44.114369906Z"}"#;
        let port = signed(text).expect("a port");
        assert_eq!((port.port, Some(port.expires)), (47047, date::parse("2020-06-30T22:33:44Z")));
        assert_eq!(decode(port.payload.reveal()).as_deref(), Some(text.as_bytes()));
        let created = signed(r#"{"port":47047,"created_at":"2020-05-30T00:00:00Z"}"#).expect("a port");
        assert_eq!(Some(created.expires), date::parse("2020-07-29T00:00:00Z"));
    }

    #[test]
    fn no_payload_is_a_panic() {
        for seed in 0..2000 {
            let text = br#"{"token":"x","port":47047,"expires_at":"2020-06-30T22:33:44.114369906Z"}"#;
            let text = crate::mutate::mutate(text, seed);
            if let Ok(port) = signed(&String::from_utf8_lossy(&text)) {
                assert!(port.port >= LOWEST);
            }
        }
    }

    #[test]
    fn what_can_not_be_used_is_refused() {
        assert_eq!(signed(r#"{"port":999,"expires_at":"2020-06-30T22:33:44Z"}"#), Err(Fault::LowPort(999)));
        for wrong in ["", "{}", r#"{"port":47047}"#, r#"{"port":47047,"expires_at":"2020-05-31T23:59:59Z"}"#] {
            assert!(matches!(signed(wrong), Err(Fault::PortRefused(_))), "{wrong}");
        }
    }
}
