//! Cursor paging in the three forms that Neon has, on guard against an upstream whose pages don't end.
//!
//! The next cursor comes as `pagination.cursor` (projects, operations, consumption), `pagination.next` (branches, members,
//! functions, …) or `next_cursor` (bucket objects, logs). It goes back as the query parameter `cursor`, for logs as a
//! field of the body.

use std::collections::HashSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::client::Client;
use super::context::Context;
use super::error::Error;
use super::request::{Read, Request};

/// How a list is paged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Paging {
    /// JSON pointer to the array of items, such as `/projects`.
    pub items: String,
    /// JSON pointer to the next cursor, such as `/pagination/cursor`.
    pub next: String,
    /// Where the cursor goes in the next request.
    pub cursor: CursorPlace,
    /// How a page's size is asked for, where it can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<PageLimit>,
}

/// Where a cursor goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CursorPlace {
    /// The query parameter of this name.
    Query(String),
    /// The top-level body field of this name.
    Body(String),
}

/// How a page's size is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PageLimit {
    /// The query parameter, or the body field where the cursor is one.
    pub name: String,
    /// The largest value that Neon takes.
    pub max: u32,
    /// Whether every page but the last is full, so that a shorter one is the last. True for projects, whose last page comes
    /// with a cursor too. Left out: a list goes on until a page has no cursor or no items.
    #[serde(default)]
    pub full_pages: bool,
}

impl Paging {
    /// A list whose cursor is a query parameter called `cursor`.
    #[must_use]
    pub fn by_query(items: &str, next: &str) -> Self {
        Self {
            items: items.to_owned(),
            next: next.to_owned(),
            cursor: CursorPlace::Query("cursor".to_owned()),
            limit: None,
        }
    }

    /// The items of a page, when it has the array.
    #[must_use]
    pub fn items<'a>(&self, page: &'a Value) -> Option<&'a Vec<Value>> {
        page.pointer(&self.items)?.as_array()
    }

    /// The cursor of the next page: `None` when it is missing, null or empty.
    #[must_use]
    pub fn next_cursor<'a>(&self, page: &'a Value) -> Option<&'a str> {
        page.pointer(&self.next)?.as_str().filter(|cursor| !cursor.is_empty())
    }

    /// The request for the page at `cursor`.
    #[must_use]
    pub fn at(&self, request: Request, cursor: &str) -> Request {
        match &self.cursor {
            CursorPlace::Query(name) => request.with_query_replaced(name, cursor),
            CursorPlace::Body(name) => with_field(request, name, Value::from(cursor)),
        }
    }

    /// The request asking for pages of `size` items, or as many as Neon gives at most; unchanged where the size can't be
    /// asked for.
    #[must_use]
    pub fn sized(&self, request: Request, size: u32) -> Request {
        let Some(limit) = &self.limit else {
            return request;
        };
        let size = size.clamp(1, limit.max.max(1));
        match &self.cursor {
            CursorPlace::Query(_) => request.with_query_replaced(&limit.name, size.to_string()),
            CursorPlace::Body(_) => with_field(request, &limit.name, Value::from(size)),
        }
    }
}

/// The request with a top-level field of its body set.
fn with_field(request: Request, name: &str, value: Value) -> Request {
    let mut fields = match request.body() {
        Some(Value::Object(fields)) => fields.clone(),
        _ => serde_json::Map::new(),
    };
    fields.insert(name.to_owned(), value);
    request.with_body(Value::Object(fields))
}

/// An upstream whose pages can't be followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PagingError {
    /// The page has no array of items.
    #[error("a page of the list has no items where they belong")]
    NoItems,
    /// A cursor came a second time, so the pages would never end.
    #[error("the list names the same next page twice, so its pages would never end")]
    Repeated,
}

/// A walk through the pages of one list. It remembers each cursor that was used.
#[derive(Debug, Clone)]
pub struct Walk {
    paging: Paging,
    beside: Vec<String>,
    used: HashSet<String>,
}

