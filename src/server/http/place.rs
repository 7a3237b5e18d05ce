//! Where a server is found: the address that clients see, and which `Host` and `Origin` are its own.

use std::net::{IpAddr, SocketAddr};

use http::header::{HOST, HeaderMap, ORIGIN};
use http::uri::{Authority, Uri};
use url::Url;

use super::listen::Listen;
use super::proxy::Hops;

/// The names of a machine for itself, as they stand in an address.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// Where a server is found.
#[derive(Debug, Clone)]
pub struct Place {
    /// What clients see as its address, without a path: what `--public-url` says, else where it listens.
    pub public: Url,
    /// The names that a request may have as its `Host`, as they stand in an address.
    hosts: Vec<String>,
    /// Whether an address will do in the place of a name: no page elsewhere has one of this machine's as its name.
    by_address: bool,
    /// The origins of its own pages, with the port where the scheme implies none.
    origins: Vec<String>,
    /// The proxies in front.
    hops: Hops,
}

/// The origins of a name. Of the port that the scheme implies, browsers leave the number out (RFC 6454, section 6.2).
fn origins_of(scheme: &str, name: &str, port: u16) -> Vec<String> {
    let mut origins = vec![format!("{scheme}://{name}:{port}")];
    if matches!((scheme, port), ("http", 80) | ("https", 443)) {
        origins.push(format!("{scheme}://{name}"));
    }
    origins
}

impl Place {
    /// The place of a server that listens there.
    pub(super) fn new(listen: &Listen, is_tls: bool, public: Option<Url>, hops: Hops) -> Result<Self, url::ParseError> {
        let scheme = if is_tls { "https" } else { "http" };
        let address = match listen {
            Listen::Address(address) => Some(*address),
            Listen::Unix(_) => None,
        };
        let (mut hosts, mut origins) = (Vec::new(), Vec::new());
        if listen.is_local() {
            hosts.extend(LOOPBACK.map(str::to_owned));
            let port = address.map(|address| address.port());
            origins.extend(port.into_iter().flat_map(|port| {
                LOOPBACK
                    .into_iter()
                    .flat_map(move |name| origins_of(scheme, name, port))
            }));
        }
        if let Some(public) = &public {
            let name = public.host_str().unwrap_or_default();
            hosts.push(name.to_owned());
            if let Some(port) = public.port_or_known_default() {
                origins.extend(origins_of(public.scheme(), name, port));
            }
        }
        let by_address = public.is_none() && !listen.is_local();
        Ok(Self {
            public: match public {
                Some(public) => public,
                None => own(scheme, address)?,
            },
            hosts,
            by_address,
            origins,
            hops,
        })
    }

    /// The origin that clients see.
    #[must_use]
    pub fn origin(&self) -> String {
        self.public.origin().ascii_serialization()
    }

    /// The names that a `Host` may be; nothing where any address may.
    pub(super) fn hosts(&self) -> &[String] {
        if self.by_address { &[] } else { &self.hosts }
    }

    /// Which `Host` is its own, for its operator.
    pub(super) fn own_hosts(&self) -> String {
        match self.by_address {
            true => "any address in numbers".to_owned(),
            false => self.hosts.join(", "),
        }
    }

    /// Which `Origin` is its own, for its operator.
    pub(super) fn own_origins(&self) -> String {
        self.origins.join(", ")
    }

    /// The origins of its own pages, each with its port.
    pub(super) fn origins_with_ports(&self) -> impl Iterator<Item = &String> {
        let has_port = |origin: &&String| Url::parse(origin).is_ok() && origin.matches(':').count() > 1;
        self.origins.iter().filter(has_port)
    }

    /// The proxies in front.
    pub(super) fn hops(&self) -> &Hops {
        &self.hops
    }

    fn is_own(&self, name: &str) -> bool {
        let Ok(name) = name.parse::<Authority>() else {
            return false;
        };
        let host = name.host();
        let is_address = || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
        self.hosts.iter().any(|own| own.eq_ignore_ascii_case(host)) || (self.by_address && is_address())
    }

    /// Whether a request names this server as its host, and nothing else beside it.
    pub(in crate::server) fn is_own_host(&self, headers: &HeaderMap, uri: &Uri) -> bool {
        let mut hosts = headers.get_all(HOST).iter().peekable();
        if hosts.peek().is_none() {
            return uri.authority().is_some_and(|name| self.is_own(name.as_str()));
        }
        let is_own = |host: &http::HeaderValue| host.to_str().is_ok_and(|host| self.is_own(host));
        hosts.all(is_own) && uri.authority().is_none_or(|name| self.is_own(name.as_str()))
    }

