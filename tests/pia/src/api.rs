//! The answers of PIA's API, when nothing goes wrong and when the client does something wrong.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use serde_json::{Value, json};

use crate::world::{PROMISE, Promise, World};
use crate::{Endpoint, Fault};

/// A request, taken apart.
pub struct Asked {
    pub method: String,
    pub path: String,
    pub parameters: HashMap<String, String>,
    pub authorization: String,
    pub body: String,
    pub peer: Option<IpAddr>,
}

/// An answer.
#[derive(Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Answer {
    fn new(status: u16, body: impl ToString) -> Self {
        Self { status, headers: Vec::new(), body: body.to_string() }
    }
}

/// Which endpoint a path is.
pub fn endpoint(path: &str, is_meta: bool) -> Endpoint {
    match path {
        "/api/client/v2/token" => Endpoint::Token,
        "/authv3/generateToken" if is_meta => Endpoint::MetaToken,
        "/vpninfo/servers/v6" if is_meta => Endpoint::MetaList,
        "/vpninfo/servers/v6" => Endpoint::List,
        "/api/client/v2/dedicated_ip" => Endpoint::DedicatedIp,
        "/api/client/v2/expire_token" => Endpoint::ExpireToken,
        "/api/client/status" => Endpoint::Address,
        "/addKey" => Endpoint::AddKey,
        "/getSignature" => Endpoint::GetSignature,
        "/bindPort" => Endpoint::BindPort,
        _ => Endpoint::Other,
    }
}

/// The right answer.
pub fn answer(world: &World, endpoint: Endpoint, server: Option<&str>, asked: &Asked, fault: Option<&Fault>) -> Answer {
    let server = server.unwrap_or_default();
    match endpoint {
        Endpoint::Token => token(world, asked),
        Endpoint::MetaToken => meta_token(world, asked),
        Endpoint::List | Endpoint::MetaList => list(world, fault),
        Endpoint::DedicatedIp => dedicated(world, asked),
        Endpoint::ExpireToken => Answer::new(200, json!({"status": "success"})),
        Endpoint::Address => Answer::new(200, json!({"ip": asked.peer})),
        Endpoint::AddKey => add_key(world, server, asked, fault),
        Endpoint::GetSignature => get_signature(world, asked),
        Endpoint::BindPort => bind_port(world, server, asked),
        Endpoint::Other => Answer::new(404, "not found"),
    }
}

fn token(world: &World, asked: &Asked) -> Answer {
    let fields = parameters(&asked.body);
    let field = |name: &str| fields.get(name).map(String::as_str);
    let known = (Some(world.options.user.as_str()), Some(world.options.password.as_str()));
    if asked.method != "POST" || (field("username"), field("password")) != known {
        return Answer::new(401, "HTTP Token: Access denied.\n");
    }
    Answer::new(200, json!({"token": world.give_token()}))
}

fn meta_token(world: &World, asked: &Asked) -> Answer {
    let pair = format!("{}:{}", world.options.user, world.options.password);
    if asked.authorization != format!("Basic {}", STANDARD.encode(pair)) {
        return Answer::new(401, json!({"status": "ERROR", "message": "authentication failed"}));
    }
    Answer::new(200, json!({"status": "OK", "token": world.give_token()}))
}

fn list(world: &World, fault: Option<&Fault>) -> Answer {
    let mut regions: BTreeMap<String, Value> = BTreeMap::new();
    for server in world.servers() {
        let region = regions.entry(server.region.clone()).or_insert_with(|| {
            json!({
                "id": server.region, "name": server.region.to_uppercase(), "country": server.country,
                "auto_region": true, "dns": format!("{}.privacy.network", server.region),
                "port_forward": !server.no_forwarding, "geo": false, "offline": server.offline,
                "servers": {"wg": [], "meta": [], "ovpnudp": []},
            })
        });
        let kind = if server.meta { "meta" } else { "wg" };
        if let Some(servers) = region.pointer_mut(&format!("/servers/{kind}")).and_then(Value::as_array_mut) {
            servers.push(json!({"ip": server.ip, "cn": server.cn}));
        }
    }
    let list = json!({
        "groups": {"wg": [{"name": "wireguard", "ports": [world.options.key_port]}], "ovpnudp": []},
        "regions": regions.into_values().collect::<Vec<_>>(),
    });
    let mut text = world.list_key.sign(&list.to_string());
    if matches!(fault, Some(Fault::BadSignature)) {
        // A server more than what was signed.
        text = text.replacen("\"regions\":[", "\"regions\":[{\"id\":\"evil\"},", 1);
    }
    Answer::new(200, text)
}

