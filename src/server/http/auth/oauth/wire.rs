//! Requests to the issuer: bounded in time and size, never redirected, never repeated.

use std::time::{Duration, SystemTime};

use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use reqwest::RequestBuilder;
use serde::de::DeserializeOwned;
use url::Url;

use crate::neon::retry::retry_after;

/// How long a request may take.
const TIME: Duration = Duration::from_secs(5);

/// The largest answer that is read, in bytes: key sets and metadata are far smaller.
const MAX_ANSWER: usize = 256 * 1_024;

/// Why the issuer couldn't be asked. Nothing of an answer is told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum WireError {
    /// No answer came.
    #[error("it can't be reached ({0})")]
    Unreachable(&'static str),
    /// It answered with another status than 200.
    #[error("it answered {status}")]
    Status {
        /// Which one.
        status: u16,
        /// How long it wants not to be asked.
        retry_after: Option<Duration>,
    },
    /// Its answer can't be used.
    #[error("its answer can't be used: {0}")]
    Answer(&'static str),
}

impl WireError {
    /// How long the issuer wants not to be asked, where it says so.
    pub(super) fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Status { retry_after, .. } => *retry_after,
            Self::Unreachable(_) | Self::Answer(_) => None,
        }
    }
}

/// The way to the issuer.
#[derive(Debug, Clone)]
pub(super) struct Wire {
    http: reqwest::Client,
}

impl Wire {
    /// A way that goes around proxies where the issuer is on this machine.
    ///
    /// # Errors
    /// When there is no TLS to be had.
    pub(super) fn new(is_loopback: bool) -> Result<Self, String> {
        // A second installation in the same process fails, and the first one serves just as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("neon-mcp/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .timeout(TIME)
            .connect_timeout(TIME);
        if is_loopback {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| error.to_string())?;
        Ok(Self { http })
    }

    /// Reads a JSON document.
    pub(super) async fn get<T: DeserializeOwned>(&self, url: Url) -> Result<T, WireError> {
        self.send(self.http.get(url)).await
    }

    /// Sends a form with an `Authorization` header, and reads the JSON that comes back.
    pub(super) async fn post<T: DeserializeOwned>(
        &self,
        url: Url,
        authorization: HeaderValue,
        fields: &[(&str, &str)],
    ) -> Result<T, WireError> {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        let request = self.http.post(url).header(AUTHORIZATION, authorization);
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        self.send(request.header(CONTENT_TYPE, kind).body(form)).await
    }

    async fn send<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, WireError> {
        let request = request.header(ACCEPT, HeaderValue::from_static("application/json"));
        let mut response = request.send().await.map_err(|error| unreachable(&error))?;
        if response.status() != http::StatusCode::OK {
            return Err(WireError::Status {
                status: response.status().as_u16(),
                retry_after: retry_after(response.headers(), SystemTime::now()),
            });
        }
        let mut bytes = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(&error))? {
            if bytes.len() + chunk.len() > MAX_ANSWER {
                return Err(WireError::Answer("it is larger than any such answer is"));
            }
            bytes.extend_from_slice(&chunk);
        }
        // Without the parser's own words: they may quote a token.
        serde_json::from_slice(&bytes).map_err(|_| WireError::Answer("it isn't the JSON that is expected"))
    }
}

fn unreachable(error: &reqwest::Error) -> WireError {
    WireError::Unreachable(if error.is_timeout() {
        "no answer came in time"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the connection broke"
    })
}
