//! Where lines of the log go: to standard error, without the keys that this process uses.

use std::io::{self, Stderr, Write};

use crate::guard::without_own_keys;
use crate::text::{escaped_in_json, shown};

/// A line on its way. What comes in parts is held until its end, so that no key is cut in two.
pub(super) struct Redacted<W: Write> {
    held: Vec<u8>,
    to: W,
}

impl Redacted<Stderr> {
    /// A line to standard error.
    pub(super) fn to_stderr() -> Self {
        Self::to(io::stderr())
    }
}

impl<W: Write> Redacted<W> {
    fn to(to: W) -> Self {
        Self { held: Vec::new(), to }
    }
}

impl<W: Write> Write for Redacted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.held.extend_from_slice(bytes);
        if self.held.ends_with(b"\n") {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let line = String::from_utf8_lossy(&self.held);
        let line = without_own_keys(&line);
        // Of lines for people, the colours that they are painted in stay.
        let line = if line.starts_with('{') {
            escaped_in_json(&line)
        } else {
            shown(&line, true)
        };
        self.to.write_all(line.as_bytes())?;
        self.held.clear();
        self.to.flush()
    }
}

impl<W: Write> Drop for Redacted<W> {
    fn drop(&mut self) {
        // Nobody is left who could be told.
        let _ = self.flush();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::OwnKey;

    #[test]
    fn key_in_a_line_is_masked_though_it_comes_in_parts() {
        OwnKey::new("a-key-of-the-log-lines-test").keep_out_of_logs();
        let mut written = Vec::new();
        let mut line = Redacted::to(&mut written);
        line.write_all(b"GET /projects/a-key-of-the-log").unwrap();
        line.write_all(b"-lines-test failed\n").unwrap();
        line.write_all(b"no end: a-key-of-the-log-lines-test").unwrap();
        drop(line);
        let written = String::from_utf8(written).unwrap();
        assert_eq!(written, "GET /projects/[masked] failed\nno end: [masked]");
    }
}
