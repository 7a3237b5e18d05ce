//! Reading `multipart/form-data`, as far as Neon's API takes it.

use std::collections::HashMap;

use bytes::Bytes;

use super::error::ApiError;

/// The parts of a form, by their names.
pub(crate) fn read(content_type: Option<&str>, body: &Bytes) -> Result<HashMap<String, Bytes>, ApiError> {
    let wrong = |why: &str| ApiError::bad_request(format!("the request body is no form: {why}"));
    let boundary = content_type
        .and_then(|value| value.strip_prefix("multipart/form-data"))
        .and_then(|rest| rest.split_once("boundary="))
        .map(|(_, boundary)| boundary.split(';').next().unwrap_or_default().trim_matches(['"', ' ']))
        .filter(|boundary| (1..=70).contains(&boundary.len()))
        .ok_or_else(|| wrong("Content-Type must be multipart/form-data with a boundary"))?;
    let first = format!("--{boundary}");
    let next = format!("\r\n--{boundary}");
    let mut rest = after(body, first.as_bytes()).filter(|_| body.starts_with(first.as_bytes()));
    let mut parts = HashMap::new();
    while let Some(at) = rest.take() {
        if at.starts_with(b"--") {
            return Ok(parts);
        }
        let end = find(&at, next.as_bytes()).ok_or_else(|| wrong("it ends in the middle of a part"))?;
        let part = at.slice(..end);
        let content = after(&part, b"\r\n\r\n").ok_or_else(|| wrong("a part has no head"))?;
        let head = String::from_utf8_lossy(part.get(..part.len() - content.len()).unwrap_or_default()).into_owned();
        let name = head
            .split_once(" name=\"")
            .and_then(|(_, rest)| rest.split_once('"'))
            .map(|(name, _)| name.to_owned())
            .ok_or_else(|| wrong("a part has no name"))?;
        parts.insert(name, content);
        rest = Some(at.slice(end + next.len()..));
    }
    Err(wrong("it doesn't begin with its boundary"))
}

/// What follows the first place of a text.
fn after(bytes: &Bytes, text: &[u8]) -> Option<Bytes> {
    find(bytes, text).map(|at| bytes.slice(at + text.len()..))
}

fn find(bytes: &[u8], text: &[u8]) -> Option<usize> {
    bytes.windows(text.len()).position(|window| window == text)
}
