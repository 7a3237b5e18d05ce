//! A query of our own, in the middle of another statement's exchange.

use fallible_iterator::FallibleIterator as _;
use postgres_protocol::message::{
    backend::{DataRowBody, Message},
    frontend,
};

use super::{
    error::SqlError,
    session::{Session, bind, confused, unsendable},
};

/// The name under which types are looked up; the statement itself has none.
const LOOK_UP: &str = "types";

/// The rows of a query of our own with one parameter, in the middle of another statement's exchange.
/// It must not fail: were Postgres to refuse it, the exchange would be over.
pub(super) async fn look_up(session: &mut Session, sql: &str, param: &str) -> Result<Vec<Vec<String>>, SqlError> {
    let buffer = &mut session.wire.outgoing;
    frontend::parse(LOOK_UP, sql, None, buffer).map_err(|error| unsendable(&error))?;
    bind(LOOK_UP, &[Some(param.to_owned())], buffer)?;
    frontend::execute("", 0, buffer).map_err(|error| unsendable(&error))?;
    // A statement with a name outlives its exchange, and the next one of a batch gives the same name.
    frontend::close(b'S', LOOK_UP, buffer).map_err(|error| unsendable(&error))?;
    frontend::flush(buffer);
    session.send().await?;
    let mut rows = Vec::new();
    loop {
        match session.wire.receive().await? {
            Message::ParseComplete | Message::BindComplete | Message::CommandComplete(_) => {}
            Message::DataRow(body) => rows.push(texts(&body)?),
            Message::CloseComplete => return Ok(rows),
            Message::ErrorResponse(body) => {
                let error = SqlError::statement(&body);
                return Err(SqlError::internal(format!("could not look up types: {error}")));
            }
            _ => return Err(confused()),
        }
    }
}

/// The values of a row that has no NULL.
fn texts(body: &DataRowBody) -> Result<Vec<String>, SqlError> {
    let mut texts = Vec::new();
    let mut ranges = body.ranges();
    while let Some(range) = ranges.next().map_err(|_| SqlError::unreadable())? {
        let bytes = range
            .and_then(|range| body.buffer().get(range))
            .ok_or_else(SqlError::unreadable)?;
        texts.push(String::from_utf8_lossy(bytes).into_owned());
    }
    Ok(texts)
}
