//! The ports of computes: connections wake a compute, and are handed to its server.

use std::{
    collections::HashMap,
    io,
    net::Ipv4Addr,
    sync::{
        Arc, Weak,
        atomic::{AtomicI64, Ordering},
    },
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;

use super::{DataPlaneError, Target, control::Control};

/// The doors that are open.
#[derive(Debug, Default)]
pub(crate) struct Proxy {
    open: HashMap<u16, CancellationToken>,
}

impl Proxy {
    /// Serves a port.
    pub(crate) fn serve(&mut self, control: &Weak<dyn Control>, port: u16, listener: std::net::TcpListener) {
        let closed = CancellationToken::new();
        self.open.insert(port, closed.clone());
        let control = Weak::clone(control);
        match TcpListener::from_std(listener) {
            Ok(listener) => {
                tokio::spawn(async move {
                    tokio::select! {
                        () = accept(&control, port, listener) => {}
                        () = closed.cancelled() => {}
                    }
                });
            }
            Err(error) => tracing::warn!(%error, port, "a compute's port can't be served"),
        }
    }

    /// Closes the ports of computes that are gone.
    pub(crate) fn keep_only(&mut self, used: &[u16]) {
        self.open.retain(|port, closed| {
            let kept = used.contains(port);
            if !kept {
                closed.cancel();
            }
            kept
        });
    }

    /// Closes all.
    pub(crate) fn close(&mut self) {
        self.keep_only(&[]);
    }
}

async fn accept(control: &Weak<dyn Control>, port: u16, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let control = Weak::clone(control);
                tokio::spawn(async move {
                    if let Err(error) = connect(&control, port, stream).await {
                        tracing::debug!(%error, port, "a connection to a compute ended");
                    }
                });
            }
            Err(error) => {
                tracing::debug!(%error, port, "a connection to a compute was lost");
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
            }
        }
    }
}

/// Wakes the compute of a port and passes on what goes to and fro.
async fn connect(control: &Weak<dyn Control>, port: u16, mut client: TcpStream) -> io::Result<()> {
    let Some(control) = control.upgrade() else {
        return Ok(());
    };
    let found = match control.compute_at(port) {
        Some(compute) => wake(&control, &compute).await.map(|stream| (compute, stream)),
        None => Err(DataPlaneError::new("the compute is gone")),
    };
    let (compute, server) = match found {
        Ok(found) => found,
        Err(error) => return refuse(&mut client, &error.to_string()).await,
    };
    let seen = control.activity(&compute);
    drop(control);
    let _ = client.set_nodelay(true);
    pass(client, server, &seen).await
}

/// A connection to a compute's server, which is started where it doesn't run. One that has died is started again.
async fn wake(control: &Arc<dyn Control>, compute: &str) -> Result<TcpStream, DataPlaneError> {
    let mut last = DataPlaneError::new("the compute can't be reached");
    for _ in 0..2 {
        let Target { port, .. } = control.wake(compute).await?;
        match TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await {
            Ok(stream) => {
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Err(error) => {
                last = DataPlaneError::new(format!("the compute can't be reached: {error}"));
                control.lost(compute);
            }
        }
    }
    Err(last)
}

/// Passes bytes both ways until one side ends, noting when the client sends something.
async fn pass(client: TcpStream, server: TcpStream, seen: &AtomicI64) -> io::Result<()> {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = async {
        let mut buffer = vec![0; 32 * 1024];
        loop {
            let read = from_client.read(&mut buffer).await?;
            if read == 0 {
                return to_server.shutdown().await;
            }
            seen.store(chrono::Utc::now().timestamp_millis(), Ordering::Relaxed);
            to_server.write_all(buffer.get(..read).unwrap_or_default()).await?;
        }
    };
    let down = async {
        let copied = tokio::io::copy(&mut from_server, &mut to_client).await;
        let _ = to_client.shutdown().await;
        copied.map(|_| ())
    };
    tokio::select! {
        // When the server hangs up, there is nobody to send to.
        ended = down => ended,
        ended = async { up.await?; std::future::pending().await } => ended,
    }
}

/// Says no in Postgres' own way, once the client has sent its first message.
async fn refuse(client: &mut TcpStream, reason: &str) -> io::Result<()> {
    let mut first = [0; 1024];
    let read = client.read(&mut first).await?;
    // A client that asks for TLS is told to go on without, and then sends its first message.
    if first.get(..8) == Some(&[0, 0, 0, 8, 4, 210, 22, 47]) && read == 8 {
        client.write_all(b"N").await?;
        let _ = client.read(&mut first).await?;
    }
    let mut fields = Vec::new();
    for (kind, text) in [(b'S', "FATAL"), (b'V', "FATAL"), (b'C', "57P03"), (b'M', reason)] {
        fields.push(kind);
        fields.extend(text.bytes().filter(|byte| *byte != 0));
        fields.push(0);
    }
    fields.push(0);
    let length = u32::try_from(fields.len() + 4).unwrap_or(4);
    let mut message = vec![b'E'];
    message.extend(length.to_be_bytes());
    message.extend(fields);
    client.write_all(&message).await?;
    client.shutdown().await
}
