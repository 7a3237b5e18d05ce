//! What a plan shows of the target: read from Neon, and put into words that hold nothing unescaped.

use std::collections::BTreeMap;

use futures::future::try_join;
use serde_json::{Map, Value};

use crate::catalog::{Argument, Resource, Tool};
use crate::engine::decide::target::{branch_of, shown, unknown_loss};
use crate::engine::error::Failure;
use crate::engine::snapshot::{ReadSnapshot, flags, string};
use crate::engine::values::{items, text};
use crate::guard::{Assessment, Cause, Effect, Impact, Line, Policy, TypedName, quoted, told, told_plain};
use crate::neon::text::{is_hidden, one_line};

/// Reads what the plan of a call shows.
pub(in crate::engine) async fn read(
    look: &ReadSnapshot<'_, '_>,
    policy: &Policy,
    // What statements lose, they lose without dropping connections.
    (tool, by_statements): (&Tool, bool),
    arguments: &Map<String, Value>,
    assessment: &Assessment,
) -> Result<Impact, Failure> {
    let mut impact = Impact::default();
    let drops = tool.declaration.safety.interrupts
        || (tool.declaration.safety.effect == Effect::Destructive && !by_statements)
        || assessment.causes().contains(&Cause::Interrupts);
    let drops = if drops {
        "connections that drop"
    } else {
        "running computes"
    };
    let project = text(arguments, "project_id");
    let target = tool.target().map(|(_, resource)| resource);
    let mut lost = Lost::default();
    if let Some(project) = project.filter(|_| !tool.declaration.safety.target_is_deleted) {
        see_project(
            look,
            project,
            (target == Some(Resource::Project)).then_some(drops),
            &mut impact,
            &mut lost,
        )
        .await?;
        if let Some(endpoint) = named(tool, arguments, Resource::Endpoint) {
            see_compute(look, project, endpoint, &mut impact, &mut lost).await?;
        }
        if let Some(branch) = branch_of(look, tool, arguments).await? {
            let compute = named(tool, arguments, Resource::Endpoint).filter(|_| target == Some(Resource::Endpoint));
            see_branch(look, policy, project, &branch, (drops, compute), &mut impact, &mut lost).await?;
        }
        name_other_branches(look, tool, arguments, project, &mut impact).await?;
    }
    if let Some(plan) = &tool.declaration.safety.plan {
        let seen = shown(look, plan, arguments).await?;
        let of = plan.of.as_deref().map(|of| format!("{of} ")).unwrap_or_default();
        for pointer in plan.show.iter().filter(|pointer| !is_seen_already(pointer)) {
            let value = seen.pointer(pointer).unwrap_or(&Value::Null);
            let field = pointer.rsplit('/').next().unwrap_or_default();
            let label = format!("{of}{}", field.replace('_', " "));
            impact.lines.push(if is_volatile(field) {
                Line::circumstance(&label, words(value))
            } else {
                Line::fact(&label, words(value))
            });
        }
        if plan.pick.is_some() && seen.is_null() {
            let what = plan.of.as_deref().unwrap_or("what the call is about");
            impact.lines.push(Line::fact(what, ["not found".to_owned()]));
        }
        if target == Some(Resource::Snapshot) {
            lost.snapshot = seen.get("name").and_then(Value::as_str).map(str::to_owned);
        }
        impact.before = Some(seen);
    }
    let replaced = tool
        .declaration
        .safety
        .plan
        .as_ref()
        .and_then(|plan| plan.lost_branch.as_deref());
    if let (Some(pointer), None, Effect::Destructive) = (replaced, &lost.branch, assessment.effect()) {
        return Err(unknown_loss(pointer));
    }
    impact.type_name = lost.type_name(tool, arguments);
    Ok(impact)
}

/// The names of what may be lost, for what must be typed.
#[derive(Default)]
struct Lost {
    project: Option<String>,
    branch: Option<String>,
    compute: Option<String>,
    snapshot: Option<String>,
}

