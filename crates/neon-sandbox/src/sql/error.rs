//! A refusal, in the shape of Neon's proxy.

use std::{collections::HashMap, io};

use axum::{
    Json,
    response::{IntoResponse, Response},
};
use fallible_iterator::FallibleIterator as _;
use http::{HeaderValue, StatusCode, header::ACCESS_CONTROL_ALLOW_ORIGIN};
use postgres_protocol::message::backend::ErrorResponseBody;
use serde_json::json;

/// Why a request was refused.
#[derive(Debug, thiserror::Error)]
#[error("{status}: {message}")]
pub(crate) struct SqlError {
    status: StatusCode,
    message: String,
    /// What Postgres said, by the letters of its protocol; empty when it wasn't Postgres that refused.
    fields: HashMap<u8, String>,
}

/// The code of a sandbox whose branches hold no data.
const WITHOUT_POSTGRES: &str = "SB000";

impl SqlError {
    fn new(status: StatusCode, message: impl Into<String>) -> Self {
        Self {
            status,
            message: message.into(),
            fields: HashMap::new(),
        }
    }

    /// 400: the request itself is wrong.
    pub(crate) fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, message)
    }

    /// 400: branches hold no data. The code is none of Postgres' own, whose classes know no `SB`.
    pub(crate) fn without_postgres() -> Self {
        Self {
            fields: HashMap::from([(b'C', WITHOUT_POSTGRES.to_owned())]),
            ..Self::bad_request(
                "the sandbox runs no PostgreSQL, so it can't run SQL: start it again with --fetch-postgres, or with one installed (Debian: \
                 apt install postgresql)",
            )
        }
    }

    /// 400: no password, or a JWT in place of one.
    pub(crate) fn missing_password() -> Self {
        Self::bad_request("missing authentication credentials: required password")
    }

    /// 413: the body is larger than `limit`.
    pub(crate) fn request_too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            format!("request is too large (max is {limit} bytes)"),
        )
    }

    /// 507: the answer would be larger than `limit`.
    pub(crate) fn response_too_large(limit: usize) -> Self {
        Self::new(
            StatusCode::INSUFFICIENT_STORAGE,
            format!("response is too large (max is {limit} bytes)"),
        )
    }

    /// 500: not the client's fault.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, message)
    }

    /// 500: the connection to Postgres broke.
    pub(crate) fn lost(error: &io::Error) -> Self {
        Self::internal(format!("the connection to Postgres was lost: {error}"))
    }

    /// 500: Postgres sent a value that isn't one of its type.
    pub(crate) fn unreadable() -> Self {
        Self::internal("could not parse postgres response")
    }

    /// 400: the statement makes Postgres speak of something that HTTP has no place for (COPY).
    pub(crate) fn unexpected() -> Self {
        Self::bad_request("unexpected message from server")
    }

    /// 400: Postgres refused a statement.
    pub(crate) fn statement(body: &ErrorResponseBody) -> Self {
        let mut fields = HashMap::new();
        let mut sent = body.fields();
        // What cannot be read ends the list; what came before it still says what is wrong.
        while let Ok(Some(field)) = sent.next() {
            fields.insert(field.type_(), String::from_utf8_lossy(field.value_bytes()).into_owned());
        }
        Self {
            status: StatusCode::BAD_REQUEST,
            message: fields.get(&b'M').cloned().unwrap_or_default(),
            fields,
        }
    }

    /// Postgres refused the connection: 400 when it is about who connects, else 500, as the proxy has it
    /// (an unknown database, too many connections, a server that still starts).
    pub(crate) fn startup(body: &ErrorResponseBody) -> Self {
        let error = Self::statement(body);
        let about_the_role = error.field(b'C').is_some_and(|code| code.starts_with("28"));
        Self {
            status: if about_the_role {
                StatusCode::BAD_REQUEST
            } else {
                StatusCode::INTERNAL_SERVER_ERROR
            },
            ..error
        }
    }

    fn field(&self, letter: u8) -> Option<&str> {
        self.fields.get(&letter).map(String::as_str)
    }
}

impl IntoResponse for SqlError {
    fn into_response(self) -> Response {
        // A position within the statement, or within one that Postgres made itself; never both.
        let position = self.field(b'P');
        let internal = self
            .field(b'p')
            .zip(self.field(b'q'))
            .filter(|_| position.is_none())
            .unzip();
        let body = json!({
            "message": self.message,
            "code": self.field(b'C').unwrap_or_default(),
            "detail": self.field(b'D'),
            "hint": self.field(b'H'),
            "position": position,
            "internalPosition": internal.0,
            "internalQuery": internal.1,
            "severity": self.field(b'S').unwrap_or_default(),
            "where": self.field(b'W'),
            "table": self.field(b't'),
            "column": self.field(b'c'),
            "schema": self.field(b's'),
            "dataType": self.field(b'd'),
            "constraint": self.field(b'n'),
            "file": self.field(b'F'),
            "line": self.field(b'L'),
            "routine": self.field(b'R'),
        });
        let mut response = (self.status, Json(body)).into_response();
        response
            .headers_mut()
            .insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
        response
    }
}
