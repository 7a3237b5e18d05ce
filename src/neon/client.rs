//! The client: two ways out to Neon, with deadlines, cancellation, limits and honest retries.
//!
//! Layers below send nothing twice: reqwest's own retries are off, and hyper takes a request to another connection only
//! while it still lies in the queue, before a byte of it is written (`take_message` in hyper-util's legacy client). What
//! HTTP/2 refuses unprocessed (`REFUSED_STREAM`) counts as lost all the same: a GET is sent again, a change is reported.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::Value;
use tokio::sync::OnceCell;
use tokio::time::Instant;
use tracing::Instrument;

use super::attempt::{Attempt, Failure, Phase, Progress, Received};
use super::config::ClientConfig;
use super::context::Context;
use super::credential_source::{Bearer, NoCredential};
use super::error::{Error, ErrorKind};
use super::error_mapping::{self, Stop};
use super::form::Content;
use super::limits::FairQueue;
use super::request::{Read, Request};
use super::retry::Decision;
use super::sql::{Catalogues, Databases};
use crate::permit::Permitted;
use crate::telemetry;

/// A successful answer.
#[derive(Clone, PartialEq)]
pub struct Answer {
    /// The status, 200 to 299.
    pub status: u16,
    /// Neon's id of the request, or else the one that was sent.
    pub request_id: String,
    /// The JSON body; `None` for 204 and other empty answers. It may hold secrets.
    pub body: Option<Value>,
    /// What it holds instead, where any bytes were asked for.
    pub content: Option<Content>,
    /// When it was made, by Neon's clock.
    pub date: Option<DateTime<Utc>>,
    /// How often the request was sent, 1 for no retry. Redirects that were followed don't count.
    pub attempts: u32,
}

impl fmt::Debug for Answer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Answer")
            .field("status", &self.status)
            .field("request_id", &self.request_id)
            .field("body", &self.body.as_ref().map(|_| "[hidden]"))
            .field("attempts", &self.attempts)
            .finish()
    }
}

/// The client of one credential. Clones share connections and limits.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    config: ClientConfig,
    /// Built on first use: that takes some 20 ms, which a server that is asked nothing needn't spend.
    http: OnceCell<reqwest::Client>,
    /// What the databases have of their own that reaches beyond reading.
    catalogues: Catalogues,
    /// Whose turn it is to change the databases' definitions.
    turns: Databases,
    /// How many requests have ended, whoever signed in meanwhile.
    heard: Arc<AtomicU64>,
}

impl Client {
    /// Whose turn it is to change the databases' definitions.
    pub(super) fn turns(&self) -> &Databases {
        &self.shared.turns
    }

    /// What is known of the databases' own functions.
    pub(super) fn catalogues(&self) -> &Catalogues {
        &self.shared.catalogues
    }

    /// A client that hasn't done anything yet: no connection, no TLS set-up.
    #[must_use]
    pub fn new(config: ClientConfig) -> Self {
        Self::hearing(config, Arc::default())
    }

    fn hearing(config: ClientConfig, heard: Arc<AtomicU64>) -> Self {
        Self {
            shared: Arc::new(Shared {
                config,
                http: OnceCell::new(),
                catalogues: Catalogues::default(),
                turns: Databases::default(),
                heard,
            }),
        }
    }

    /// How many requests have ended so far, those for SQL among them: who waits for calls sees by it whether they get on.
    pub(crate) fn heard(&self) -> u64 {
        self.shared.heard.load(Ordering::Relaxed)
    }

    pub(super) fn hear(&self) {
        self.shared.heard.fetch_add(1, Ordering::Relaxed);
    }

    /// What the client was made of.
    #[must_use]
    pub fn config(&self) -> &ClientConfig {
        &self.shared.config
    }

    /// Sends a read. It is repeated after network faults, 423, 429, 502, 503 and 504, as [`super::RetryPolicy`] says; up to three
    /// redirects within the same scheme, host and port are followed.
    ///
    /// # Errors
    ///
    /// [`Error`], always with [`Changed::No`](super::Changed::No).
    pub async fn read(&self, read: Read, context: &Context) -> Result<Answer, Error> {
        self.run(read.request(), context).await
    }

