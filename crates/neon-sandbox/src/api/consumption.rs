//! What projects and branches used over time, computed from what they did.

use std::{
    collections::hash_map::DefaultHasher,
    hash::{Hash as _, Hasher as _},
};

use chrono::{DateTime, DurationRound as _, Months, TimeDelta};
use serde_json::{Map, Value, json};

use super::{
    Route,
    consumption_query::{Asked, Granularity},
    organizations,
};
use crate::{
    call::{Call, Reply},
    clock::Timestamp,
    error::ApiError,
    pages::{SortOrder, Sorted, page},
    state::{
        State,
        project::Project,
        usage_sum::{SECONDS_PER_HOUR, Span, Sums, month_around, month_seconds, whole},
    },
};

/// Branches of a project that a paid plan includes; on Scale.
const INCLUDED_ON_SCALE: usize = 25;

/// The same on the others.
const INCLUDED: usize = 10;

pub(crate) fn routes() -> Vec<Route> {
    vec![
        Route::get(
            "getConsumptionHistoryPerProject",
            "/consumption_history/projects",
            legacy,
        ),
        Route::get(
            "getConsumptionHistoryPerProjectV2",
            "/consumption_history/v2/projects",
            projects,
        ),
        Route::get(
            "getConsumptionHistoryPerBranchV2",
            "/consumption_history/v2/branches",
            branches,
        ),
    ]
}

/// Refuses plans without this history, and organizations that are not the caller's.
fn check_account(call: &Call, state: &State, asked: &Asked, plans: &[&str]) -> Result<(), ApiError> {
    if !plans.contains(&state.account.plan) {
        return Err(ApiError::forbidden(format!(
            "this consumption history is not available on the plan {}; it is on {}",
            state.account.plan,
            plans.join(" and ")
        )));
    }
    match &asked.org_id {
        Some(id) => organizations::seen(call, state, id).map(|_| ()),
        None => Ok(()),
    }
}

/// The plans of the sandbox that have the first version of the history.
const PLANS: [&str; 1] = ["scale"];

/// Those that have the second one.
const PLANS_V2: [&str; 2] = ["launch", "scale"];

/// The projects that are asked about, of those that the caller can see.
fn asked_projects<'a>(
    call: &'a Call,
    state: &'a State,
    asked: &'a Asked,
) -> impl Iterator<Item = (usize, &'a Project)> {
    state.projects.iter().enumerate().filter(move |(_, project)| {
        let of_it = asked
            .org_id
            .as_ref()
            .map_or_else(|| state.account.owns(&project.org_id), |id| *id == project.org_id);
        project.deleted_at.is_none() && of_it && call.caller.can_see(project) && asked.wants_project(&project.id)
    })
}

fn legacy(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    const METRICS: [&str; 7] = [
        "active_time_seconds",
        "compute_time_seconds",
        "written_data_bytes",
        "synthetic_storage_size_bytes",
        "data_storage_bytes_hour",
        "logical_size_bytes",
        "logical_size_bytes_hour",
    ];
    let asked = Asked::read(call, &METRICS, 10, 100)?;
    check_account(call, state, &asked, &PLANS)?;
    let plan = state.account.subscription();
    let items = asked_projects(call, state, &asked)
        .map(|(position, project)| {
            let figures = |span: Span| {
                let sums = Sums::new(project, None, span, call.now);
                legacy_figures(&asked, &sums)
            };
            let periods = periods(&project.id, project.created_at, &asked, &plan, call.now, figures);
            sorted(
                position,
                &project.id,
                json!({ "project_id": project.id, "periods": periods }),
            )
        })
        .collect();
    answer("projects", &asked, items)
}

