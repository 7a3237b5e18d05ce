//! Messages on the socket: what is collected goes out at once, what comes in is cut into messages.

use std::{io, path::Path};

use bytes::BytesMut;
use postgres_protocol::message::backend::{Header, Message};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::UnixStream,
};

use super::{MAX_BYTES, error::SqlError};

/// How much is read at once, where the message isn't known to be larger.
const READ_SIZE: usize = 64 * 1024;

/// A socket to Postgres.
pub(super) struct Wire {
    stream: UnixStream,
    incoming: BytesMut,
    /// What the next [`Wire::send`] sends.
    pub(super) outgoing: BytesMut,
}

impl Wire {
    /// Connects.
    pub(super) async fn connect(socket: &Path) -> io::Result<Self> {
        Ok(Self {
            stream: UnixStream::connect(socket).await?,
            incoming: BytesMut::new(),
            outgoing: BytesMut::new(),
        })
    }

    /// Sends what was collected.
    pub(super) async fn send(&mut self) -> Result<(), SqlError> {
        let sent = self.stream.write_all_buf(&mut self.outgoing).await;
        sent.map_err(|error| SqlError::lost(&error))
    }

    /// The next message that answers something: notices, notifications and changed settings have nowhere to go.
    ///
    /// One that is larger than a whole answer may be is refused before it is read.
    pub(super) async fn receive(&mut self) -> Result<Message, SqlError> {
        loop {
            match self.receive_any().await? {
                Message::NoticeResponse(_) | Message::NotificationResponse(_) | Message::ParameterStatus(_) => {}
                message => return Ok(message),
            }
        }
    }

    async fn receive_any(&mut self) -> Result<Message, SqlError> {
        let lost = |error: io::Error| SqlError::lost(&error);
        loop {
            let mut missing = READ_SIZE;
            if let Some(header) = Header::parse(&self.incoming).map_err(lost)? {
                // The length doesn't count the letter in front of it.
                let length = usize::try_from(header.len()).unwrap_or(usize::MAX).saturating_add(1);
                if length > MAX_BYTES {
                    return Err(SqlError::response_too_large(MAX_BYTES));
                }
                if let Some(message) = Message::parse(&mut self.incoming).map_err(lost)? {
                    return Ok(message);
                }
                missing = missing.max(length.saturating_sub(self.incoming.len()));
            }
            self.incoming.reserve(missing);
            if self.stream.read_buf(&mut self.incoming).await.map_err(lost)? == 0 {
                return Err(SqlError::lost(&io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }

    /// Waits until Postgres has closed the socket.
    pub(super) async fn closed(&mut self) {
        // Whether it ends well or badly, it ends.
        while self
            .stream
            .read_buf(&mut self.incoming)
            .await
            .is_ok_and(|read| read > 0)
        {
            self.incoming.clear();
        }
    }
}
