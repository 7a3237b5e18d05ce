//! What went wrong, whether anything changed at Neon, and what to do next.

use std::fmt;
use std::time::Duration;

use super::credential_source::NoCredential;
use super::request::Method;
use super::text::one_line;

/// The longest message of Neon's that is passed on, in characters.
pub const MAX_MESSAGE: usize = 500;

/// The kind of a failure: what a program decides by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Nobody is signed in, or no longer: nothing was sent.
    NotSignedIn,
    /// 401: the key is wrong or revoked.
    Unauthorized,
    /// 403: the key may not do this.
    Forbidden,
    /// 404 or 410: it isn't there, or the feature is off.
    NotFound,
    /// 409: it exists already, or is in the wrong state.
    Conflict,
    /// Any other 4xx, such as 400, 406, 412 and 422: Neon won't do this.
    Refused,
    /// 423: the project is busy with other operations.
    Locked,
    /// 429: too many requests.
    RateLimited,
    /// 503, and for reads also 502 and 504: Neon can't answer for the moment.
    Unavailable,
    /// Any other 5xx.
    Upstream,
    /// No connection, or (for reads) no whole answer.
    Network,
    /// The time given ran out before anything was sent, or while reading.
    TimedOut,
    /// The caller cancelled.
    Cancelled,
    /// A changing request was sent and its answer was lost: it isn't sent again.
    OutcomeUnknown,
    /// Neon accepted a changing request (2xx), but its answer couldn't be read.
    AnswerUnreadable,
    /// A read was answered with something that isn't JSON, or not the JSON that was expected.
    Malformed,
    /// The answer is larger than the client takes.
    TooLarge,
    /// A redirect that isn't followed.
    RedirectRefused,
    /// The rate budget that replicas share can't be asked; nothing was sent.
    NoBudget,
    /// The request couldn't be made, or the HTTP client not be set up; nothing was sent.
    Setup,
}

impl ErrorKind {
    /// The kind of an answer's status, for a method.
    #[must_use]
    pub fn of_status(status: u16, method: Method) -> Self {
        match status {
            300..=399 => Self::RedirectRefused,
            401 => Self::Unauthorized,
            403 => Self::Forbidden,
            404 | 410 => Self::NotFound,
            409 => Self::Conflict,
            423 => Self::Locked,
            429 => Self::RateLimited,
            400..=499 => Self::Refused,
            503 => Self::Unavailable,
            502 | 504 if method.changes() => Self::OutcomeUnknown,
            502 | 504 => Self::Unavailable,
            _ => Self::Upstream,
        }
    }
}

/// Whether a failed request changed anything at Neon.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Changed {
    /// Nothing was changed.
    No,
    /// Neon accepted the change.
    Yes,
    /// It can't be told from here: look before trying again.
    Unknown,
}

impl Changed {
    /// What a status tells about a request with this method: 2xx was accepted; 4xx and 503 mean that nothing was done
    /// (Neon's `GeneralError` text); after any other, a change may have been made.
    #[must_use]
    pub fn by_status(status: u16, method: Method) -> Self {
        match status {
            _ if !method.changes() => Self::No,
            200..=299 => Self::Yes,
            400..=499 | 503 => Self::No,
            _ => Self::Unknown,
        }
    }
}

/// A failed request. `Display` is one or a few sentences that stand alone: what happened, whether anything changed, what to
/// do next. Neither it nor `Debug` ever holds the credential or a body.
#[derive(Clone)]
pub struct Error {
    details: Box<Details>,
}

#[derive(Debug, Clone)]
struct Details {
    kind: ErrorKind,
    method: Method,
    summary: String,
    status: Option<u16>,
    code: Option<String>,
    message: Option<String>,
    request_id: Option<String>,
    changed: Changed,
    hint: String,
    retry_after: Option<Duration>,
    attempts: u32,
}

impl Error {
    /// An error with the kind's own hint, about which nothing else is known yet. `summary` is a sentence with its full stop.
    pub(crate) fn new(kind: ErrorKind, method: Method, summary: impl Into<String>) -> Self {
        Self {
            details: Box::new(Details {
                kind,
                method,
                summary: summary.into(),
                status: None,
                code: None,
                message: None,
                request_id: None,
                changed: Changed::No,
                hint: hint(kind).to_owned(),
                retry_after: None,
                attempts: 0,
            }),
        }
    }

