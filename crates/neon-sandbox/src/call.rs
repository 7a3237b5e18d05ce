//! One API call as its handler sees it, and what a handler answers.

use std::{cell::RefCell, collections::HashMap};

use bytes::Bytes;
use http::{StatusCode, Uri};
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::Value;
use uuid::Uuid;

use super::{
    clock::Timestamp,
    data_plane::{DataPlaneError, Schema, Wanted},
    error::ApiError,
    form::Form,
    state::keys::Caller,
    state::{State, change::Change, operation::Outcome},
};

/// What a handler needs of PostgreSQL. Handlers don't wait: one that lacks something is run again when it is there.
#[derive(Debug, Default)]
pub(crate) struct Fetched {
    schemas: Vec<(Wanted, Result<Schema, DataPlaneError>)>,
    lacking: Vec<Wanted>,
}

impl Fetched {
    /// Adds what was fetched.
    pub(crate) fn add(&mut self, wanted: Wanted, schema: Result<Schema, DataPlaneError>) {
        self.schemas.push((wanted, schema));
    }

    /// A schema; where it isn't there yet, it is noted as lacking.
    pub(crate) fn schema(&mut self, wanted: Wanted) -> Option<Result<Schema, DataPlaneError>> {
        let known = self.schemas.iter().find(|(known, _)| *known == wanted);
        if known.is_none() {
            self.lacking.push(wanted);
        }
        known.map(|(_, schema)| schema.clone())
    }

    /// Whether something has to be fetched.
    pub(crate) fn lacks_something(&self) -> bool {
        !self.lacking.is_empty()
    }

    /// What has to be fetched.
    pub(crate) fn into_wanted(self) -> Vec<Wanted> {
        self.lacking
    }
}

/// One API call.
#[derive(Debug)]
pub(crate) struct Call {
    pub(crate) caller: Caller,
    pub(crate) now: Timestamp,
    /// How the operations that the call starts will end.
    pub(crate) outcome: Outcome,
    /// What was fetched of PostgreSQL, and what is still to be.
    pub(crate) fetched: RefCell<Fetched>,
    pub(crate) params: HashMap<String, String>,
    pub(crate) uri: Uri,
    pub(crate) body: Bytes,
    /// The body as a form, where it was sent as one.
    pub(crate) form: Option<Result<Form, ApiError>>,
    /// By which host and port the client reached the sandbox.
    pub(crate) host: String,
}

impl Call {
    /// A parameter of the path.
    pub(crate) fn param(&self, name: &str) -> Result<&str, ApiError> {
        self.params
            .get(name)
            .map(String::as_str)
            .ok_or_else(|| ApiError::bad_request(format!("{name} is missing in the path")))
    }

    /// An id in the path, which must look like one.
    pub(crate) fn id(&self, name: &str) -> Result<&str, ApiError> {
        let id = self.param(name)?;
        check_id(name, id)?;
        Ok(id)
    }

    /// A UUID in the path, in its usual form.
    pub(crate) fn uuid(&self, name: &str) -> Result<String, ApiError> {
        Uuid::parse_str(self.param(name)?)
            .map(|id| id.to_string())
            .map_err(|_| ApiError::bad_request(format!("{name} must be a UUID")))
    }

    /// The project in the path.
    pub(crate) fn project_id(&self) -> Result<&str, ApiError> {
        self.id("project_id")
    }

    /// The branch in the path.
    pub(crate) fn branch_id(&self) -> Result<&str, ApiError> {
        self.id("branch_id")
    }

