//! Places in a branch's history, as requests name them.

use crate::{
    call::parse_moment,
    error::ApiError,
    state::data::{Lsn, Point},
};

/// A parameter's name, and what was given for it.
type Given<'a> = (&'a str, Option<&'a str>);

/// The place that an LSN or a timestamp names; the head when neither is given.
///
/// # Errors
///
/// 400 when both are given, or one is malformed.
pub(crate) fn read_point(lsn: Given<'_>, timestamp: Given<'_>) -> Result<Point, ApiError> {
    match (lsn, timestamp) {
        ((lsn_name, Some(_)), (timestamp_name, Some(_))) => Err(ApiError::bad_request(format!(
            "{lsn_name} and {timestamp_name} exclude each other"
        ))),
        ((name, Some(lsn)), _) => lsn
            .parse::<Lsn>()
            .map(Point::Lsn)
            .map_err(|problem| ApiError::bad_request(format!("{name}: {problem}"))),
        (_, (name, Some(timestamp))) => parse_moment(name, timestamp).map(Point::Time),
        _ => Ok(Point::Head),
    }
}