fn dedicated(world: &World, asked: &Asked) -> Answer {
    let token = asked.authorization.strip_prefix("Token ").unwrap_or_default();
    if !world.accepts(token) {
        return Answer::new(401, "HTTP Token: Access denied.\n");
    }
    let wanted: Value = serde_json::from_str(&asked.body).unwrap_or_default();
    let tokens = wanted.get("tokens").and_then(Value::as_array).cloned().unwrap_or_default();
    let answers = tokens.iter().map(|token| match world.options.dedicated.get(token.as_str().unwrap_or_default()) {
        Some(dedicated) => json!({
            "status": dedicated.status, "ip": dedicated.ip, "cn": dedicated.cn, "id": dedicated.id,
            "dip_expire": 4_102_444_800_u64,
        }),
        None => json!({"status": "invalid"}),
    });
    Answer::new(200, Value::Array(answers.collect()))
}

fn add_key(world: &World, server: &str, asked: &Asked, fault: Option<&Fault>) -> Answer {
    let allowed = match asked.parameters.get("pt") {
        Some(token) => world.accepts(token),
        None => world.options.dedicated.iter().any(|(token, dedicated)| {
            let pair = STANDARD.encode(format!("dedicated_ip_{token}:{}", dedicated.ip));
            asked.authorization == format!("Basic {pair}") && dedicated.cn == server
        }),
    };
    if !allowed {
        return Answer::new(200, json!({"status": "ERROR", "message": "Login failed!"}));
    }
    let key = asked.parameters.get("pubkey").cloned().unwrap_or_default();
    if STANDARD.decode(&key).map(|bytes| bytes.len()).ok() != Some(32) {
        return Answer::new(200, json!({"status": "ERROR", "message": "public key is not valid"}));
    }
    let address = match world.add_key(server, &key, !matches!(fault, Some(Fault::NoPeer))) {
        Ok(address) => address,
        Err(error) => return Answer::new(500, format!("{error:#}")),
    };
    let ip = world.servers().into_iter().find(|known| known.cn == server).map(|known| known.ip);
    Answer::new(
        200,
        json!({
            "status": "OK", "server_key": crate::lock(&world.backend).server_key(),
            "server_port": world.options.wireguard_port, "server_ip": ip, "server_vip": world.options.gateway,
            "peer_ip": address, "peer_pubkey": key, "dns_servers": world.options.dns,
        }),
    )
}

fn get_signature(world: &World, asked: &Asked) -> Answer {
    if !world.accepts(asked.parameters.get("token").map(String::as_str).unwrap_or_default()) {
        return Answer::new(401, json!({"status": "ERROR", "message": "authentication failed"}));
    }
    let number = world.number();
    let port = 40_000 + u16::try_from(number % 20_000).unwrap_or_default();
    let expires = (world.now)() + PROMISE;
    // Blanks and an odd order, so that whoever writes it anew gets other bytes.
    let text = format!("{{ \"token\":\"x{number}\",\"port\":{port} , \"expires_at\":\"{}\"}}", date(expires));
    let payload = STANDARD_NO_PAD.encode(text);
    let signature = STANDARD.encode(format!("signature {number} of {port} +/"));
    world.promise(&signature, Promise { payload: payload.clone(), port, expires });
    Answer::new(200, json!({"status": "OK", "payload": payload, "signature": signature}))
}

fn bind_port(world: &World, server: &str, asked: &Asked) -> Answer {
    let field = |name: &str| asked.parameters.get(name).map(String::as_str).unwrap_or_default();
    let promise = world.promised(field("signature")).filter(|promise| promise.payload == field("payload"));
    let Some(promise) = promise.filter(|promise| promise.expires > (world.now)()) else {
        return Answer::new(401, json!({"status": "ERROR", "message": "bad signature"}));
    };
    match world.bind(promise.port, server) {
        Ok(false) => Answer::new(200, json!({"status": "OK", "message": "port scheduled for add"})),
        Ok(true) => Answer::new(200, json!({"status": "OK", "message": "timer refreshed"})),
        Err(error) => Answer::new(500, format!("{error:#}")),
    }
}

/// The parameters of a form or a query.
pub fn parameters(text: &str) -> HashMap<String, String> {
    let pairs = text.split('&').filter_map(|pair| pair.split_once('='));
    pairs.map(|(name, value)| (decode(name), decode(value))).collect()
}

fn decode(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'%' => {
                let digits: Vec<u8> = rest.by_ref().take(2).collect();
                let digits = std::str::from_utf8(&digits).unwrap_or_default();
                bytes.push(u8::from_str_radix(digits, 16).unwrap_or(b'?'));
            }
            b'+' => bytes.push(b' '),
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A date as PIA writes it, with nine digits of a second.
fn date(time: SystemTime) -> String {
    let since = time.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let (mut days, seconds) = (since.as_secs() / 86400, since.as_secs() % 86400);
    let mut year = 1970;
    let is_leap = |year: u64| (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400);
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year}-{month:02}-{:02}T{hour:02}:{minute:02}:{second:02}.{:09}Z", days + 1, since.subsec_nanos())
}
