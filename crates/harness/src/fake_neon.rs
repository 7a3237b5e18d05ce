//! A Neon that answers as it is told and records what it was asked: HTTP/1.1 over raw TCP, so that a test can break a connection exactly where it wants to.
//!
//! ```ignore
//! let upstream = FakeNeon::start(vec![Reply::status(503), Reply::json(200, json!({ "projects": [] }))]).await;
//! // … point a client at `upstream.url()` …
//! assert_eq!(upstream.requests().len(), 2);
//! ```

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::wait::until;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinHandle, JoinSet};

/// What answers wait behind until a test opens it. Clones are the same gate.
#[derive(Debug, Clone)]
pub struct Gate(Arc<Semaphore>);

impl Gate {
    /// A gate that is shut.
    pub fn shut() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    /// Lets everything pass from now on.
    pub fn open(&self) {
        self.0.close();
    }

    async fn pass(&self) {
        // A semaphore without permits ends the wait when it is closed.
        let _ = self.0.acquire().await;
    }
}

/// What the upstream does with one request.
#[derive(Debug, Clone)]
pub struct Reply {
    gate: Option<Gate>,
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    manner: Manner,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    /// Answers after this long.
    Whole(Duration),
    /// Sends the head, and the body after this long.
    SlowBody(Duration),
    /// Promises this many bytes more than it sends, then closes.
    Cut(usize),
    /// Resets the connection when the request's first byte is there, without reading it.
    ResetBeforeReading,
    /// Reads the whole request, then resets.
    ResetAfterReading,
    /// Reads the whole request and never answers.
    Hang,
}

impl Reply {
    /// A status without a body.
    pub fn status(status: u16) -> Self {
        Self {
            gate: None,
            status,
            headers: Vec::new(),
            body: Vec::new(),
            manner: Manner::Whole(Duration::ZERO),
        }
    }

    /// A status with a JSON body.
    pub fn json(status: u16, body: Value) -> Self {
        Self::raw(status, body.to_string()).header("content-type", "application/json")
    }

    /// A status with any body.
    pub fn raw(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            body: body.into(),
            ..Self::status(status)
        }
    }

    /// The same answer with another body, where it has JSON.
    pub fn with_json(mut self, change: impl FnOnce(&mut Value)) -> Self {
        if let Ok(mut body) = serde_json::from_slice(&self.body) {
            change(&mut body);
            self.body = body.to_string().into_bytes();
        }
        self
    }

    /// An error of Neon's.
    pub fn error(status: u16, code: &str, message: &str) -> Self {
        Self::json(status, json!({ "code": code, "message": message }))
    }

    /// A redirect.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::status(status).header("location", location)
    }

    /// A reset before the request is read.
    pub fn reset_before_reading() -> Self {
        Self::in_manner(Manner::ResetBeforeReading)
    }

    /// A reset after the request was read (and recorded).
    pub fn reset_after_reading() -> Self {
        Self::in_manner(Manner::ResetAfterReading)
    }

    /// No answer, ever, with the connection open.
    pub fn hang() -> Self {
        Self::in_manner(Manner::Hang)
    }

    /// A body that is shorter by `missing` bytes than its `Content-Length`.
    pub fn cut(status: u16, body: impl Into<Vec<u8>>, missing: usize) -> Self {
        Self {
            manner: Manner::Cut(missing),
            ..Self::raw(status, body)
        }
    }

    /// Adds a header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Answers when the gate is open.
    pub fn behind(mut self, gate: &Gate) -> Self {
        self.gate = Some(gate.clone());
        self
    }

    /// Answers after `delay`.
    pub fn after(mut self, delay: Duration) -> Self {
        self.manner = Manner::Whole(delay);
        self
    }

    /// Sends the head at once and the body after `delay`.
    pub fn slow_body(mut self, delay: Duration) -> Self {
        self.manner = Manner::SlowBody(delay);
        self
    }

    fn in_manner(manner: Manner) -> Self {
        Self {
            manner,
            ..Self::status(0)
        }
    }

    fn head(&self) -> Vec<u8> {
        let missing = match self.manner {
            Manner::Cut(missing) => missing,
            _ => 0,
        };
        let mut head = format!("HTTP/1.1 {} Scripted\r\n", self.status);
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if self.status != 204 {
            head.push_str(&format!("content-length: {}\r\n", self.body.len() + missing));
        }
        head.push_str("\r\n");
        head.into_bytes()
    }
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Recorded {
    pub method: String,
    /// Path and query, as they were on the wire.
    pub target: String,
    /// Names in lower case, in their order.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub at: Instant,
    /// Which connection it came on, counted from 0.
    pub connection: usize,
}

impl Recorded {
    /// The first header of this (lower-case) name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(present, _)| present == name)
            .map(|(_, value)| value.as_str())
    }

    /// The path, without the query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// The query, still encoded; empty without one.
    pub fn query(&self) -> &str {
        self.target.split_once('?').map(|(_, query)| query).unwrap_or_default()
    }

    /// The body as JSON; null when it isn't.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }
}

type Router = dyn Fn(&Recorded) -> Reply + Send + Sync;

enum Script {
    Replies(VecDeque<Reply>),
    Router(Arc<Router>),
}

struct Stage {
    script: Mutex<Script>,
    requests: Mutex<Vec<Recorded>>,
    unread: Mutex<usize>,
}