    /// Sends what the guard has let through. A changing request is repeated only after 423, 429 and 503, by which Neon
    /// says that it did nothing.
    ///
    /// # Errors
    ///
    /// [`Error`]; [`Error::changed`] says whether anything was changed. When the answer was lost, that is
    /// [`Changed::Unknown`](super::Changed::Unknown), and the request was not sent again.
    ///
    /// A request without a permit doesn't compile:
    ///
    /// ```compile_fail,E0308
    /// # use neon_mcp::neon::{Client, Context, Request};
    /// async fn unasked(client: Client, request: Request, context: Context) {
    ///     let _ = client.send(request, &context).await;
    /// }
    /// ```
    ///
    /// Nor does one that pretends to read:
    ///
    /// ```compile_fail,E0308
    /// # use neon_mcp::neon::{Client, Context, Request};
    /// async fn pretending(client: Client, request: Request, context: Context) {
    ///     let _ = client.read(request, &context).await;
    /// }
    /// ```
    pub async fn send(&self, request: Permitted<Request>, context: &Context) -> Result<Answer, Error> {
        let request = request.into_inner();
        self.run(&request, context).await
    }

    /// Attempts until one succeeds or the rules say stop.
    async fn run(&self, request: &Request, context: &Context) -> Result<Answer, Error> {
        let policy = self.shared.config.retry;
        let mut attempt = 0;
        let mut last: Option<Error> = None;
        loop {
            attempt += 1;
            let mut progress = Progress::default();
            let span = tracing::debug_span!(
                "neon request",
                method = %request.method(),
                route = %request.route(),
                attempt,
                status = tracing::field::Empty,
                request_id = tracing::field::Empty,
            );
            let traced = telemetry::spans::upstream(request.method().as_str(), request.route(), attempt);
            let began = Instant::now();
            let ended = self
                .bounded(request, context, &mut progress)
                .instrument(span.clone())
                .instrument(traced.clone())
                .await;
            self.hear();
            record(&span, &progress, &ended);
            observe(&traced, request, &progress, &ended, began.elapsed());
            let failure = match ended {
                Ended::Done(Ok(received)) => {
                    return Ok(Answer {
                        status: received.status,
                        request_id: progress.request_id.unwrap_or_default(),
                        body: received.body,
                        content: received.content,
                        date: progress.date,
                        attempts: attempt,
                    });
                }
                Ended::Done(Err(failure)) => failure,
                Ended::Stopped(stop) => {
                    // Where nothing can have changed since, the last real answer says more than the clock.
                    match (stop, progress.phase, last) {
                        (Stop::Deadline, Phase::Waiting, Some(last)) => return Err(last),
                        (Stop::Deadline, Phase::InFlight, Some(last))
                            if !request.method().changes() && last.status().is_some() =>
                        {
                            return Err(last.with_attempts(attempt));
                        }
                        _ => {}
                    }
                    return Err(error_mapping::stopped(request, stop, progress, attempt));
                }
            };
            let decision = failure.fault().map_or(Decision::Stop, |fault| {
                policy.decide(request.method(), fault, attempt, context.left(), rand::random())
            });
            let error = failure.into_error(request, progress.request_id, attempt, self.config());
            let Decision::After(wait) = decision else {
                return Err(error);
            };
            tracing::debug!(
                parent: &span,
                wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX),
                "will be sent again"
            );
            tokio::select! {
                biased;
                () = context.cancel.cancelled() => {
                    return Err(error_mapping::stopped(request, Stop::Cancelled, Progress::default(), attempt));
                }
                () = tokio::time::sleep(wait) => {}
            }
            last = Some(error);
        }
    }

    /// What SQL over HTTP is sent with.
    pub(super) async fn http(&self) -> Result<&reqwest::Client, Error> {
        let config = &self.shared.config;
        self.shared
            .http
            .get_or_try_init(|| async { build(config) })
            .await
            .map_err(|_: Failure| {
                Error::new(
                    ErrorKind::Setup,
                    super::request::Method::Post,
                    "the HTTP client could not be set up",
                )
            })
    }

    /// One attempt, ended early by the deadline or the caller.
    async fn bounded(&self, request: &Request, context: &Context, progress: &mut Progress) -> Ended {
        if context.cancel.is_cancelled() {
            return Ended::Stopped(Stop::Cancelled);
        }
        if context.left().is_zero() {
            return Ended::Stopped(Stop::Deadline);
        }
        tokio::select! {
            // An answer that is here counts, whatever came at the same moment.
            biased;
            result = self.attempt(request, &context.lane, progress) => Ended::Done(result),
            () = context.cancel.cancelled() => Ended::Stopped(Stop::Cancelled),
            () = tokio::time::sleep_until(context.deadline) => Ended::Stopped(Stop::Deadline),
        }
    }

    /// What the next request would be sent with. It says whose it is.
    ///
    /// # Errors
    /// When nobody is signed in, or another account than the client's; or when a token couldn't be renewed.
    pub async fn bearer(&self) -> Result<Bearer, NoCredential> {
        self.own(self.shared.config.credential.current().await?)
    }

    /// Makes sure that it is the account's whose client this is.
    fn own(&self, bearer: Bearer) -> Result<Bearer, NoCredential> {
        match &self.shared.config.account {
            Some(account) if *account != bearer.account_digest() => Err(NoCredential::AnotherAccount),
            _ => Ok(bearer),
        }
    }

    /// A client for requests of that account alone, whoever signs in later. It knows nothing of what this one learned.
    #[must_use]
    pub fn of_account(&self, bearer: &Bearer) -> Self {
        let mut config = self.shared.config.clone();
        config.account = Some(bearer.account_digest());
        Self::hearing(config, self.shared.heard.clone())
    }

    /// One attempt, and a second one with a renewed token where Neon doesn't take the first: 401 means that nothing was done.
    async fn attempt(&self, request: &Request, lane: &FairQueue, progress: &mut Progress) -> Result<Received, Failure> {
        let bearer = self.bearer().await.map_err(Failure::NoCredential)?;
        let refused = match self.attempt_as(&bearer, request, lane, progress).await {
            Err(refused @ Failure::Status { status: 401, .. }) => refused,
            ended => return ended,
        };
        let renewed = self.shared.config.credential.renewed(&bearer).await;
        match renewed.map_err(Failure::NoCredential)? {
            None => Err(refused.advised(bearer.refused)),
            Some(renewed) => {
                let renewed = self.own(renewed).map_err(Failure::NoCredential)?;
                let ended = self.attempt_as(&renewed, request, lane, progress).await;
                ended.map_err(|failure| failure.advised(renewed.refused))
            }
        }
    }

    async fn attempt_as(
        &self,
        bearer: &Bearer,
        request: &Request,
        lane: &FairQueue,
        progress: &mut Progress,
    ) -> Result<Received, Failure> {
        let config = &self.shared.config;
        let http = self.shared.http.get_or_try_init(|| async { build(config) }).await?;
        let exchange = Attempt {
            http,
            base: &config.base,
            credential: &bearer.credential,
            limits: &config.limits,
            lane,
            request_timeout: config.request_timeout,
            max_response_bytes: config.max_response_bytes,
        };
        exchange.attempt(request, progress).await
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Client")
            .field("base", &self.shared.config.base)
            .finish_non_exhaustive()
    }
}

