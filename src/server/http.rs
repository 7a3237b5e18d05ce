//! Serving many clients over streamable HTTP.
//!
//! ```no_run
//! use neon_mcp::engine::Engine;
//! use neon_mcp::server::NeonServer;
//! use neon_mcp::server::http::{HttpError, HttpServer};
//! use tokio_util::sync::CancellationToken;
//!
//! /// Serves whoever reaches the port, until it is told to stop.
//! async fn serve(engine: Engine, stop: CancellationToken) -> Result<(), HttpError> {
//!     let http = HttpServer::bind(([127, 0, 0, 1], 0).into()).await?;
//!     http.serve(NeonServer::new(engine), stop).await
//! }
//! ```

pub(super) mod admission;
mod answer;
mod auth;
mod bodies;
mod calls;
mod connections;
mod descriptors;
mod drain;
mod from_here;
mod health;
mod held;
mod limits;
mod listen;
mod message;
#[cfg(feature = "http-server")]
mod metrics;
mod narrowing;
mod patient;
mod peer;
pub(super) mod place;
mod probes;
mod proxy;
mod reload;
mod sessions;
mod socket_mode;
mod sparse;
pub(super) mod taken;
mod tls;
mod tool_list;

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use http::StatusCode;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use self::admission::Admission;
pub use self::admission::Remake;
use self::auth::Door;
use self::drain::Drain;
use self::from_here::FromHere;
use self::health::Health;
pub use self::health::Probe;
pub use self::limits::{HttpLimits, MAX_BODY_BYTES};
use self::listen::Listener;
pub use self::listen::{BindError, Listen};
pub(super) use self::peer::{Peer, neighbourhood, network};
pub use self::place::Place;
use self::probes::Probes;
pub use self::proxy::Hops;
pub use self::reload::{OnReload, POLICY, Reload, Reloads};
use self::sessions::BoundedSessions;
pub use self::socket_mode::SocketMode;
pub use self::tls::{Tls, TlsError, TlsFiles};
use super::approve_page;
use super::handler::NeonServer;
use crate::engine::Engine;
use crate::guard::{Identity, Principal};
use crate::sign_in::WebSignIn;
use crate::telemetry;

pub use auth::{
    BearerToken, CallerAccounts, Callers, IntrospectionSettings, InvalidToken, IssuerClient, MAX_NAME, MIN_TOKEN_CHARS,
    NewToken, OauthSettings, Rotation, TOKEN_PREFIX, TokenEntry, TokenFile, TokenList, TokenListError,
};
#[cfg(feature = "http-server")]
pub use auth::{MapEntry, MapFile, MappedKind, Unmapped, checked_map};
#[cfg(feature = "http-server")]
pub use metrics::MetricsServer;

/// Why serving couldn't begin, or ended badly.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// On an address that others reach, anyone on the network could use the operator's credential, or read what is said.
    #[error(
        "{listen} is not a loopback address, so others reach it: it wants {}. Or listen on this machine alone, e.g. --listen 127.0.0.1:7373",
        .missing.join(", and ")
    )]
    Open {
        /// Where it was to listen.
        listen: Listen,
        /// What is missing, each with its flags.
        missing: Vec<&'static str>,
    },
    /// It can't listen there.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The address that clients see can't be made.
    #[error("the address of this server is no URL: {0}")]
    Place(#[from] url::ParseError),
    /// Callers can't be told apart.
    #[error("{0}")]
    Callers(String),
    /// Accepting connections failed.
    #[error("serving failed: {0}")]
    Serve(#[from] std::io::Error),
}

/// How a server is reached, and by whom.
#[derive(Debug)]
pub struct Reach {
    /// Where it listens.
    pub listen: Listen,
    /// Who may open it, where that is a socket in the file system.
    pub socket_mode: SocketMode,
    /// Whether every caller shows who it is: by a token of its own, an issuer's, or its Neon API key.
    pub callers_are_known: bool,
    /// What clients see as its address, without a path.
    pub public: Option<Url>,
    /// The proxies in front, at which TLS ends.
    pub hops: Hops,
    /// TLS of its own.
    pub tls: Option<Tls>,
}

impl Reach {
    /// How a server is reached that only this machine reaches.
    #[must_use]
    pub fn at(listen: Listen) -> Self {
        Self {
            listen,
            socket_mode: SocketMode::default(),
            callers_are_known: false,
            public: None,
            hops: Hops::default(),
            tls: None,
        }
    }

    /// What is missing for others to reach it.
    fn missing(&self) -> Vec<&'static str> {
        if self.listen.is_local() {
            return Vec::new();
        }
        let is_behind_proxy = !self.hops.is_empty() && self.public.is_some();
        let callers = "callers that are known (--auth bearer, oauth or neon-key)";
        let encryption =
            "encryption (--tls-cert and --tls-key, or a proxy at which TLS ends: --behind-proxy and --public-url)";
        let missing = [
            (!self.callers_are_known).then_some(callers),
            (self.tls.is_none() && !is_behind_proxy).then_some(encryption),
        ];
        missing.into_iter().flatten().collect()
    }
}

