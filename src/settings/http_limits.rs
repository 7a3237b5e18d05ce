//! The limits of serving over HTTP, as the settings say them: each within bounds that make sense.

use std::time::Duration;

use super::error::SettingsError;
use super::http::{AuthMode, HttpLayer};
use crate::server::http::HttpLimits;

/// The smallest and the largest body that can be set, in bytes: what a call with a few arguments takes, and what one process can hold
/// some of at once.
const BODY_BYTES: (u64, u64) = (1_024, 64 * 1024 * 1024);

/// The most connections, sessions or calls that can be set.
const COUNT: (u64, u64) = (1, 1_000_000);

/// How many sessions a caller has that is told from others, where nothing is set: a tenth of all. Of one address come all of its people's.
const SESSIONS_OF_A_CALLER: usize = 100;

/// The longest time for the head or the body of a request, in seconds.
const SECONDS: (u64, u64) = (1, 600);

/// The longest time that a session lasts unused, in seconds: 30 days.
const IDLE_SECONDS: (u64, u64) = (1, 30 * 86_400);

/// How long running calls may have to end, in seconds. At 0 they are cancelled at once.
const DRAIN_SECONDS: (u64, u64) = (0, 3_600);

impl HttpLayer {
    /// The limits that these settings make.
    ///
    /// # Errors
    /// When a value is 0 where nothing would be served with it, or beyond what makes sense.
    pub fn limits(&self) -> Result<HttpLimits, SettingsError> {
        let defaults = HttpLimits::default();
        let count = |setting, value, default| number(setting, value, COUNT, default);
        let time = |setting, value: Option<u64>, bounds: (u64, u64), default: Duration| {
            number(setting, value, bounds, 0).map(|seconds| match value {
                Some(_) => Duration::from_secs(seconds as u64),
                None => default,
            })
        };
        let limits = HttpLimits {
            body_bytes: number("max_body_bytes", self.max_body_bytes, BODY_BYTES, defaults.body_bytes)?,
            sessions: count("max_sessions", self.max_sessions, defaults.sessions)?,
            sessions_of_one: count(
                "max_sessions_per_caller",
                self.max_sessions_per_caller,
                match self.auth.is_some_and(AuthMode::tells_apart) {
                    true => SESSIONS_OF_A_CALLER,
                    false => defaults.sessions_of_one,
                },
            )?,
            sessions_awake: defaults.sessions_awake,
            session_idle: time(
                "session_idle_seconds",
                self.session_idle_seconds,
                IDLE_SECONDS,
                defaults.session_idle,
            )?,
            connections: count("max_connections", self.max_connections, defaults.connections)?,
            connections_of_one: count(
                "max_connections_per_address",
                self.max_connections_per_address,
                defaults.connections_of_one,
            )?,
            head: time(
                "header_timeout_seconds",
                self.header_timeout_seconds,
                SECONDS,
                defaults.head,
            )?,
            body: time(
                "body_timeout_seconds",
                self.body_timeout_seconds,
                SECONDS,
                defaults.body,
            )?,
            calls: count("max_calls", self.max_calls, defaults.calls)?,
            calls_of_one: count("max_calls_per_caller", self.max_calls_per_caller, defaults.calls_of_one)?,
            calls_per_minute: self.calls_per_minute.map_or(Ok(defaults.calls_per_minute), |value| {
                number("calls_per_minute", Some(value.into()), COUNT, 0).map(|_| value)
            })?,
            drain: time("drain_seconds", self.drain_seconds, DRAIN_SECONDS, defaults.drain)?,
        };
        Ok(limits)
    }
}

/// A number within bounds.
fn number(
    setting: &'static str,
    value: Option<u64>,
    (least, most): (u64, u64),
    default: usize,
) -> Result<usize, SettingsError> {
    let Some(value) = value else { return Ok(default) };
    let fits = (least..=most).contains(&value);
    usize::try_from(value)
        .ok()
        .filter(|_| fits)
        .ok_or(SettingsError::Number {
            setting,
            value,
            least,
            most,
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_is_set_by_its_setting_and_absurd_values_are_refused() {
        let names = [
            "max_body_bytes",
            "header_timeout_seconds",
            "body_timeout_seconds",
            "max_connections",
            "max_connections_per_address",
            "max_sessions",
            "max_sessions_per_caller",
            "session_idle_seconds",
            "max_calls",
            "max_calls_per_caller",
            "calls_per_minute",
            "drain_seconds",
        ];
        let default = format!("{:?}", HttpLimits::default());
        for name in names {
            let with = |text: &str| {
                let mut layer = HttpLayer::default();
                layer.set(name, text).unwrap().unwrap();
                layer.limits()
            };
            let text = if name == "max_body_bytes" { "2048" } else { "7" };
            assert_ne!(format!("{:?}", with(text).unwrap()), default, "{name} sets nothing");
            assert!(with("4294967295").is_err(), "{name}");
            assert_eq!(with("0").is_err(), name != "drain_seconds", "{name}");
            let told = with("4294967295").unwrap_err().to_string();
            assert!(told.contains(name) && told.contains("4294967295"), "{told}");
        }
        assert_eq!(format!("{:?}", HttpLayer::default().limits().unwrap()), default);
    }
}
