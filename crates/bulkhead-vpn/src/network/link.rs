//! Interfaces, addresses and routes (rtnetlink(7)).

use std::io;
use std::net::{IpAddr, Ipv4Addr};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REPLACE};
use netlink_packet_route::address::{AddressAttribute, AddressMessage, AddressScope};
use netlink_packet_route::link::{LinkAttribute, LinkFlags, LinkMessage};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use netlink_sys::protocols::NETLINK_ROUTE;

use super::netlink::request;

/// The number of an interface, if there is one of this name.
pub fn index(name: &str) -> io::Result<Option<u32>> {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(name.to_owned()));
    match request(NETLINK_ROUTE, RouteNetlinkMessage::GetLink(message), 0) {
        Ok(answers) => Ok(answers.into_iter().find_map(|answer| match answer {
            RouteNetlinkMessage::NewLink(link) => Some(link.header.index),
            _ => None,
        })),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::NODEV.raw_os_error()) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Switch an interface on or off.
pub fn set_up(index: u32, up: bool) -> io::Result<()> {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.header.change_mask = LinkFlags::Up;
    message.header.flags = if up { LinkFlags::Up } else { LinkFlags::empty() };
    request(NETLINK_ROUTE, RouteNetlinkMessage::SetLink(message), 0).map(drop)
}

/// Set the MTU of an interface.
pub fn set_mtu(index: u32, mtu: u16) -> io::Result<()> {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.attributes.push(LinkAttribute::Mtu(mtu.into()));
    request(NETLINK_ROUTE, RouteNetlinkMessage::SetLink(message), 0).map(drop)
}

/// The IPv4 addresses of an interface, with their prefixes.
pub fn addresses(index: u32) -> io::Result<Vec<(Ipv4Addr, u8)>> {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    let answers = request(NETLINK_ROUTE, RouteNetlinkMessage::GetAddress(message), NLM_F_DUMP)?;
    let addresses = answers.into_iter().filter_map(|answer| match answer {
        RouteNetlinkMessage::NewAddress(message) if message.header.index == index => {
            let local = message.attributes.iter().find_map(|attribute| match attribute {
                AddressAttribute::Local(IpAddr::V4(address)) => Some(*address),
                _ => None,
            });
            local.map(|address| (address, message.header.prefix_len))
        }
        _ => None,
    });
    Ok(addresses.collect())
}

/// Give an interface an address of 32 bits. It may be there already.
pub fn add_address(index: u32, address: Ipv4Addr) -> io::Result<()> {
    let message = RouteNetlinkMessage::NewAddress(address_message(index, address, 32));
    request(NETLINK_ROUTE, message, NLM_F_CREATE | NLM_F_REPLACE).map(drop)
}

/// Take an address from an interface.
pub fn remove_address(index: u32, address: Ipv4Addr, prefix: u8) -> io::Result<()> {
    request(NETLINK_ROUTE, RouteNetlinkMessage::DelAddress(address_message(index, address, prefix)), 0).map(drop)
}

fn address_message(index: u32, address: Ipv4Addr, prefix: u8) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.prefix_len = prefix;
    message.header.scope = AddressScope::Universe;
    message.header.index = index;
    message.attributes.push(AddressAttribute::Local(address.into()));
    message.attributes.push(AddressAttribute::Address(address.into()));
    message
}

/// The interfaces that IPv4 default routes of the main table lead to; none in an entry whose route names none.
pub fn default_routes() -> io::Result<Vec<Option<u32>>> {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet;
    let answers = request(NETLINK_ROUTE, RouteNetlinkMessage::GetRoute(message), NLM_F_DUMP)?;
    let routes = answers.into_iter().filter_map(|answer| match answer {
        RouteNetlinkMessage::NewRoute(route)
            if route.header.destination_prefix_length == 0
                && route.header.table == RouteHeader::RT_TABLE_MAIN
                && route.header.kind == RouteType::Unicast =>
        {
            Some(route.attributes.iter().find_map(|attribute| match attribute {
                RouteAttribute::Oif(index) => Some(*index),
                _ => None,
            }))
        }
        _ => None,
    });
    Ok(routes.collect())
}

/// The routers that IPv4 default routes of the main table lead to, each with the number of its interface.
pub fn gateways() -> io::Result<Vec<(u32, Ipv4Addr)>> {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet;
    let answers = request(NETLINK_ROUTE, RouteNetlinkMessage::GetRoute(message), NLM_F_DUMP)?;
    let routes = answers.into_iter().filter_map(|answer| match answer {
        RouteNetlinkMessage::NewRoute(route)
            if route.header.destination_prefix_length == 0 && route.header.table == RouteHeader::RT_TABLE_MAIN =>
        {
            let interface = route.attributes.iter().find_map(|attribute| match attribute {
                RouteAttribute::Oif(index) => Some(*index),
                _ => None,
            })?;
            let gateway = route.attributes.iter().find_map(|attribute| match attribute {
                RouteAttribute::Gateway(RouteAddress::Inet(address)) => Some(*address),
                _ => None,
            })?;
            Some((interface, gateway))
        }
        _ => None,
    });
    Ok(routes.collect())
}

/// The number of the interface at the other end of a pair, in its own namespace.
pub fn peer_of(name: &str) -> io::Result<Option<u32>> {
    let mut message = LinkMessage::default();
    message.attributes.push(LinkAttribute::IfName(name.to_owned()));
    let answers = request(NETLINK_ROUTE, RouteNetlinkMessage::GetLink(message), 0)?;
    Ok(answers.into_iter().find_map(|answer| match answer {
        RouteNetlinkMessage::NewLink(link) => link.attributes.iter().find_map(|attribute| match attribute {
            LinkAttribute::Link(index) => Some(*index),
            _ => None,
        }),
        _ => None,
    }))
}

/// Lead everything that has no other route to an interface. Another default route is no reason to fail only if it is
/// this one.
pub fn add_default_route(index: u32) -> io::Result<()> {
    match request(NETLINK_ROUTE, RouteNetlinkMessage::NewRoute(default_route(index)), NLM_F_CREATE | NLM_F_EXCL) {
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::EXIST.raw_os_error()) => {
            if default_routes()?.iter().all(|route| *route == Some(index)) { Ok(()) } else { Err(error) }
        }
        other => other.map(drop),
    }
}

/// Remove the default route to an interface.
pub fn remove_default_route(index: u32) -> io::Result<()> {
    match request(NETLINK_ROUTE, RouteNetlinkMessage::DelRoute(default_route(index)), 0) {
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error()) => Ok(()),
        other => other.map(drop),
    }
}

fn default_route(index: u32) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet;
    message.header.table = RouteHeader::RT_TABLE_MAIN;
    message.header.protocol = RouteProtocol::Static;
    message.header.scope = RouteScope::Link;
    message.header.kind = RouteType::Unicast;
    message.attributes.push(RouteAttribute::Destination(RouteAddress::Inet(Ipv4Addr::UNSPECIFIED)));
    message.attributes.push(RouteAttribute::Oif(index));
    message
}