impl Stage {
    /// Whether the next reply is a reset that doesn't wait for the request; it is used up by asking.
    fn takes_reset(&self) -> bool {
        let mut script = self.script.lock().unwrap();
        let Script::Replies(replies) = &mut *script else {
            return false;
        };
        let is_next = replies
            .front()
            .is_some_and(|reply| reply.manner == Manner::ResetBeforeReading);
        if is_next {
            replies.pop_front();
            *self.unread.lock().unwrap() += 1;
        }
        is_next
    }

    fn reply_to(&self, request: Recorded) -> Reply {
        let router = match &mut *self.script.lock().unwrap() {
            Script::Replies(replies) => {
                self.requests.lock().unwrap().push(request);
                return replies
                    .pop_front()
                    .unwrap_or_else(|| Reply::error(500, "SCRIPT_IS_OVER", "the script is over"));
            }
            Script::Router(router) => Arc::clone(router),
        };
        let reply = router(&request);
        self.requests.lock().unwrap().push(request);
        reply
    }
}

/// An API that nobody listens at, and what keeps it so: the port is taken.
pub fn nobody() -> (TcpSocket, String) {
    let held = TcpSocket::new_v4().unwrap();
    held.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let url = format!("http://{}/api/v2", held.local_addr().unwrap());
    (held, url)
}

/// A running upstream. It stops when dropped.
pub struct FakeNeon {
    stage: Arc<Stage>,
    port: u16,
    accepting: JoinHandle<()>,
}

impl FakeNeon {
    /// Plays `script`, one reply for each request, whatever it asks for. After the end it answers 500.
    pub async fn start(script: Vec<Reply>) -> Self {
        Self::play(Script::Replies(script.into())).await
    }

    /// Answers every request by `router`. (A reset before reading can't be had this way: it resets after reading.)
    pub async fn route(router: impl Fn(&Recorded) -> Reply + Send + Sync + 'static) -> Self {
        Self::play(Script::Router(Arc::new(router))).await
    }

    /// Gives the same reply to every request.
    pub async fn always(reply: Reply) -> Self {
        Self::route(move |_| reply.clone()).await
    }

    async fn play(script: Script) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let stage = Arc::new(Stage {
            script: Mutex::new(script),
            requests: Mutex::default(),
            unread: Mutex::default(),
        });
        let shared = Arc::clone(&stage);
        let accepting = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            for number in 0.. {
                let Ok((stream, _)) = listener.accept().await else {
                    break;
                };
                connections.spawn(converse(stream, number, Arc::clone(&shared)));
            }
        });
        Self { stage, port, accepting }
    }

    /// The API base: `http://127.0.0.1:PORT/api/v2`.
    pub fn url(&self) -> String {
        format!("{}/api/v2", self.origin())
    }

    /// `http://127.0.0.1:PORT`.
    pub fn origin(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The requests that were read, in the order of their arrival.
    pub fn requests(&self) -> Vec<Recorded> {
        self.stage.requests.lock().unwrap().clone()
    }

    /// Waits until so many requests have been read.
    pub async fn reached(&self, count: usize) {
        until("a request", || self.requests().len() >= count).await;
    }

    /// How many requests reached this upstream: those that were read and those that were reset before.
    pub fn count(&self) -> usize {
        self.stage.requests.lock().unwrap().len() + *self.stage.unread.lock().unwrap()
    }
}

impl Drop for FakeNeon {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

/// One connection, request after request.
async fn converse(mut stream: TcpStream, connection: usize, stage: Arc<Stage>) {
    let _ = stream.set_nodelay(true);
    loop {
        if !matches!(stream.peek(&mut [0]).await, Ok(1)) {
            return;
        }
        if stage.takes_reset() {
            reset(stream);
            return;
        }
        let Some(request) = read_request(&mut stream, connection).await else {
            return;
        };
        let reply = stage.reply_to(request);
        if let Some(gate) = &reply.gate {
            gate.pass().await;
        }
        match reply.manner {
            Manner::Hang => std::future::pending().await,
            Manner::ResetBeforeReading | Manner::ResetAfterReading => {
                reset(stream);
                return;
            }
            Manner::Whole(delay) => {
                tokio::time::sleep(delay).await;
                let whole = [reply.head(), reply.body].concat();
                if stream.write_all(&whole).await.is_err() {
                    return;
                }
            }
            Manner::SlowBody(delay) => {
                if stream.write_all(&reply.head()).await.is_err() {
                    return;
                }
                tokio::time::sleep(delay).await;
                if stream.write_all(&reply.body).await.is_err() {
                    return;
                }
            }
            Manner::Cut(_) => {
                let part = [reply.head(), reply.body].concat();
                let _ = stream.write_all(&part).await;
                let _ = stream.shutdown().await;
                return;
            }
        }
    }
}

/// Drops the connection with an RST instead of a FIN.
fn reset(stream: TcpStream) {
    let _ = stream.set_zero_linger();
    drop(stream);
}

/// Reads one request; `None` when the connection ends before it does.
async fn read_request(stream: &mut TcpStream, connection: usize) -> Option<Recorded> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let mut lines = head.lines();
    let mut first = lines.next()?.split(' ');
    let method = first.next()?.to_owned();
    let target = first.next()?.to_owned();
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.trim().to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    let length = headers
        .iter()
        .find(|(name, _)| name == "content-length")
        .and_then(|(_, value)| value.parse().ok())
        .unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Recorded {
        method,
        target,
        headers,
        body,
        at: Instant::now(),
        connection,
    })
}
