//! Logs of a branch's services: which fields they have, and what stands in them.

use std::collections::{BTreeMap, BTreeSet};

use chrono::TimeDelta;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Route,
    buckets::services,
    logs_query::{Filter, field, logql, text},
};
use crate::{
    call::{Call, Reply, parse_moment},
    clock::Timestamp,
    error::ApiError,
    pages::{SortOrder, Sorted, limit, page},
    state::{
        State,
        services::{Record, Services, Severity, Source},
    },
};

/// The fields whose values can be listed, beside attributes.
const FIELDS: [&str; 3] = ["service_name", "severity_text", "source"];

/// The longest window of a query.
const LONGEST: TimeDelta = TimeDelta::days(7);

/// How many values are given at most, when no limit is asked for.
const MAX_VALUES: usize = 100;

pub(crate) fn routes() -> Vec<Route> {
    const QUERY: &str = "/projects/{project_id}/branches/{branch_id}/logs/query";
    const FIELDS: &str = "/projects/{project_id}/branches/{branch_id}/logs/fields";
    const VALUES: &str = "/projects/{project_id}/branches/{branch_id}/logs/fields/{field_name}/values";
    vec![
        Route::post("queryProjectBranchLogs", QUERY, query),
        Route::get("listProjectBranchLogFields", FIELDS, fields),
        Route::get("listProjectBranchLogFieldValues", VALUES, values),
    ]
}

/// What the branch in the path has beside Postgres. Where there is no such branch, Neon says so in a body of its own.
fn branch_services<'a>(call: &Call, state: &'a State) -> Result<&'a Services, ApiError> {
    services(call, state).map_err(|error| match error.status {
        StatusCode::NOT_FOUND => ApiError::not_enabled("", "branch_not_found", error.message),
        _ => error,
    })
}

/// A span of time, as queries give it.
#[derive(Debug, Default, Deserialize)]
struct Window {
    since: Option<String>,
    start_time: Option<String>,
    end_time: Option<String>,
}

impl Window {
    fn read(&self, now: Timestamp, default: TimeDelta) -> Result<(Timestamp, Timestamp), ApiError> {
        let moment =
            |name: &str, text: &Option<String>| text.as_deref().map(|text| parse_moment(name, text)).transpose();
        // The end is exclusive; without one, what was written in this very moment counts.
        let end = moment("end_time", &self.end_time)?.unwrap_or(now + TimeDelta::milliseconds(1));
        let start = match (&self.since, moment("start_time", &self.start_time)?) {
            (Some(_), Some(_)) => {
                return Err(ApiError::invalid_because(
                    "conflicting_time_range",
                    "since and start_time exclude each other",
                ));
            }
            (Some(since), None) => end - span(since)?,
            (None, Some(start)) => start,
            (None, None) => end - default,
        };
        if start >= end {
            return Err(ApiError::invalid_because(
                "invalid_time_range",
                "end_time must lie after start_time",
            ));
        }
        if end - start > LONGEST {
            return Err(ApiError::invalid_because(
                "time_range_too_large",
                "the window must span 7 days at most",
            ));
        }
        Ok((start, end))
    }
}

/// `30m`, `2d`, `500ms` …
fn span(text: &str) -> Result<TimeDelta, ApiError> {
    let wrong = || ApiError::bad_request("since must be a number with ms, s, m, h or d");
    let too_long = || ApiError::invalid_because("time_range_too_large", "the window must span 7 days at most");
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits).ok_or_else(wrong)?;
    if digits == 0 {
        return Err(wrong());
    }
    let number: i64 = number.parse().map_err(|_| too_long())?;
    let span = match unit {
        "ms" => TimeDelta::try_milliseconds(number),
        "s" => TimeDelta::try_seconds(number),
        "m" => TimeDelta::try_minutes(number),
        "h" => TimeDelta::try_hours(number),
        "d" => TimeDelta::try_days(number),
        _ => return Err(wrong()),
    };
    span.filter(|span| *span <= LONGEST).ok_or_else(too_long)
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct QueryBody {
    #[serde(flatten)]
    window: Window,
    limit: Option<i64>,
    cursor: Option<String>,
    sort_order: Option<SortOrder>,
    source: Option<Source>,
    service_name: Option<String>,
    scope_name: Option<String>,
    minimum_severity: Option<Severity>,
    severity_text: Option<String>,
    body_contains: Option<String>,
    trace_id: Option<String>,
    logql: Option<String>,
}

