//! One statement in the extended protocol: parameters and results are text, and a second statement is refused.

use std::io;

use bytes::{BufMut as _, BytesMut};
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::{
    IsNull,
    message::{
        backend::{DataRowBody, Message},
        frontend,
    },
};

use super::{
    error::SqlError,
    request::{Options, Query},
    response::{Column, Form, Output},
    session::{Session, confused, unsendable},
    types,
};

/// The name under which types are looked up; the statement itself has none.
const LOOK_UP: &str = "types";

/// Runs a statement and writes its result.
///
/// A statement that fails leaves the session ready for the next command.
pub(super) async fn run(
    session: &mut Session,
    query: &Query,
    options: &Options,
    out: &mut Output,
) -> Result<(), SqlError> {
    let buffer = &mut session.wire.outgoing;
    frontend::parse("", &query.query, None, buffer).map_err(|error| unsendable(&error))?;
    frontend::describe(b'S', "", buffer).map_err(|error| unsendable(&error))?;
    if options.raw_text {
        // All in one go. With typed values, the types must be known before the first row.
        execute(buffer, query)?;
    } else {
        frontend::flush(buffer);
    }
    session.send().await?;
    match exchange(session, query, options, out).await {
        Ok(()) => session.idle().await,
        Err(Failure::Statement { error, synced }) => {
            if !synced {
                frontend::sync(&mut session.wire.outgoing);
                session.send().await?;
            }
            Err(session.refused(error).await)
        }
        Err(Failure::Session(error)) => Err(error),
    }
}

/// How an exchange ends badly.
enum Failure {
    /// Postgres refused; it reads on at the Sync, which it has or hasn't got yet.
    Statement { error: SqlError, synced: bool },
    /// The session is of no use any more.
    Session(SqlError),
}

impl From<SqlError> for Failure {
    fn from(error: SqlError) -> Self {
        Self::Session(error)
    }
}

async fn exchange(session: &mut Session, query: &Query, options: &Options, out: &mut Output) -> Result<(), Failure> {
    let mut synced = options.raw_text;
    let Message::ParseComplete = next(session, synced).await? else {
        return Err(confused().into());
    };
    let Message::ParameterDescription(_) = next(session, synced).await? else {
        return Err(confused().into());
    };
    let columns = match next(session, synced).await? {
        Message::RowDescription(body) => Column::all(&body)?,
        Message::NoData => Vec::new(),
        _ => return Err(confused().into()),
    };
    let mut form = Form {
        kinds: None,
        row_as_array: options.row_as_array(query),
    };
    if !options.raw_text {
        let oids: Vec<u32> = columns.iter().map(|column| column.type_id).collect();
        form.kinds = Some(types::kinds(session, &oids).await?);
        execute(&mut session.wire.outgoing, query)?;
        session.send().await?;
        synced = true;
    }
    let Message::BindComplete = next(session, synced).await? else {
        return Err(confused().into());
    };
    out.begin(&columns, &form)?;
    let mut first = true;
    loop {
        match next(session, synced).await? {
            Message::DataRow(body) => {
                out.row(&columns, &form, &body, first)?;
                first = false;
            }
            Message::CommandComplete(body) => {
                let tag = body.tag().map_err(|_| SqlError::unreadable())?;
                return Ok(out.end(tag)?);
            }
            Message::EmptyQueryResponse => return Ok(out.end("")?),
            Message::CopyInResponse(_) | Message::CopyOutResponse(_) => return Err(SqlError::unexpected().into()),
            _ => return Err(confused().into()),
        }
    }
}

/// The next message, unless it is an error.
async fn next(session: &mut Session, synced: bool) -> Result<Message, Failure> {
    match session.wire.receive().await? {
        Message::ErrorResponse(body) => Err(Failure::Statement {
            error: SqlError::statement(&body),
            synced,
        }),
        message => Ok(message),
    }
}

/// Bind, Execute and Sync for the statement without a name.
fn execute(buffer: &mut BytesMut, query: &Query) -> Result<(), SqlError> {
    bind("", &query.params, buffer)?;
    frontend::execute("", 0, buffer).map_err(|error| unsendable(&error))?;
    frontend::sync(buffer);
    Ok(())
}

/// Bind, to the portal without a name: every parameter and every column is text.
fn bind(statement: &str, params: &[Option<String>], buffer: &mut BytesMut) -> Result<(), SqlError> {
    let write = |param: &Option<String>, buffer: &mut BytesMut| {
        let Some(text) = param else {
            return Ok(IsNull::Yes);
        };
        buffer.put_slice(text.as_bytes());
        Ok(IsNull::No)
    };
    frontend::bind("", statement, None, params, write, None, buffer).map_err(|error| match error {
        frontend::BindError::Serialization(error) => unsendable(&error),
        // Text needs no conversion, so this too is about what fits the message.
        frontend::BindError::Conversion(error) => unsendable(&io::Error::other(error)),
    })
}

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
