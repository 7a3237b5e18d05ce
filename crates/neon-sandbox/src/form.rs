//! Reading `multipart/form-data`, as far as Neon's API takes it.

use std::collections::HashMap;

use axum::{
    body::Body,
    extract::{DefaultBodyLimit, FromRequest as _, Multipart, Request},
};
use bytes::Bytes;
use http::header::CONTENT_TYPE;

use super::error::ApiError;

/// The parts of a form, by their names.
pub(crate) type Form = HashMap<String, Bytes>;

/// Reads a form. The body is there as a whole, and was bounded when it was read.
pub(crate) async fn read(content_type: Option<&str>, body: &Bytes) -> Result<Form, ApiError> {
    let wrong = |why: &str| ApiError::bad_request(format!("the request body is no form: {why}"));
    let mut request = Request::new(Body::from(body.clone()));
    if let Some(content_type) = content_type.and_then(|value| value.parse().ok()) {
        request.headers_mut().insert(CONTENT_TYPE, content_type);
    }
    DefaultBodyLimit::disable().apply(&mut request);
    let form = Multipart::from_request(request, &()).await;
    let mut form = form.map_err(|_| wrong("Content-Type must be multipart/form-data with a boundary"))?;
    // An empty boundary is none (RFC 2046), and a form may have a preamble, but none of Neon's has. The reader lets both through.
    let boundary = content_type.and_then(|value| value.split_once("boundary="));
    if boundary.is_none_or(|(_, boundary)| boundary.trim_matches(['"', ' ']).is_empty()) {
        return Err(wrong("Content-Type must be multipart/form-data with a boundary"));
    }
    if !body.starts_with(b"--") {
        return Err(wrong("it doesn't begin with its boundary"));
    }
    let mut parts = Form::new();
    while let Some(part) = form.next_field().await.map_err(|error| wrong(&error.body_text()))? {
        let name = part.name().ok_or_else(|| wrong("a part has no name"))?.to_owned();
        let content = part.bytes().await.map_err(|error| wrong(&error.body_text()))?;
        parts.insert(name, content);
    }
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn parts(content_type: &str, body: &str) -> Result<Vec<(String, String)>, ApiError> {
        let mut parts: Vec<_> = read(Some(content_type), &Bytes::from(body.to_owned()))
            .await?
            .into_iter()
            .map(|(name, bytes)| (name, String::from_utf8_lossy(&bytes).into_owned()))
            .collect();
        parts.sort();
        Ok(parts)
    }

    #[tokio::test]
    async fn parts_are_told_apart() {
        let body = "--X\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n1\r\n--X\r\n\
            Content-Disposition: form-data; name=\"zip\"; filename=\"f\"\r\nContent-Type: b\r\n\r\n\r\n-X--\r\n--X--\r\n";
        let wanted = [("a", "1"), ("zip", "\r\n-X--")].map(|(name, text)| (name.to_owned(), text.to_owned()));
        for boundary in ["X", "\"X\"", "X; charset=utf-8"] {
            let content_type = format!("multipart/form-data; boundary={boundary}");
            assert_eq!(parts(&content_type, body).await.unwrap(), wanted);
        }
        assert_eq!(parts("multipart/form-data; boundary=X", "--X--\r\n").await.unwrap(), []);
    }

    #[tokio::test]
    async fn what_is_no_form_is_refused() {
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
            assert!(parts(content_type, body).await.is_err(), "{content_type} {body}");
        }
    }

    #[tokio::test]
    async fn form_is_as_large_as_a_body_may_be() {
        let content = "x".repeat(3 * 1024 * 1024);
        let body = format!("--X\r\nContent-Disposition: form-data; name=\"zip\"\r\n\r\n{content}\r\n--X--\r\n");
        let parts = parts("multipart/form-data; boundary=X", &body).await.unwrap();
        assert_eq!(parts[0].1.len(), content.len());
    }
}