/// A server that listens.
#[derive(Debug)]
pub struct HttpServer {
    listener: Listener,
    listen: Listen,
    place: Arc<Place>,
    tls: Option<Arc<Tls>>,
    limits: HttpLimits,
    token: Option<BearerToken>,
    probes: Probes,
    reloads: Reloads,
    reload_asked: Arc<Notify>,
    remake: Option<Remake>,
    door: Option<Door>,
    approvers: Option<WebSignIn>,
}

impl HttpServer {
    /// Listens on a loopback address; port 0 takes a free one.
    ///
    /// # Errors
    /// When the address isn't loopback, or is taken.
    pub async fn bind(address: SocketAddr) -> Result<Self, HttpError> {
        Self::listen(Reach::at(Listen::Address(address))).await
    }

    /// Listens where only this machine reaches it, or where others do who are known and heard by nobody else.
    ///
    /// # Errors
    /// When others would reach it and something is missing for that, when the address is taken, or the socket can't be made.
    pub async fn listen(reach: Reach) -> Result<Self, HttpError> {
        let missing = reach.missing();
        if !missing.is_empty() {
            let listen = reach.listen;
            return Err(HttpError::Open { listen, missing });
        }
        let (listener, listen) = Listener::bind(reach.listen, reach.socket_mode).await?;
        let place = Place::new(&listen, reach.tls.is_some(), reach.public, reach.hops)?;
        Ok(Self {
            listener,
            listen,
            place: Arc::new(place),
            tls: reach.tls.map(Arc::new),
            limits: HttpLimits::default(),
            token: None,
            probes: Probes::default(),
            reloads: Reloads::default(),
            reload_asked: Arc::default(),
            remake: None,
            door: None,
            approvers: None,
        })
    }

    /// The same server with an approval page where approvers sign in, in place of one that asks for a secret.
    #[must_use]
    pub fn with_approvers(mut self, sign_in: Option<WebSignIn>) -> Self {
        self.approvers = sign_in;
        self
    }

    /// The same server with other bounds.
    #[must_use]
    pub fn with_limits(mut self, limits: HttpLimits) -> Self {
        self.limits = limits;
        self
    }

    /// The same server for clients that show this token, and for no others. Without one, it serves whoever reaches the port.
    #[must_use]
    pub fn with_token(mut self, token: BearerToken) -> Self {
        self.token = Some(token);
        self
    }

    /// The same server for these callers of an engine, and for no others.
    ///
    /// # Errors
    /// When a file that says who may call can't be used.
    pub fn with_callers(mut self, callers: Callers, engine: &Engine) -> Result<Self, HttpError> {
        let door = Door::new(callers, engine, &self.origin()).map_err(HttpError::Callers)?;
        self.door = Some(door);
        Ok(self)
    }

    /// The same server, which tells of this, too, whether it answers.
    #[must_use]
    pub fn with_probe(mut self, probe: Arc<dyn Probe>) -> Self {
        self.probes.0.push(probe);
        self
    }

    /// The same server, which reads these again when that is asked for by the notice, before its certificates and its policy, which
    /// `remake` reads.
    #[must_use]
    pub fn with_reload(mut self, asked: Arc<Notify>, reloads: Reloads, remake: Remake) -> Self {
        self.reload_asked = asked;
        self.reloads = reloads;
        self.remake = Some(remake);
        self
    }

    /// Where it listens.
    #[must_use]
    pub fn listens_on(&self) -> &Listen {
        &self.listen
    }

    /// Where it is found.
    #[must_use]
    pub fn place(&self) -> &Arc<Place> {
        &self.place
    }

    /// What clients take: a URL, or the socket.
    #[must_use]
    pub fn url(&self) -> String {
        match &self.listen {
            Listen::Unix(_) => self.listen.to_string(),
            Listen::Address(_) => format!("{}/mcp", self.origin()),
        }
    }

    /// The server's origin, in which clients and browsers reach it.
    #[must_use]
    pub fn origin(&self) -> String {
        self.place.origin()
    }

