//! A connection to Postgres: startup, authentication with SCRAM, plain commands, and cancellation when it is dropped.

use std::{io, path::PathBuf, time::Duration};

use bytes::{BufMut as _, BytesMut};
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::{
    IsNull,
    authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256},
    message::{
        backend::{AuthenticationSaslBody, Message},
        frontend,
    },
};
use secrecy::ExposeSecret as _;
use tokio::time::timeout;

use super::{Target, connection::ConnectionString, error::SqlError, wire::Wire};

/// How long connecting and authenticating may take.
const CONNECT_DEADLINE: Duration = Duration::from_secs(10);

/// How long a request to cancel may take, and how long a session may take to say goodbye.
const GOODBYE_DEADLINE: Duration = Duration::from_secs(2);

/// What a request to cancel names, as `BackendKeyData` gave it.
#[derive(Clone, Copy)]
struct CancelKey {
    process_id: i32,
    secret_key: i32,
}

/// A connection that is authenticated.
pub(super) struct Session {
    pub(super) wire: Wire,
    socket: PathBuf,
    key: Option<CancelKey>,
    /// Something was sent that Postgres hasn't finished yet.
    busy: bool,
}

impl Session {
    /// Connects and authenticates.
    pub(super) async fn open(target: &Target, connection: &ConnectionString) -> Result<Self, SqlError> {
        let opened = timeout(CONNECT_DEADLINE, Self::start(target, connection)).await;
        opened.unwrap_or_else(|_| {
            let seconds = CONNECT_DEADLINE.as_secs();
            Err(SqlError::internal(format!(
                "Postgres did not accept the connection within {seconds} s"
            )))
        })
    }

    async fn start(target: &Target, connection: &ConnectionString) -> Result<Self, SqlError> {
        let password = connection.password.as_ref().ok_or_else(SqlError::missing_password)?;
        let wire = Wire::connect(&target.socket)
            .await
            .map_err(|error| SqlError::internal(format!("could not connect to Postgres: {error}")))?;
        let mut session = Self {
            wire,
            socket: target.socket.clone(),
            key: None,
            busy: false,
        };
        let parameters = [
            ("user", connection.user.as_str()),
            ("database", connection.database.as_str()),
            ("client_encoding", "UTF8"),
        ];
        frontend::startup_message(parameters, &mut session.wire.outgoing).map_err(|error| unsendable(&error))?;
        session.wire.send().await?;
        session.authenticate(password.expose_secret()).await?;
        loop {
            match session.wire.receive().await? {
                Message::BackendKeyData(body) => {
                    session.key = Some(CancelKey {
                        process_id: body.process_id(),
                        secret_key: body.secret_key(),
                    });
                }
                Message::ReadyForQuery(_) => return Ok(session),
                Message::ErrorResponse(body) => return Err(SqlError::startup(&body)),
                _ => return Err(confused()),
            }
        }
    }

    /// Up to `AuthenticationOk`. Whatever would send the password itself, or an MD5 of it, is refused.
    async fn authenticate(&mut self, password: &[u8]) -> Result<(), SqlError> {
        match self.wire.receive().await? {
            // Postgres trusts whoever reaches its socket: for that, its own rules are to blame or to thank.
            Message::AuthenticationOk => Ok(()),
            Message::AuthenticationSasl(body) => self.scram(&body, password).await,
            Message::ErrorResponse(body) => Err(SqlError::startup(&body)),
            Message::AuthenticationCleartextPassword | Message::AuthenticationMd5Password(_) => Err(
                SqlError::internal("Postgres asks for a password without SCRAM-SHA-256, which is refused"),
            ),
            _ => Err(confused()),
        }
    }

