//! What looks at who calls before anything of a request's body is read.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use futures::StreamExt as _;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Method};
use rmcp::model::RequestId;

use super::callers::Callers;
use super::challenge::{Asks, Denial};
use super::grant::Grant;
#[cfg(feature = "http-server")]
use super::oauth;
use super::setup::Loader;
use super::token::BearerToken;
use super::{bearer, neon_key, shown, token};
use crate::engine::Engine;
use crate::guard::{Identity, Scopes};
use crate::server::http::held::is_stream;
use crate::server::http::peer::Peer;
use crate::server::http::reload::Reload;
use crate::server::http::sparse::Sparse;

/// Where the approval page is, which has a secret of its own: no browser has the token.
const PAGE: &str = "/approve/";

/// How often what nothing uses any more is let go of.
const TIDY: Duration = Duration::from_secs(60);

/// How often it is looked whether whoever only listens may still call.
const LISTENS: Duration = Duration::from_secs(2);

/// How callers are told apart.
enum Auth {
    /// By nothing: whoever reaches the port is the same caller.
    Nobody,
    /// By one token, which all of them show.
    Token(token::Gate),
    /// By tokens of their own.
    Bearer(bearer::Bearer),
    /// By access tokens of an issuer.
    #[cfg(feature = "http-server")]
    Oauth(Box<oauth::Oauth>),
    /// By their own Neon API keys.
    NeonKey(Box<neon_key::NeonKeys>),
}

/// What looks at who calls, and answers who may not.
pub(in crate::server::http) struct Door {
    auth: Auth,
    asks: Asks,
    /// The log of what was refused: whoever reaches the port can cause these lines.
    refused: Sparse,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Door")
            .field("asks", &self.asks)
            .finish_non_exhaustive()
    }
}

impl Door {
    /// For whoever shows the token, or where there is none, for whoever reaches the port.
    pub(in crate::server::http) fn of_token(token: Option<&BearerToken>) -> Self {
        Self {
            auth: token.map_or(Auth::Nobody, |token| Auth::Token(token::Gate::new(token))),
            asks: asks(
                token::HOW,
                "The start of the server says on standard error where its token is.",
            ),
            refused: Sparse::default(),
        }
    }

    /// For callers of an engine, of a server at that origin.
    ///
    /// # Errors
    /// Why callers can't be told apart: a file that can't be used.
    pub(in crate::server::http) fn new(callers: Callers, engine: &Engine, origin: &str) -> Result<Self, String> {
        let tools: Vec<String> = engine
            .selection()
            .catalog()
            .tools()
            .iter()
            .map(|tool| tool.name().to_owned())
            .collect();
        let loader = |accounts| Loader::new(tools.clone().into(), accounts);
        #[cfg(not(feature = "http-server"))]
        let _ = origin;
        Ok(match callers {
            Callers::Bearer {
                tokens,
                issuer,
                accounts,
            } => Self {
                auth: Auth::Bearer(bearer::Bearer::open(tokens, loader(accounts), issuer)?),
                asks: asks(
                    "This server wants `Authorization: Bearer TOKEN`, with a token of `neon-mcp token create`",
                    "Whoever runs the server can make another one.",
                ),
                refused: Sparse::default(),
            },
            #[cfg(feature = "http-server")]
            Callers::Oauth { settings, accounts } => {
                let offered = offered_scopes(engine);
                let oauth = oauth::Oauth::new(&settings, loader(accounts), origin, offered)?;
                Self {
                    asks: Asks {
                        metadata: Some(oauth.metadata_url()),
                        scopes: offered,
                        how: "This server wants `Authorization: Bearer TOKEN`, with an access token of its issuer",
                        another: "Sign in again at its issuer, which the challenge names.",
                    },
                    auth: Auth::Oauth(Box::new(oauth)),
                    refused: Sparse::default(),
                }
            }
            #[cfg(not(feature = "http-server"))]
            Callers::Oauth { .. } => {
                return Err("this build has no OAuth: the one with default features has it".to_owned());
            }
            Callers::NeonKey(accounts) => Self {
                auth: Auth::NeonKey(Box::new(neon_key::NeonKeys::new(
                    accounts,
                    engine.guards().approval_flow.clone(),
                ))),
                asks: asks(
                    "This server wants `Authorization: Bearer KEY`, with a Neon API key of the caller's own",
                    "Neon's console makes another one.",
                ),
                refused: Sparse::default(),
            },
        })
    }

