//! The answers to requests whose caller may not be served (RFC 6750, section 3; RFC 9728, section 5.1).

use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};

use crate::guard::Scopes;

/// How long a client waits before it asks again whoever was away, in seconds.
const RETRY_SECONDS: u64 = 5;

/// What is wrong with a request. The texts are ours: nothing of a token is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::server::http) enum Denial {
    /// No token was shown.
    None,
    /// The request is no right way to show a token.
    Malformed(&'static str),
    /// A token was shown that doesn't count.
    Invalid(&'static str),
    /// The token is good, and the operator lets its owner do nothing.
    #[cfg_attr(not(feature = "http-server"), allow(dead_code))]
    NotAllowed(&'static str),
    /// The token is good, and lacks scopes: all that the call needs.
    Scopes(Scopes),
    /// Whoever could tell whether the token counts is away.
    Away(&'static str),
    /// Too much that is unknown here came from this address: it may try again in so many seconds.
    TooMany(u64),
}

impl Denial {
    /// The status of the answer.
    fn status(self) -> StatusCode {
        match self {
            Self::None | Self::Invalid(_) => StatusCode::UNAUTHORIZED,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::NotAllowed(_) | Self::Scopes(_) => StatusCode::FORBIDDEN,
            Self::Away(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    /// The error's name in OAuth, and what is said about it.
    fn error(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::None | Self::NotAllowed(_) | Self::Away(_) | Self::TooMany(_) => None,
            Self::Malformed(text) => Some(("invalid_request", text)),
            Self::Invalid(text) => Some(("invalid_token", text)),
            Self::Scopes(_) => Some(("insufficient_scope", "the call needs scopes that the token lacks")),
        }
    }
}

/// What challenges say of a server, whatever is wrong.
#[derive(Debug, Clone)]
pub(in crate::server::http) struct Asks {
    /// Where the metadata of the protected resource are; nothing where no issuer stands behind the tokens.
    pub(super) metadata: Option<String>,
    /// The scopes that are worth asking for.
    pub(super) scopes: Scopes,
    /// What a person is told who sees the answer.
    pub(super) how: &'static str,
}

impl Asks {
    /// The answer to a request.
    pub(in crate::server::http) fn answer(&self, denial: Denial) -> Response {
        let status = denial.status();
        let store = (CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let later = |seconds: u64, text: &str| {
            let later = (RETRY_AFTER, HeaderValue::from(seconds));
            (status, [store.clone(), later], format!("{text}\n")).into_response()
        };
        match denial {
            Denial::Away(text) => return later(RETRY_SECONDS, text),
            Denial::TooMany(seconds) => {
                let text = "Too many unknown tokens or keys came from this address: try again later.";
                return later(seconds, text);
            }
            Denial::NotAllowed(text) => return (status, [store], format!("{text}\n")).into_response(),
            _ => {}
        }
        let text = match denial.error() {
            Some((_, text)) => format!("{}: {text}.\n", self.how),
            None => format!("{}.\n", self.how),
        };
        // All parts are of characters that a header can have.
        match HeaderValue::from_str(&self.header(denial)) {
            Ok(asks) => (status, [store, (WWW_AUTHENTICATE, asks)], text).into_response(),
            Err(_) => (status, [store], text).into_response(),
        }
    }

    /// The value of `WWW-Authenticate`.
    fn header(&self, denial: Denial) -> String {
        let mut parts = Vec::new();
        if let Some((error, text)) = denial.error() {
            parts.push(format!("error=\"{error}\""));
            parts.push(format!("error_description=\"{text}\""));
        }
        if let Some(metadata) = &self.metadata {
            parts.push(format!("resource_metadata=\"{metadata}\""));
        }
        let scopes = match denial {
            Denial::Scopes(needed) => Some(needed),
            Denial::Malformed(_) => None,
            _ => self.metadata.is_some().then_some(self.scopes),
        };
        if let Some(scopes) = scopes {
            parts.push(format!("scope=\"{}\"", scopes.text()));
        }
        match parts.is_empty() {
            true => "Bearer".to_owned(),
            false => format!("Bearer {}", parts.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn challenge_says_where_to_get_a_token_and_what_is_wrong_with_this_one() {
        let asks = Asks {
            metadata: Some("https://mcp.example/.well-known/oauth-protected-resource/mcp".to_owned()),
            scopes: Scopes::of(["neon:read", "neon:write"]),
            how: "x",
        };
        let at = "resource_metadata=\"https://mcp.example/.well-known/oauth-protected-resource/mcp\"";
        assert_eq!(
            asks.header(Denial::None),
            format!("Bearer {at}, scope=\"neon:read neon:write\"")
        );
        assert_eq!(
            asks.header(Denial::Invalid("the token expired")),
            format!(
                "Bearer error=\"invalid_token\", error_description=\"the token expired\", {at}, scope=\"neon:read neon:write\""
            )
        );
        let needed = Scopes::of(["neon:read", "neon:destructive"]);
        assert!(
            asks.header(Denial::Scopes(needed))
                .ends_with(&format!("{at}, scope=\"neon:read neon:destructive\""))
        );
        let without = Asks { metadata: None, ..asks };
        assert_eq!(without.header(Denial::None), "Bearer");
    }
}
