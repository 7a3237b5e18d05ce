//! Where statements go: derived from the connection string that Neon gave, and bound to where the operator lets it go.

use std::fmt;

use url::Url;

use crate::base_url::BaseUrl;

/// The suffixes under which Neon's computes are.
const NEON_SUFFIXES: [&str; 3] = ["neon.tech", "neon.build", "neon.com"];

/// Under which hosts statements may be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SqlHosts {
    /// In lower case, without dots at their ends.
    suffixes: Vec<String>,
    /// The operator named them: then they hold for an API on this machine too.
    named: bool,
}

impl Default for SqlHosts {
    /// Neon's own.
    fn default() -> Self {
        Self {
            suffixes: NEON_SUFFIXES.map(str::to_owned).to_vec(),
            named: false,
        }
    }
}

/// A text that can't be the end of a host's name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no end of a host's name: it looks like db.example.com")]
pub struct InvalidSuffix(String);

impl SqlHosts {
    /// Hosts under these suffixes, such as `.db.example.com`: these and no others, Neon's own not among them.
    ///
    /// # Errors
    /// The first that is no end of a host's name.
    pub fn under(suffixes: &[String]) -> Result<Self, InvalidSuffix> {
        let suffixes = suffixes.iter().map(|text| suffix(text)).collect::<Result<_, _>>()?;
        Ok(Self { suffixes, named: true })
    }

    fn allow(&self, host: &str) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        self.suffixes.iter().any(|suffix| {
            host.strip_suffix(suffix)
                .is_some_and(|label| label.ends_with('.') && label.len() > 1)
        })
    }
}

/// A suffix, checked. One label alone would be a whole top-level domain, and an address has no suffixes.
fn suffix(text: &str) -> Result<String, InvalidSuffix> {
    let suffix = text
        .trim()
        .trim_start_matches('.')
        .trim_end_matches('.')
        .to_ascii_lowercase();
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let is_name = suffix.contains('.')
        && suffix.split('.').all(is_label)
        && suffix
            .rsplit('.')
            .next()
            .is_some_and(|last| last.starts_with(|first: char| first.is_ascii_alphabetic()));
    if is_name {
        Ok(suffix)
    } else {
        Err(InvalidSuffix(crate::neon::text::one_line(text, 80)))
    }
}

/// Why a connection string isn't used. It never repeats the string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidConnection {
    /// Not a Postgres URI with a host, a user and a database.
    #[error("Neon's connection string is not one")]
    NotOne,
    /// A host that the operator doesn't allow.
    #[error(
        "the host of Neon's connection string is not one that this server may send SQL to (the operator's --sql-host-suffix says which)"
    )]
    Host,
}

/// The URL that takes SQL over HTTP.
#[derive(Clone, PartialEq, Eq)]
pub struct SqlAddress(Url);

impl SqlAddress {
    /// The address for a connection string. With an API on this machine, `/sql` beside it, whatever the host, unless the
    /// operator named suffixes; else, as Neon's driver has it, the host with its first label replaced by `api`, over https.
    ///
    /// # Errors
    /// [`InvalidConnection`].
    pub fn of(connection: &str, base: &BaseUrl, hosts: &SqlHosts) -> Result<Self, InvalidConnection> {
        let url = Url::parse(connection).map_err(|_| InvalidConnection::NotOne)?;
        let host = url.host_str().filter(|host| !host.is_empty());
        let (Some(host), "postgresql" | "postgres") = (host, url.scheme()) else {
            return Err(InvalidConnection::NotOne);
        };
        let allowed = hosts.allow(host);
        if base.is_loopback() && (allowed || !hosts.named) {
            let mut beside = Url::parse(base.as_str()).map_err(|_| InvalidConnection::NotOne)?;
            beside.set_path("/sql");
            return Ok(Self(beside));
        }
        if !allowed {
            return Err(InvalidConnection::Host);
        }
        let (_, rest) = host.split_once('.').ok_or(InvalidConnection::Host)?;
        let api = format!("https://api.{rest}/sql");
        Url::parse(&api).map(Self).map_err(|_| InvalidConnection::Host)
    }

    pub(super) fn url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for SqlAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.as_str())
    }
}

impl fmt::Debug for SqlAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.0.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neon::api_base;

    fn address(connection: &str, base: &str) -> Result<String, InvalidConnection> {
        let base = api_base(base).unwrap();
        SqlAddress::of(connection, &base, &SqlHosts::default()).map(|address| format!("{address:?}"))
    }

    #[test]
    fn statements_go_where_neon_is_and_nowhere_else() {
        let neon = "https://console.neon.tech/api/v2";
        assert_eq!(
            address(
                "postgresql://r:p@ep-a-1.us-east-2.aws.neon.tech/db?sslmode=require",
                neon
            )
            .unwrap(),
            "https://api.us-east-2.aws.neon.tech/sql"
        );
        assert_eq!(
            address("postgres://r:p@ep-a-1-pooler.c-2.us-east-2.aws.neon.tech:5432/db", neon).unwrap(),
            "https://api.c-2.us-east-2.aws.neon.tech/sql"
        );
        for wrong in [
            "postgresql://r:p@evil.example/db",
            "postgresql://r:p@neon.tech.evil.example/db",
            "postgresql://r:p@xneon.tech/db",
            "postgresql://r:p@127.0.0.1/db",
            "postgresql://r:p@localhost/db",
        ] {
            assert_eq!(address(wrong, neon), Err(InvalidConnection::Host), "{wrong}");
        }
        assert_eq!(
            address("https://ep-a.us-east-2.aws.neon.tech/db", neon),
            Err(InvalidConnection::NotOne)
        );
        assert_eq!(address("", neon), Err(InvalidConnection::NotOne));
        assert_eq!(
            address("postgresql://r:p@127.0.0.1:4242/db", "http://127.0.0.1:99/api/v2").unwrap(),
            "http://127.0.0.1:99/sql"
        );
    }

    #[test]
    fn named_suffixes_are_the_only_ones_and_hold_on_this_machine_too() {
        let hosts = SqlHosts::under(&[".DB.example.com".to_owned()]).unwrap();
        let of = |connection: &str, base: &str| {
            let base = api_base(base).unwrap();
            SqlAddress::of(connection, &base, &hosts).map(|address| format!("{address:?}"))
        };
        let (neon, here) = ("https://console.neon.tech/api/v2", "http://127.0.0.1:99/api/v2");
        let inside = "postgresql://r:p@ep-a.db.example.com/db";
        assert_eq!(of(inside, neon).unwrap(), "https://api.db.example.com/sql");
        assert_eq!(of(inside, here).unwrap(), "http://127.0.0.1:99/sql");
        for outside in [
            "postgresql://r:p@ep-a.us-east-2.aws.neon.tech/db",
            "postgresql://r:p@xdb.example.com/db",
            "postgresql://r:p@db.example.com/db",
            "postgresql://r:p@127.0.0.1:4242/db",
        ] {
            for base in [neon, here] {
                assert_eq!(of(outside, base), Err(InvalidConnection::Host), "{outside} {base}");
            }
        }
        for wrong in [
            "",
            ".",
            "com",
            "*.example.com",
            "a..b",
            "10.0.0.1",
            "-a.example.com",
            "https://example.com",
            "a b.c",
        ] {
            assert!(SqlHosts::under(&[wrong.to_owned()]).is_err(), "{wrong}");
        }
    }
}