    /// An upstream answer to a read that isn't what it should be.
    pub(crate) fn malformed(summary: impl Into<String>) -> Self {
        Self::new(ErrorKind::Malformed, Method::Get, summary)
    }

    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.details.status = Some(status);
        self
    }

    /// Neon's own code and message; the message is cleaned and cut to [`MAX_MESSAGE`].
    pub(crate) fn with_words(mut self, code: Option<String>, message: Option<&str>) -> Self {
        self.details.code = code;
        self.details.message = message
            .map(|message| one_line(message, MAX_MESSAGE))
            .filter(|message| !message.is_empty());
        self
    }

    pub(crate) fn with_request_id(mut self, request_id: Option<String>) -> Self {
        self.details.request_id = request_id;
        self
    }

    pub(crate) fn with_changed(mut self, changed: Changed) -> Self {
        self.details.changed = changed;
        self
    }

    pub(crate) fn with_retry_after(mut self, retry_after: Option<Duration>) -> Self {
        self.details.retry_after = retry_after;
        self
    }

    pub(crate) fn with_attempts(mut self, attempts: u32) -> Self {
        self.details.attempts = attempts;
        self
    }

    /// The same error with a better hint, from someone who knows more about the call. A sentence with its full stop.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.details.hint = hint.into();
        self
    }

    /// The error of a request that there was nothing to send with. Nothing was sent.
    #[must_use]
    pub fn no_credential(method: Method, why: &NoCredential) -> Self {
        match why {
            NoCredential::NotSignedIn { why, next } => {
                let summary = format!("{why} Nothing was sent to Neon.");
                Self::new(ErrorKind::NotSignedIn, method, summary).with_hint(next.clone())
            }
            NoCredential::AnotherAccount => Self::new(
                ErrorKind::NotSignedIn,
                method,
                "Another account signed in while the call ran. This request was not sent.".to_owned(),
            )
            .with_hint("Call again: the call begins anew with the account that is signed in now."),
            NoCredential::NotRenewed { why } => Self::new(
                ErrorKind::Network,
                method,
                format!("The sign-in couldn't be renewed: {why}. Nothing was sent to Neon."),
            )
            .with_hint("Try again in a while: the sign-in itself still counts."),
        }
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.details.kind
    }

    /// What happened, in a sentence or two, with Neon's own words, without hint and consequences.
    #[must_use]
    pub fn summary(&self) -> &str {
        &self.details.summary
    }

    /// The status that Neon answered with, if it answered.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.details.status
    }

    /// Neon's error code; Neon often sends none. For a feature that is off, its `reason`.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.details.code.as_deref()
    }

    /// Neon's message, on one line, without control and bidi characters, at most 500 characters. Untrusted text all the same.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        self.details.message.as_deref()
    }

    /// The id of the last attempt: Neon's, or else the one that was sent. `None` when nothing was sent.
    #[must_use]
    pub fn request_id(&self) -> Option<&str> {
        self.details.request_id.as_deref()
    }

    /// Whether anything changed at Neon.
    #[must_use]
    pub fn changed(&self) -> Changed {
        self.details.changed
    }

    /// What to do next.
    #[must_use]
    pub fn hint(&self) -> &str {
        &self.details.hint
    }

    /// How long Neon asked to wait, when it did.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.details.retry_after
    }

    /// How often the request was sent, or was about to be.
    #[must_use]
    pub fn attempts(&self) -> u32 {
        self.details.attempts
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let details = &*self.details;
        formatter.write_str(&details.summary)?;
        if let Some(message) = &details.message {
            write!(formatter, " Neon says: “{message}”")?;
            if let Some(code) = &details.code {
                write!(formatter, " ({code})")?;
            }
            formatter.write_str(".")?;
        } else if let Some(code) = &details.code {
            write!(formatter, " Neon's code: {code}.")?;
        }
        match details.changed {
            Changed::Unknown => {
                formatter.write_str(" Whether anything was changed is unknown.")?;
            }
            Changed::Yes => formatter.write_str(" The change was made or has begun.")?,
            Changed::No if details.method.changes() => {
                formatter.write_str(" Nothing was changed.")?;
            }
            Changed::No => {}
        }
        if let Some(wait) = details.retry_after {
            write!(
                formatter,
                " Neon asks to wait {} s.",
                wait.as_secs() + u64::from(wait.subsec_nanos() > 0 && wait.as_secs() < u64::MAX)
            )?;
        }
        if !details.hint.is_empty() {
            write!(formatter, " {}", details.hint)?;
        }
        if let Some(request_id) = &details.request_id {
            write!(formatter, " (Request id: {request_id})")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.details.fmt(formatter)
    }
}

impl std::error::Error for Error {}

/// What to do next, by kind alone.
fn hint(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::NotSignedIn => "Tell the user to sign in: `neon-mcp login`.",
        ErrorKind::Unauthorized => "Give a valid Neon API key: this one is mistyped, revoked or from another account.",
        ErrorKind::Forbidden => {
            "The key lacks this right: use a key with wider rights, or ask an administrator of the organization."
        }
        ErrorKind::NotFound => {
            "Check the ids and names with a list call; the key may also not see this project or organization."
        }
        ErrorKind::Conflict => "Read the present state first, then decide.",
        ErrorKind::Refused => "Change the arguments as the message says; repeating the same call won't help.",
        ErrorKind::Locked => {
            "The project is busy with another operation: wait until its operations have finished, then try again."
        }
        ErrorKind::RateLimited => "Wait, then try again with fewer calls.",
        ErrorKind::Unavailable => "Try again in a while.",
        ErrorKind::Upstream => {
            "This is an error inside Neon: try a read later, and give Neon's support the request id."
        }
        ErrorKind::Network => "Check the network and the address of the API, then try again.",
        ErrorKind::TimedOut => "Try again with more time.",
        ErrorKind::Cancelled => "",
        ErrorKind::OutcomeUnknown => {
            "It was not sent again. Read the target's state before deciding to repeat the call."
        }
        ErrorKind::AnswerUnreadable => "Don't repeat the call: read the target's state to see the result.",
        ErrorKind::Malformed => "Try again; if it stays so, something between here and Neon changes the answers.",
        ErrorKind::TooLarge => "Ask for less: a smaller page, a filter or a single item.",
        ErrorKind::RedirectRefused => {
            "Check the address of the API: the key is never sent to another address than the one configured."
        }
        ErrorKind::NoBudget => "Call again when the store that replicas share is back. Reads go on meanwhile.",
        ErrorKind::Setup => "Check the configuration of this server.",
    }
}