/// The figures of a span as the first version names them. Four of them are always there.
fn legacy_figures(asked: &Asked, sums: &Sums<'_>) -> Map<String, Value> {
    let all = [
        ("active_time_seconds", whole(sums.active_seconds()), true),
        ("compute_time_seconds", whole(sums.compute_unit_seconds()), true),
        ("written_data_bytes", sums.written_bytes(), true),
        ("synthetic_storage_size_bytes", 0, true),
        ("data_storage_bytes_hour", sums.stored_byte_hours(), false),
        ("logical_size_bytes", sums.logical_bytes(), false),
        (
            "logical_size_bytes_hour",
            whole(sums.logical_byte_seconds() / SECONDS_PER_HOUR),
            false,
        ),
    ];
    all.into_iter()
        .filter_map(|(name, value, always)| {
            let wanted = asked.metrics.is_empty() || asked.metrics.iter().any(|metric| metric == name);
            match (wanted, always) {
                (true, _) => Some((name.to_owned(), value.into())),
                (false, true) => Some((name.to_owned(), 0.into())),
                (false, false) => None,
            }
        })
        .collect()
}

/// What can be asked about a branch, and so about a project too.
const BRANCH_METRICS: [&str; 6] = [
    "compute_unit_seconds",
    "root_branch_bytes_month",
    "child_branch_bytes_month",
    "instant_restore_bytes_month",
    "public_network_transfer_bytes",
    "private_network_transfer_bytes",
];

fn projects(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    const MORE: [&str; 2] = ["extra_branches_month", "snapshot_storage_bytes_month"];
    let known: Vec<&str> = BRANCH_METRICS.into_iter().chain(MORE).collect();
    let asked = Asked::read(call, &known, 10, 100)?;
    asked.require_org_id()?;
    asked.require_metrics()?;
    check_account(call, state, &asked, &PLANS_V2)?;
    let plan = state.account.subscription();
    let included = if state.account.plan == "scale" {
        INCLUDED_ON_SCALE
    } else {
        INCLUDED
    };
    let items = asked_projects(call, state, &asked)
        .map(|(position, project)| {
            let figures = |span: Span| figures(&asked, project, None, included, span, call.now);
            let periods = periods(&project.id, project.created_at, &asked, &plan, call.now, figures);
            sorted(
                position,
                &project.id,
                json!({ "project_id": project.id, "periods": periods }),
            )
        })
        .collect();
    answer("projects", &asked, items)
}

fn branches(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let asked = Asked::read(call, &BRANCH_METRICS, 100, 1000)?;
    asked.require_org_id()?;
    asked.require_metrics()?;
    if asked.project_ids.is_empty() {
        return Err(ApiError::bad_request("project_ids is required"));
    }
    check_account(call, state, &asked, &PLANS_V2)?;
    let plan = state.account.subscription();
    let mut items = Vec::new();
    for (position, project) in asked_projects(call, state, &asked) {
        let wanted = project.usage.branches.iter().filter(|(id, branch)| {
            let lived = branch.until.is_none_or(|until| until > asked.span.from) && branch.from < asked.span.until;
            lived && asked.wants_branch(id)
        });
        for (id, branch) in wanted {
            let figures = |span: Span| figures(&asked, project, Some(id), INCLUDED, span, call.now);
            let periods = periods(id, branch.from, &asked, &plan, call.now, figures);
            let item = json!({ "project_id": project.id, "branch_id": id, "periods": periods });
            items.push(sorted(position, id, item));
        }
    }
    answer("branches", &asked, items)
}

/// The figures of a span as the second version names them.
fn figures(
    asked: &Asked,
    project: &Project,
    branch_id: Option<&str>,
    included: usize,
    span: Span,
    now: Timestamp,
) -> Map<String, Value> {
    let sums = Sums::new(project, branch_id, span, now);
    let month = month_seconds(span.from);
    let metrics: Vec<Value> = asked
        .metrics
        .iter()
        .map(|name| {
            let value = match name.as_str() {
                "compute_unit_seconds" => sums.compute_unit_seconds(),
                "root_branch_bytes_month" => sums.root_byte_seconds() / month,
                "child_branch_bytes_month" => sums.child_byte_seconds() / month,
                "instant_restore_bytes_month" => sums.restore_byte_seconds() / month,
                "extra_branches_month" => sums.extra_branch_seconds(included) / month,
                "snapshot_storage_bytes_month" => sums.snapshot_byte_seconds() / month,
                // Nothing connects to the sandbox's computes, so that nothing is transferred.
                _ => 0.0,
            };
            json!({ "metric_name": name, "value": whole(value) })
        })
        .collect();
    Map::from_iter([("metrics".to_owned(), metrics.into())])
}

