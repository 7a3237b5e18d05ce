//! Neon's rate limits, kept on our side before they are hit, and shared fairly.
//!
//! Neon allows 700 requests a minute, and 40 a second on one route, counted per account (`Retry and rate limits` in Neon's API
//! docs). A GCRA limiter with a burst of `b` and a rate of `r` a second lets at most `b + r·t` through in *any* window
//! of `t` seconds, so these numbers hold both limits, with something left for requests that a slow connection holds
//! up and sets free together:
//!
//! | limit | burst | rate | at most | spare |
//! |---|---|---|---|---|
//! | credential | 90 | 10/s | 690 in any minute | 10, a whole second of delay |
//! | route | 10 | 25/s | 35 in any second | 5, a fifth of a second of delay |

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU32;
use std::ops::Add;
use std::sync::{Arc, Mutex as SyncMutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use governor::clock::{Clock, Reference};
use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// One limit: at most `burst + per_second · t` requests in any window of `t` seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// How many may go at once after a pause. At least 1; 0 counts as 1.
    pub burst: u32,
    /// How many a second may go in the long run. At least 1; 0 counts as 1.
    pub per_second: u32,
}

/// The two limits that a credential has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LimitSettings {
    /// Over all routes.
    pub credential: Rate,
    /// On each route (the template, whatever the method).
    pub route: Rate,
}

impl LimitSettings {
    /// More than any caller can send: for a service that limits nothing.
    #[must_use]
    pub fn unlimited() -> Self {
        let plenty = Rate {
            burst: 1_000_000,
            per_second: 1_000_000,
        };
        Self {
            credential: plenty,
            route: plenty,
        }
    }
}

impl Default for LimitSettings {
    /// Neon's 700 a minute and 40 a second per route, with the spare that the module's table shows.
    fn default() -> Self {
        Self {
            credential: Rate {
                burst: 90,
                per_second: 10,
            },
            route: Rate {
                burst: 10,
                per_second: 25,
            },
        }
    }
}

/// One caller's place in the line. Clones are the same place. However many requests a caller has, only one of them
/// waits in the shared line at a time, so callers take turns.
#[derive(Clone, Default)]
pub struct FairQueue {
    turn: Arc<Mutex<()>>,
}

impl FairQueue {
    /// A place for a new caller.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl fmt::Debug for FairQueue {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("FairQueue")
    }
}

/// The budget of one credential. Clones share it: clients that use the same credential must be given the same one.
#[derive(Clone)]
pub struct RateLimits {
    shared: Arc<Shared>,
}

/// A budget that other processes take from too. Implementations wait for nothing but the answer.
pub trait SharedBudget: fmt::Debug + Send + Sync {
    /// Takes one request on a route, if the budget has one.
    fn take<'a>(&'a self, route: &'a str) -> BoxFuture<'a, SharedTurn>;
}

/// What a shared budget says of one more request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SharedTurn {
    /// It may go, and is counted.
    Now,
    /// None is left: one will be after this time.
    In(Duration),
    /// Nobody knows, and why.
    Away(String),
}

/// The budget that replicas share can't be asked. Reads don't mind. Agents are told no more than that: why, and where it is, is for the
/// operator, in the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the rate budget that replicas share can't be used now")]
pub struct BudgetAway(pub String);

/// The longest that is slept before a shared budget is asked again: others may have given theirs up.
const SHARED_PAUSE: Duration = Duration::from_secs(1);

struct Shared {
    settings: LimitSettings,
    /// What other processes take from too, after this one's own budget.
    others: Option<Arc<dyn SharedBudget>>,
    whole: Gate,
    routes: SyncMutex<HashMap<Arc<str>, Arc<Gate>>>,
}

/// Routes that are remembered before idle ones are forgotten. Neon has some 200.
const ROUTES: usize = 1_024;

impl RateLimits {
    /// A fresh budget.
    #[must_use]
    pub fn new(settings: LimitSettings) -> Self {
        Self::with(settings, None)
    }

    /// A fresh budget of this process's own within one that several processes share.
    #[must_use]
    pub fn shared(settings: LimitSettings, others: Arc<dyn SharedBudget>) -> Self {
        Self::with(settings, Some(others))
    }

