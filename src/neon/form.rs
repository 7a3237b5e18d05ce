//! What isn't JSON: bodies that carry files, as `multipart/form-data` (RFC 7578), kept whole in memory so that every
//! attempt sends the same; and answers of any bytes.

use std::fmt;

use bytes::Bytes;
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
/// break a header here is dropped all the same.
pub(super) fn encode(fields: Option<&Value>, files: &[FilePart]) -> (String, Vec<u8>) {
    let boundary = format!("neon-mcp-{}", uuid::Uuid::new_v4().simple());
    let size: usize = files.iter().map(|file| file.bytes.len() + 300).sum();
    let mut body = Vec::with_capacity(size + 1_024);
    for (name, value) in fields.and_then(Value::as_object).into_iter().flatten() {
        let text = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"\r\n\r\n",
            plain(name)
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(text.as_bytes());
        body.extend_from_slice(b"\r\n");
    }
    for file in files {
        let head = format!(
            "--{boundary}\r\nContent-Disposition: form-data; name=\"{}\"; filename=\"{}\"\r\nContent-Type: {}\r\n\r\n",
            plain(&file.field),
            plain(&file.name),
            plain(&file.content_type)
        );
        body.extend_from_slice(head.as_bytes());
        body.extend_from_slice(&file.bytes);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
    (format!("multipart/form-data; boundary={boundary}"), body)
}

fn plain(text: &str) -> String {
    text.chars().filter(|char| !char.is_control() && *char != '"').collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_come_as_text_or_json_and_files_as_they_are() {
        let file = FilePart {
            field: "zip".into(),
            name: "a\"\r\nX: y.zip".into(),
            content_type: "application/zip".into(),
            bytes: Bytes::from_static(b"PK\x03\x04\r\n--"),
        };
        let fields = json!({"runtime": "nodejs24", "environment": {"A": "1"}});
        let (content_type, body) = encode(Some(&fields), &[file]);
        let boundary = content_type.strip_prefix("multipart/form-data; boundary=").unwrap();
        let text = String::from_utf8(body).unwrap();
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
