//! One attempt: a request out, an answer in. What it means is decided elsewhere.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, DATE, LOCATION};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;
use tokio::time::Instant;
use url::Url;

use super::credential::Credential;
use super::credential_source::NoCredential;
use super::error_body::ErrorBody;
use super::form::{self, Content};
use super::limits::{BudgetAway, FairQueue, RateLimits};
use super::request::{Method, Request};
use super::retry;
use super::text::one_line;
use crate::base_url::BaseUrl;
use crate::telemetry;

/// Neon takes it, and echoes it (`GeneralError` in Neon's OpenAPI file).
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The trace that a request belongs to (W3C).
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The largest body of an error answer that is looked at, in bytes.
const LARGEST_ERROR: usize = 64 * 1_024;

/// How long the body of an error answer may take: the status alone tells the most.
const ERROR_BODY_TIME: Duration = Duration::from_secs(5);

/// How many redirects a read follows.
const REDIRECTS: u32 = 3;

/// What an attempt needs.
pub(super) struct Attempt<'a> {
    pub(super) http: &'a reqwest::Client,
    pub(super) base: &'a BaseUrl,
    pub(super) credential: &'a Credential,
    pub(super) limits: &'a RateLimits,
    pub(super) lane: &'a FairQueue,
    pub(super) request_timeout: Duration,
    pub(super) max_response_bytes: usize,
}

/// How far an attempt came. It outlives the attempt's future, so that a cancelled one still tells.
#[derive(Debug, Default)]
pub(super) struct Progress {
    pub(super) phase: Phase,
    pub(super) request_id: Option<String>,
    /// When the answer was made, by Neon's clock.
    pub(super) date: Option<DateTime<Utc>>,
}

/// The steps of an attempt.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing was sent.
    #[default]
    Waiting,
    /// The request was handed to the connection; it may have arrived.
    InFlight,
    /// The head of an answer is here.
    Answering(u16),
}

/// A whole answer with a 2xx status.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) status: u16,
    pub(super) body: Option<Value>,
    pub(super) content: Option<Content>,
}

/// How an attempt failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The request can't be made.
    Setup(String),
    /// There is nothing to send it with.
    NoCredential(NoCredential),
    /// The budget that replicas share can't be asked: a change isn't sent without it.
    NoBudget(BudgetAway),
    /// No connection: nothing was sent.
    NotConnected(String),
    /// The connection broke, or the attempt's time ran out, before a status came.
    NoAnswer { why: String, slow: bool },
    /// The status is not 2xx.
    Status {
        status: u16,
        retry_after: Option<Duration>,
        code: Option<String>,
        message: Option<String>,
        /// What the credential's source says of that, where it was refused.
        advice: Option<String>,
    },
    /// A redirect that isn't followed.
    Redirect { status: u16, why: &'static str },
    /// A 2xx status, and then not the whole body.
    Cut { status: u16, why: String },
    /// A 2xx status with a body that isn't JSON.
    NotJson { status: u16 },
    /// A 2xx status with too large a body.
    TooLarge { status: u16 },
}

impl Failure {
    /// The same with what the credential's source says of a refusal of it.
    pub(super) fn advised(mut self, said: Option<String>) -> Self {
        if let Self::Status {
            status: 401, advice, ..
        } = &mut self
        {
            *advice = said;
        }
        self
    }
}

