//! What an attempt's failure means for the caller: its kind, whether anything changed, and what to do next.

use super::attempt::{Failure, Phase, Progress};
use super::config::ClientConfig;
use super::error::{Changed, Error, ErrorKind};
use super::request::Request;
use super::retry::Fault;

/// Who ended an attempt before it was over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    /// The caller.
    Cancelled,
    /// The clock.
    Deadline,
}

/// The error of an attempt that the caller or the clock ended.
pub(super) fn stopped(request: &Request, stop: Stop, progress: Progress, attempt: u32) -> Error {
    let method = request.method();
    let cancelled = stop == Stop::Cancelled;
    if let (Phase::Answering(status @ 400..), Stop::Deadline) = (progress.phase, stop) {
        // Only the error's words are missing.
        return status_error(request, status, None, None)
            .with_request_id(progress.request_id)
            .with_attempts(attempt);
    }
    let why = if cancelled { "was cancelled" } else { "ran out of time" };
    let (changed, where_) = match progress.phase {
        Phase::Waiting => (Changed::No, " before it was sent"),
        Phase::InFlight if method.changes() => (Changed::Unknown, " while Neon's answer was awaited"),
        Phase::Answering(status) if method.changes() => {
            (Changed::by_status(status, method), " while Neon's answer was coming in")
        }
        _ => (Changed::No, ""),
    };
    let kind = match changed {
        _ if cancelled => ErrorKind::Cancelled,
        Changed::No => ErrorKind::TimedOut,
        Changed::Yes => ErrorKind::AnswerUnreadable,
        Changed::Unknown => ErrorKind::OutcomeUnknown,
    };
    let error = Error::new(kind, method, format!("{method} {} {why}{where_}.", request.path()))
        .with_changed(changed)
        .with_request_id(progress.request_id)
        .with_attempts(attempt);
    let error = match progress.phase {
        Phase::Answering(status) => error.with_status(status),
        _ => error,
    };
    match changed {
        Changed::No => error,
        _ => error.with_hint(look_first(request)),
    }
}

/// Which read tells what became of a changing request.
fn look_first(request: &Request) -> String {
    format!(
        "It was not sent again: first read the present state (GET {}, or the nearest route above it that can be read), then decide.",
        request.path()
    )
}

impl Failure {
    /// The failure as the retry rules see it; `None` for what repeating can't help.
    pub(super) fn fault(&self) -> Option<Fault> {
        match self {
            Self::NotConnected(_) | Self::NoAnswer { .. } | Self::Cut { .. } => Some(Fault::Network),
            Self::Status {
                status, retry_after, ..
            } => Some(Fault::Status {
                status: *status,
                retry_after: *retry_after,
            }),
            Self::Setup(_)
            | Self::NoCredential(_)
            | Self::NoBudget(_)
            | Self::Redirect { .. }
            | Self::NotJson { .. }
            | Self::TooLarge { .. } => None,
        }
    }