    /// What is served to whoever asks, without anything shown.
    #[cfg(feature = "http-server")]
    pub(in crate::server::http) fn open(&self) -> Option<axum::Router> {
        match &self.auth {
            Auth::Oauth(oauth) => Some(oauth.metadata()),
            _ => None,
        }
    }

    /// What is served to whoever asks: nothing, without OAuth.
    #[cfg(not(feature = "http-server"))]
    pub(in crate::server::http) fn open(&self) -> Option<axum::Router> {
        None
    }

    /// The answer to a request whose caller may not be served, or not so.
    pub(in crate::server::http) fn answer(&self, denial: Denial, id: Option<RequestId>) -> Response {
        self.asks.answer(denial, id)
    }

    /// Tells the operator whose token was refused from where, and why. Whoever shows none is asked for one, as every client is first.
    fn tell(&self, denial: Denial, peer: IpAddr) {
        let Some(why) = denial.of_shown() else { return };
        if let Some(left_out) = self.refused.turn(Instant::now()) {
            tracing::warn!(%peer, left_out, "a request is refused for what it shows: {why}");
        }
    }

    /// Looks at the start whether what tells callers can be asked, and says in the log where it can't.
    pub(in crate::server::http) async fn begin(&self) {
        #[cfg(feature = "http-server")]
        if let Auth::Oauth(oauth) = &self.auth {
            oauth.begin().await;
        }
    }

    /// What says who may call, and is read again when that is asked for.
    pub(in crate::server::http) fn reloads(&self) -> Option<Arc<dyn Reload>> {
        match &self.auth {
            Auth::Bearer(bearer) => Some(bearer.reloads()),
            #[cfg(feature = "http-server")]
            Auth::Oauth(oauth) => oauth.reloads(),
            _ => None,
        }
    }

    /// Who makes a request of that peer.
    async fn grant(&self, headers: &HeaderMap, peer: IpAddr) -> Result<Arc<Grant>, Denial> {
        match &self.auth {
            Auth::Nobody => Ok(Arc::new(Grant::of(Identity::Http(None)))),
            Auth::Token(gate) if gate.opens(headers) => {
                let digest = gate.digest().to_owned();
                Ok(Arc::new(Grant::of(Identity::Http(Some(digest)))))
            }
            Auth::Token(_) => Err(match shown::token(headers) {
                Ok(_) => Denial::Invalid("it is not the token of this server"),
                Err(_) => Denial::None,
            }),
            Auth::Bearer(bearer) => bearer.grant(headers).await,
            #[cfg(feature = "http-server")]
            Auth::Oauth(oauth) => oauth.grant(headers, peer).await,
            Auth::NeonKey(keys) => keys.grant(headers, peer).await,
        }
    }

    /// Lets go of what nothing uses any more, as long as the server is there.
    pub(in crate::server::http) fn tidies(
        self: &Arc<Self>,
        also: impl Fn() + Send + 'static,
    ) -> tokio_util::task::AbortOnDropHandle<()> {
        let door = Arc::downgrade(self);
        tokio_util::task::AbortOnDropHandle::new(tokio::spawn(async move {
            loop {
                tokio::time::sleep(TIDY).await;
                let Some(door) = door.upgrade() else { return };
                match &door.auth {
                    Auth::NeonKey(keys) => keys.tidy(),
                    #[cfg(feature = "http-server")]
                    Auth::Oauth(oauth) => oauth.tidy(),
                    Auth::Nobody | Auth::Token(_) | Auth::Bearer(_) => {}
                }
                also();
            }
        }))
    }
}

/// Who listens to a stream of events, which may last for days: longer than what it showed counts.
struct Listener {
    door: Arc<Door>,
    shown: HeaderMap,
    peer: IpAddr,
    id: String,
}

impl Listener {
    /// Nothing where nobody's leave ends while the server runs.
    fn new(door: &Arc<Door>, request: &Request, grant: &Grant, peer: IpAddr) -> Option<Self> {
        if matches!(door.auth, Auth::Nobody | Auth::Token(_)) {
            return None;
        }
        let shown = request.headers().get_all(AUTHORIZATION).iter();
        Some(Self {
            door: door.clone(),
            shown: shown.map(|value| (AUTHORIZATION, value.clone())).collect(),
            peer,
            id: grant.principal.id(),
        })
    }

