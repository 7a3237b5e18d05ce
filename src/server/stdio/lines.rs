//! The lines of standard input: one that is too long, or that is no message, is answered and left out, and the next one counts.
//!
//! rmcp drops such a line without a word, so that the client waits for its answer for ever.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use rmcp::model::{ErrorData, RequestId};
use serde_json::Value;
use tokio::io::{AsyncBufRead as _, AsyncRead, BufReader, ReadBuf};
use tokio::sync::mpsc::UnboundedSender;

use crate::server::messages::{self, Checked, Refused};

/// The longest line that is taken, in bytes, its end included: 16 MiB.
pub(super) const MAX_LINE_BYTES: usize = 16 * 1024 * 1024;

/// How much of a line that is left out is kept, from its start and from its end, to find the id of its request.
const KEPT: usize = 1_024;

/// How much room for a line is kept for the next one, in bytes.
const ROOM: usize = 64 * 1024;

/// A reader that gives whole lines of JSON alone.
pub(super) struct Lines<R> {
    input: BufReader<R>,
    /// The line that comes in.
    line: Vec<u8>,
    /// How long a line is that is too long, and its end.
    over: Option<(usize, Vec<u8>)>,
    /// A whole line on its way out, and how much of it went.
    out: Vec<u8>,
    gone: usize,
    max: usize,
    left_out: UnboundedSender<Refused>,
}

impl<R: AsyncRead + Unpin> Lines<R> {
    pub(super) fn new(input: R, max: usize, left_out: UnboundedSender<Refused>) -> Self {
        Self {
            input: BufReader::new(input),
            line: Vec::new(),
            over: None,
            out: Vec::new(),
            gone: 0,
            max,
            left_out,
        }
    }

    /// Takes a piece of the line.
    fn take(&mut self, piece: &[u8]) {
        if let Some((length, end)) = &mut self.over {
            *length = length.saturating_add(piece.len());
            keep_end(end, piece);
            return;
        }
        if self.line.len() + piece.len() <= self.max {
            self.line.extend_from_slice(piece);
            return;
        }
        let mut end = Vec::new();
        keep_end(&mut end, &self.line);
        keep_end(&mut end, piece);
        self.over = Some((self.line.len() + piece.len(), end));
        self.line.truncate(KEPT);
        self.line.shrink_to(ROOM);
    }

    /// The line is whole: it goes out, or is left out.
    fn ended(&mut self) {
        let line = std::mem::take(&mut self.line);
        if let Some((length, end)) = self.over.take() {
            let text = format!("a message of {length} bytes is too long: {} are taken", self.max);
            self.leave_out(ErrorData::invalid_request(text, None), &line, &end);
            return;
        }
        let text = line.trim_ascii();
        let text = text.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(text);
        if text.is_empty() {
            return;
        }
        match messages::read(text) {
            Ok(checked) => match checked {
                Checked::Fine => {
                    self.out = line;
                    self.gone = 0;
                }
                Checked::Changed(message) => {
                    self.out = message.to_string().into_bytes();
                    self.out.push(b'\n');
                    self.gone = 0;
                }
                Checked::Refused(refused) => self.answer(refused),
                Checked::Dropped => tracing::warn!("a notification or an answer that can't be understood is left out"),
            },
            Err(error) => {
                let text = format!("the message is no JSON that can be read: {error}");
                self.leave_out(ErrorData::parse_error(text, None), text_start(&line), &line);
            }
        }
    }

    fn leave_out(&self, error: ErrorData, start: &[u8], end: &[u8]) {
        let id = id_of(start, end);
        self.answer(Refused { id, error });
    }

    fn answer(&self, refused: Refused) {
        tracing::warn!("a line of standard input is left out: {}", refused.error.message);
        // Nobody listens any more where the server has ended.
        let _ = self.left_out.send(refused);
    }
}

fn text_start(line: &[u8]) -> &[u8] {
    line.get(..KEPT).unwrap_or(line)
}

fn keep_end(end: &mut Vec<u8>, piece: &[u8]) {
    end.extend_from_slice(piece.get(piece.len().saturating_sub(KEPT)..).unwrap_or_default());
    let extra = end.len().saturating_sub(KEPT);
    end.drain(..extra);
}

/// The id of a request whose line isn't read: where it stands at the very start, as some clients write it, or at the very end, as
/// others do. What isn't surely one is none, and then the answer has none (JSON-RPC 2.0, section 5).
fn id_of(start: &[u8], end: &[u8]) -> Option<RequestId> {
    let start = String::from_utf8_lossy(start);
    let end = String::from_utf8_lossy(end.get(end.len().saturating_sub(KEPT)..).unwrap_or_default()).into_owned();
    let is_call = start.contains("\"method\"") || end.contains("\"method\"");
    let head = start.trim_start().strip_prefix('{').map(str::trim_start);
    let head = head.map(|head| {
        let version = head.strip_prefix("\"jsonrpc\"").map(str::trim_start);
        let version = version.and_then(|rest| rest.strip_prefix(':')).map(str::trim_start);
        let rest = version
            .and_then(|rest| rest.strip_prefix("\"2.0\""))
            .map(str::trim_start);
        rest.and_then(|rest| rest.strip_prefix(','))
            .map_or(head, str::trim_start)
    });
    let first = head.and_then(|head| value_of_id(head, true));
    let last = || {
        let end = end.trim_end();
        let at = end.rfind("\"id\"")?;
        value_of_id(end.get(at..)?, false)
    };
    let id = is_call.then(|| first.or_else(last)).flatten()?;
    serde_json::from_value(id).ok()
}

