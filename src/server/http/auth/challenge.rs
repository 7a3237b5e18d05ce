//! The answers to requests whose caller may not be served (RFC 6750, section 3; RFC 9728, section 5.1).

use axum::response::Response;
use http::header::{CACHE_CONTROL, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use rmcp::ErrorData;
use rmcp::model::{ErrorCode, RequestId};
use serde_json::{Value, json};

use crate::guard::Scopes;
use crate::server::http::answer::{later, refused};

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
    NotAllowed(&'static str),
    /// The token is good, and lacks scopes.
    Scopes {
        /// All that the request needs.
        needed: Scopes,
        /// What the token has.
        held: Scopes,
    },
    /// Whoever could tell whether the token counts is away.
    Away(&'static str),
    /// Nobody can tell whether the token counts until the operator mends what is set up.
    #[cfg_attr(not(feature = "http-server"), allow(dead_code))]
    Broken(&'static str),
    /// Too much that is unknown here came from this address, or of this caller: it may try again in so many seconds.
    TooMany(u64),
}

impl Denial {
    /// The status of the answer.
    fn status(self) -> StatusCode {
        match self {
            Self::None | Self::Invalid(_) => StatusCode::UNAUTHORIZED,
            Self::Malformed(_) => StatusCode::BAD_REQUEST,
            Self::NotAllowed(_) | Self::Scopes { .. } => StatusCode::FORBIDDEN,
            Self::Away(_) | Self::Broken(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    /// The error's name in OAuth, and what is said about it.
    fn error(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::None | Self::NotAllowed(_) | Self::Away(_) | Self::Broken(_) | Self::TooMany(_) => None,
            Self::Malformed(text) => Some(("invalid_request", text)),
            Self::Invalid(text) => Some(("invalid_token", text)),
            Self::Scopes { .. } => Some(("insufficient_scope", "the call needs scopes that the token lacks")),
        }
    }
}

impl Denial {
    /// Why what was shown is refused, for the log; nothing where nothing was shown, or it isn't the caller's fault.
    pub(super) fn of_shown(self) -> Option<&'static str> {
        match self {
            Self::Malformed(text) | Self::Invalid(text) | Self::NotAllowed(text) => Some(text),
            Self::TooMany(_) => {
                Some("too many tokens or keys that are unknown here came from this address, or of this caller")
            }
            Self::None | Self::Scopes { .. } | Self::Away(_) | Self::Broken(_) => None,
        }
    }
}

/// What a server says to whoever it doesn't serve.
#[derive(Debug, Clone)]
pub(in crate::server::http) struct Asks {
    /// Where the metadata of the protected resource are; nothing where no issuer stands behind the tokens.
    pub(super) metadata: Option<String>,
    /// The scopes that are worth asking for.
    pub(super) scopes: Scopes,
    /// What is said to whoever showed nothing, without a full stop.
    pub(super) how: &'static str,
    /// From where there is another token, for whoever showed one that is refused, or lacks scopes: a sentence.
    pub(super) another: &'static str,
}

impl Asks {
    /// The answer to a request, of that id as far as it is known.
    pub(in crate::server::http) fn answer(&self, denial: Denial, id: Option<RequestId>) -> Response {
        let status = denial.status();
        let text = self.text(denial);
        let mut response = match denial {
            Denial::Away(_) => later(status, RETRY_SECONDS, id, text),
            Denial::TooMany(seconds) => later(status, seconds, id, text),
            _ => {
                let code = match denial {
                    Denial::Broken(_) => ErrorCode::INTERNAL_ERROR,
                    _ => ErrorCode::INVALID_REQUEST,
                };
                refused(status, id, ErrorData::new(code, text, data(denial)))
            }
        };
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        let is_challenged = matches!(denial, Denial::None) || denial.error().is_some();
        // All parts are of characters that a header can have.
        if let (true, Ok(asks)) = (is_challenged, HeaderValue::from_str(&self.header(denial))) {
            headers.insert(WWW_AUTHENTICATE, asks);
        }
        response
    }

    /// What a person is told who sees the answer. Of whoever showed a token, none is asked for.
    fn text(&self, denial: Denial) -> String {
        match denial {
            Denial::None => format!("{}. Nothing was done.", self.how),
            Denial::Malformed(text) => format!("The request can't be taken: {text}. Nothing was done."),
            Denial::Invalid(text) => format!(
                "What was shown in the Authorization header is refused: {text}. Nothing was done. {}",
                self.another
            ),
            Denial::Scopes { needed, held } => {
                let held_text = match held.is_empty() {
                    true => "no scope of this server".to_owned(),
                    false => held.text(),
                };
                format!(
                    "This needs {}, and the token has {held_text}: it lacks {}. Nothing was done. {}",
                    needed.text(),
                    held.lacks(needed).text(),
                    self.another
                )
            }
            Denial::NotAllowed(text) | Denial::Away(text) | Denial::Broken(text) => text.to_owned(),
            Denial::TooMany(_) => {
                "Too many tokens or keys that are unknown here came from your address, or are yours: try again later."
                    .to_owned()
            }
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
            Denial::Scopes { needed, .. } => Some(needed),
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

/// What programs read of a refusal.
fn data(denial: Denial) -> Option<Value> {
    Some(match denial {
        Denial::Scopes { needed, held } => {
            let names = |scopes: Scopes| scopes.names().collect::<Vec<_>>();
            json!({"error": "insufficient_scope", "scopes_needed": names(needed), "scopes_held": names(held)})
        }
        Denial::NotAllowed(_) => json!({"error": "access_denied"}),
        _ => json!({"error": denial.error()?.0}),
    })
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
            another: "y",
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
            asks.header(Denial::Scopes {
                needed,
                held: Scopes::of(["neon:read"])
            })
            .ends_with(&format!("{at}, scope=\"neon:read neon:destructive\""))
        );
        let without = Asks { metadata: None, ..asks };
        assert_eq!(without.header(Denial::None), "Bearer");
    }
}
