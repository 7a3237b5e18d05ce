//! Who makes a request: looked at before anything of its body is read.

mod token;

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue, StatusCode};

use crate::engine::EngineAccount;
use crate::guard::{Identity, Policy, Principal};

pub(super) use token::Gate;
pub use token::{BearerToken, InvalidToken, MIN_TOKEN_CHARS, TokenFile};

/// Where the approval page is, which has a secret of its own: no browser has the token.
const PAGE: &str = "/approve/";

/// What is said to whoever comes without the token.
const HOW: &str =
    "This server wants `Authorization: Bearer TOKEN`. Its start says on standard error where the token is.\n";

/// How callers are told apart.
pub(super) enum Auth {
    /// By nothing: whoever reaches the port is the same caller.
    Nobody,
    /// By one token, which all of them show.
    Token(Gate),
}

/// A caller that may be served, and what the operator set up for it.
#[derive(Debug)]
pub(super) struct Grant {
    pub(super) principal: Principal,
    /// What narrows the server's policy for it.
    pub(super) policy: Option<Policy>,
    /// With which accounts its calls are made, in place of the server's own.
    pub(super) accounts: Option<Vec<EngineAccount>>,
}

impl Grant {
    /// A caller for whom nothing is set up.
    pub(super) fn of(identity: Identity) -> Self {
        Self {
            principal: Principal::new(identity),
            policy: None,
            accounts: None,
        }
    }

    /// Whether its principal stands for one caller, and not for all that show the same token or none.
    pub(super) fn is_told_apart(&self) -> bool {
        !matches!(self.principal.identity(), Identity::Http(_))
    }
}

/// The answer to a request whose caller may not be served.
#[derive(Debug)]
pub(super) struct Challenge {
    status: StatusCode,
    /// The value of `WWW-Authenticate`.
    asks: HeaderValue,
    text: &'static str,
}

impl Auth {
    /// Who makes a request with these headers.
    async fn grant(&self, headers: &HeaderMap) -> Result<Arc<Grant>, Challenge> {
        match self {
            Self::Nobody => Ok(Arc::new(Grant::of(Identity::Http(None)))),
            Self::Token(gate) if gate.opens(headers) => {
                let digest = gate.digest().to_owned();
                Ok(Arc::new(Grant::of(Identity::Http(Some(digest)))))
            }
            Self::Token(_) => Err(Challenge {
                status: StatusCode::UNAUTHORIZED,
                asks: HeaderValue::from_static("Bearer"),
                text: HOW,
            }),
        }
    }
}

/// Lets only requests in whose caller may be served, and puts its [`Grant`] into their extensions. Nothing of the body is read before.
pub(super) async fn checked(State(auth): State<Arc<Auth>>, mut request: Request, next: Next) -> Response {
    if request.uri().path().starts_with(PAGE) {
        return next.run(request).await;
    }
    match auth.grant(request.headers()).await {
        Ok(grant) => {
            request.extensions_mut().insert(grant);
            next.run(request).await
        }
        Err(Challenge { status, asks, text }) => (status, [(WWW_AUTHENTICATE, asks)], text).into_response(),
    }
}