/// The value behind `"id":`; at the end of a message, only its closing brace follows.
fn value_of_id(text: &str, anything_follows: bool) -> Option<Value> {
    let rest = text.strip_prefix("\"id\"")?.trim_start().strip_prefix(':')?;
    let mut values = serde_json::Deserializer::from_str(rest).into_iter::<Value>();
    let value = values.next()?.ok()?;
    let follows = rest.get(values.byte_offset()..)?.trim();
    let ends = if anything_follows {
        follows.starts_with(',')
    } else {
        follows == "}"
    };
    (ends && (value.is_string() || value.is_i64())).then_some(value)
}

impl<R: AsyncRead + Unpin> AsyncRead for Lines<R> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let this = self.get_mut();
        loop {
            let left = this.out.get(this.gone..).unwrap_or_default();
            if !left.is_empty() {
                let goes = left.len().min(buffer.remaining());
                buffer.put_slice(left.get(..goes).unwrap_or_default());
                this.gone += goes;
                return Poll::Ready(Ok(()));
            }
            if this.out.capacity() > 0 {
                // Its room is that of the next line, unless it was a large one.
                let mut room = std::mem::take(&mut this.out);
                room.clear();
                room.shrink_to(ROOM);
                this.line = room;
                this.gone = 0;
            }
            let available = ready!(Pin::new(&mut this.input).poll_fill_buf(context))?;
            if available.is_empty() {
                // The end. Half a line is no message.
                return Poll::Ready(Ok(()));
            }
            let end = available.iter().position(|byte| *byte == b'\n');
            let length = end.map_or(available.len(), |end| end + 1);
            let piece = available.get(..length).unwrap_or_default().to_vec();
            Pin::new(&mut this.input).consume(length);
            this.take(&piece);
            if end.is_some() {
                this.ended();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt as _;
    use tokio::sync::mpsc::unbounded_channel;

    use serde_json::json;

    use super::*;

    async fn through(input: &str, max: usize) -> (String, Vec<Value>) {
        let (send, mut receive) = unbounded_channel();
        let mut lines = Lines::new(input.as_bytes(), max, send);
        let mut passed = String::new();
        lines.read_to_string(&mut passed).await.unwrap();
        drop(lines);
        let mut answers = Vec::new();
        while let Some(left_out) = receive.recv().await {
            answers.push(json!({"id": left_out.id, "error": left_out.error}));
        }
        (passed, answers)
    }

    #[tokio::test]
    async fn line_that_is_too_long_is_answered_and_the_next_one_counts() {
        let next = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\"}\n";
        for (line, id) in [
            (
                format!(
                    r#"{{"jsonrpc":"2.0","id":7,"method":"x","params":"{}"}}"#,
                    "x".repeat(40_000)
                ),
                json!(7),
            ),
            (
                format!(
                    r#"{{"method":"x","params":"{}","jsonrpc":"2.0","id":"a"}}"#,
                    "x".repeat(40_000)
                ),
                json!("a"),
            ),
            (
                format!(r#"{{ "id" : -3 , "method":"x","params":"{}"}}"#, "x".repeat(40_000)),
                json!(-3),
            ),
            // Of what is inside, or of an answer, nothing is taken for the id of a request.
            (
                format!(
                    r#"{{"method":"x","params":{{"text":"{}","id":5}}}}"#,
                    "x".repeat(40_000)
                ),
                Value::Null,
            ),
            (
                format!(r#"{{"jsonrpc":"2.0","id":7,"result":"{}"}}"#, "x".repeat(40_000)),
                Value::Null,
            ),
            ("x".repeat(40_000), Value::Null),
        ] {
            let (passed, answers) = through(&format!("{next}{line}\n{next}"), 10_000).await;
            assert_eq!(passed, next.repeat(2), "{}", &line[..40]);
            assert_eq!(answers.len(), 1);
            assert_eq!(answers[0]["id"], id, "{}", &line[..40]);
            assert_eq!(answers[0]["error"]["code"], -32_600);
        }
    }

    #[tokio::test]
    async fn bound_is_of_the_line_with_its_end() {
        let start = r#"{"jsonrpc":"2.0","method":""#;
        let line = format!("{start}{}\"}}\n", "x".repeat(97 - start.len()));
        assert_eq!(line.len(), 100);
        assert_eq!(through(&line, 100).await, (line.clone(), vec![]));
        assert_eq!(through(&line, 99).await.1.len(), 1);
        let without_end = "x".repeat(1_000);
        assert_eq!(through(&without_end, 100).await, (String::new(), vec![]));
    }

    #[tokio::test]
    async fn line_that_is_no_json_is_answered() {
        let next = r#"{"jsonrpc":"2.0","method":"next"}"#;
        let deep = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{}1{}}}"#,
            "[".repeat(200),
            "]".repeat(200)
        );
        for line in [
            deep.as_str(),
            r#"{"jsonrpc":"2.0","id":1,"method":"x","params":1e400}"#,
            r#"{"jsonrpc":"2.0","id":1,"method":"x","params":"\ud800"}"#,
            r#"{"method":"x","params":-1e999,"jsonrpc":"2.0","id":1}"#,
            "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":\"\u{1}\"}",
        ] {
            let (passed, answers) = through(&format!("{line}\n\n\r\n{next}\n"), 10_000).await;
            assert_eq!(passed, format!("{next}\n"), "{line}");
            assert_eq!(
                (&answers[0]["id"], &answers[0]["error"]["code"]),
                (&json!(1), &json!(-32_700)),
                "{line}"
            );
        }
    }
}
