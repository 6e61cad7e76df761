//! The local addresses of a connection.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};

use socketio_p2p_core::driver::TransportError;

/// Maximum local addresses per connection. Each has a socket, and ICE checks it against each remote candidate.
const MAX_ADDRESSES: usize = 16;

/// The addresses to bind, with port 0. Called for each connection, because interfaces appear and disappear. The error
/// names a configured address that cannot be bound.
pub(super) fn to_bind(configured: &[IpAddr]) -> Result<Vec<SocketAddr>, TransportError> {
    let addresses = if configured.is_empty() {
        let interfaces = if_addrs::get_if_addrs()
            .map_err(|error| TransportError(format!("cannot list the local addresses: {error}")))?;
        usable(interfaces.into_iter().map(|interface| interface.ip()))
    } else {
        configured.to_vec()
    };
    let addresses = addresses.into_iter().take(MAX_ADDRESSES).map(|ip| SocketAddr::new(ip, 0));
    if configured.is_empty() {
        return Ok(addresses.collect());
    }
    // The crate's own error names no address.
    let bindable = |address: SocketAddr| match UdpSocket::bind(address) {
        Ok(_) => Ok(address),
        Err(error) => {
            Err(TransportError(format!("cannot bind the local address {}: {error}", address.ip())))
        }
    };
    addresses.map(bindable).collect()
}

/// The addresses that another machine may reach, or loopback when there is none.
fn usable(addresses: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let mut usable: Vec<IpAddr> = addresses.filter(|ip| !is_local_only(ip)).collect();
    usable.sort_unstable();
    usable.dedup();
    if usable.is_empty() {
        usable.push(Ipv4Addr::LOCALHOST.into());
    }
    usable
}

fn is_local_only(ip: &IpAddr) -> bool {
    let link_local = match ip {
        IpAddr::V4(ip) => ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unicast_link_local(),
    };
    ip.is_loopback() || ip.is_unspecified() || ip.is_multicast() || link_local
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ips(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn local_addresses_exclude_loopback_and_link_local_ones() {
        let found =
            ips(&["127.0.0.1", "192.0.2.7", "::1", "2001:db8::7", "fe80::1", "169.254.3.4"]);
        assert_eq!(usable(found.into_iter()), ips(&["192.0.2.7", "2001:db8::7"]));
    }

    #[test]
    fn loopback_is_used_when_no_other_address_exists() {
        assert_eq!(usable(ips(&["127.0.0.1", "::1", "fe80::1"]).into_iter()), ips(&["127.0.0.1"]));
        assert_eq!(usable(std::iter::empty()), ips(&["127.0.0.1"]));
    }

    #[test]
    fn configured_addresses_are_bound_unfiltered() {
        let bound = to_bind(&ips(&["127.0.0.1"])).unwrap();
        assert_eq!(bound, [SocketAddr::from((Ipv4Addr::LOCALHOST, 0))]);
    }
}