    /// Whether a request comes from no page, or from one of this server's own.
    pub(in crate::server) fn is_own_origin(&self, headers: &HeaderMap) -> bool {
        let is_own = |origin: &str| self.origins.iter().any(|own| own.eq_ignore_ascii_case(origin));
        headers
            .get_all(ORIGIN)
            .iter()
            .all(|origin| origin.to_str().is_ok_and(is_own))
    }
}

/// The address of a server that nobody gave another.
fn own(scheme: &str, address: Option<SocketAddr>) -> Result<Url, url::ParseError> {
    match address {
        Some(address) => Url::parse(&format!("{scheme}://{address}")),
        None => Url::parse(&format!("{scheme}://localhost")),
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn headers(name: &'static str, values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(name, HeaderValue::from_str(value).unwrap());
        }
        headers
    }

    fn place(listen: &str, public: Option<&str>) -> Place {
        let public = public.map(|public| Url::parse(public).unwrap());
        Place::new(&listen.parse().unwrap(), false, public, Hops::default()).unwrap()
    }

    fn takes_host(place: &Place, hosts: &[&str]) -> bool {
        place.is_own_host(&headers("host", hosts), &Uri::from_static("/mcp"))
    }

    fn takes_origin(place: &Place, origins: &[&str]) -> bool {
        place.is_own_origin(&headers("origin", origins))
    }

    #[test]
    fn host_is_own_only_where_every_one_is() {
        let here = place("127.0.0.1:7373", None);
        for own in ["localhost", "LOCALHOST:7373", "127.0.0.1:1", "[::1]", "[::1]:7373"] {
            assert!(takes_host(&here, &[own]), "{own}");
        }
        for foreign in [
            vec![],
            vec![""],
            vec!["evil.example"],
            vec!["localhost.evil.example"],
            vec!["127.0.0.1.nip.io"],
            vec!["127.0.0.2"],
            vec!["0.0.0.0"],
            vec!["evil.example", "localhost"],
            vec!["localhost", "evil.example"],
        ] {
            assert!(!takes_host(&here, &foreign), "{foreign:?}");
        }
        let foreign = Uri::from_static("http://evil.example/mcp");
        assert!(!here.is_own_host(&headers("host", &["localhost"]), &foreign));
        assert!(!here.is_own_host(&HeaderMap::new(), &foreign));
    }

    #[test]
    fn origin_is_own_only_with_scheme_and_port() {
        let here = place("127.0.0.1:7373", None);
        assert!(here.is_own_origin(&HeaderMap::new()));
        for origin in ["http://localhost:7373", "http://127.0.0.1:7373", "http://[::1]:7373"] {
            assert!(takes_origin(&here, &[origin]), "{origin}");
        }
        for foreign in [
            vec![""],
            vec!["null"],
            vec!["http://localhost"],
            vec!["https://localhost:7373"],
            vec!["http://localhost:73730"],
            vec!["http://localhost:7373.evil.example"],
            vec!["http://localhost:7373", "https://evil.example"],
        ] {
            assert!(!takes_origin(&here, &foreign), "{foreign:?}");
        }
        assert!(takes_origin(&place("127.0.0.1:80", None), &["http://localhost"]));
    }

    #[test]
    fn public_name_is_own_beside_loopback_and_alone_elsewhere() {
        let public = Some("https://mcp.example.com");
        for (listen, local) in [("127.0.0.1:7373", true), ("0.0.0.0:7373", false)] {
            let place = place(listen, public);
            for host in ["mcp.example.com", "MCP.example.com:443", "mcp.example.com:7373"] {
                assert!(takes_host(&place, &[host]), "{listen} {host}");
            }
            assert_eq!(takes_host(&place, &["localhost:7373"]), local, "{listen}");
            assert!(!takes_host(&place, &["10.0.0.1"]) && !takes_host(&place, &["example.com"]));
            for origin in ["https://mcp.example.com", "https://mcp.example.com:443"] {
                assert!(takes_origin(&place, &[origin]), "{listen} {origin}");
            }
            for foreign in [
                "http://mcp.example.com",
                "https://mcp.example.com:8443",
                "https://evil.example",
            ] {
                assert!(!takes_origin(&place, &[foreign]), "{listen} {foreign}");
            }
            assert_eq!(takes_origin(&place, &["http://localhost:7373"]), local, "{listen}");
            assert_eq!(place.origin(), "https://mcp.example.com");
        }
    }

    #[test]
    fn without_a_public_name_an_address_will_do_and_no_name_does() {
        let place = place("0.0.0.0:7373", None);
        assert!(takes_host(&place, &["192.0.2.7:7373"]) && takes_host(&place, &["[2001:db8::1]"]));
        assert!(!takes_host(&place, &["mcp.example.com"]) && !takes_host(&place, &["localhost"]));
        assert!(!takes_origin(&place, &["http://192.0.2.7:7373"]));
    }
}