impl Lost {
    /// The database's name for a database, the branch's for a branch: the last thing in the path, unless another branch
    /// than that is lost.
    fn type_name(self, tool: &Tool, arguments: &Map<String, Value>) -> Option<TypedName> {
        let (last, names) = tool
            .placeholders
            .iter()
            .rev()
            .find_map(|argument| Some((argument, tool.names(argument)?)))?;
        let id = text(arguments, last);
        let branch_instead = tool
            .declaration
            .safety
            .plan
            .as_ref()
            .is_some_and(|plan| plan.lost_branch.is_some());
        let (what, name) = match names {
            _ if branch_instead => ("branch", self.branch),
            Argument::Resource(Resource::Project) => ("project", self.project),
            Argument::Resource(Resource::Branch) => ("branch", self.branch),
            Argument::Resource(Resource::Endpoint) => ("compute", self.compute),
            Argument::Resource(Resource::Snapshot) => ("snapshot", self.snapshot),
            Argument::Resource(Resource::Organization) => ("organization", None),
            _ => {
                let what = last.trim_end_matches("_name").trim_end_matches("_id");
                return typed(&what.replace('_', " "), id?.to_owned(), id?);
            }
        };
        // What has no name of its own is known by its id.
        typed(
            what,
            name.unwrap_or_else(|| id.unwrap_or_default().to_owned()),
            id.unwrap_or_default(),
        )
    }
}

/// A name that can't be typed as it is shown (hidden characters, blanks in a row, quotes, too long) is replaced by the id.
fn typed(what: &str, name: String, id: &str) -> Option<TypedName> {
    let as_shown = quoted(&name) == format!("\"{}\"", name.trim());
    let can_be_typed = !name.trim().is_empty() && !name.chars().any(is_hidden) && as_shown;
    let name = if can_be_typed { name } else { id.to_owned() };
    (!name.trim().is_empty()).then(|| TypedName {
        what: what.to_owned(),
        name,
    })
}

async fn see_project(
    look: &ReadSnapshot<'_, '_>,
    project: &str,
    whole: Option<&str>,
    impact: &mut Impact,
    lost: &mut Lost,
) -> Result<(), Failure> {
    let answer = look.project(project).await?;
    let about = answer.get("project").unwrap_or(&Value::Null);
    let name = string(&answer, "/project/name")?;
    let shown = called(&name, project);
    impact.names.insert(project.to_owned(), shown.clone());
    impact.lines.push(Line::fact("project", [shown]));
    lost.project = Some(name);
    let Some(drops) = whole else {
        return Ok(());
    };
    for (label, field) in [
        ("organization", "org_id"),
        ("region", "region_id"),
        ("created", "created_at"),
    ] {
        impact
            .lines
            .push(Line::fact(label, words(about.get(field).unwrap_or(&Value::Null))));
    }
    let (branches, computes) = try_join(look.branches(project), look.computes(project)).await?;
    impact.lines.push(Line::fact(
        "branches",
        guarded_first(items(&branches)).into_iter().map(branch_in_short),
    ));
    impact
        .lines
        .push(Line::fact("computes", items(&computes).map(compute_in_short)));
    impact.lines.push(Line::circumstance(drops, running(&computes, None)));
    impact
        .lines
        .push(Line::circumstance("storage", size(about.get("synthetic_storage_size"))));
    let active = about.get("compute_last_active_at").unwrap_or(&Value::Null);
    impact.lines.push(Line::circumstance("last active", words(active)));
    impact.lines.push(snapshots(look, project, "snapshots", |_| true).await);
    Ok(())
}

/// The snapshots that depend on the target. Scheduled ones come and go: they are shown, and bind nothing. Where they can't be
/// read, the plan says so.
async fn snapshots(look: &ReadSnapshot<'_, '_>, project: &str, label: &str, which: impl Fn(&Value) -> bool) -> Line {
    let shown = match look.snapshots(project).await {
        Ok(snapshots) => items(&snapshots)
            .filter(|snapshot| which(snapshot))
            .map(|snapshot| {
                let field = |name: &str| snapshot.get(name).and_then(Value::as_str).unwrap_or_default();
                format!(
                    "{} ({}, {})",
                    told(field("name")),
                    told_plain(field("id")),
                    told_plain(field("created_at"))
                )
            })
            .collect(),
        Err(Failure::Neon { error, .. }) => vec![format!("not readable ({})", error.summary())],
        Err(_) => vec!["not readable".to_owned()],
    };
    Line::circumstance(label, shown)
}

async fn see_compute(
    look: &ReadSnapshot<'_, '_>,
    project: &str,
    endpoint: &str,
    impact: &mut Impact,
    lost: &mut Lost,
) -> Result<(), Failure> {
    let answer = look.endpoint(project, endpoint).await?;
    let about = answer.get("endpoint").unwrap_or(&Value::Null);
    let name = about
        .get("name")
        .and_then(Value::as_str)
        .filter(|name| !name.is_empty());
    let shown = name.map_or_else(|| one_line(endpoint, 80), |name| called(name, endpoint));
    impact.names.insert(endpoint.to_owned(), shown.clone());
    impact.lines.push(Line::fact("compute", [shown]));
    for field in ["type", "host"] {
        impact.lines.push(Line::fact(
            &format!("compute {field}"),
            words(about.get(field).unwrap_or(&Value::Null)),
        ));
    }
    lost.compute = name.map(str::to_owned);
    Ok(())
}