    /// The failure as it is reported.
    pub(super) fn into_error(
        self,
        request: &Request,
        request_id: Option<String>,
        attempts: u32,
        config: &ClientConfig,
    ) -> Error {
        let method = request.method();
        let call = format!("{method} {}", request.path());
        let host = config.base.authority();
        let error = match self {
            Self::Setup(why) => Error::new(ErrorKind::Setup, method, format!("{call} could not be made: {why}.")),
            Self::NoCredential(why) => Error::no_credential(method, &why),
            Self::NoBudget(away) => Error::new(ErrorKind::NoBudget, method, format!("{call} was not sent: {away}.")),
            Self::NotConnected(why) => Error::new(
                ErrorKind::Network,
                method,
                format!("{call} did not reach {host}: {why}."),
            ),
            Self::NoAnswer { why, .. } if method.changes() => Error::new(
                ErrorKind::OutcomeUnknown,
                method,
                format!("{call} was sent to {host}, and the answer was lost: {why}."),
            )
            .with_changed(Changed::Unknown)
            .with_hint(look_first(request)),
            Self::NoAnswer { why, slow } => Error::new(
                if slow { ErrorKind::TimedOut } else { ErrorKind::Network },
                method,
                format!("{call} got no answer from {host}: {why}."),
            ),
            Self::Status {
                status,
                retry_after,
                code,
                message,
                advice,
            } => {
                let error = status_error(request, status, code, message.as_deref()).with_retry_after(retry_after);
                match advice {
                    Some(advice) => error.with_hint(advice),
                    None => error,
                }
            }
            Self::Redirect { status, why } => {
                let error = Error::new(
                    ErrorKind::RedirectRefused,
                    method,
                    format!("{call} was answered with a redirect ({status}) that is not followed: {why}."),
                )
                .with_status(status)
                .with_changed(Changed::by_status(status, method));
                if method.changes() {
                    let hint = format!("{} Check the address of the API.", look_first(request));
                    error.with_hint(hint)
                } else {
                    error
                }
            }
            Self::Cut { status, why } if method.changes() => {
                unreadable(request, status, &format!("it broke off ({why})"))
            }
            Self::Cut { status, why } => Error::new(
                ErrorKind::Network,
                method,
                format!("The answer to {call} broke off: {why}."),
            )
            .with_status(status),
            Self::NotJson { status } if method.changes() => unreadable(request, status, "it is not JSON"),
            Self::NotJson { status } => Error::new(
                ErrorKind::Malformed,
                method,
                format!("The answer to {call} is not JSON (status {status})."),
            )
            .with_status(status),
            Self::TooLarge { status } => {
                let error = Error::new(
                    ErrorKind::TooLarge,
                    method,
                    format!(
                        "The answer to {call} is larger than {} bytes.",
                        request.bytes_answer().unwrap_or(config.max_response_bytes)
                    ),
                )
                .with_status(status)
                .with_changed(Changed::by_status(status, method));
                if method.changes() {
                    error.with_hint(look_first(request))
                } else {
                    error
                }
            }
        };
        error.with_request_id(request_id).with_attempts(attempts)
    }
}

/// The error of a 2xx answer to a changing request that can't be read.
fn unreadable(request: &Request, status: u16, why: &str) -> Error {
    let method = request.method();
    Error::new(
        ErrorKind::AnswerUnreadable,
        method,
        format!(
            "Neon accepted {method} {} (status {status}), but its answer couldn't be read: {why}.",
            request.path()
        ),
    )
    .with_status(status)
    .with_changed(Changed::Yes)
    .with_hint(format!(
        "Don't repeat the call: read the present state (GET {}, or the nearest route above it that can be read).",
        request.path()
    ))
}

/// The error of a status that isn't 2xx.
fn status_error(request: &Request, status: u16, code: Option<String>, message: Option<&str>) -> Error {
    let method = request.method();
    let kind = ErrorKind::of_status(status, method);
    let changed = Changed::by_status(status, method);
    let meaning = match kind {
        ErrorKind::Unauthorized => "the API key or sign-in was not accepted",
        ErrorKind::Forbidden => "the API key may not do this",
        ErrorKind::NotFound => "it was not found",
        ErrorKind::Conflict => "it conflicts with what is there",
        ErrorKind::Refused => "it was refused",
        ErrorKind::Locked => "the project is locked by running operations",
        ErrorKind::RateLimited => "too many requests",
        ErrorKind::Unavailable => "Neon is not available for the moment",
        ErrorKind::OutcomeUnknown => "the answer was lost on its way",
        _ => "it failed",
    };
    let about_keys =
        kind == ErrorKind::NotFound && message.is_some_and(|message| message.contains("organization API key"));
    let answered = format!("Neon answered {status}: {meaning}.");
    // What was asked for stands in Neon's own words, mostly. Without any, the request says it.
    let summary = match message {
        Some(_) => answered,
        None => format!("{method} {}: {answered}", request.path()),
    };
    let error = Error::new(kind, method, summary)
        .with_status(status)
        .with_changed(changed);
    let error = if changed == Changed::Unknown {
        error.with_hint(look_first(request))
    } else if about_keys {
        error.with_hint("This call needs a personal API key; the one in use belongs to an organization.")
    } else {
        error
    };
    error.with_words(code, message)
}