    /// Serves until `stop` is cancelled; then takes no new work, behind a proxy no new connections, lets running calls end for as long as the limits say, and cancels the
    /// rest.
    ///
    /// The approval page is served beside it, where the policy takes approvals from there: it has a secret of its own, and so wants no
    /// token; with OAuth, the metadata of the protected resource are served to whoever asks. `/healthz` and `/readyz` want none either.
    /// Everything else wants the token, where there is one (401 without it).
    ///
    /// Requests with a `Host` that isn't this server's own are refused (403), as are those with an `Origin` that isn't, since only a
    /// browser sends one; bodies over the bound are refused (413), and those that come too slowly (408). A session or a call that is
    /// one too many is refused (429 or 503, with `Retry-After`).
    ///
    /// # Errors
    /// When accepting connections fails.
    pub async fn serve(self, server: NeonServer, stop: CancellationToken) -> Result<(), HttpError> {
        let Self {
            listener,
            listen,
            place,
            tls,
            limits,
            token,
            door,
            probes,
            mut reloads,
            reload_asked,
            remake,
            approvers,
        } = self;
        let limits = descriptors::within(limits);
        let server = server.to(Principal::new(Identity::Http(None)));
        let door = Arc::new(door.unwrap_or_else(|| Door::of_token(token.as_ref())));
        let open = door.open();
        let admission = Arc::new(Admission::new(server.offer().clone()));
        let admitted = admission.clone();
        let _tidies = door.tidies(move || admitted.tidy());
        let (running, cut) = (server.running().clone(), server.cut().clone());
        let is_behind_proxy = !place.hops().is_empty();
        let calls = calls::Calls::new(&limits);
        let drain = Drain::new(
            stop.clone(),
            running,
            cut,
            limits.drain,
            (calls.clone(), is_behind_proxy),
        );
        if let Some(callers) = door.reloads() {
            reloads.add(callers);
        }
        if let Some(tls) = &tls {
            reloads.add(tls.clone());
        }
        reloads.add(Arc::new(admission::Policy::new(admission.clone(), remake)));
        let beginning = door.clone();
        let beginning = AbortOnDropHandle::new(tokio::spawn(async move { beginning.begin().await }));
        let reloading = AbortOnDropHandle::new(tokio::spawn(reloads.when(reload_asked)));
        let health = Arc::new(Health::new(probes.of(&admission), stop.clone()));
        let watching = telemetry::is_on().then(|| AbortOnDropHandle::new(tokio::spawn(health.clone().watch())));
        // rmcp's own token ends sessions at once: it comes after the drain.
        let end = CancellationToken::new();
        let mcp = mcp(server, &admission, &place, &limits, end.clone());
        let reading = Arc::new(message::Reading {
            body_bytes: limits.body_bytes,
            bodies: bodies::Bodies::new(limits.body_bytes),
            patience: limits.body,
            admission: admission.clone(),
            door: door.clone(),
            calls,
            drain: drain.clone(),
            ids: taken::Taken::nothing(),
        });
        let mut router = mcp
            .layer(from_fn_with_state(reading, message::whole))
            // Who isn't known gets nothing else done.
            .layer(from_fn_with_state(door, auth::checked))
            // A page from elsewhere learns nothing at all, not even whether a token is wanted.
            .layer(from_fn_with_state(FromHere::new(place.clone()), from_here::checked));
        if let Some(open) = open {
            router = router.merge(open);
        }
        if admission.engine().guards().approval_flow.serves_page() {
            router = router.merge(approve_page::router(admission, place.clone(), approvers));
        }
        // Whoever watches over the server comes by its address.
        // In clear text, whoever comes past the proxy that is to encrypt it would send tokens in clear, and notice nothing.
        let is_clear = tls.is_none() && !listen.is_local();
        let beside = is_clear.then(|| health::router(health.clone()).fallback(connections::beside_the_proxy));
        router = router.merge(health::router(health));
        let count = connections::Count::new(&limits);
        if is_behind_proxy {
            let state = (count.clone(), place.clone());
            router = router.layer(from_fn_with_state(state, connections::behind_proxies));
        }
        router = router.layer(from_fn(counted));
        router = router.layer(from_fn_with_state(drain.clone(), drain::closing));
        let closing = CancellationToken::new();
        let serving = connections::Serving {
            router,
            count,
            place,
            head: limits.head,
            unread: limits.body,
            tls,
            beside,
            stop: if is_behind_proxy { stop } else { closing.clone() },
            hops_end: drain.closed().clone(),
            end: closing.clone(),
        };
        tokio::select! {
            () = connections::serve(listener, serving) => {}
            () = async {
                drain.over().await;
                closing.cancel();
                // Streams that only listen never end by themselves.
                end.cancel();
                Drain::farewell().await;
            } => tracing::debug!("connections that were still open were dropped"),
        }
        drop((beginning, reloading, watching));
        end.cancel();
        tracing::info!("stopped");
        Ok(())
    }
}

/// MCP itself, by rmcp, to whoever has been let in.
fn mcp(
    server: NeonServer,
    admission: &Arc<Admission>,
    place: &Place,
    limits: &HttpLimits,
    end: CancellationToken,
) -> Router {
    let admission = admission.clone();
    let make = move || server.for_another_client().offering(admission.offer());
    let sessions = BoundedSessions::new(limits, Box::new(make.clone()), end.clone());
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(true)
        .with_json_response(true)
        .with_max_request_body_bytes(limits.body_bytes)
        .with_allowed_hosts(place.hosts())
        .enforce_origin_validation()
        .with_allowed_origins(place.origins_with_ports())
        .with_cancellation_token(end);
    let service = StreamableHttpService::new(
        move || {
            let server = make();
            sessions::opened(&server);
            Ok(server)
        },
        sessions,
        config,
    );
    Router::new()
        .route_service("/mcp", service.clone())
        .route_service("/mcp/", service)
        .fallback(async || StatusCode::NOT_FOUND)
}

/// Counts answers, whatever they are of.
async fn counted(request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let response = next.run(request).await;
    telemetry::http_response(&path, response.status().as_u16());
    response
}
