//! The way to Redis: one connection that is made anew, scripts that wait for a bounded time, and what was seen of the store.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{
    Client, ErrorKind, FromRedisValue, RedisError, RetryMethod, Script, ServerErrorKind, TlsCertificates, Value,
};
use tokio::runtime::{Builder, Handle, Runtime, RuntimeFlavor};

use super::options::RedisOptions;
use crate::guard::session::random_id;
use crate::guard::store::error::StoreError;
use crate::text::one_line;

/// How long a caller waits for a script, tries that failed included.
const WAIT: Duration = Duration::from_secs(3);

/// How long one try may take: to connect, and to be answered.
const ONE_TRY: Duration = Duration::from_secs(2);

/// How long is waited between two tries.
const PAUSE: Duration = Duration::from_millis(50);

/// How often the store is looked at, so that a restart is noticed whether something is called or not.
const LOOK: Duration = Duration::from_millis(500);

/// How many reasons are told why the store can't be used, until it can.
const MAX_REASONS: usize = 4;

/// For how long an answer says that the store is there.
const FRESH: Duration = Duration::from_secs(3);

/// The script that only looks.
static LOOKS: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("start.lua"), include_str!("look.lua"))));

/// What scripts are given.
pub(super) type Arguments = Vec<Vec<u8>>;

/// What the store said last.
#[derive(Debug, Default)]
struct Seen {
    mark: String,
    count: u64,
    /// When it last answered.
    answered: Option<Instant>,
    /// Why it didn't, where that was after its last answer: each reason once, the first of them.
    away: Vec<String>,
}

/// The answer to a script that looks at the state first.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) mark: String,
    pub(super) word: String,
    more: std::vec::IntoIter<Value>,
}

impl Answer {
    /// The next of what comes behind the word, if there is one.
    pub(super) fn next<T: FromRedisValue>(&mut self) -> Option<T> {
        T::from_redis_value(self.more.next()?).ok()
    }
}

/// A connection with a runtime of its own: whoever waits for it needn't be in one.
pub(super) struct Connection {
    place: String,
    base: String,
    settles: Duration,
    client: Client,
    manager: Mutex<ConnectionManager>,
    runtime: Option<Runtime>,
    seen: Mutex<Seen>,
}

impl fmt::Debug for Connection {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Connection")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // Whoever lets go may be in another runtime, which must not wait.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Connection {
    pub(super) fn open(options: &RedisOptions) -> Result<Arc<Self>, StoreError> {
        let place = options.address.shown().to_owned();
        let refused = |why: String| StoreError::Refused {
            place: place.clone(),
            why,
        };
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = match &options.ca {
            Some(_) if !options.address.is_encrypted() => {
                return Err(refused("--store-ca is for rediss:// alone".to_owned()));
            }
            Some(ca) => Client::build_with_tls(
                options.address.url(),
                TlsCertificates {
                    client_tls: None,
                    root_cert: Some(ca.clone()),
                },
            ),
            None => Client::open(options.address.url()),
        };
        let client = client.map_err(|error| refused(told(&error)))?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("store")
            .enable_all()
            .build()
            .map_err(|error| refused(error.to_string()))?;
        let manager = {
            let _inside = runtime.enter();
            manager_of(&client).map_err(|error| refused(told(&error)))?
        };
        let connection = Arc::new(Self {
            // The braces keep all names in one slot of a cluster.
            base: format!("{{{}}}:", options.prefix),
            place,
            settles: options.settles,
            client,
            manager: Mutex::new(manager),
            runtime: Some(runtime),
            seen: Mutex::default(),
        });
        let looking = Arc::downgrade(&connection);
        connection.spawn(async move {
            let mut is_known = false;
            while let Some(connection) = looking.upgrade() {
                let looked = connection.ask_once(&LOOKS, &Vec::new()).await;
                match looked {
                    Ok(_) if !is_known => {
                        is_known = true;
                        connection.tell_version().await;
                    }
                    Ok(_) => {}
                    Err(error) => connection.begin_anew_after(&error),
                }
                drop(connection);
                tokio::time::sleep(LOOK).await;
            }
        });
        Ok(connection)
    }

    /// Takes another connection after an error that the present one may keep for ever. The library connects anew after errors of the
    /// network alone: a password that wasn't right, or what isn't the protocol, while it was being set up is its answer from then on.
    fn begin_anew_after(&self, error: &RedisError) {
        if error.is_io_error() {
            return;
        }
        if let Ok(manager) = manager_of(&self.client) {
            *self.manager.lock().unwrap_or_else(PoisonError::into_inner) = manager;
        }
    }