async fn see_branch(
    look: &ReadSnapshot<'_, '_>,
    policy: &Policy,
    project: &str,
    branch: &str,
    (drops, compute): (&str, Option<&str>),
    impact: &mut Impact,
    lost: &mut Lost,
) -> Result<(), Failure> {
    let (answer, branches) = try_join(look.branch(project, branch), look.branches(project)).await?;
    let (computes, databases) =
        try_join(look.branch_computes(project, branch), look.databases(project, branch)).await?;
    let about = answer.get("branch").unwrap_or(&Value::Null);
    let name = string(&answer, "/branch/name")?;
    let shown = called(&name, branch);
    impact.names.insert(branch.to_owned(), shown.clone());
    let (default, protected) = flags(about);
    let marked = policy.protects(&name);
    let protection = match (protected, marked) {
        (true, _) => "yes",
        (false, true) => "by the operator's policy",
        (false, false) => "no",
    };
    let parent = about.get("parent_id").and_then(Value::as_str);
    let parent_name = parent.map(|parent| {
        let found = items(&branches).find(|branch| branch.get("id").and_then(Value::as_str) == Some(parent));
        let name = found.and_then(|branch| branch.get("name")).and_then(Value::as_str);
        name.map_or_else(|| parent.to_owned(), |name| called(name, parent))
    });
    let children = items(&branches).filter(|other| other.get("parent_id").and_then(Value::as_str) == Some(branch));
    impact.lines.extend([
        Line::fact("branch", [shown]),
        Line::fact("default", [yes(default)]),
        Line::fact("protected", [protection.to_owned()]),
        Line::fact("parent", parent_name),
        Line::fact("created", words(about.get("created_at").unwrap_or(&Value::Null))),
        Line::fact("expires", words(about.get("expires_at").unwrap_or(&Value::Null))),
        Line::fact("children", guarded_first(children).into_iter().map(branch_in_short)),
        Line::fact(
            "databases",
            items(&databases).map(|database| told(database.get("name").and_then(Value::as_str).unwrap_or_default())),
        ),
        Line::fact("computes", items(&computes).map(compute_in_short)),
        Line::circumstance(drops, running(&computes, compute)),
        Line::circumstance("size", size(about.get("logical_size"))),
        Line::circumstance("last active", last_active(&computes)),
    ]);
    let of_it = |snapshot: &Value| snapshot.get("source_branch_id").and_then(Value::as_str) == Some(branch);
    impact
        .lines
        .push(snapshots(look, project, "snapshots of it", of_it).await);
    lost.branch = Some(name);
    Ok(())
}

/// The names of the branches that other arguments give, for the summary.
async fn name_other_branches(
    look: &ReadSnapshot<'_, '_>,
    tool: &Tool,
    arguments: &Map<String, Value>,
    project: &str,
    impact: &mut Impact,
) -> Result<(), Failure> {
    let others: Vec<&str> = arguments
        .keys()
        .filter(|argument| tool.names(argument) == Some(Argument::Resource(Resource::Branch)))
        .filter_map(|argument| text(arguments, argument))
        .filter(|id| !impact.names.contains_key(*id))
        .collect();
    if others.is_empty() {
        return Ok(());
    }
    let branches = look.branches(project).await?;
    let mut names = BTreeMap::new();
    for id in others {
        let found = items(&branches).find(|branch| branch.get("id").and_then(Value::as_str) == Some(id));
        let name = found.and_then(|branch| branch.get("name")).and_then(Value::as_str);
        let shown = name.map_or_else(|| format!("{} (not found)", one_line(id, 80)), |name| called(name, id));
        names.insert(id.to_owned(), shown);
    }
    for (id, shown) in names {
        impact.lines.push(Line::fact("other branch", [shown.clone()]));
        impact.names.insert(id, shown);
    }
    Ok(())
}

/// What an argument of that kind names.
fn named<'a>(tool: &Tool, arguments: &'a Map<String, Value>, resource: Resource) -> Option<&'a str> {
    arguments
        .keys()
        .find(|argument| tool.names(argument) == Some(Argument::Resource(resource)))
        .and_then(|argument| text(arguments, argument))
}