    async fn scram(&mut self, offer: &AuthenticationSaslBody, password: &[u8]) -> Result<(), SqlError> {
        let offered = offer
            .mechanisms()
            .any(|mechanism| Ok(mechanism == SCRAM_SHA_256))
            .map_err(|error| SqlError::lost(&error))?;
        if !offered {
            return Err(confused());
        }
        let mut scram = ScramSha256::new(password, ChannelBinding::unsupported());
        frontend::sasl_initial_response(SCRAM_SHA_256, scram.message(), &mut self.wire.outgoing)
            .map_err(|error| unsendable(&error))?;
        self.wire.send().await?;
        match self.wire.receive().await? {
            Message::AuthenticationSaslContinue(body) => scram.update(body.data()).map_err(|error| broken(&error))?,
            Message::ErrorResponse(body) => return Err(SqlError::startup(&body)),
            _ => return Err(confused()),
        }
        frontend::sasl_response(scram.message(), &mut self.wire.outgoing).map_err(|error| unsendable(&error))?;
        self.wire.send().await?;
        match self.wire.receive().await? {
            Message::AuthenticationSaslFinal(body) => scram.finish(body.data()).map_err(|error| broken(&error))?,
            Message::ErrorResponse(body) => return Err(SqlError::startup(&body)),
            _ => return Err(confused()),
        }
        match self.wire.receive().await? {
            Message::AuthenticationOk => Ok(()),
            Message::ErrorResponse(body) => Err(SqlError::startup(&body)),
            _ => Err(confused()),
        }
    }

    /// Sends what was collected. Until [`Session::idle`], dropping the session cancels it.
    pub(super) async fn send(&mut self) -> Result<(), SqlError> {
        self.busy = true;
        self.wire.send().await
    }

    /// Whether Postgres is ready for a statement.
    pub(super) fn is_idle(&self) -> bool {
        !self.busy
    }

    /// Reads on until Postgres is ready for the next statement.
    pub(super) async fn idle(&mut self) -> Result<(), SqlError> {
        loop {
            if let Message::ReadyForQuery(_) = self.wire.receive().await? {
                self.busy = false;
                return Ok(());
            }
        }
    }

    /// Runs a command of our own, which has no rows.
    pub(super) async fn command(&mut self, sql: &str) -> Result<(), SqlError> {
        frontend::query(sql, &mut self.wire.outgoing).map_err(|error| unsendable(&error))?;
        self.send().await?;
        match self.wire.receive().await? {
            Message::CommandComplete(_) => self.idle().await,
            Message::ErrorResponse(body) => Err(self.refused(SqlError::statement(&body)).await),
            _ => Err(confused()),
        }
    }

    /// That error, once Postgres is done with what failed: whoever reads the answer finds no lock of it any more.
    pub(super) async fn refused(&mut self, error: SqlError) -> SqlError {
        // A fatal error ends the connection instead. The error that is known already says more than that.
        if self.idle().await.is_err() {
            self.busy = false;
        }
        error
    }

    /// Says goodbye and waits until the backend has gone, so that the next request finds its place free.
    pub(super) async fn close(mut self) {
        frontend::terminate(&mut self.wire.outgoing);
        let goodbye = async {
            if self.wire.send().await.is_ok() {
                self.wire.closed().await;
            }
        };
        // One that doesn't go in time goes by itself once the socket is closed.
        let _gone: Result<(), _> = timeout(GOODBYE_DEADLINE, goodbye).await;
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if !self.busy {
            return;
        }
        let (Some(key), Ok(runtime)) = (self.key, tokio::runtime::Handle::try_current()) else {
            return;
        };
        let socket = self.socket.clone();
        runtime.spawn(async move {
            match timeout(GOODBYE_DEADLINE, cancel(socket, key)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "a statement could not be cancelled"),
                Err(_) => tracing::warn!("cancelling a statement took too long"),
            }
        });
    }
}

/// Asks Postgres, on a connection of its own, to cancel what that backend runs.
async fn cancel(socket: PathBuf, key: CancelKey) -> Result<(), SqlError> {
    let mut wire = Wire::connect(&socket).await.map_err(|error| SqlError::lost(&error))?;
    frontend::cancel_request(key.process_id, key.secret_key, &mut wire.outgoing);
    wire.send().await?;
    wire.closed().await;
    Ok(())
}

/// Bind, to the portal without a name: every parameter and every column is text.
pub(super) fn bind(statement: &str, params: &[Option<String>], buffer: &mut BytesMut) -> Result<(), SqlError> {
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

/// 400: what was to be sent doesn't fit a message, because of a NUL or too many parameters.
pub(super) fn unsendable(error: &io::Error) -> SqlError {
    SqlError::bad_request(format!("error encoding message to server: {error}"))
}

fn broken(error: &io::Error) -> SqlError {
    SqlError::internal(format!("authentication with Postgres failed: {error}"))
}

/// 500: Postgres does not keep to its protocol.
pub(super) fn confused() -> SqlError {
    SqlError::internal("Postgres answered with a message that doesn't belong there")
}