    fn manager(&self) -> ConnectionManager {
        self.manager.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What all names begin with.
    pub(super) fn base(&self) -> &str {
        &self.base
    }

    /// Whether it didn't answer what it was asked last.
    pub(super) fn is_away(&self) -> bool {
        !self.seen().away.is_empty()
    }

    pub(super) fn is_available(&self) -> bool {
        let seen = self.seen();
        seen.away.is_empty() && seen.answered.is_some_and(|at| at.elapsed() < FRESH)
    }

    pub(super) async fn check(self: &Arc<Self>) -> Result<(), StoreError> {
        let connection = self.clone();
        let looked = self.spawn(async move { connection.ask(&LOOKS, Vec::new()).await.map(drop) });
        match looked {
            Some(looked) => looked.await.unwrap_or_else(|error| Err(self.away(error.to_string()))),
            None => Err(self.away("this program is stopping".to_owned())),
        }
    }

    /// The mark that is in force.
    pub(super) fn mark(self: &Arc<Self>) -> Result<String, StoreError> {
        let connection = self.clone();
        let looked = self.wait(async move { connection.ask(&LOOKS, Vec::new()).await })??;
        Ok(looked.mark)
    }

    /// Runs a script that looks at the state first, and waits for it.
    pub(super) fn run(self: &Arc<Self>, script: &'static Script, arguments: Arguments) -> Result<Answer, StoreError> {
        let connection = self.clone();
        let mut answer = self.wait(async move { connection.ask(script, arguments).await })??;
        if answer.word == "settling" {
            let milliseconds: u64 = answer.next().unwrap_or_default();
            return Err(StoreError::Settling {
                place: self.place.clone(),
                seconds: milliseconds.div_ceil(1_000),
            });
        }
        Ok(answer)
    }

    /// Runs a future on the store's own runtime, and waits for it from anywhere.
    pub(super) fn wait<T: Send + 'static>(
        self: &Arc<Self>,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (sender, receiver) = std::sync::mpsc::sync_channel(1);
        self.spawn(async move {
            let _ = sender.send(future.await);
        });
        let wait = || receiver.recv_timeout(WAIT + PAUSE * 4);
        let waited = match Handle::try_current() {
            Ok(here) if here.runtime_flavor() == RuntimeFlavor::MultiThread => tokio::task::block_in_place(wait),
            _ => wait(),
        };
        waited.map_err(|_| self.away("it doesn't answer in time".to_owned()))
    }

    /// Runs a future on the store's own runtime.
    pub(super) fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> Option<tokio::task::JoinHandle<T>> {
        self.runtime.as_ref().map(|runtime| runtime.spawn(future))
    }

