//! The sizes that a compute may have, and when it may suspend.

use crate::{
    error::ApiError,
    options::Limits,
    state::{
        endpoint::{ComputeSize, DEFAULT_SUSPEND_TIMEOUT},
        settings::DefaultEndpointSettings,
    },
};

/// The widest span between the two autoscaling limits, in compute units.
const WIDEST_SPAN: f64 = 8.0;

/// What a request asks for; what is absent stays as it was.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct AskedSize {
    pub(crate) min_cu: Option<f64>,
    pub(crate) max_cu: Option<f64>,
    pub(crate) suspend_timeout_seconds: Option<i64>,
}

impl AskedSize {
    /// The size that comes out of what is asked for and what was before.
    ///
    /// # Errors
    ///
    /// 400 for sizes that no compute has, 422 for those that the plan has not, 412 for a suspend timeout that the plan
    /// doesn't let one choose.
    pub(crate) fn on(self, before: ComputeSize, limits: &Limits) -> Result<ComputeSize, ApiError> {
        let size = ComputeSize {
            min_cu: self
                .min_cu
                .unwrap_or_else(|| before.min_cu.min(self.max_cu.unwrap_or(before.min_cu))),
            max_cu: self
                .max_cu
                .unwrap_or_else(|| before.max_cu.max(self.min_cu.unwrap_or(before.max_cu))),
            suspend_timeout_seconds: self.suspend_timeout_seconds.unwrap_or(before.suspend_timeout_seconds),
        };
        if self.min_cu.is_some() || self.max_cu.is_some() {
            check_units(size, limits)?;
        }
        if let Some(timeout) = self.suspend_timeout_seconds {
            check_timeout(timeout, limits)?;
        }
        Ok(size)
    }
}

fn check_units(size: ComputeSize, limits: &Limits) -> Result<(), ApiError> {
    let ComputeSize { min_cu, max_cu, .. } = size;
    if ![min_cu, max_cu].into_iter().all(is_unit_count) {
        return Err(ApiError::bad_request(
            "a compute has 0.25, 0.5 or a whole number of compute units",
        ));
    }
    if min_cu > max_cu {
        return Err(ApiError::bad_request(
            "autoscaling_limit_min_cu is larger than autoscaling_limit_max_cu",
        ));
    }
    let fixed = (max_cu - min_cu).abs() < f64::EPSILON;
    let most = if fixed {
        limits.fixed_max_cu
    } else {
        limits.autoscaling_max_cu
    };
    if max_cu > most {
        return Err(ApiError::refused(format!(
            "the plan allows at most {most} compute units for a compute {}",
            if fixed { "of fixed size" } else { "that scales" }
        )));
    }
    if max_cu - min_cu > WIDEST_SPAN {
        return Err(ApiError::refused(format!(
            "the autoscaling limits may lie at most {WIDEST_SPAN} compute units apart"
        )));
    }
    Ok(())
}

fn is_unit_count(units: f64) -> bool {
    let is_quarter_or_half = [0.25, 0.5]
        .into_iter()
        .any(|size: f64| (units - size).abs() < f64::EPSILON);
    is_quarter_or_half || (units >= 1.0 && units.fract().abs() < f64::EPSILON)
}

fn check_timeout(timeout: i64, limits: &Limits) -> Result<(), ApiError> {
    if !matches!(timeout, -1 | 0 | 60..=604_800) {
        return Err(ApiError::bad_request(
            "suspend_timeout_seconds is -1 (never), 0 (the default) or 60 to 604800",
        ));
    }
    if !limits.custom_suspend_timeout && !matches!(timeout, 0 | DEFAULT_SUSPEND_TIMEOUT) {
        return Err(ApiError::precondition(
            "the plan doesn't allow another suspend timeout than 300 seconds",
        ));
    }
    Ok(())
}

impl From<&DefaultEndpointSettings> for AskedSize {
    fn from(defaults: &DefaultEndpointSettings) -> Self {
        Self {
            min_cu: defaults.autoscaling_limit_min_cu,
            max_cu: defaults.autoscaling_limit_max_cu,
            suspend_timeout_seconds: defaults.suspend_timeout_seconds,
        }
    }
}
