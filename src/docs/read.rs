//! Reading the documentation: one GET for a text, redirects within the base alone, and nothing that says who asks.

use std::sync::Arc;
use std::time::Duration;

use http::header::{ACCEPT, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION};
use http::{HeaderMap, HeaderValue};
use tokio::sync::OnceCell;
use tokio::time::Instant;
use url::Url;

use super::cache::{Cache, Page};
use super::error::DocsError;
use super::index::{self, Entry};
use super::slug::Slug;
use crate::base_url::BaseUrl;
use crate::guard::mask_text;
use crate::neon::Context;
use crate::neon::text::{is_hidden, one_line};

/// The index, below the base.
const INDEX: &str = "llms.txt";

/// The largest text that is read, in bytes, after decompression.
const MAX_BYTES: usize = 1_024 * 1_024;

/// How long making a connection may take.
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// How many redirects are followed.
const REDIRECTS: usize = 3;

/// The longest ETag that is sent back.
const MAX_ETAG: usize = 256;

/// How long things may take.
#[derive(Debug, Clone, Copy)]
pub struct DocsTimes {
    /// A text, from the first request to the last byte. Default 15 seconds.
    pub text: Duration,
    /// How long a text is given out without asking the host again. Default an hour.
    pub fresh: Duration,
}

impl Default for DocsTimes {
    fn default() -> Self {
        Self {
            text: Duration::from_secs(15),
            fresh: Duration::from_secs(60 * 60),
        }
    }
}

/// The documentation at one base. Nothing is set up before it is first read.
#[derive(Debug)]
pub struct Docs {
    base: BaseUrl,
    times: DocsTimes,
    http: OnceCell<reqwest::Client>,
    cache: Cache,
}

/// What a host answered.
enum Answer {
    /// A text.
    Text(Page),
    /// What is known is still right.
    Unchanged,
    /// There is no such file.
    Missing,
}

impl Docs {
    /// The documentation at a base.
    #[must_use]
    pub fn new(base: BaseUrl) -> Self {
        Self::with(base, DocsTimes::default())
    }

    /// The documentation at a base, with times of its own.
    #[must_use]
    pub fn with(base: BaseUrl, times: DocsTimes) -> Self {
        Self {
            base,
            times,
            http: OnceCell::new(),
            cache: Cache::new(times.fresh),
        }
    }

    /// Where it is.
    #[must_use]
    pub fn base(&self) -> &BaseUrl {
        &self.base
    }

    /// Where people read a page.
    #[must_use]
    pub fn address(&self, slug: &Slug) -> String {
        self.base.file(slug.as_str()).into()
    }

    /// The pages that there are.
    ///
    /// # Errors
    /// [`DocsError`]
    pub async fn index(&self, context: &Context) -> Result<Vec<Entry>, DocsError> {
        let Some(page) = self.text(INDEX, context).await? else {
            return Err(self.unusable(format!("it has no {INDEX}")));
        };
        Ok(index::entries(&page.text, &self.base))
    }

    /// The text of a page, with the passwords masked that its examples have.
    ///
    /// # Errors
    /// [`DocsError`]
    pub async fn page(&self, slug: &Slug, context: &Context) -> Result<String, DocsError> {
        match self.text(&slug.file(), context).await? {
            Some(page) => Ok(page.text.clone()),
            None => Err(DocsError::NoPage {
                host: self.base.authority().to_owned(),
                slug: slug.to_string(),
            }),
        }
    }

    /// A text below the base; nothing where there is none.
    async fn text(&self, file: &str, context: &Context) -> Result<Option<Arc<Page>>, DocsError> {
        if let Some(page) = self.cache.fresh(file, Instant::now()) {
            return Ok(Some(page));
        }
        let known = self.cache.known(file);
        let etag = known.as_ref().and_then(|page| page.etag.as_deref());
        let answer = tokio::select! {
            biased;
            answer = tokio::time::timeout(self.times.text.min(context.left()), self.ask(self.base.file(file), etag)) => answer,
            () = context.cancel.cancelled() => return Err(DocsError::Cancelled),
        };
        let answer = answer.map_err(|_| self.unreachable("it took too long"))??;
        let page = match (answer, known) {
            (Answer::Text(page), _) => Arc::new(page),
            (Answer::Unchanged, Some(page)) => page,
            (Answer::Unchanged, None) => {
                return Err(self.unusable("it says that what wasn't asked before is unchanged"));
            }
            (Answer::Missing, _) => return Ok(None),
        };
        self.cache.keep(file, page.clone(), Instant::now());
        Ok(Some(page))
    }

