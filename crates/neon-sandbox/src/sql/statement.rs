//! One statement in the extended protocol: parameters and results are text, and a second statement is refused.

use bytes::BytesMut;
use postgres_protocol::message::{backend::Message, frontend};

use super::{
    error::SqlError,
    request::{Options, Query},
    response::{Column, Form, Output},
    session::{Session, bind, confused, unsendable},
    types,
};

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
