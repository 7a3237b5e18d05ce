//! A value's text, as Postgres prints it, becomes a JSON value.

use super::{error::SqlError, types::Kind};

/// Writes a value of that kind.
pub(super) fn write(out: &mut Vec<u8>, text: &str, kind: &Kind) -> Result<(), SqlError> {
    match kind {
        Kind::Bool => {
            out.extend_from_slice(if text == "t" { b"true" } else { b"false" });
            Ok(())
        }
        Kind::Integer => {
            let number: i32 = text.parse().map_err(|_| SqlError::unreadable())?;
            json(out, &number)
        }
        Kind::Float => {
            let number: f64 = text.parse().map_err(|_| SqlError::unreadable())?;
            if number.is_finite() {
                json(out, &number)
            } else {
                json(out, text)
            }
        }
        // Postgres has checked it when it was stored.
        Kind::Json => {
            out.extend_from_slice(text.as_bytes());
            Ok(())
        }
        Kind::Text => json(out, text),
        Kind::Array(items, delimiter) => {
            // Bounds other than from 1 stand in front (`[0:1]={1,2}`); JSON has no place for them.
            let text = match text.split_once('=') {
                Some((bounds, array)) if bounds.starts_with('[') => array,
                _ => text,
            };
            let mut array = Array {
                rest: text,
                items,
                delimiter: *delimiter,
            };
            array.write(out)?;
            if array.rest.is_empty() {
                Ok(())
            } else {
                Err(SqlError::unreadable())
            }
        }
    }
}

/// Writes anything that serde knows.
pub(super) fn json<T: serde::Serialize + ?Sized>(out: &mut Vec<u8>, value: &T) -> Result<(), SqlError> {
    serde_json::to_writer(out, value).map_err(|error| SqlError::internal(error.to_string()))
}

/// The rest of an array's text. `array_out` prints no white space outside of quotes.
struct Array<'a> {
    rest: &'a str,
    items: &'a Kind,
    delimiter: char,
}

impl Array<'_> {
    /// Takes that character, if it is the next.
    fn take(&mut self, character: char) -> bool {
        let rest = self.rest.strip_prefix(character);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// One pair of braces and what is between them.
    fn write(&mut self, out: &mut Vec<u8>) -> Result<(), SqlError> {
        if !self.take('{') {
            return Err(SqlError::unreadable());
        }
        out.push(b'[');
        if !self.take('}') {
            loop {
                self.item(out)?;
                if !self.take(self.delimiter) {
                    break;
                }
                out.push(b',');
            }
            if !self.take('}') {
                return Err(SqlError::unreadable());
            }
        }
        out.push(b']');
        Ok(())
    }

    fn item(&mut self, out: &mut Vec<u8>) -> Result<(), SqlError> {
        if self.rest.starts_with('{') {
            return self.write(out);
        }
        if self.take('"') {
            let text = self.quoted()?;
            return write(out, &text, self.items);
        }
        let end = self.rest.find([self.delimiter, '}']).ok_or_else(SqlError::unreadable)?;
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        // The text NULL is quoted when it isn't NULL itself.
        if text == "NULL" {
            json(out, &())
        } else {
            write(out, text, self.items)
        }
    }

    /// Up to the closing quote. A backslash takes the next character as it is.
    fn quoted(&mut self) -> Result<String, SqlError> {
        let mut text = String::new();
        let mut characters = self.rest.chars();
        loop {
            match characters.next() {
                Some('"') => break,
                Some('\\') => text.push(characters.next().ok_or_else(SqlError::unreadable)?),
                Some(character) => text.push(character),
                None => return Err(SqlError::unreadable()),
            }
        }
        self.rest = characters.as_str();
        Ok(text)
    }
}
