//! Requests to the authorization server: bounded in time and size, never redirected, never repeated.

use std::time::Duration;

use http::header::{ACCEPT, HeaderValue};
use reqwest::{RequestBuilder, Response};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use super::error::SignInError;
use crate::guard::OwnKey;
use crate::text::one_line;

/// How long a request may take. The neon command line takes a lock for abandoned after a minute: two requests under it take less.
const TIME: Duration = Duration::from_secs(10);

/// The largest answer that is read, in bytes: tokens and metadata are far smaller.
const MAX_ANSWER: usize = 256 * 1_024;

/// The way to an authorization server.
pub(super) struct Wire {
    http: reqwest::Client,
    host: String,
    /// What is sent there, which no error repeats.
    hidden: OwnKey,
}

/// The fields of forms that are secrets.
const SECRETS: [&str; 5] = ["code", "code_verifier", "refresh_token", "token", "client_secret"];

/// An answer that says no (RFC 6749, 5.2).
#[derive(Deserialize)]
struct Refusal {
    error: String,
    error_description: Option<String>,
}

impl Wire {
    /// The way to that host. What is sent is added to `hidden`.
    pub(super) fn new(host: &str, is_loopback: bool, hidden: OwnKey) -> Result<Self, SignInError> {
        // A second installation in the same process fails, and the first one serves just as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("neon-mcp/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .timeout(TIME)
            .pool_max_idle_per_host(0);
        if is_loopback {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| unreachable(host, &error))?;
        let host = host.to_owned();
        Ok(Self { http, host, hidden })
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, url: Url) -> Result<T, SignInError> {
        let (status, body) = self.send(self.http.get(url)).await?;
        match status {
            200 => read(&self.host, &body),
            _ => Err(failed(&self.host, status)),
        }
    }

    /// Sends a form. Its answer is an object, or OAuth's refusal.
    pub(super) async fn post<T: DeserializeOwned>(&self, url: Url, fields: &[(&str, &str)]) -> Result<T, SignInError> {
        let (status, body) = self.form(url, fields).await?;
        match status {
            200 => read(&self.host, &body),
            400..=499 => Err(self.refused(status, &body)),
            _ => Err(failed(&self.host, status)),
        }
    }

    /// The same, as a client that has a secret (RFC 6749, 2.3.1).
    pub(super) async fn post_as<T: DeserializeOwned>(
        &self,
        (client, secret): (&str, &SecretString),
        url: Url,
        fields: &[(&str, &str)],
    ) -> Result<T, SignInError> {
        self.hidden.add(secret.expose_secret());
        let encoded = |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        let request = self.request(url, fields);
        let request = request.basic_auth(encoded(client), Some(encoded(secret.expose_secret())));
        let (status, body) = self.send(request).await?;
        match status {
            200 => read(&self.host, &body),
            400..=499 => Err(self.refused(status, &body)),
            _ => Err(failed(&self.host, status)),
        }
    }

    /// Reads what a token gives access to.
    pub(super) async fn get_with<T: DeserializeOwned>(&self, url: Url, token: &SecretString) -> Result<T, SignInError> {
        let request = self.http.get(url).bearer_auth(token.expose_secret());
        let (status, body) = self.send(request).await?;
        match status {
            200 => read(&self.host, &body),
            _ => Err(failed(&self.host, status)),
        }
    }

    /// Sends a form whose answer says nothing.
    pub(super) async fn tell(&self, url: Url, fields: &[(&str, &str)]) -> Result<(), SignInError> {
        let (status, body) = self.form(url, fields).await?;
        match status {
            200..=299 => Ok(()),
            400..=499 => Err(self.refused(status, &body)),
            _ => Err(failed(&self.host, status)),
        }
    }

    async fn form(&self, url: Url, fields: &[(&str, &str)]) -> Result<(u16, SecretString), SignInError> {
        self.send(self.request(url, fields)).await
    }

    fn request(&self, url: Url, fields: &[(&str, &str)]) -> RequestBuilder {
        for (_, value) in fields.iter().filter(|(name, _)| SECRETS.contains(name)) {
            self.hidden.add(value);
        }
        let form = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish();
        self.http
            .post(url)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form)
    }

    /// The status, and the body, which may hold tokens.
    async fn send(&self, request: RequestBuilder) -> Result<(u16, SecretString), SignInError> {
        let request = request.header(ACCEPT, HeaderValue::from_static("application/json"));
        let response = request.send().await.map_err(|error| unreachable(&self.host, &error))?;
        let status = response.status().as_u16();
        let body = body(&self.host, response).await?;
        Ok((status, body))
    }

    fn refused(&self, status: u16, body: &SecretString) -> SignInError {
        match serde_json::from_str::<Refusal>(body.expose_secret()) {
            Ok(refusal) => SignInError::Refused {
                error: shown(&self.hidden, &refusal.error, 60),
                description: refusal.error_description.map(|text| shown(&self.hidden, &text, 200)),
            },
            Err(_) => failed(&self.host, status),
        }
    }
}

/// Words of the server, without what was sent to it: looked for before they are cut, and after what can't be seen is left out.
fn shown(hidden: &OwnKey, text: &str, longest: usize) -> String {
    one_line(&hidden.redacted(&one_line(text, usize::MAX)), longest)
}

async fn body(host: &str, mut response: Response) -> Result<SecretString, SignInError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| unreachable(host, &error))? {
        if bytes.len() + chunk.len() > MAX_ANSWER {
            return Err(unusable(host, "it is larger than any such answer is"));
        }
        bytes.extend_from_slice(&chunk);
    }
    let text = String::from_utf8(bytes).map_err(|_| unusable(host, "it is no text"))?;
    Ok(SecretString::from(text))
}

fn read<T: DeserializeOwned>(host: &str, body: &SecretString) -> Result<T, SignInError> {
    // Without the parser's own words: they may quote a token.
    serde_json::from_str(body.expose_secret()).map_err(|_| unusable(host, "it isn't the JSON that is expected"))
}

fn failed(host: &str, status: u16) -> SignInError {
    SignInError::Unreachable {
        host: host.to_owned(),
        why: format!("it answered {status}"),
    }
}

fn unreachable(host: &str, error: &reqwest::Error) -> SignInError {
    let why = if error.is_timeout() {
        format!("no answer came within {} s", TIME.as_secs())
    } else if error.is_connect() {
        "no connection".to_owned()
    } else {
        "the connection broke".to_owned()
    };
    SignInError::Unreachable {
        host: host.to_owned(),
        why,
    }
}

/// What it answered can't be used.
pub(super) fn unusable(host: &str, why: impl Into<String>) -> SignInError {
    SignInError::Answer {
        host: host.to_owned(),
        why: why.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_server_are_shown_without_what_was_sent() {
        let token = "a-secret-0123456789";
        let hidden = OwnKey::new(token);
        for text in [
            format!("your token {token} is no good"),
            format!("{}{token}", "x".repeat(190)),
            "a-sec\u{200b}ret-0123456789".to_owned(),
            token.replace('-', "%2D"),
        ] {
            let shown = shown(&hidden, &text, 200);
            assert!(!shown.contains("a-sec") && !shown.contains("0123456"), "{shown}");
        }
    }
}