impl QueryBody {
    /// What a record must fulfil.
    fn filters(&self) -> Result<Vec<Filter>, ApiError> {
        let is_trace_id =
            |id: &String| id.len() == 32 && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if !self.trace_id.iter().all(is_trace_id) {
            return Err(ApiError::bad_request(
                "trace_id must have 32 lowercase hexadecimal digits",
            ));
        }
        let equal = |field: &str, value: &Option<String>| {
            value.as_ref().map(|value| Filter::Field {
                name: field.to_owned(),
                value: value.clone(),
                equal: true,
            })
        };
        let source = self.source.map(|source| text(json!(source)));
        let filters: Vec<Filter> = [
            equal("source", &source),
            equal("service_name", &self.service_name),
            equal("scope_name", &self.scope_name),
            equal("severity_text", &self.severity_text),
            equal("trace_id", &self.trace_id),
            self.minimum_severity.map(Filter::AtLeast),
            self.body_contains
                .clone()
                .map(|text| Filter::Line { text, holds: true }),
        ]
        .into_iter()
        .flatten()
        .collect();
        match &self.logql {
            Some(_) if !filters.is_empty() => Err(ApiError::invalid_because(
                "conflicting_filters",
                "logql excludes the other filters",
            )),
            Some(logql_text) => logql(logql_text),
            None => Ok(filters),
        }
    }
}

fn view(record: &Record) -> Value {
    json!({
        "timestamp": record.at,
        "message": record.message,
        "source": record.source,
        "entity_id": record.service_name,
        "service_name": record.service_name,
        "severity_number": 1 + 4 * record.severity as u8,
        "severity_text": field(record, "severity_text"),
        "attributes": record.attributes,
    })
}

fn query(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let input: QueryBody = call.optional_json()?;
    let (start, end) = input.window.read(call.now, TimeDelta::hours(1))?;
    let filters = input.filters()?;
    let records = branch_services(call, state)?
        .records
        .iter()
        .enumerate()
        .filter(|(_, record)| (start..end).contains(&record.at))
        .filter(|(_, record)| filters.iter().all(|filter| filter.fits(record)))
        .map(|(number, record)| Sorted {
            key: record.at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
            id: format!("{number:09}"),
            item: view(record),
        })
        .collect();
    let order = input.sort_order.unwrap_or(SortOrder::Desc);
    let limit = limit(input.limit, 100, 1_000)?;
    // A cursor goes on with the query that it comes from, and with no other one.
    let window = &input.window;
    let list = format!("logs {} {window:?} {filters:?} {order:?}", call.branch_id()?);
    let page = page(&list, records, order, input.cursor.as_deref(), limit)
        .map_err(|error| ApiError::invalid_because("invalid_cursor", error.message))?;
    let mut answer = json!({ "logs": page.items, "is_truncated": page.next.is_some() });
    if let (Some(next), Some(answer)) = (page.next, answer.as_object_mut()) {
        answer.insert("next_cursor".into(), next.into());
    }
    Reply::ok(answer)
}

fn fields(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let records = &branch_services(call, state)?.records;
    let mut fields: BTreeSet<&str> = FIELDS.into();
    fields.extend(
        records
            .iter()
            .flat_map(|record| record.attributes.keys().map(String::as_str)),
    );
    Reply::ok(json!({ "fields": fields }))
}

#[derive(Deserialize)]
struct ValuesQuery {
    since: Option<String>,
    start_time: Option<String>,
    end_time: Option<String>,
    source: Option<Source>,
    limit: Option<i64>,
}

fn values(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let query: ValuesQuery = call.query()?;
    let name = call.param("field_name")?;
    let window = Window {
        since: query.since,
        start_time: query.start_time,
        end_time: query.end_time,
    };
    let (start, end) = window.read(call.now, TimeDelta::hours(6))?;
    let limit = limit(query.limit, MAX_VALUES, 1_000)?;
    let records = &branch_services(call, state)?.records;
    let known = FIELDS.contains(&name) || records.iter().any(|record| record.attributes.contains_key(name));
    if !known {
        return Err(ApiError::invalid_because(
            "unknown_field",
            format!("there is no field {name}"),
        ));
    }
    let values: BTreeMap<String, ()> = records
        .iter()
        .filter(|record| (start..end).contains(&record.at))
        .filter(|record| query.source.is_none_or(|source| source == record.source))
        .filter_map(|record| Some((field(record, name)?, ())))
        .collect();
    let is_truncated = values.len() > limit;
    let values: Vec<String> = values.into_keys().take(limit).collect();
    Reply::ok(json!({ "values": values, "is_truncated": is_truncated }))
}