    fn with(settings: LimitSettings, others: Option<Arc<dyn SharedBudget>>) -> Self {
        Self {
            shared: Arc::new(Shared {
                settings,
                others,
                whole: Gate::new(settings.credential),
                routes: SyncMutex::default(),
            }),
        }
    }

    /// Waits until one more request may be sent on `route`, in order of arrival among the heads of all lanes. Dropping the
    /// future gives the place up. The caller bounds the wait.
    ///
    /// # Errors
    /// When others share the budget and it can't be asked. This process's own was kept to then: a read may go.
    pub async fn wait(&self, route: &Arc<str>, lane: &FairQueue) -> Result<(), BudgetAway> {
        let _turn = lane.turn.lock().await;
        let gate = self.route(route);
        gate.pass().await;
        // The whole budget comes last: what waits here keeps no other route's line from moving.
        self.shared.whole.pass().await;
        let Some(others) = &self.shared.others else {
            return Ok(());
        };
        loop {
            match others.take(route).await {
                SharedTurn::Now => return Ok(()),
                SharedTurn::In(time) => tokio::time::sleep(time.min(SHARED_PAUSE)).await,
                SharedTurn::Away(why) => return Err(BudgetAway(why)),
            }
        }
    }

    /// The gate of a route.
    fn route(&self, route: &Arc<str>) -> Arc<Gate> {
        let mut routes = self.shared.routes.lock().unwrap_or_else(PoisonError::into_inner);
        if routes.len() >= ROUTES && !routes.contains_key(route) {
            // A gate that nobody holds and that is as good as new can be made again.
            routes.retain(|_, gate| Arc::strong_count(gate) > 1 || !gate.is_idle());
        }
        Arc::clone(
            routes
                .entry(Arc::clone(route))
                .or_insert_with(|| Arc::new(Gate::new(self.shared.settings.route))),
        )
    }
}

impl Default for RateLimits {
    fn default() -> Self {
        Self::new(LimitSettings::default())
    }
}

impl fmt::Debug for RateLimits {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_tuple("RateLimits")
            .field(&self.shared.settings)
            .finish()
    }
}

/// One limiter and the line before it.
struct Gate {
    line: Mutex<Option<Instant>>,
    limiter: RateLimiter<NotKeyed, InMemoryState, TokioClock, NoOpMiddleware<Moment>>,
    /// After this long without a request the limiter is as good as new.
    refill: Duration,
}

impl Gate {
    fn new(rate: Rate) -> Self {
        let burst = NonZeroU32::new(rate.burst).unwrap_or(NonZeroU32::MIN);
        let per_second = NonZeroU32::new(rate.per_second).unwrap_or(NonZeroU32::MIN);
        Self {
            line: Mutex::new(None),
            limiter: RateLimiter::direct_with_clock(Quota::per_second(per_second).allow_burst(burst), TokioClock),
            refill: Duration::from_secs(1 + u64::from(burst.get() / per_second.get())),
        }
    }

    /// Waits in line (tokio's mutex is first come, first served), then for the limiter.
    async fn pass(&self) {
        let mut last = self.line.lock().await;
        while let Err(not_yet) = self.limiter.check() {
            tokio::time::sleep(not_yet.wait_time_from(TokioClock.now())).await;
        }
        *last = Some(Instant::now());
    }

    fn is_idle(&self) -> bool {
        self.line
            .try_lock()
            .is_ok_and(|last| last.is_none_or(|last| last.elapsed() > self.refill))
    }
}

/// tokio's clock, so that waiting and counting go by the same one.
#[derive(Debug, Clone, Copy)]
struct TokioClock;

/// A reading of tokio's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Moment(Instant);

impl Clock for TokioClock {
    type Instant = Moment;

    fn now(&self) -> Moment {
        Moment(Instant::now())
    }
}

impl Add<Nanos> for Moment {
    type Output = Self;

    fn add(self, nanos: Nanos) -> Self {
        Self(self.0 + Duration::from(nanos))
    }
}

impl Reference for Moment {
    fn duration_since(&self, earlier: Self) -> Nanos {
        self.0.saturating_duration_since(earlier.0).into()
    }

    fn saturating_sub(&self, nanos: Nanos) -> Self {
        Self(self.0.checked_sub(Duration::from(nanos)).unwrap_or(self.0))
    }
}
