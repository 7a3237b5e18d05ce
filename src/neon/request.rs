//! A request as data: method, route, path, query and body, put together before anyone decides whether it may be sent.

use std::fmt;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::form::FilePart;
use super::path_segment::PathSegment;

/// The methods that Neon's API uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Reads.
    Get,
    /// Creates or starts.
    Post,
    /// Replaces.
    Put,
    /// Changes in part.
    Patch,
    /// Deletes.
    Delete,
}

impl Method {
    /// Whether a request with this method may change something: every method but GET. (Some of Neon's POSTs only read;
    /// they are treated as changing all the same, for no retry may rest on that.)
    #[must_use]
    pub fn changes(self) -> bool {
        !matches!(self, Self::Get)
    }

    /// The name on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl From<Method> for http::Method {
    fn from(method: Method) -> Self {
        match method {
            Method::Get => Self::GET,
            Method::Post => Self::POST,
            Method::Put => Self::PUT,
            Method::Patch => Self::PATCH,
            Method::Delete => Self::DELETE,
        }
    }
}

/// One request to Neon's API, not yet sent. A request that may change something is sent only as a
/// [`crate::permit::Permitted`]; one that is proven to read, as a [`Read`].
///
/// `Debug` shows the method, the path and the *names* of query parameters and body fields, never their values.
#[derive(Clone, PartialEq)]
pub struct Request {
    method: Method,
    route: Arc<str>,
    path: String,
    query: Vec<(String, String)>,
    body: Option<Value>,
    form: Option<Vec<FilePart>>,
    most_bytes: Option<usize>,
}

/// Why a request can't be put together. Nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// The template isn't a plain path of segments and placeholders.
    #[error("`{0}` is not a route: it begins with one slash and consists of plain segments and {{placeholders}}")]
    BadRoute(String),
    /// A placeholder got no segment.
    #[error("the route `{route}` needs a value for `{placeholder}`")]
    Missing {
        /// The template.
        route: String,
        /// The placeholder without braces.
        placeholder: String,
    },
    /// A segment fits no placeholder, or was given twice.
    #[error("the route `{route}` takes no (second) value for `{placeholder}`")]
    Extra {
        /// The template.
        route: String,
        /// The name that was given.
        placeholder: String,
    },
    /// A [`Read`] was wanted of a request that isn't a GET.
    #[error("{0} is not a read: only GET is sent without a permit")]
    NotARead(Method),
}

impl Request {
    /// Fills a route template such as `/projects/{project_id}/branches`. The template is the key of the per-route rate
    /// limit and stands in traces; it must come from the program or its catalogue, never from a caller.
    ///
    /// # Errors
    ///
    /// [`RequestError`] when the template is no plain path, or placeholders and segments don't match one to one.
    pub fn new(
        method: Method,
        route: impl Into<Arc<str>>,
        segments: &[(&str, PathSegment)],
    ) -> Result<Self, RequestError> {
        let route = route.into();
        let path = fill(&route, segments)?;
        Ok(Self {
            method,
            route,
            path,
            query: Vec::new(),
            body: None,
            form: None,
            most_bytes: None,
        })
    }

