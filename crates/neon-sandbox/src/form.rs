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

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(content_type: &str, body: &str) -> Result<Vec<(String, String)>, ApiError> {
        let mut parts: Vec<_> = read(Some(content_type), &Bytes::from(body.to_owned()))?
            .into_iter()
            .map(|(name, bytes)| (name, String::from_utf8_lossy(&bytes).into_owned()))
            .collect();
        parts.sort();
        Ok(parts)
    }

    #[test]
    fn parts_are_told_apart() {
        let body = "--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--X\r\n\
            Content-Disposition: form-data; name=\"zip\"; filename=\"f\"\r\nContent-Type: b\r\n\r\n\r\n-X--\r\n--X--\r\n";
        let wanted = [("a", "1"), ("zip", "\r\n-X--")].map(|(name, text)| (name.to_owned(), text.to_owned()));
        for boundary in ["X", "\"X\"", "X; charset=utf-8"] {
            let content_type = format!("multipart/form-data; boundary={boundary}");
            assert_eq!(parts(&content_type, body).unwrap(), wanted);
        }
        assert_eq!(parts("multipart/form-data; boundary=X", "--X--\r\n").unwrap(), []);
    }

    #[test]
    fn what_is_no_form_is_refused() {
        let form = "multipart/form-data; boundary=X";
        for (content_type, body) in [
            ("application/json", "--X--"),
            ("multipart/form-data", "--X--"),
            ("multipart/form-data; boundary=", "----"),
            (form, ""),
            (form, "x--X--"),
            (form, "--X\r\n"),
            (form, "--X\r\n\r\n1\r\n--X--"),
            (form, "--X\r\nname=\"a\"\r\n1\r\n--X--"),
            (form, "--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1"),
        ] {
            assert!(parts(content_type, body).is_err(), "{content_type} {body}");
        }
    }
}
