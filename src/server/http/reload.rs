//! What is read again while the server runs: policy, certificates, tokens, mappings.
//!
//! Policy and certificates keep what they had where what is there now can't be used; what says who may call leaves out whom a mistake is
//! about, so it stops nobody else. A request takes one snapshot of each at its beginning, and is served by it to its end.

use std::sync::Arc;

use tokio::sync::Notify;

use crate::telemetry;

/// Something that is read again.
pub trait Reload: Send + Sync {
    /// What it is, in one word, for logs and metrics.
    fn name(&self) -> &'static str;

    /// Reads it again. It may block.
    ///
    /// # Errors
    /// Why what is there can't be used, all of it or a part: then what was read before stays, or the part counts no more.
    fn reload(&self) -> Result<(), String>;
}

/// Is told the name of what was read again, and whether it could be used.
pub type OnReload = Arc<dyn Fn(&'static str, bool) + Send + Sync>;

/// All that is read again.
#[derive(Clone, Default)]
pub struct Reloads {
    all: Vec<Arc<dyn Reload>>,
    told: Option<OnReload>,
}

impl std::fmt::Debug for Reloads {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.all.iter().map(|reload| reload.name());
        formatter.debug_list().entries(names).finish()
    }
}

/// What the reload of the policy is called.
pub const POLICY: &str = "policy";

impl Reloads {
    /// Adds something that is read again, after what was added before.
    pub fn add(&mut self, reload: Arc<dyn Reload>) {
        telemetry::begin_reloads(reload.name());
        self.all.push(reload);
    }

    /// Has somebody told of every reload, for metrics.
    pub fn tell(&mut self, told: OnReload) {
        self.told = Some(told);
    }

    /// Reads everything again, and says in the log how that went.
    pub fn run(&self) {
        if self.all.is_empty() {
            tracing::info!("a reload was asked for, and there is nothing to read again");
        }
        for reload in &self.all {
            let name = reload.name();
            let read = reload.reload();
            if let Some(told) = &self.told {
                told(name, read.is_ok());
            }
            match read {
                Ok(()) => tracing::info!(reload = name, "read again"),
                Err(why) => tracing::error!(reload = name, "not read again as it is there: {why}"),
            }
        }
    }

    /// Reads everything again whenever that is asked for, for as long as this is polled.
    pub(super) async fn when(self, asked: Arc<Notify>) {
        loop {
            asked.notified().await;
            let all = self.clone();
            // Files are read, and schemas made.
            if tokio::task::spawn_blocking(move || all.run()).await.is_err() {
                tracing::error!("a reload failed inside; what was read before stays");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    struct One(&'static str, bool);

    impl Reload for One {
        fn name(&self) -> &'static str {
            self.0
        }

        fn reload(&self) -> Result<(), String> {
            self.1.then_some(()).ok_or_else(|| "broken".to_owned())
        }
    }

    #[test]
    fn one_that_is_broken_keeps_no_other_from_being_read() {
        let mut all = Reloads::default();
        let told: Arc<Mutex<Vec<_>>> = Arc::default();
        let notes = told.clone();
        all.tell(Arc::new(move |name, went| notes.lock().unwrap().push((name, went))));
        for one in [One("tls", false), One("policy", true)] {
            all.add(Arc::new(one));
        }
        all.run();
        assert_eq!(*told.lock().unwrap(), [("tls", false), ("policy", true)]);
    }
}
