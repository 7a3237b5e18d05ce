//! What isn't JSON: bodies that carry files, as `multipart/form-data` (RFC 7578), kept whole in memory so that every
//! attempt sends the same; and answers of any bytes.

use std::fmt;
use std::pin::pin;

use bytes::Bytes;
use futures::StreamExt as _;
use reqwest::multipart::{Form, Part};
use serde_json::Value;

/// What an answer holds that isn't JSON.
#[derive(Clone, PartialEq, Eq)]
pub struct Content {
    /// The bytes.
    pub bytes: Bytes,
    /// The media type, as the upstream says.
    pub media_type: Option<String>,
}

impl fmt::Debug for Content {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} bytes", self.bytes.len())
    }
}

/// A file in a body.
#[derive(Clone, PartialEq)]
pub struct FilePart {
    /// The field that it is sent as.
    pub field: String,
    /// Its name there.
    pub name: String,
    /// Its media type.
    pub content_type: String,
    /// What it holds.
    pub bytes: Bytes,
}

impl fmt::Debug for FilePart {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{} ({} bytes)", self.field, self.bytes.len())
    }
}

/// The body and its media type: each top-level field a part (texts as they are, all else as JSON), then the files.
///
/// Fields, file names and media types come from declarations, whose lints keep quotes and line breaks out; what would
/// break a header here is dropped all the same, since `reqwest` lets a line break through in the name of a file.
///
/// The form is read into memory: a body that is a stream couldn't be sent again.
pub(super) async fn encode(fields: Option<&Value>, files: &[FilePart]) -> Result<(String, Bytes), reqwest::Error> {
    // Names are plain already; encoded they would be written as `name*=`, which few servers read.
    let mut form = Form::new().percent_encode_noop();
    for (name, value) in fields.and_then(Value::as_object).into_iter().flatten() {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        form = form.text(plain(name), text);
    }
    for file in files {
        let part = Part::stream(file.bytes.clone())
            .file_name(plain(&file.name))
            .mime_str(&plain(&file.content_type))?;
        form = form.part(plain(&file.field), part);
    }
    let content_type = format!("multipart/form-data; boundary={}", form.boundary());
    let end = format!("--{}--\r\n", form.boundary());
    let size: usize = files.iter().map(|file| file.bytes.len() + 300).sum();
    let mut body = Vec::with_capacity(size + 1_024);
    let mut stream = pin!(form.into_stream());
    while let Some(chunk) = stream.next().await {
        body.extend_from_slice(&chunk?);
    }
    // A form without a part is one all the same.
    if body.is_empty() {
        body.extend_from_slice(end.as_bytes());
    }
    Ok((content_type, body.into()))
}

fn plain(text: &str) -> String {
    text.chars().filter(|char| !char.is_control() && *char != '"').collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[tokio::test]
    async fn fields_come_as_text_or_json_and_files_as_they_are() {
        let file = FilePart {
            field: "zip".into(),
            name: "a\"\r\nX: y.zip".into(),
            content_type: "application/zip".into(),
            bytes: Bytes::from_static(b"PK\x03\x04\r\n--"),
        };
        let fields = json!({"runtime": "nodejs24", "environment": {"A": "1"}});
        let (content_type, body) = encode(Some(&fields), &[file]).await.unwrap();
        let boundary = content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
        let text = String::from_utf8(body.to_vec()).unwrap();
        let parts: Vec<&str> = text.split(&format!("--{boundary}")).collect();
        assert_eq!(parts.len(), 5, "{text}");
        assert_eq!(
            parts[1],
            "\r\nContent-Disposition: form-data; name=\"runtime\"\r\n\r\nnodejs24\r\n"
        );
        assert!(parts[2].ends_with("\r\n\r\n{\"A\":\"1\"}\r\n"), "{}", parts[2]);
        assert!(parts[3].contains("filename=\"aX: y.zip\"\r\nContent-Type: application/zip\r\n\r\nPK"));
        assert_eq!(parts[4], "--\r\n");
    }

    #[tokio::test]
    async fn form_without_a_part_ends_with_its_boundary() {
        let (content_type, body) = encode(None, &[]).await.unwrap();
        let boundary = content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
        assert_eq!(body, format!("--{boundary}--\r\n"));
    }

    #[test]
    fn debug_shows_no_content() {
        let file = FilePart {
            field: "zip".into(),
            name: "x".into(),
            content_type: "y".into(),
            bytes: Bytes::from_static(b"secret"),
        };
        assert_eq!(format!("{file:?}"), "zip (6 bytes)");
    }
}