/// The timeframes that are asked for, in the months that are billed.
fn periods(
    id: &str,
    born: Timestamp,
    asked: &Asked,
    plan: &str,
    now: Timestamp,
    figures: impl Fn(Span) -> Map<String, Value>,
) -> Vec<Value> {
    let mut periods: Vec<(Timestamp, Timestamp, Vec<Value>)> = Vec::new();
    let mut from = asked.span.from.max(asked.granularity.start(born));
    while from < asked.span.until && from <= now {
        let span = Span {
            from,
            until: asked.granularity.next(from),
        };
        let mut frame = json!({ "timeframe_start": span.from, "timeframe_end": span.until });
        if let Some(fields) = frame.as_object_mut() {
            fields.extend(figures(span));
        }
        let (month, next) = month_around(from);
        match periods.last_mut() {
            Some((start, _, frames)) if *start == month => frames.push(frame),
            _ => periods.push((month, next, vec![frame])),
        }
        from = span.until;
    }
    periods
        .into_iter()
        .map(|(start, end, consumption)| {
            let mut period = json!({
                "period_id": period_id(id, start),
                "period_plan": plan,
                "period_start": start,
                "consumption": consumption,
            });
            // The month that still runs has no end yet.
            if let Some(fields) = period.as_object_mut().filter(|_| end <= now) {
                fields.insert("period_end".to_owned(), json!(end));
            }
            period
        })
        .collect()
}

/// The same id for the same month, whenever it is asked for.
fn period_id(id: &str, start: Timestamp) -> String {
    let half = |salt: u8| {
        let mut hasher = DefaultHasher::new();
        (salt, id, start.timestamp()).hash(&mut hasher);
        u128::from(hasher.finish())
    };
    let bytes = (half(0) << 64 | half(1)).to_be_bytes();
    uuid::Builder::from_random_bytes(bytes).into_uuid().to_string()
}

fn sorted(position: usize, id: &str, item: Value) -> Sorted<Value> {
    Sorted {
        key: format!("{position:09}"),
        id: id.to_owned(),
        item,
    }
}

fn answer(list: &str, asked: &Asked, items: Vec<Sorted<Value>>) -> Result<Reply, ApiError> {
    let kind = format!("consumption of {list}");
    let page = page(&kind, items, SortOrder::Asc, asked.cursor.as_deref(), asked.limit)?;
    let mut body = Map::from_iter([(list.to_owned(), page.items.into())]);
    if let Some(cursor) = page.next {
        body.insert("pagination".to_owned(), json!({ "cursor": cursor }));
    }
    Reply::ok(body)
}

impl Granularity {
    /// The start of the timeframe that a moment lies in.
    pub(super) fn start(self, at: Timestamp) -> Timestamp {
        match self {
            Self::Hourly => at.duration_trunc(TimeDelta::hours(1)).unwrap_or(at),
            Self::Daily => at.duration_trunc(TimeDelta::days(1)).unwrap_or(at),
            Self::Monthly => month_around(at).0,
        }
    }

    /// The end of the timeframe that starts at a moment.
    fn next(self, start: Timestamp) -> Timestamp {
        match self {
            Self::Hourly => start + TimeDelta::hours(1),
            Self::Daily => start + TimeDelta::days(1),
            Self::Monthly => month_around(start).1,
        }
    }

    /// The first moment that may be asked about.
    pub(super) fn reaches_back_to(self, now: Timestamp) -> Timestamp {
        let back = match self {
            Self::Hourly => now - TimeDelta::hours(168),
            Self::Daily => now - TimeDelta::days(60),
            Self::Monthly => now.checked_sub_months(Months::new(12)).unwrap_or(now),
        };
        // Neon counts since 1 March 2024.
        let first = DateTime::from_timestamp(1_709_251_200, 0).unwrap_or(back);
        back.max(first)
    }
}