/// A name and an id: `"dev" (br-…)`.
fn called(name: &str, id: &str) -> String {
    format!("{} ({})", told(name), told_plain(id))
}

fn yes(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}

/// The default and the protected branches in front: of a long list the first are shown.
fn guarded_first<'v>(branches: impl Iterator<Item = &'v Value>) -> Vec<&'v Value> {
    let mut branches: Vec<&Value> = branches.collect();
    branches.sort_by_key(|branch| {
        let (default, protected) = flags(branch);
        !(default || protected)
    });
    branches
}

fn branch_in_short(branch: &Value) -> String {
    let field = |name: &str| branch.get(name).and_then(Value::as_str).unwrap_or_default();
    let (default, protected) = flags(branch);
    let marks = [(default, "default"), (protected, "protected")];
    let marks: Vec<&str> = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark).collect();
    let shown = called(field("name"), field("id"));
    if marks.is_empty() {
        shown
    } else {
        format!("{shown} {}", marks.join(" and "))
    }
}

fn compute_in_short(compute: &Value) -> String {
    let field = |name: &str| compute.get(name).and_then(Value::as_str).unwrap_or_default();
    format!("{} {}", told_plain(field("id")), told_plain(field("type")))
}

/// The computes that run, or that one if it does.
fn running(computes: &Value, only: Option<&str>) -> Vec<String> {
    let runs = |compute: &&Value| {
        let is_meant = only.is_none_or(|only| compute.get("id").and_then(Value::as_str) == Some(only));
        is_meant && compute.get("current_state").and_then(Value::as_str) != Some("idle")
    };
    let count = items(computes).filter(runs).count();
    match count {
        0 => vec!["none: no such compute runs".to_owned()],
        _ => items(computes)
            .filter(runs)
            .map(|compute| {
                let field = |name: &str| compute.get(name).and_then(Value::as_str).unwrap_or("unknown");
                format!(
                    "those to {} ({})",
                    told_plain(field("id")),
                    told_plain(field("current_state"))
                )
            })
            .collect(),
    }
}

fn last_active(computes: &Value) -> Option<String> {
    items(computes)
        .filter_map(|compute| compute.get("last_active").and_then(Value::as_str))
        .max()
        .map(told_plain)
}

/// Bytes for people, in powers of 1,024.
#[allow(clippy::cast_precision_loss)]
fn size(bytes: Option<&Value>) -> Option<String> {
    let bytes = bytes?.as_u64()?;
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 1_024.0 && unit + 1 < UNITS.len() {
        value /= 1_024.0;
        unit += 1;
    }
    let unit = UNITS.get(unit)?;
    Some(if bytes < 1_024 {
        format!("{bytes} B")
    } else {
        format!("{value:.1} {unit}")
    })
}

/// A value of an answer, in words.
fn words(value: &Value) -> Vec<String> {
    match value {
        Value::Null => Vec::new(),
        Value::Bool(value) => vec![yes(*value)],
        Value::String(text) if is_plain(text) => vec![text.clone()],
        Value::String(text) => vec![told(text)],
        Value::Array(values) => values.iter().flat_map(words).collect(),
        other => vec![told_plain(&other.to_string())],
    }
}

/// Whether a text can stand without quotes: an id, a time, an address.
fn is_plain(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b':' | b'/' | b'+');
    !text.is_empty() && text.len() <= 80 && text.bytes().all(plain)
}

/// Whether the lines about the project, the branch or the compute say it already.
fn is_seen_already(pointer: &str) -> bool {
    let Some((of, field)) = pointer.strip_prefix('/').and_then(|rest| rest.split_once('/')) else {
        return false;
    };
    match of {
        "project" => matches!(
            field,
            "name" | "id" | "org_id" | "region_id" | "created_at" | "compute_last_active_at" | "synthetic_storage_size"
        ),
        "branch" => matches!(
            field,
            "name"
                | "id"
                | "parent_id"
                | "default"
                | "protected"
                | "expires_at"
                | "created_at"
                | "logical_size"
                | "updated_at"
        ),
        "endpoint" => matches!(
            field,
            "name" | "id" | "type" | "branch_id" | "host" | "current_state" | "last_active"
        ),
        _ => false,
    }
}

/// Whether a field changes by itself, so that no yes can be bound to it: sizes, states, counters, the last change.
fn is_volatile(field: &str) -> bool {
    let ends = [
        "_size",
        "_state",
        "_bytes",
        "_sec",
        "updated_at",
        "last_active",
        "last_active_at",
        "last_used_at",
    ];
    ends.iter().any(|end| field.ends_with(end))
}