/// How an attempt ended.
enum Ended {
    Done(Result<Received, Failure>),
    Stopped(Stop),
}

/// Sets up HTTP. Redirects and retries are ours.
fn build(config: &ClientConfig) -> Result<reqwest::Client, Failure> {
    // A second installation in the same process fails, and the first one serves just as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(&config.user_agent)
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .referer(false)
        .gzip(true)
        .connect_timeout(config.connect_timeout)
        // Shorter than the idle time of common load balancers, so that few requests meet a connection that is being closed.
        .pool_idle_timeout(Duration::from_secs(45))
        .http2_keep_alive_interval(Duration::from_secs(20))
        .http2_keep_alive_timeout(Duration::from_secs(10))
        .https_only(config.base.as_str().starts_with("https:"));
    if config.base.is_loopback() {
        builder = builder.no_proxy();
    }
    builder
        .build()
        .map_err(|error| Failure::Setup(format!("the HTTP client could not be set up: {error}")))
}

/// Writes into the span what is known now.
fn record(span: &tracing::Span, progress: &Progress, ended: &Ended) {
    if let Phase::Answering(status) = progress.phase {
        span.record("status", status);
    }
    if let Some(request_id) = &progress.request_id {
        span.record("request_id", request_id.as_str());
    }
    let outcome = match ended {
        Ended::Done(Ok(_)) => "answered",
        Ended::Done(Err(_)) => "failed",
        Ended::Stopped(Stop::Cancelled) => "cancelled",
        Ended::Stopped(Stop::Deadline) => "out of time",
    };
    tracing::debug!(parent: span, "{outcome}");
}

/// Counts an attempt, and says in its trace how it ended.
fn observe(span: &tracing::Span, request: &Request, progress: &Progress, ended: &Ended, took: Duration) {
    let status = match (progress.phase, ended) {
        (Phase::Answering(status), _) => status.to_string(),
        (_, Ended::Stopped(Stop::Cancelled)) => "cancelled".to_owned(),
        (_, Ended::Stopped(Stop::Deadline)) => "out_of_time".to_owned(),
        (Phase::Waiting, Ended::Done(_)) | (_, Ended::Done(Err(Failure::NotConnected(_) | Failure::Setup(_)))) => {
            "not_sent".to_owned()
        }
        (Phase::InFlight, Ended::Done(_)) => "no_answer".to_owned(),
    };
    if let Phase::Answering(status) = progress.phase {
        span.record("http.response.status_code", status);
    }
    if !matches!(ended, Ended::Done(Ok(_))) {
        telemetry::spans::failed(span, &status);
    }
    telemetry::upstream(request.method().as_str(), request.route(), &status, took);
}