    /// Adds a query parameter; a name may come more than once. Names and values are encoded when sent.
    #[must_use]
    pub fn with_query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.push((name.into(), value.into()));
        self
    }

    /// Sets a query parameter, in the place of any of the same name.
    #[must_use]
    pub fn with_query_replaced(mut self, name: &str, value: impl Into<String>) -> Self {
        self.query.retain(|(present, _)| present != name);
        self.with_query(name, value)
    }

    /// Sets the JSON body.
    #[must_use]
    pub fn with_body(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// Sends the body as `multipart/form-data`: its fields, then these files.
    #[must_use]
    pub fn with_form(mut self, files: Vec<FilePart>) -> Self {
        self.form = Some(files);
        self
    }

    /// Takes an answer of any bytes, up to so many.
    #[must_use]
    pub fn with_bytes_answer(mut self, most: usize) -> Self {
        self.most_bytes = Some(most);
        self
    }

    /// The method.
    #[must_use]
    pub fn method(&self) -> Method {
        self.method
    }

    /// The template that the path was made from.
    #[must_use]
    pub fn route(&self) -> &Arc<str> {
        &self.route
    }

    /// The path below the API base, percent-encoded, beginning with a slash.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The query parameters in their order, not encoded.
    #[must_use]
    pub fn query(&self) -> &[(String, String)] {
        &self.query
    }

    /// The JSON body, or the fields of a form, if there are any.
    #[must_use]
    pub fn body(&self) -> Option<&Value> {
        self.body.as_ref()
    }

    /// The files of a form; nothing where the body is JSON.
    #[must_use]
    pub fn form(&self) -> Option<&[FilePart]> {
        self.form.as_deref()
    }

    /// How many bytes the answer may have, where it is no JSON.
    #[must_use]
    pub fn bytes_answer(&self) -> Option<usize> {
        self.most_bytes
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let query: Vec<&str> = self.query.iter().map(|(name, _)| name.as_str()).collect();
        let mut shown = formatter.debug_struct("Request");
        shown
            .field("method", &self.method)
            .field("path", &self.path)
            .field("query", &query);
        match &self.body {
            Some(Value::Object(fields)) => {
                shown.field("body", &fields.keys().collect::<Vec<_>>());
            }
            Some(_) => {
                shown.field("body", &"[hidden]");
            }
            None => {}
        }
        if let Some(files) = &self.form {
            shown.field("files", files);
        }
        shown.finish()
    }
}

/// A request that is proven to be a GET: the only kind that is sent without a permit.
#[derive(Debug, Clone, PartialEq)]
pub struct Read(Request);

impl Read {
    /// A GET of a route.
    ///
    /// # Errors
    ///
    /// As [`Request::new`].
    pub fn new(route: impl Into<Arc<str>>, segments: &[(&str, PathSegment)]) -> Result<Self, RequestError> {
        Request::new(Method::Get, route, segments).map(Self)
    }

    /// Adds a query parameter.
    #[must_use]
    pub fn with_query(self, name: impl Into<String>, value: impl Into<String>) -> Self {
        Self(self.0.with_query(name, value))
    }

    /// Sets a query parameter, in the place of any of the same name.
    #[must_use]
    pub fn with_query_replaced(self, name: &str, value: impl Into<String>) -> Self {
        Self(self.0.with_query_replaced(name, value))
    }

    /// Takes a query parameter out.
    #[must_use]
    pub fn without_query(mut self, name: &str) -> Self {
        self.0.query.retain(|(present, _)| present != name);
        self
    }

    /// The request, to look at.
    #[must_use]
    pub fn request(&self) -> &Request {
        &self.0
    }
}

impl TryFrom<Request> for Read {
    type Error = RequestError;

    /// Takes GETs only, and drops no body: a GET with a body is refused as not a read.
    fn try_from(request: Request) -> Result<Self, Self::Error> {
        if request.method.changes() || request.body.is_some() || request.form.is_some() {
            Err(RequestError::NotARead(request.method))
        } else {
            Ok(Self(request))
        }
    }
}

impl From<Read> for Request {
    fn from(read: Read) -> Self {
        read.0
    }
}

/// The path of a template with its placeholders filled in.
fn fill(route: &str, segments: &[(&str, PathSegment)]) -> Result<String, RequestError> {
    let bad = || RequestError::BadRoute(route.to_owned());
    let mut unused: Vec<&(&str, PathSegment)> = segments.iter().collect();
    let mut path = String::with_capacity(route.len() + 64);
    for part in route.strip_prefix('/').ok_or_else(bad)?.split('/') {
        path.push('/');
        let placeholder = part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let Some(placeholder) = placeholder else {
            if !is_plain(part) {
                return Err(bad());
            }
            path.push_str(part);
            continue;
        };
        if !is_plain(placeholder) {
            return Err(bad());
        }
        let Some(position) = unused.iter().position(|(name, _)| *name == placeholder) else {
            return Err(RequestError::Missing {
                route: route.to_owned(),
                placeholder: placeholder.to_owned(),
            });
        };
        let (_, segment) = unused.swap_remove(position);
        path.push_str(segment.as_str());
    }
    if let Some((name, _)) = unused.first() {
        return Err(RequestError::Extra {
            route: route.to_owned(),
            placeholder: (*name).to_owned(),
        });
    }
    Ok(path)
}

/// Whether a part of a template is text that needs no encoding and is no dot segment.
fn is_plain(part: &str) -> bool {
    !part.is_empty()
        && part != "."
        && part != ".."
        && part
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':'))
}
