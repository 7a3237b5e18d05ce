//! A refusal, in Neon's error shape.

use http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

/// Why a call was refused. The request id is added when it is answered.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{status}: {message}")]
pub(crate) struct ApiError {
    /// The HTTP status.
    pub(crate) status: StatusCode,
    /// Neon's code for the case; often empty, as at Neon.
    pub(crate) code: String,
    /// What is wrong, for people.
    pub(crate) message: String,
    /// The whole body, where Neon's isn't the usual one.
    pub(crate) body: Option<Box<Value>>,
    /// Seconds to wait, for the `Retry-After` header.
    pub(crate) retry_after: Option<String>,
}

/// The body of an error answer.
#[derive(Debug, Serialize)]
pub(crate) struct ErrorBody<'a> {
    pub(crate) request_id: &'a str,
    pub(crate) code: &'a str,
    pub(crate) message: &'a str,
}

impl ApiError {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            code: String::new(),
            message: message.into(),
            body: None,
            retry_after: None,
        }
    }

    /// 400: the request itself is wrong.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 401: no key, or not one of ours.
    pub(crate) fn unauthorized(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, message)
    }

    /// 403: the key is known and may not do this.
    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, message)
    }

    /// 404: it doesn't exist, or this key cannot see it.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, message)
    }

    /// 404: the feature is off, for a reason that is named in a body of its own.
    pub(crate) fn not_enabled(code: &str, reason: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            code: code.to_owned(),
            body: Some(Box::new(json!({ "code": code, "message": message, "reason": reason }))),
            ..Self::not_found(message)
        }
    }

    /// 406: further back than anything is kept.
    pub(crate) fn out_of_range(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_ACCEPTABLE, message)
    }

    /// 406: the plan of whoever would get it doesn't allow for it, which Neon says in a body of its own.
    pub(crate) fn not_acceptable(message: impl Into<String>, body: Value) -> Self {
        Self {
            body: Some(Box::new(body)),
            ..Self::new(StatusCode::NOT_ACCEPTABLE, message)
        }
    }

    /// 409: the name is taken.
    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, message)
    }

    /// 410: it was there, and is deleted.
    pub(crate) fn gone(message: impl Into<String>) -> Self {
        Self::new(StatusCode::GONE, message)
    }

    /// 400 with a code that says which rule was broken.
    pub(crate) fn invalid(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            ..Self::bad_request(message)
        }
    }

    /// 400 with the broken rule as its code, and as the reason in a body of its own.
    pub(crate) fn invalid_because(reason: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            body: Some(Box::new(
                json!({ "code": reason, "message": message, "reason": reason }),
            )),
            ..Self::invalid(reason, message)
        }
    }

    /// 412: something that must be on is off.
    pub(crate) fn precondition(message: impl Into<String>) -> Self {
        Self::new(StatusCode::PRECONDITION_FAILED, message)
    }

    /// 413: the body is larger than the sandbox takes.
    pub(crate) fn too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "the request body is too large")
    }

    /// 422: well formed, and against a rule.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, message)
    }

    /// 422 with one of Neon's limit codes.
    pub(crate) fn limit(code: &str, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            ..Self::refused(message)
        }
    }

    /// 423: operations of the project still run.
    pub(crate) fn locked() -> Self {
        Self::locked_because("project already has running conflicting operations, scheduling of new ones is prohibited")
    }

    /// 423 with another of Neon's messages.
    pub(crate) fn locked_because(message: impl Into<String>) -> Self {
        Self::new(StatusCode::LOCKED, message)
    }

    /// 429: a rate limit is used up for so many seconds.
    pub(crate) fn rate_limited(seconds: u64) -> Self {
        Self {
            retry_after: Some(seconds.to_string()),
            ..Self::new(
                StatusCode::TOO_MANY_REQUESTS,
                format!("too many requests, try again in {seconds} s"),
            )
        }
    }
}