    /// Runs a script until it is answered or the time is over. Where the store was away a moment ago, it is tried once.
    async fn ask(&self, script: &Script, arguments: Arguments) -> Result<Answer, StoreError> {
        let until = Instant::now() + WAIT;
        let was_away = self.is_away();
        loop {
            let error = match self.ask_once(script, &arguments).await {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if was_away || !passes(&error) || Instant::now() + PAUSE >= until {
                return Err(self.failed(&error));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Tells the operator of a version that loses data.
    async fn tell_version(&self) {
        let mut asked = redis::cmd("INFO");
        let said = asked.arg("server").query_async::<String>(&mut self.manager()).await;
        if let Some(version) = said.ok().and_then(|said| loses_data(&said)) {
            tracing::warn!(
                "the store {} is Redis {version}: before 7.2 it loses what its file of appended commands has at each restart where the user \
                 `default` is off, so that calls that were approved are asked about again. Take Redis 7.2 or later, or Valkey",
                self.place
            );
        }
    }

    async fn ask_once(&self, script: &Script, arguments: &Arguments) -> Result<Answer, RedisError> {
        let (mark, count) = {
            let seen = self.seen();
            (seen.mark.clone(), seen.count)
        };
        let mut invocation = script.prepare_invoke();
        invocation
            .key(format!("{}start", self.base))
            .arg(&self.base)
            .arg(random_id())
            .arg(mark)
            .arg(count)
            .arg(self.settles.as_millis().to_string());
        for argument in arguments {
            invocation.arg(argument.as_slice());
        }
        let answered = invocation.invoke_async::<Vec<Value>>(&mut self.manager()).await;
        let parsed = self.heard(answered).and_then(|values| {
            let mut values = values.into_iter();
            let mut next = || values.next().unwrap_or(Value::Nil);
            let (mark, count, word) = (next(), next(), next());
            let answer = Answer {
                mark: String::from_redis_value(mark)?,
                word: String::from_redis_value(word)?,
                more: values,
            };
            Ok((answer, u64::from_redis_value(count)?))
        });
        let (answer, count) = parsed?;
        self.saw(&answer.mark, count);
        Ok(answer)
    }

    /// Runs a script about budgets, which are none of the store's state. Where the store is away nobody waits for it: they have budgets of
    /// their own, and the next look tells when it is back.
    pub(super) async fn count<T: FromRedisValue>(
        &self,
        script: &Script,
        keys: &[String],
        arguments: &[String],
    ) -> Result<T, StoreError> {
        let until = Instant::now() + WAIT;
        if let Some(why) = self.seen().away.first() {
            return Err(self.away(why.clone()));
        }
        let mut invocation = script.prepare_invoke();
        for key in keys {
            invocation.key(key);
        }
        for argument in arguments {
            invocation.arg(argument);
        }
        loop {
            let answered = invocation.invoke_async::<T>(&mut self.manager()).await;
            let error = match self.heard(answered) {
                Ok(answer) => return Ok(answer),
                Err(error) => error,
            };
            if !passes(&error) || Instant::now() + PAUSE >= until {
                return Err(self.failed(&error));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Takes note of whether the store answers.
    fn heard<T>(&self, answered: Result<T, RedisError>) -> Result<T, RedisError> {
        let mut seen = self.seen();
        match &answered {
            Ok(_) => {
                if !std::mem::take(&mut seen.away).is_empty() {
                    tracing::info!("the store {} answers again", self.place);
                }
                seen.answered = Some(Instant::now());
            }
            Err(error) => {
                let why = told(error);
                if seen.away.len() < MAX_REASONS && !seen.away.contains(&why) {
                    tracing::warn!("the store {} can't be used: {why}", self.place);
                    seen.away.push(why);
                }
            }
        }
        answered
    }

    /// Takes note of the state. Answers may come in another order than they were made.
    fn saw(&self, mark: &str, count: u64) {
        let mut seen = self.seen();
        if seen.mark == mark {
            seen.count = seen.count.max(count);
        } else if generation(mark) >= generation(&seen.mark) {
            if !seen.mark.is_empty() {
                tracing::warn!(
                    "the store {} came back without all that it had: what was asked and prepared before counts no more",
                    self.place
                );
            }
            mark.clone_into(&mut seen.mark);
            seen.count = count;
        }
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn failed(&self, error: &RedisError) -> StoreError {
        let why = told(error);
        match error.kind() {
            ErrorKind::AuthenticationFailed
            | ErrorKind::InvalidClientConfig
            | ErrorKind::Server(
                ServerErrorKind::NoPerm | ServerErrorKind::ResponseError | ServerErrorKind::CrossSlot,
            )
            | ErrorKind::Extension => StoreError::Refused {
                place: self.place.clone(),
                why,
            },
            _ => self.away(why),
        }
    }

    pub(super) fn away(&self, why: String) -> StoreError {
        StoreError::Away {
            place: self.place.clone(),
            why,
        }
    }
}

/// A connection that is made when it is first used, and made anew when it breaks.
fn manager_of(client: &Client) -> Result<ConnectionManager, RedisError> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(ONE_TRY))
        .set_response_timeout(Some(ONE_TRY))
        .set_number_of_retries(0);
    ConnectionManager::new_lazy_with_config(client.clone(), config)
}

/// The version that a store says, where that version may lose data: Redis before 7.2. Valkey says that it is Redis 7.2.
fn loses_data(said: &str) -> Option<String> {
    let version = said
        .lines()
        .find_map(|line| line.strip_prefix("redis_version:"))?
        .trim();
    let mut numbers = version.split('.').map(|number| number.parse::<u32>().ok());
    let (major, minor) = (numbers.next()??, numbers.next().flatten().unwrap_or_default());
    ((major, minor) < (7, 2)).then(|| one_line(version, 20))
}

/// When a mark was made, in milliseconds of the store's clock.
fn generation(mark: &str) -> u64 {
    let digits = mark.split('-').next().unwrap_or_default();
    digits.parse().unwrap_or_default()
}

/// Whether another try may go better.
fn passes(error: &RedisError) -> bool {
    error.kind() != ErrorKind::AuthenticationFailed && !matches!(error.retry_method(), RetryMethod::NoRetry)
}

/// The error, in one line. The client's errors hold no password; what the server says is its own text.
fn told(error: &RedisError) -> String {
    one_line(&error.to_string(), 200)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_that_loses_data_is_told() {
        let said = |version: &str| format!("# Server\r\nredis_version:{version}\r\nredis_mode:standalone\r\n");
        for (version, loses) in [
            ("7.0.15", true),
            ("6.2.14", true),
            ("7.2.4", false),
            ("7.4.0", false),
            ("8.0", false),
        ] {
            assert_eq!(loses_data(&said(version)).is_some(), loses, "{version}");
        }
        assert_eq!(
            loses_data("# Server\r\nredis_version:7.2.4\r\nvalkey_version:9.1.2\r\n"),
            None
        );
        assert_eq!(loses_data(""), None);
    }
}