    /// The same answer, which ends when its listener may call no more: with it, its session is no longer in use.
    fn lasts(self, response: Response, every: Duration) -> Response {
        let over = Box::pin(async move {
            while self.may_still_call().await {
                tokio::time::sleep(every).await;
            }
            tracing::debug!(peer = %self.peer, "a stream ends, since its listener may call no more");
        });
        response.map(|body| Body::from_stream(body.into_data_stream().take_until(over)))
    }

    /// Whether what it showed still counts. Where nobody can tell, its next request is told so, and it listens on: nothing is done for it.
    async fn may_still_call(&self) -> bool {
        match self.door.grant(&self.shown, self.peer).await {
            Ok(grant) => grant.principal.id() == self.id,
            Err(Denial::Away(_) | Denial::Broken(_) | Denial::TooMany(_)) => true,
            Err(_) => false,
        }
    }
}

/// Challenges where no issuer stands behind what is shown.
fn asks(how: &'static str, another: &'static str) -> Asks {
    Asks {
        metadata: None,
        scopes: Scopes::ALL,
        how,
        another,
    }
}

/// The scopes of all tools that the operator offers.
#[cfg(feature = "http-server")]
fn offered_scopes(engine: &Engine) -> Scopes {
    let tools = engine.selection().tools().iter();
    tools.fold(Scopes::NONE, |all, selected| {
        all.or(Scopes::needed_by(&selected.tool))
            .or(Scopes::for_effect(selected.effect()))
    })
}

/// Lets only requests in whose caller may be served, and puts its [`Grant`] into their extensions. Nothing of the body is read before.
pub(in crate::server::http) async fn checked(
    State(door): State<Arc<Door>>,
    mut request: Request,
    next: Next,
) -> Response {
    if request.uri().path().starts_with(PAGE) {
        return next.run(request).await;
    }
    let granted = match door.auth {
        Auth::Nobody | Auth::Token(_) => Ok(()),
        _ => shown::none_in_query(request.uri()),
    };
    // Every connection has one; those that lack it would share one budget.
    let peer = request.extensions().get::<Peer>();
    let peer = peer.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |Peer(peer)| *peer);
    let granted = match granted {
        Ok(()) => door.grant(request.headers(), peer).await,
        Err(denial) => Err(denial),
    };
    match granted {
        Ok(grant) => {
            let listener = (request.method() == Method::GET).then(|| Listener::new(&door, &request, &grant, peer));
            request.extensions_mut().insert(grant);
            let response = next.run(request).await;
            match listener.flatten() {
                Some(listener) if is_stream(&response) => listener.lasts(response, LISTENS),
                _ => response,
            }
        }
        Err(denial) => {
            door.tell(denial, peer);
            door.answer(denial, None)
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use secrecy::ExposeSecret as _;

    use super::*;

    #[tokio::test]
    async fn stream_ends_when_the_token_of_its_listener_is_revoked_and_no_other_does() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("tokens.toml");
        let named = |name: &str| bearer::NewToken {
            name: name.to_owned(),
            ..bearer::NewToken::default()
        };
        let tokens = ["ann", "bob"].map(|name| bearer::TokenList::create(&path, named(name), Utc::now()).unwrap());
        let door = Arc::new(Door {
            auth: Auth::Bearer(bearer::Bearer::open(path.clone(), Loader::hooked(|| {}), None).unwrap()),
            asks: asks("", ""),
            refused: Sparse::default(),
        });
        let peer = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let mut streams = Vec::new();
        for token in tokens {
            let shown = format!("Bearer {}", token.expose_secret());
            let request = Request::get("/mcp").header(AUTHORIZATION, shown).body(Body::empty());
            let request = request.unwrap();
            let grant = door.grant(request.headers(), peer).await.unwrap();
            let listener = Listener::new(&door, &request, &grant, peer).unwrap();
            let events = futures::stream::pending::<Result<axum::body::Bytes, std::io::Error>>();
            let response = Response::new(Body::from_stream(events));
            let lasting = listener.lasts(response, Duration::from_millis(20));
            streams.push(tokio::spawn(axum::body::to_bytes(lasting.into_body(), 1)));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(streams.iter().all(|stream| !stream.is_finished()));
        bearer::TokenList::revoke(&path, "ann").unwrap();
        let ended = tokio::time::timeout(Duration::from_secs(60), streams.swap_remove(0)).await;
        assert!(ended.unwrap().unwrap().unwrap().is_empty());
        assert!(!streams.swap_remove(0).is_finished());
    }
}