    /// The query string.
    pub(crate) fn query<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        axum::extract::Query::try_from_uri(&self.uri)
            .map(|axum::extract::Query(query)| query)
            .map_err(|rejection| ApiError::bad_request(format!("the query string is wrong: {}", source(&rejection))))
    }

    /// The JSON body, which must be there.
    pub(crate) fn json<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        if self.body.is_empty() {
            return Err(ApiError::bad_request("the request needs a JSON body"));
        }
        serde_json::from_slice(&self.body)
            .map_err(|error| ApiError::bad_request(format!("the request body is wrong: {error}")))
    }

    /// The body as a form.
    pub(crate) fn form(&self) -> Result<&Form, ApiError> {
        match &self.form {
            Some(form) => form.as_ref().map_err(Clone::clone),
            None => Err(ApiError::bad_request(
                "the request body is no form: Content-Type must be multipart/form-data with a boundary",
            )),
        }
    }

    /// The JSON body, or the default when there is none.
    pub(crate) fn optional_json<T: DeserializeOwned + Default>(&self) -> Result<T, ApiError> {
        if self.body.iter().all(u8::is_ascii_whitespace) {
            Ok(T::default())
        } else {
            self.json()
        }
    }
}

/// The innermost reason of an error, which says what is wrong with the input.
fn source(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(next) = innermost.source() {
        innermost = next;
    }
    innermost.to_string()
}

/// Refuses what cannot be an id: `^[a-z0-9-]{1,60}$`.
pub(crate) fn check_id(name: &str, id: &str) -> Result<(), ApiError> {
    let fits = (1..=60).contains(&id.len())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    if fits {
        Ok(())
    } else {
        Err(ApiError::bad_request(format!(
            "{name} must be 1 to 60 lowercase letters, digits or hyphens"
        )))
    }
}

/// Reads an RFC 3339 date and time with a zone.
pub(crate) fn parse_moment(name: &str, text: &str) -> Result<Timestamp, ApiError> {
    chrono::DateTime::parse_from_rfc3339(text)
        .map(|moment| moment.to_utc())
        .map_err(|_| {
            ApiError::bad_request(format!(
                "{name} must be a date and time with a zone, as in RFC 3339: 2030-01-31T12:00:00Z"
            ))
        })
}

/// A field of an update that tells absent (`None`) from `null` (`Some(None)`).
pub(crate) fn nullable<'de, T, D>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    T: Deserialize<'de>,
    D: Deserializer<'de>,
{
    Option::deserialize(deserializer).map(Some)
}

/// An answer that is not an error.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: StatusCode,
    pub(crate) body: Option<Value>,
    /// Sent instead, where it isn't JSON.
    pub(crate) bytes: Option<Bytes>,
}

impl Reply {
    /// 200 with a body.
    pub(crate) fn ok(body: impl Serialize) -> Result<Self, ApiError> {
        Self::with(StatusCode::OK, body)
    }

    /// 201 with a body.
    pub(crate) fn created(body: impl Serialize) -> Result<Self, ApiError> {
        Self::with(StatusCode::CREATED, body)
    }

    /// Any status with a body.
    pub(crate) fn with(status: StatusCode, body: impl Serialize) -> Result<Self, ApiError> {
        let body = serde_json::to_value(body)
            .map_err(|error| ApiError::bad_request(format!("the answer cannot be written as JSON: {error}")))?;
        Ok(Self {
            status,
            body: Some(body),
            bytes: None,
        })
    }

    /// 204: it was gone already.
    pub(crate) fn gone() -> Self {
        Self {
            status: StatusCode::NO_CONTENT,
            body: None,
            bytes: None,
        }
    }

    /// 200 with bytes that aren't JSON.
    pub(crate) fn bytes(bytes: Bytes) -> Self {
        Self {
            status: StatusCode::OK,
            body: None,
            bytes: Some(bytes),
        }
    }
}

impl State {
    /// Opens a project for a change, or 404. Whether it is locked is asked with [`Change::check_lock`].
    pub(crate) fn change<'a>(&'a mut self, call: &'a Call) -> Result<Change<'a>, ApiError> {
        self.change_in(call, call.project_id()?)
    }

    /// Opens a project that isn't named in the path.
    pub(crate) fn change_in<'a>(&'a mut self, call: &'a Call, id: &str) -> Result<Change<'a>, ApiError> {
        self.change_at(call.now, &call.caller, id, &call.outcome)
    }
}
