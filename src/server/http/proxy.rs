//! Proxies in front: from which address a request came that they pass on.
//!
//! Anyone can write `X-Forwarded-For` or `Forwarded` (RFC 7239). What a proxy of the operator's adds stands at the end, so the list is
//! read from there, and the first address that is no such proxy is the client's; what stands before it is the client's own word.

use std::net::IpAddr;

use http::HeaderMap;
use http::header::{FORWARDED, HeaderName};

/// The header that most proxies write.
const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// The networks of the proxies in front.
#[derive(Debug, Clone, Default)]
pub struct Hops(Vec<networks::Network>);

impl Hops {
    /// Reads networks (`10.0.0.0/8`) and addresses.
    ///
    /// # Errors
    /// The text that is neither.
    pub fn parse(texts: &[String]) -> Result<Self, String> {
        texts
            .iter()
            .map(|text| networks::parse(text))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether an address is one of them.
    #[must_use]
    pub fn holds(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| networks::holds(network, address))
    }

    /// From where a request came that one of them passed on, `hop`.
    pub(super) fn client(&self, hop: IpAddr, headers: &HeaderMap) -> IpAddr {
        let plain = addresses(headers, &X_FORWARDED_FOR, |part| Some(part));
        let standard = addresses(headers, &FORWARDED, of_forwarded);
        let chain = match (plain.is_empty(), standard.is_empty()) {
            // One of both was written by the client, and which isn't known.
            (false, false) if plain != standard => return hop,
            (true, _) => standard,
            _ => plain,
        };
        let mut seen = hop;
        for address in chain.into_iter().rev() {
            // A name that hides the address (`unknown`, `_gateway`) says nothing of whoever stands before it.
            let Some(address) = address else { return seen };
            seen = address;
            if !self.holds(address) {
                return seen;
            }
        }
        seen
    }
}

/// The addresses of a header, in order; nothing for what is none.
fn addresses(headers: &HeaderMap, name: &HeaderName, of: impl Fn(&str) -> Option<&str>) -> Vec<Option<IpAddr>> {
    let values = headers.get_all(name).iter();
    let parts = values.flat_map(|value| value.to_str().unwrap_or("?").split(','));
    parts.map(|part| of(part.trim()).and_then(address)).collect()
}

/// The `for` of one element of `Forwarded`.
fn of_forwarded(element: &str) -> Option<&str> {
    let pairs = element.split(';').filter_map(|pair| pair.split_once('='));
    let mut named = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
    let (_, value) = named.next()?;
    Some(value.trim().trim_matches('"'))
}

/// An address as proxies write it: alone, with a port, in brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = match text.strip_prefix('[') {
        Some(rest) => rest.split_once(']')?.0,
        None => text,
    };
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    let address = bare.parse::<IpAddr>().ok().or_else(with_port)?;
    Some(address.to_canonical())
}

#[cfg(feature = "http-server")]
mod networks {
    use std::net::IpAddr;

    use ipnet::IpNet;

    pub(super) type Network = IpNet;

    pub(super) fn parse(text: &str) -> Result<Network, String> {
        let alone = || text.parse::<IpAddr>().map(IpNet::from);
        text.parse::<IpNet>()
            .or_else(|_| alone())
            .map_err(|_| format!("`{text}` is neither an address nor a network such as 10.0.0.0/8"))
    }

    pub(super) fn holds(network: &Network, address: IpAddr) -> bool {
        network.contains(&address.to_canonical())
    }
}

#[cfg(not(feature = "http-server"))]
mod networks {
    use std::net::IpAddr;

    /// This build knows none.
    #[derive(Debug, Clone)]
    pub(super) enum Network {}

    pub(super) fn parse(_: &str) -> Result<Network, String> {
        Err("this build serves no proxies: take one with the feature `http-server`".to_owned())
    }

    pub(super) fn holds(network: &Network, _: IpAddr) -> bool {
        match *network {}
    }
}

#[cfg(all(test, feature = "http-server"))]
#[allow(clippy::unwrap_used)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn hops() -> Hops {
        Hops::parse(&["10.0.0.0/8".to_owned(), "::1".to_owned()]).unwrap()
    }

    fn client(headers: &[(&str, &str)]) -> String {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_str(value).unwrap(),
            );
        }
        hops().client("10.0.0.1".parse().unwrap(), &map).to_string()
    }

    #[test]
    fn client_is_the_last_address_that_is_no_proxy() {
        let xff = "x-forwarded-for";
        for (headers, expected) in [
            (vec![], "10.0.0.1"),
            (vec![(xff, "192.0.2.7")], "192.0.2.7"),
            (vec![(xff, "192.0.2.7, 10.9.9.9")], "192.0.2.7"),
            // What a client writes itself stands before what the proxy adds.
            (vec![(xff, "203.0.113.1, 192.0.2.7")], "192.0.2.7"),
            (vec![(xff, "203.0.113.1"), (xff, "192.0.2.7")], "192.0.2.7"),
            (vec![(xff, "10.5.5.5, 192.0.2.7, 10.9.9.9")], "192.0.2.7"),
            (vec![(xff, "192.0.2.7:4711")], "192.0.2.7"),
            (vec![(xff, "[2001:db8::1]:4711")], "2001:db8::1"),
            (vec![(xff, "::ffff:192.0.2.7")], "192.0.2.7"),
            (vec![(xff, "192.0.2.7, unknown")], "10.0.0.1"),
            (vec![(xff, "192.0.2.7, unknown, 10.2.2.2")], "10.2.2.2"),
            (vec![(xff, "10.3.3.3, 10.2.2.2")], "10.3.3.3"),
            (vec![(xff, "")], "10.0.0.1"),
            (vec![("forwarded", "for=192.0.2.7;proto=https")], "192.0.2.7"),
            (
                vec![("forwarded", "for=203.0.113.1, For=\"[2001:db8::1]:99\"")],
                "2001:db8::1",
            ),
            (vec![("forwarded", "proto=https")], "10.0.0.1"),
            (vec![("forwarded", "for=_hidden, for=10.2.2.2")], "10.2.2.2"),
            (vec![("forwarded", "for=192.0.2.7"), (xff, "192.0.2.7")], "192.0.2.7"),
            // A client adds the header that its proxy doesn't write.
            (vec![("forwarded", "for=203.0.113.1"), (xff, "192.0.2.7")], "10.0.0.1"),
        ] {
            assert_eq!(client(&headers), expected, "{headers:?}");
        }
    }

    #[test]
    fn networks_and_addresses_are_proxies_and_nothing_else() {
        assert!(hops().holds("10.255.0.1".parse().unwrap()) && hops().holds("::1".parse().unwrap()));
        assert!(hops().holds("::ffff:10.0.0.1".parse().unwrap()));
        assert!(!hops().holds("11.0.0.1".parse().unwrap()) && !Hops::default().holds("10.0.0.1".parse().unwrap()));
        for wrong in ["", "10.0.0.0/33", "proxy.example.com", "10.0.0"] {
            assert!(Hops::parse(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }
}