impl Walk {
    /// A walk that begins at the first page, or at `cursor`.
    #[must_use]
    pub fn new(paging: Paging, cursor: Option<&str>) -> Self {
        Self {
            paging,
            beside: Vec::new(),
            used: cursor.map(ToOwned::to_owned).into_iter().collect(),
        }
    }

    /// A walk over pages that have other lists beside the items, in these fields: a page that has only those goes on.
    #[must_use]
    pub fn with_beside(mut self, fields: &[String]) -> Self {
        self.beside = fields.to_vec();
        self
    }

    /// The cursor after `page`; `None` after the last one. A page is the last when its cursor is missing, null or empty, when
    /// it has no items (projects come with a cursor even then), or, for a list of full pages, when it has fewer items than
    /// the `size` that was asked for.
    ///
    /// # Errors
    ///
    /// [`PagingError`] when the array of items is missing, or a cursor comes again.
    pub fn after(&mut self, page: &Value, size: Option<usize>) -> Result<Option<String>, PagingError> {
        let items = self.paging.items(page).ok_or(PagingError::NoItems)?;
        let full_pages = self.paging.limit.as_ref().is_some_and(|limit| limit.full_pages);
        let beside = self.beside.iter().filter_map(|field| page.get(field)?.as_array());
        let is_empty = items.is_empty() && beside.into_iter().all(Vec::is_empty);
        if is_empty || (full_pages && size.is_some_and(|size| items.len() < size)) {
            return Ok(None);
        }
        let Some(cursor) = self.paging.next_cursor(page) else {
            return Ok(None);
        };
        if self.used.insert(cursor.to_owned()) {
            Ok(Some(cursor.to_owned()))
        } else {
            Err(PagingError::Repeated)
        }
    }
}

/// Items of a list, and where it goes on.
#[derive(Debug, Clone, PartialEq)]
pub struct Collected {
    /// The items, in Neon's order; at most what was asked for, rounded up to a whole page.
    pub items: Vec<Value>,
    /// The cursor of the next page, when there is (or may be) one.
    pub next: Option<String>,
    /// How many pages were read.
    pub pages: u32,
}

/// Reads pages of `read` until there are `wanted` items or the list ends, beginning at `cursor` if given. Pages are kept whole,
/// so that the cursor handed back leaves nothing out.
///
/// # Errors
///
/// The client's, and a malformed one when the pages can't be followed. Cursors in a body aren't for reads.
pub async fn collect(
    client: &Client,
    read: Read,
    paging: &Paging,
    cursor: Option<&str>,
    wanted: usize,
    context: &Context,
) -> Result<Collected, Error> {
    let CursorPlace::Query(name) = &paging.cursor else {
        return Err(Error::malformed(
            "This list takes its cursor in a body, which a read has none of.",
        ));
    };
    let mut walk = Walk::new(paging.clone(), cursor);
    let mut collected = Collected {
        items: Vec::new(),
        next: cursor.map(ToOwned::to_owned),
        pages: 0,
    };
    loop {
        let mut page_read = read.clone();
        let mut size = None;
        if let Some(limit) = &paging.limit {
            let missing = wanted.saturating_sub(collected.items.len()).max(1);
            let asked = u32::try_from(missing).unwrap_or(u32::MAX).clamp(1, limit.max.max(1));
            page_read = page_read.with_query_replaced(&limit.name, asked.to_string());
            size = usize::try_from(asked).ok();
        }
        if let Some(cursor) = &collected.next {
            page_read = page_read.with_query_replaced(name, cursor.as_str());
        }
        let path = page_read.request().path().to_owned();
        let answer = client.read(page_read, context).await?;
        let page = answer.body.unwrap_or_default();
        let malformed = |error: PagingError| {
            Error::malformed(format!("GET {path}: {error}."))
                .with_status(answer.status)
                .with_request_id(Some(answer.request_id.clone()))
                .with_attempts(answer.attempts)
        };
        collected.next = walk.after(&page, size).map_err(malformed)?;
        collected.pages += 1;
        if let Some(items) = paging.items(&page) {
            collected.items.extend(items.iter().cloned());
        }
        if collected.next.is_none() || collected.items.len() >= wanted {
            return Ok(collected);
        }
    }
}
