//! The list of tools, written once for all who are offered the same.
//!
//! It is 200 kB of JSON that hardly ever changes. The handler answers with an empty list where this is to fill it, so whatever else a
//! list's answer needs is made and checked as ever; the tools, as they were written once, are put into it here.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::response::Response;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::request::Parts;

use crate::server::handler::FilledLater;
use crate::server::offer::{Admitted, Offer};

/// How the handler writes an empty list. In a string (an id of the client's, say) these quotes would have backslashes.
const EMPTY: &[u8] = br#""tools":[]"#;

/// The largest answer without its tools, in bytes: as large as a request may be whose id it repeats.
const MAX_FRAME: usize = 64 * 1024 * 1024;

/// A list that is filled when the rest of its answer is there.
#[derive(Debug)]
pub(super) struct Later(Arc<Offer>);

/// Has the handler leave the list to be filled.
pub(super) fn later(head: &mut Parts, admitted: &Admitted) -> Option<Later> {
    admitted.offer.written_tools()?;
    head.extensions.insert(FilledLater);
    Some(Later(admitted.offer.clone()))
}

impl Later {
    /// Fills the list, where the answer has one to fill.
    pub(super) async fn put_into(self, response: Response) -> Response {
        let kind = response.headers().get(CONTENT_TYPE);
        if kind.is_none_or(|kind| kind != "application/json") {
            return response;
        }
        let (mut head, body) = response.into_parts();
        let Ok(frame) = to_bytes(body, MAX_FRAME).await else {
            head.status = http::StatusCode::INTERNAL_SERVER_ERROR;
            return Response::from_parts(head, Body::empty());
        };
        let filled = self.0.written_tools().and_then(|tools| fill(&frame, tools));
        head.headers.remove(CONTENT_LENGTH);
        Response::from_parts(head, filled.map_or_else(|| Body::from(frame), Body::from))
    }
}

/// The answer with these tools in the place of its empty list.
fn fill(frame: &[u8], tools: &[u8]) -> Option<Vec<u8>> {
    let at = frame.windows(EMPTY.len()).position(|part| part == EMPTY)?;
    // Before the brackets.
    let (before, rest) = frame.split_at_checked(at + EMPTY.len() - 2)?;
    let after = rest.get(2..)?;
    let mut filled = Vec::with_capacity(frame.len() + tools.len());
    for part in [before, tools, after] {
        filled.extend_from_slice(part);
    }
    Some(filled)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn tools_are_put_where_the_list_is_and_nowhere_else() {
        let tools = br#"[{"name":"a"}]"#;
        let frame = json!({"id": r#"say "tools":[] please"#, "result": {"tools": [], "ttlMs": 1}}).to_string();
        let filled: Value = serde_json::from_slice(&fill(frame.as_bytes(), tools).unwrap()).unwrap();
        assert_eq!(
            filled,
            json!({"id": r#"say "tools":[] please"#, "result": {"tools": [{"name": "a"}], "ttlMs": 1}})
        );
        assert!(fill(br#"{"id":1,"error":{}}"#, tools).is_none());
    }
}