impl Attempt<'_> {
    /// Sends once, following redirects of reads. Every request on the wire takes from the rate limits and has an id of its own.
    pub(super) async fn attempt(&self, request: &Request, progress: &mut Progress) -> Result<Received, Failure> {
        *progress = Progress::default();
        let mut url = self
            .base
            .join(request.path(), request.query())
            .ok_or_else(|| Failure::Setup("its path can't be sent as it is".to_owned()))?;
        let mut hops = 0;
        loop {
            let began = Instant::now();
            let budget = self.limits.wait(request.route(), self.lane).await;
            telemetry::rate_limit_wait(began.elapsed());
            if let Err(away) = budget
                && request.method().changes()
            {
                return Err(Failure::NoBudget(away));
            }
            let response = match self.send(request, url.clone(), progress).await? {
                Hop::Answer(received) => return Ok(received),
                Hop::Redirect { status, location } => (status, location),
            };
            let (status, location) = response;
            let refuse = |why| Err(Failure::Redirect { status, why });
            if request.method().changes() {
                return refuse("only reads follow redirects");
            }
            hops += 1;
            if hops > REDIRECTS {
                return refuse("there were more than 3 in a row");
            }
            let Some(next) = location.and_then(|location| url.join(&location).ok()) else {
                return refuse("it names no usable address");
            };
            if next.origin() != self.base.origin() || !next.username().is_empty() || next.password().is_some() {
                return refuse("it leads to another host, port or scheme");
            }
            url = next;
        }
    }

    /// One request on the wire.
    async fn send(&self, request: &Request, url: Url, progress: &mut Progress) -> Result<Hop, Failure> {
        let ours = uuid::Uuid::new_v4().to_string();
        let mut headers = HeaderMap::new();
        let accept = request.bytes_answer().map_or("application/json", |_| "*/*");
        headers.insert(ACCEPT, HeaderValue::from_static(accept));
        headers.insert(
            AUTHORIZATION,
            self.credential
                .authorization()
                .map_err(|error| Failure::Setup(error.to_string()))?,
        );
        headers.insert(
            REQUEST_ID,
            HeaderValue::from_str(&ours).map_err(|error| Failure::Setup(error.to_string()))?,
        );
        if let Some(trace) = telemetry::traceparent() {
            headers.insert(TRACEPARENT, trace);
        }
        let mut builder = self.http.request(request.method().into(), url).headers(headers);
        if let Some(files) = request.form() {
            let form = form::encode(request.body(), files).await;
            let (content_type, body) = form.map_err(|error| Failure::Setup(describe(error)))?;
            builder = builder.header(CONTENT_TYPE, content_type).body(body);
        } else if let Some(body) = request.body() {
            builder = builder.json(body);
        }
        let built = builder.build().map_err(|error| Failure::Setup(describe(error)))?;
        progress.request_id = Some(ours);
        progress.phase = Phase::InFlight;
        let time = self.request_timeout + transfer_time(request);
        match tokio::time::timeout(time, self.exchange(built, request, progress)).await {
            Ok(result) => result,
            Err(_) => Err(match progress.phase {
                Phase::Answering(status @ 200..=299) => Failure::Cut {
                    status,
                    why: too_slow(time),
                },
                _ => Failure::NoAnswer {
                    why: too_slow(time),
                    slow: true,
                },
            }),
        }
    }

    /// Sends a built request and reads its answer.
    async fn exchange(
        &self,
        built: reqwest::Request,
        request: &Request,
        progress: &mut Progress,
    ) -> Result<Hop, Failure> {
        let response = match self.http.execute(built).await {
            Ok(response) => response,
            Err(error) if error.is_builder() => return Err(Failure::Setup(describe(error))),
            // Nothing was written before there was a connection.
            Err(error) if error.is_connect() => return Err(Failure::NotConnected(describe(error))),
            Err(error) => {
                return Err(Failure::NoAnswer {
                    slow: error.is_timeout(),
                    why: describe(error),
                });
            }
        };
        let status = response.status().as_u16();
        progress.phase = Phase::Answering(status);
        if let Some(theirs) = usable_id(response.headers().get(REQUEST_ID)) {
            progress.request_id = Some(self.credential.redact(&theirs));
        }
        progress.date = date(response.headers());
        match status {
            200..=299 => self
                .received(response, status, request.bytes_answer())
                .await
                .map(Hop::Answer),
            301 | 302 | 303 | 307 | 308 => Ok(Hop::Redirect {
                status,
                location: response
                    .headers()
                    .get(LOCATION)
                    .and_then(|location| location.to_str().ok())
                    .map(ToOwned::to_owned),
            }),
            300..=399 => Err(Failure::Redirect {
                status,
                why: "it is of a kind that isn't followed",
            }),
            _ => Err(self.refused(response, status, request.method(), progress).await),
        }
    }

    /// The answer to a request that succeeded.
    async fn received(
        &self,
        mut response: reqwest::Response,
        status: u16,
        most_bytes: Option<usize>,
    ) -> Result<Received, Failure> {
        let most = most_bytes.unwrap_or(self.max_response_bytes);
        let media_type = response
            .headers()
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .map(|text| one_line(text, 100));
        if response
            .content_length()
            .is_some_and(|length| usize::try_from(length).is_ok_and(|length| length > most))
        {
            return Err(Failure::TooLarge { status });
        }
        let mut bytes = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) if bytes.len().saturating_add(chunk.len()) > most => {
                    return Err(Failure::TooLarge { status });
                }
                Ok(Some(chunk)) => bytes.extend_from_slice(&chunk),
                Ok(None) => break,
                Err(error) => {
                    return Err(Failure::Cut {
                        status,
                        why: describe(error),
                    });
                }
            }
        }
        if most_bytes.is_some() {
            let content = Content {
                bytes: bytes.into(),
                media_type,
            };
            return Ok(Received {
                status,
                body: None,
                content: Some(content),
            });
        }
        let received = |body| Received {
            status,
            body,
            content: None,
        };
        if bytes.iter().all(u8::is_ascii_whitespace) {
            return Ok(received(None));
        }
        match serde_json::from_slice(&bytes) {
            Ok(body) => Ok(received(Some(body))),
            Err(_) => Err(Failure::NotJson { status }),
        }
    }

    /// The answer to a request that failed. Its body helps but isn't needed: without one, the status speaks.
    async fn refused(
        &self,
        mut response: reqwest::Response,
        status: u16,
        method: Method,
        progress: &mut Progress,
    ) -> Failure {
        let retry_after = retry::retry_after(response.headers(), SystemTime::now());
        let mut bytes = Vec::new();
        let read = async {
            while let Ok(Some(chunk)) = response.chunk().await {
                bytes.extend_from_slice(&chunk);
                if bytes.len() > LARGEST_ERROR {
                    break;
                }
            }
        };
        if tokio::time::timeout(ERROR_BODY_TIME.min(self.request_timeout / 2), read)
            .await
            .is_err()
        {
            tracing::debug!(%method, status, "the body of an error answer didn't come in time");
        }
        let body = serde_json::from_slice::<ErrorBody>(&bytes).ok();
        let said = |text: Option<String>| {
            text.map(|text| self.credential.redact(&text))
                .filter(|text| !text.trim().is_empty())
        };
        let (request_id, code, message) = match body {
            Some(body) => (
                body.request_id.clone(),
                said(body.code.clone()).or_else(|| said(body.reason.clone())),
                said(body.words()),
            ),
            None => (None, None, None),
        };
        if let Some(theirs) = request_id.filter(|id| is_usable_id(id)) {
            progress.request_id = Some(self.credential.redact(&theirs));
        }
        Failure::Status {
            status,
            retry_after,
            code: code.map(|code| one_line(&code, 100)),
            message,
            advice: None,
        }
    }
}

