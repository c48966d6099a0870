//! The control socket of the program: a line of JSON in, a line of JSON out.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::world::World;
use crate::{FakePia, Injection, Server, lock};

/// What may be asked for.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Wish {
    /// Have a fault happen.
    Inject(Injection),
    /// Have no more faults happen.
    Clear,
    /// All requests so far.
    Requests,
    /// The keys that were registered.
    Keys,
    /// The ports that are bound, and where.
    Bound,
    /// Accept none of the tokens that were given so far.
    ExpireTokens,
    /// Forget all keys: the tunnels are dead.
    DropPeers,
    /// Other servers for the list.
    Servers(Vec<Server>),
}

/// Serve a socket in the background.
pub fn serve_control(fake: &FakePia, socket: &Path) -> Result<()> {
    let listener = UnixListener::bind(socket).with_context(|| format!("can't listen on {}", socket.display()))?;
    let world = fake.world().clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let world = world.clone();
            thread::spawn(move || {
                for line in BufReader::new(&stream).lines().map_while(Result::ok) {
                    let answer = match serde_json::from_str(&line) {
                        Ok(wish) => grant(&world, wish).unwrap_or_else(|error| json!({"error": format!("{error:#}")})),
                        Err(error) => json!({"error": error.to_string()}),
                    };
                    if writeln!(&stream, "{answer}").is_err() {
                        return;
                    }
                }
            });
        }
    });
    Ok(())
}

fn grant(world: &Arc<World>, wish: Wish) -> Result<Value> {
    match wish {
        Wish::Inject(injection) => world.inject(injection),
        Wish::Clear => world.clear(),
        Wish::Requests => return Ok(serde_json::to_value(world.requests())?),
        Wish::Keys => return Ok(serde_json::to_value(world.keys())?),
        Wish::Bound => return Ok(serde_json::to_value(world.bound())?),
        Wish::ExpireTokens => world.expire_tokens(),
        Wish::DropPeers => lock(&world.backend).drop_peers()?,
        Wish::Servers(servers) => world.change_servers(|known| *known = servers),
    }
    Ok(json!("ok"))
}
