//! The header `Neon-Connection-String`: which role connects to which database at which host.

use http::{HeaderMap, header::AUTHORIZATION};
use percent_encoding::percent_decode_str;
use secrecy::SecretSlice;
use url::Url;

use super::error::SqlError;

/// The header that carries the connection.
const HEADER: &str = "neon-connection-string";

/// What the header `Neon-Connection-String` says.
#[derive(Debug)]
pub(crate) struct ConnectionString {
    /// The compute's host. The proxy routes by it, not by the header `Host`.
    pub(crate) host: String,
    /// The port, which HTTP has no use for.
    pub(crate) port: Option<u16>,
    /// The role.
    pub(crate) user: String,
    /// The role's password. Neon answers no request without one.
    pub(crate) password: Option<SecretSlice<u8>>,
    /// The database.
    pub(crate) database: String,
    /// The query of the URI, such as `application_name`. The proxy hands none of it to Postgres.
    pub(crate) options: Vec<(String, String)>,
}

impl ConnectionString {
    /// Reads the header.
    ///
    /// # Errors
    ///
    /// 400, in the proxy's words, when it is missing or isn't a connection URI, or when the request carries a JWT:
    /// those belong to Neon's authorization broker, which the sandbox doesn't have.
    pub(crate) fn parse(headers: &HeaderMap) -> Result<Self, SqlError> {
        let text = headers
            .get(HEADER)
            .and_then(|value| value.to_str().ok())
            .ok_or_else(|| SqlError::bad_request(format!("invalid header: {HEADER}")))?;
        let url =
            Url::parse(text).map_err(|error| SqlError::bad_request(format!("invalid connection string: {error}")))?;
        if !matches!(url.scheme(), "postgres" | "postgresql") {
            return Err(SqlError::bad_request("incorrect scheme"));
        }
        let database = url
            .path_segments()
            .and_then(|mut segments| segments.next())
            .filter(|name| !name.is_empty())
            .ok_or_else(|| SqlError::bad_request("missing database name"))?;
        let database = decoded(database).ok_or_else(|| SqlError::bad_request("invalid database name"))?;
        let user = decoded(url.username()).ok_or_else(|| SqlError::bad_request("invalid username"))?;
        if user.is_empty() {
            return Err(SqlError::bad_request("missing username"));
        }
        if headers.contains_key(AUTHORIZATION) {
            return Err(SqlError::missing_password());
        }
        let host = url
            .host_str()
            .filter(|host| !host.is_empty())
            .ok_or_else(|| SqlError::bad_request("missing hostname"))?;
        Ok(Self {
            host: host.to_owned(),
            port: url.port(),
            user,
            password: url
                .password()
                .map(|password| percent_decode_str(password).collect::<Vec<u8>>().into()),
            database,
            options: url.query_pairs().into_owned().collect(),
        })
    }
}

fn decoded(text: &str) -> Option<String> {
    let decoded = percent_decode_str(text).decode_utf8().ok()?;
    Some(decoded.into_owned())
}