/// When the answer was made, by the clock of whoever made it (RFC 9110, 6.6.1).
fn date(headers: &HeaderMap) -> Option<DateTime<Utc>> {
    let text = headers.get(DATE)?.to_str().ok()?;
    httpdate::parse_http_date(text.trim()).ok().map(DateTime::from)
}

fn too_slow(time: Duration) -> String {
    format!("the answer took longer than {} s", time.as_secs_f32())
}

/// What came of one request on the wire.
enum Hop {
    Answer(Received),
    Redirect { status: u16, location: Option<String> },
}

/// An id that the upstream sent, when it is fit to be shown.
fn usable_id(value: Option<&HeaderValue>) -> Option<String> {
    value
        .and_then(|value| value.to_str().ok())
        .filter(|id| is_usable_id(id))
        .map(ToOwned::to_owned)
}

fn is_usable_id(id: &str) -> bool {
    (1..=128).contains(&id.len()) && id.bytes().all(|byte| byte.is_ascii_graphic())
}

/// A transport error in words, without the URL (which may hold what a caller wrote).
fn describe(error: reqwest::Error) -> String {
    let what = if error.is_dns() {
        "the host's name could not be resolved"
    } else if error.is_connect() && error.is_timeout() {
        "connecting took too long"
    } else if error.is_connect() {
        "no connection could be made"
    } else if error.is_body() || error.is_decode() {
        "the answer was cut off"
    } else if error.is_builder() {
        "the request could not be built"
    } else {
        "the connection broke"
    };
    let error = error.without_url();
    let mut innermost: &dyn std::error::Error = &error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    format!("{what}: {}", one_line(&innermost.to_string(), 160))
}

/// How many bytes of a file are expected to come through in a second, for the time that an attempt may take.
const BYTES_PER_SECOND: usize = 512 * 1_024;

/// What files and bytes add to the time of an attempt.
fn transfer_time(request: &Request) -> Duration {
    let sent = request.form().unwrap_or_default().iter().map(|file| file.bytes.len());
    let bytes = sent.sum::<usize>() + request.bytes_answer().unwrap_or_default();
    Duration::from_secs((bytes / BYTES_PER_SECOND) as u64)
}
