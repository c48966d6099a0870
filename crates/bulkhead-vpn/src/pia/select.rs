//! Which servers to try, in which order.

use super::latency;
use super::list::{Region, ServerList};
use super::{Pia, key};
use crate::config::{Location, NamedAddress};
use crate::context::{Context, Step};
use crate::fault::Fault;
use crate::log;
use crate::provider::Server;

/// Servers that are tried in one round, when the fastest is wanted.
const FASTEST: usize = 10;

impl Pia {
    /// The servers that fit, best first.
    pub(super) fn select(&mut self, context: &mut Context, list: &ServerList) -> Result<Vec<Server>, Fault> {
        context.enter(Step::Server)?;
        if self.config.dedicated_ip_file.is_some() {
            let server = self.find_dedicated(context, list)?;
            return Ok(vec![server]);
        }
        self.dedicated = None::<key::Dedicated>;
        match &self.config.location {
            Location::Regions(ids) => {
                let mut servers = Vec::new();
                let mut reasons = Vec::new();
                for id in ids {
                    match list.regions.iter().find(|region| region.id == *id) {
                        None => reasons.push(unknown_region(id, list)),
                        Some(region) => match self.unfit(region) {
                            Some(reason) => reasons.push(format!("{id} {reason}")),
                            None => servers.extend(self.servers_of(region, list)),
                        },
                    }
                }
                if servers.is_empty() {
                    return Err(Fault::NoServer(reasons.join("; ")));
                }
                reasons.iter().for_each(|reason| log::warning!("region {reason}"));
                Ok(servers)
            }
            Location::LowestLatency(wanted) => {
                let in_country = |region: &&Region| {
                    wanted.countries.is_empty()
                        || wanted.countries.iter().any(|c| c.eq_ignore_ascii_case(&region.country))
                };
                let fitting = list.regions.iter().filter(in_country).filter(|region| self.unfit(region).is_none());
                let by_region: Vec<Vec<Server>> = fitting.map(|region| self.servers_of(region, list)).collect();
                if by_region.is_empty() {
                    let forwarding = if self.wants_port { " and forwards ports" } else { "" };
                    return Err(Fault::NoServer(format!("no region fits, is in service{forwarding}")));
                }
                let target =
                    |server: &Server| self.private(&server.name, (server.address, server.key_port).into(), false);
                let firsts = by_region.iter().filter_map(|servers| servers.first()).map(target).collect();
                let order = latency::fastest(&self.client, &context.inbox, firsts);
                context.check_stop()?;
                if order.is_empty() {
                    return Err(Fault::NoServer(format!("none of {} servers could be reached", by_region.len())));
                }
                let ordered = order.into_iter().filter_map(|index| by_region.get(index)).flatten();
                Ok(ordered.take(FASTEST).cloned().collect())
            }
        }
    }

    fn servers_of(&self, region: &Region, list: &ServerList) -> Vec<Server> {
        let key_port = list.wireguard_ports.first().copied().unwrap_or(self.config.api.key_port);
        let server =
            |server: NamedAddress| Server { region: region.id.clone(), name: server.cn, address: server.ip, key_port };
        region.wireguard().into_iter().map(server).collect()
    }

    /// Why a region can't be used, if it can't.
    pub(super) fn unfit(&self, region: &Region) -> Option<&'static str> {
        if region.offline {
            return Some("is offline");
        }
        if self.wants_port && !region.port_forward {
            return Some("forwards no ports");
        }
        region.wireguard().is_empty().then_some("has no WireGuard servers")
    }
}

/// Meta servers of the list, those of wanted regions first.
pub(super) fn meta_servers(list: &ServerList, location: &Location) -> Vec<NamedAddress> {
    let wanted = |region: &&Region| match location {
        Location::Regions(ids) => ids.contains(&region.id),
        Location::LowestLatency(_) => true,
    };
    let (mut first, rest): (Vec<&Region>, Vec<&Region>) = list.regions.iter().partition(wanted);
    first.extend(rest);
    first.into_iter().filter(|region| !region.offline).flat_map(Region::meta).collect()
}

fn unknown_region(id: &str, list: &ServerList) -> String {
    let common = |other: &str| id.bytes().zip(other.bytes()).take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count();
    let nearest = list.regions.iter().max_by_key(|region| common(&region.id)).filter(|region| common(&region.id) > 1);
    let nearest = nearest.map(|region| format!("; did you mean `{}`?", region.id)).unwrap_or_default();
    format!("{id} is not in the provider's list{nearest}")
}