    /// Asks the host, over redirects that stay below the base.
    async fn ask(&self, mut url: Url, etag: Option<&str>) -> Result<Answer, DocsError> {
        let http = self.http.get_or_try_init(|| async { self.build() }).await?;
        for _ in 0..=REDIRECTS {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT, HeaderValue::from_static("text/markdown, text/plain"));
            if let Some(etag) = etag.and_then(|etag| HeaderValue::from_str(etag).ok()) {
                headers.insert(IF_NONE_MATCH, etag);
            }
            let response = http
                .get(url.clone())
                .headers(headers)
                .send()
                .await
                .map_err(|error| self.unreachable(describe(error)))?;
            match response.status().as_u16() {
                200 => return self.received(response).await.map(Answer::Text),
                304 => return Ok(Answer::Unchanged),
                404 | 410 => return Ok(Answer::Missing),
                301 | 302 | 303 | 307 | 308 => url = self.followed(&url, response.headers().get(LOCATION))?,
                status @ (429 | 500..=599) => {
                    return Err(self.unreachable(format!("it answered {status}")));
                }
                status => return Err(self.unusable(format!("it answered {status}"))),
            }
        }
        Err(self.unusable(format!("it redirects more than {REDIRECTS} times")))
    }

    /// Where a redirect leads, if that is below the base.
    fn followed(&self, from: &Url, location: Option<&HeaderValue>) -> Result<Url, DocsError> {
        let location = location.and_then(|location| location.to_str().ok());
        location
            .and_then(|location| from.join(location).ok())
            .filter(|url| self.base.holds(url))
            .ok_or_else(|| self.unusable("it redirects to a place that isn't below the docs' own address"))
    }

    /// The text of an answer: Markdown or plain, and not too large.
    async fn received(&self, mut response: reqwest::Response) -> Result<Page, DocsError> {
        let header = |name: http::HeaderName| {
            let value = response.headers().get(name).and_then(|value| value.to_str().ok());
            value.map(str::to_owned)
        };
        let media_type = header(CONTENT_TYPE).unwrap_or_default();
        let essence = media_type
            .split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_ascii_lowercase();
        if !matches!(essence.as_str(), "text/markdown" | "text/plain" | "text/x-markdown") {
            return Err(self.unusable(format!(
                "it is of the type `{}`, and only Markdown and plain text are taken",
                one_line(&essence, 60)
            )));
        }
        let etag = header(ETAG).filter(|etag| etag.len() <= MAX_ETAG);
        let too_large = || self.unusable(format!("it is larger than {} KiB", MAX_BYTES / 1_024));
        let mut bytes = Vec::new();
        while let Some(chunk) = response
            .chunk()
            .await
            .map_err(|error| self.unreachable(describe(error)))?
        {
            if bytes.len() + chunk.len() > MAX_BYTES {
                return Err(too_large());
            }
            bytes.extend_from_slice(&chunk);
        }
        let text = String::from_utf8(bytes).map_err(|_| self.unusable("it isn't UTF-8"))?;
        // What can't be seen is no part of what people wrote for people.
        let shown = |char: &char| matches!(char, '\n' | '\t') || !is_hidden(*char);
        let text: String = text.chars().filter(shown).collect();
        // Results are masked as well: it is done here once, so that the places in the text stay what they are.
        Ok(Page {
            text: mask_text(&text),
            etag,
        })
    }

    /// Sets up HTTP. It has no key, no cookies, and follows nothing by itself.
    fn build(&self) -> Result<reqwest::Client, DocsError> {
        // A second installation in the same process fails, and the first one serves just as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("neon-mcp/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .gzip(true)
            .connect_timeout(CONNECT_TIME)
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_max_idle_per_host(2)
            .https_only(!self.base.is_loopback());
        if self.base.is_loopback() {
            builder = builder.no_proxy();
        }
        builder
            .build()
            .map_err(|_| self.unreachable("the HTTP client could not be set up"))
    }

    fn unreachable(&self, why: impl Into<String>) -> DocsError {
        DocsError::Unreachable {
            host: self.base.authority().to_owned(),
            why: why.into(),
        }
    }

    fn unusable(&self, why: impl Into<String>) -> DocsError {
        DocsError::Unusable {
            host: self.base.authority().to_owned(),
            why: why.into(),
        }
    }
}

/// A transport error in words, without the URL.
fn describe(error: reqwest::Error) -> &'static str {
    if error.is_connect() && error.is_timeout() {
        "connecting took too long"
    } else if error.is_connect() {
        "no connection could be made"
    } else if error.is_timeout() {
        "it took too long"
    } else if error.is_body() || error.is_decode() {
        "the answer was cut off"
    } else {
        "the connection broke"
    }
}
