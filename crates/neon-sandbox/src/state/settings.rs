//! Settings of projects and computes, as they are sent and shown.

use std::collections::BTreeMap;

use chrono::{Datelike, Days, NaiveTime};
use serde::{Deserialize, Serialize};

use crate::{clock::Timestamp, error::ApiError};

/// Consumption that a project may use; 0 is without limit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Quota {
    #[serde(skip_serializing_if = "Option::is_none")]
    active_time_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    compute_time_seconds: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    written_data_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_transfer_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logical_size_bytes: Option<u64>,
}

impl Quota {
    /// The limits that stop computes, with their names; the one on a branch's size stops only writes.
    fn of_computes(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
        [
            ("active_time_seconds", self.active_time_seconds),
            ("compute_time_seconds", self.compute_time_seconds),
            ("written_data_bytes", self.written_data_bytes),
        ]
        .into_iter()
        .filter_map(|(name, limit)| Some((name, limit.filter(|limit| *limit > 0)?)))
    }
}

/// Addresses that may connect.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct AllowedIps {
    #[serde(default)]
    ips: Vec<String>,
    #[serde(default)]
    protected_branches_only: bool,
}

/// When maintenance may happen: weekdays 1 (Monday) to 7, times `HH:MM` in UTC.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct MaintenanceWindow {
    weekdays: Vec<u8>,
    start_time: String,
    end_time: String,
}

/// How much is logged for audits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AuditLogLevel {
    Base,
    Extended,
    Full,
}

/// Libraries that Postgres loads at its start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct PreloadLibraries {
    #[serde(skip_serializing_if = "Option::is_none")]
    use_defaults: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enabled_libraries: Option<Vec<String>>,
}

/// A project's settings. In an update, what is absent stays as it was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct ProjectSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    quota: Option<Quota>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed_ips: Option<AllowedIps>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enable_logical_replication: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    maintenance_window: Option<MaintenanceWindow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    block_public_connections: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    block_vpc_connections: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audit_log_level: Option<AuditLogLevel>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hipaa: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preload_libraries: Option<PreloadLibraries>,
}

/// `new` where it is given, else `old`.
fn newer<T: Clone>(new: &Option<T>, old: &Option<T>) -> Option<T> {
    new.as_ref().or(old.as_ref()).cloned()
}

impl ProjectSettings {
    /// These settings with a change on top of them.
    ///
    /// # Errors
    ///
    /// When a value is out of its bounds, or logical replication or HIPAA handling would be turned off again.
    pub(crate) fn changed_by(&self, change: &Self) -> Result<Self, ApiError> {
        if let Some(window) = &change.maintenance_window {
            window.check()?;
        }
        if self.has_logical_replication() && change.enable_logical_replication == Some(false) {
            return Err(ApiError::refused(
                "logical replication cannot be turned off once it is on",
            ));
        }
        if self.has_hipaa() && change.hipaa == Some(false) {
            return Err(ApiError::refused("HIPAA handling cannot be turned off once it is on"));
        }
        Ok(Self {
            quota: newer(&change.quota, &self.quota),
            allowed_ips: newer(&change.allowed_ips, &self.allowed_ips),
            enable_logical_replication: newer(&change.enable_logical_replication, &self.enable_logical_replication),
            maintenance_window: newer(&change.maintenance_window, &self.maintenance_window),
            block_public_connections: newer(&change.block_public_connections, &self.block_public_connections),
            block_vpc_connections: newer(&change.block_vpc_connections, &self.block_vpc_connections),
            audit_log_level: newer(&change.audit_log_level, &self.audit_log_level),
            hipaa: newer(&change.hipaa, &self.hipaa),
            preload_libraries: newer(&change.preload_libraries, &self.preload_libraries),
        })
    }

    /// The limits of what computes may use, with their names.
    pub(super) fn quota(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.quota.iter().flat_map(Quota::of_computes)
    }

    /// When the next maintenance window begins, at that moment or later.
    pub(crate) fn next_maintenance(&self, after: Timestamp) -> Option<Timestamp> {
        self.maintenance_window.as_ref()?.next_start(after)
    }

    /// Whether data are handled by the rules for health data.
    pub(crate) fn has_hipaa(&self) -> bool {
        self.hipaa == Some(true)
    }

    /// Whether logical replication is on.
    pub(crate) fn has_logical_replication(&self) -> bool {
        self.enable_logical_replication == Some(true)
    }
}

impl MaintenanceWindow {
    fn next_start(&self, after: Timestamp) -> Option<Timestamp> {
        let time = NaiveTime::parse_from_str(&self.start_time, "%H:%M").ok()?;
        let today = after.date_naive();
        (0..=7)
            .filter_map(|days| today.checked_add_days(Days::new(days)))
            .filter(|date| {
                let weekday = date.weekday().number_from_monday();
                self.weekdays.iter().any(|day| u32::from(*day) == weekday)
            })
            .map(|date| date.and_time(time).and_utc())
            .find(|start| *start >= after)
    }

    fn check(&self) -> Result<(), ApiError> {
        let days_fit = self.weekdays.iter().all(|day| (1..=7).contains(day));
        let times_fit = [&self.start_time, &self.end_time]
            .into_iter()
            .all(|time| is_time_of_day(time));
        if days_fit && times_fit {
            Ok(())
        } else {
            Err(ApiError::bad_request(
                "maintenance_window takes weekdays from 1 (Monday) to 7 and times as HH:MM in UTC",
            ))
        }
    }
}

fn is_time_of_day(text: &str) -> bool {
    text.len() == 5 && NaiveTime::parse_from_str(text, "%H:%M").is_ok()
}

/// What a project's new computes start with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct DefaultEndpointSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pg_settings: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pgbouncer_settings: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) autoscaling_limit_min_cu: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) autoscaling_limit_max_cu: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) suspend_timeout_seconds: Option<i64>,
}

impl DefaultEndpointSettings {
    /// These settings with a change on top of them.
    pub(crate) fn changed_by(&self, change: &Self) -> Self {
        Self {
            pg_settings: newer(&change.pg_settings, &self.pg_settings),
            pgbouncer_settings: newer(&change.pgbouncer_settings, &self.pgbouncer_settings),
            autoscaling_limit_min_cu: newer(&change.autoscaling_limit_min_cu, &self.autoscaling_limit_min_cu),
            autoscaling_limit_max_cu: newer(&change.autoscaling_limit_max_cu, &self.autoscaling_limit_max_cu),
            suspend_timeout_seconds: newer(&change.suspend_timeout_seconds, &self.suspend_timeout_seconds),
        }
    }
}

/// A compute's Postgres and pooler settings. In an update, what is absent stays as it was.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct EndpointSettings {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) pg_settings: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pgbouncer_settings: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preload_libraries: Option<PreloadLibraries>,
}

impl EndpointSettings {
    /// These settings with a change on top of them.
    pub(crate) fn changed_by(&self, change: &Self) -> Self {
        Self {
            pg_settings: newer(&change.pg_settings, &self.pg_settings),
            pgbouncer_settings: newer(&change.pgbouncer_settings, &self.pgbouncer_settings),
            preload_libraries: newer(&change.preload_libraries, &self.preload_libraries),
        }
    }
}

impl From<&DefaultEndpointSettings> for EndpointSettings {
    fn from(defaults: &DefaultEndpointSettings) -> Self {
        Self {
            pg_settings: defaults.pg_settings.clone(),
            pgbouncer_settings: defaults.pgbouncer_settings.clone(),
            preload_libraries: None,
        }
    }
}
