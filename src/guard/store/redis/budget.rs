//! Budgets that replicas share: requests of an account, and changes of a minute.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use redis::Script;

use super::connection::Connection;
use crate::guard::session::random_id;
use crate::guard::shown::digest;
use crate::guard::store::error::StoreError;
use crate::neon::{LimitSettings, Rate, SharedBudget, SharedTurn};

static REQUESTS: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("requests.lua")));
static CHANGES: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("changes.lua")));

/// The requests of an account.
#[derive(Debug)]
pub(super) struct Requests {
    connection: Arc<Connection>,
    /// A keyed digest.
    account: String,
    settings: LimitSettings,
}

impl Requests {
    pub(super) fn new(connection: Arc<Connection>, account: String, settings: LimitSettings) -> Self {
        Self {
            connection,
            account,
            settings,
        }
    }
}

impl SharedBudget for Requests {
    fn take<'a>(&'a self, route: &'a str) -> BoxFuture<'a, SharedTurn> {
        let connection = self.connection.clone();
        let base = format!("{}requests:{}", connection.base(), self.account);
        let route = digest(&route.into());
        let keys = [base.clone(), format!("{base}:{route}")];
        let arguments: Vec<String> = [self.settings.credential, self.settings.route]
            .into_iter()
            .flat_map(|rate: Rate| {
                let interval = 1_000_000 / u64::from(rate.per_second.max(1));
                [u64::from(rate.burst.max(1)), interval.max(1)]
            })
            .map(|number| number.to_string())
            .collect();
        let asked = self.connection.spawn(async move {
            let wait = connection.count::<String>(&REQUESTS, &keys, &arguments).await?;
            Ok::<u64, StoreError>(wait.parse().unwrap_or_default())
        });
        async move {
            let Some(asked) = asked else {
                return SharedTurn::Away("this program is stopping".to_owned());
            };
            match asked.await {
                Ok(Ok(0)) => SharedTurn::Now,
                Ok(Ok(microseconds)) => SharedTurn::In(Duration::from_micros(microseconds)),
                Ok(Err(error)) => SharedTurn::Away(error.to_string()),
                Err(error) => SharedTurn::Away(error.to_string()),
            }
        }
        .boxed()
    }
}

/// Counts a change of the last minute, or looks whether it would fit.
pub(super) fn change(connection: &Arc<Connection>, whose: &str, most: u32, count: bool) -> Result<bool, StoreError> {
    let keys = [format!("{}changes:{whose}", connection.base())];
    let arguments = [most.to_string(), random_id(), u8::from(count).to_string()];
    let counting = connection.clone();
    let fits = connection.wait(async move { counting.count::<u8>(&CHANGES, &keys, &arguments).await })??;
    Ok(fits == 1)
}
