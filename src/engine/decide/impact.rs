//! What a plan shows of the target: read from Neon, and put into words that hold nothing unescaped.

use std::collections::BTreeMap;

use futures::future::try_join;
use serde_json::{Map, Value};

use super::finding;
use crate::catalog::{Argument, PlanDeclaration, Resource, Tool};
use crate::engine::decide::target::{branch_of, shown, unknown_loss};
use crate::engine::error::{Failure, WouldFail};
use crate::engine::snapshot::{ReadSnapshot, unread};
use crate::engine::values::{id, items, text};
use crate::guard::{Assessment, Cause, Effect, Impact, Line, Policy, TypedName, quoted, told, told_plain};
use crate::neon::text::{is_hidden, one_line};
use crate::neon::views::{Branch, Database, Endpoint, Parent, Project};
use crate::neon::{BranchId, EndpointId, ProjectId};

/// What becomes of the connections to the computes that run.
#[derive(Clone, Copy)]
enum Connections {
    Drop,
    Stay,
}

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
        || (tool.declaration.safety.ends_sessions && !by_statements)
        || assessment.causes().contains(&Cause::Interrupts);
    let connections = if drops { Connections::Drop } else { Connections::Stay };
    let project: Option<ProjectId> = id(arguments, "project_id")?;
    let target = tool.target().map(|(_, resource)| resource);
    let mut lost = Lost::default();
    if let Some(project) = project.as_ref().filter(|_| !tool.declaration.safety.target_is_deleted) {
        see_project(
            look,
            project,
            (target == Some(Resource::Project)).then_some(connections),
            &mut impact,
            &mut lost,
        )
        .await?;
        let compute = named_compute(tool, arguments)?;
        if let Some(endpoint) = &compute {
            see_compute(look, project, endpoint, &mut impact, &mut lost).await?;
        }
        if let Some(branch) = branch_of(look, tool, arguments).await? {
            let compute = compute.as_ref().filter(|_| target == Some(Resource::Endpoint));
            see_branch(
                look,
                policy,
                project,
                &branch,
                (connections, compute),
                &mut impact,
                &mut lost,
            )
            .await?;
        }
        name_other_branches(look, tool, arguments, project, &mut impact).await?;
    }
    if let Some(plan) = &tool.declaration.safety.plan {
        let seen = shown(look, plan, arguments).await?;
        let of = plan.of.as_deref().map(|of| format!("{of} ")).unwrap_or_default();
        for pointer in plan.show.iter().filter(|pointer| !is_seen_already(pointer)) {
            let value = seen.pointer(pointer).unwrap_or(&Value::Null);
            let field = last_of(pointer);
            let several = plan.show.iter().filter(|other| last_of(other) == field).count() > 1;
            // Of two of one name, that of something within says whose it is.
            let label = match pointer.trim_start_matches('/') {
                path if several && path.contains('/') => path.replace(['_', '/'], " "),
                _ => format!("{of}{}", field.replace('_', " ")),
            };
            impact.lines.push(if is_volatile(field) {
                Line::circumstance(&label, words(value))
            } else {
                Line::fact(&label, words(value))
            });
        }
        if plan.pick.is_some() && seen.is_null() {
            let what = plan.of.as_deref().unwrap_or("what the call is about");
            if let Some(reader) = not_there(look, plan, arguments).await? {
                return Err(Failure::WouldFail(Box::new(WouldFail {
                    message: format!("There is no such {what}."),
                    next: format!("{reader} names those that there are."),
                    found: Vec::new(),
                })));
            }
            impact.lines.push(Line::fact(what, ["not found".to_owned()]));
        }
        if let Some(argument) = plan.pick.as_ref().and_then(|pick| pick.argument.as_deref())
            && let Some(id) = arguments.get(argument).and_then(id_in_words)
            && let Some(name) = finding::name_of(&seen).filter(|name| *name != id)
        {
            let shown = called(name, &id);
            impact.names.entry(id).or_insert(shown);
        }
        // What the plan read by its id is called by its name, too.
        if let (Some(name), Some(id)) = (finding::name_of(&seen), seen.get("id").and_then(Value::as_str))
            && name != id
            && arguments.values().any(|value| value.as_str() == Some(id))
        {
            impact.names.entry(id.to_owned()).or_insert_with(|| called(name, id));
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

/// An id, which is a text or a number.
fn id_in_words(id: &Value) -> Option<String> {
    match id {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

/// The last name of a pointer.
fn last_of(pointer: &str) -> &str {
    pointer.rsplit('/').next().unwrap_or_default()
}

/// The tool that lists what the call is about, where the list was read whole and that isn't in it.
async fn not_there<'p>(
    look: &ReadSnapshot<'_, '_>,
    plan: &'p PlanDeclaration,
    arguments: &Map<String, Value>,
) -> Result<Option<&'p str>, Failure> {
    let Some(pick) = plan.pick.as_ref().filter(|pick| !pick.optional) else {
        return Ok(None);
    };
    let answer = look.tool(&plan.read, &plan.with, arguments).await?;
    let listed = answer.pointer(&pick.list).is_some_and(Value::is_array);
    Ok((listed && finding::is_whole(&answer)).then_some(plan.read.as_str()))
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
        let found = tool
            .placeholders
            .iter()
            .rev()
            .find_map(|argument| Some((argument, tool.names(argument)?)));
        let Some((last, names)) = found else {
            // What is made has a name already.
            let name = text(arguments, "name")?;
            return typed("name", name.to_owned(), name);
        };
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
    project: &ProjectId,
    whole: Option<Connections>,
    impact: &mut Impact,
    lost: &mut Lost,
) -> Result<(), Failure> {
    let answer = look.project(project).await?;
    let about = Project::in_answer(&answer);
    let name = about.name().map_err(unread)?;
    let shown = called(name, project.as_str());
    impact.names.insert(project.to_string(), shown.clone());
    impact.lines.push(Line::fact("project", [shown]));
    lost.project = Some(name.to_owned());
    let Some(connections) = whole else {
        return Ok(());
    };
    for (label, field) in [
        ("organization", "org_id"),
        ("region", "region_id"),
        ("created", "created_at"),
    ] {
        impact.lines.push(Line::fact(label, words(about.shown(field))));
    }
    let (branches, computes) = try_join(look.branches(project), look.computes(project)).await?;
    impact.lines.push(Line::fact(
        "branches",
        protected_first(Branch::all(&branches)).into_iter().map(branch_in_short),
    ));
    impact
        .lines
        .push(Line::fact("computes", Endpoint::all(&computes).map(compute_in_short)));
    impact.lines.push(running(connections, &computes, None));
    impact.lines.push(Line::circumstance(
        "storage",
        size(about.shown("synthetic_storage_size")),
    ));
    let active = words(about.shown("compute_last_active_at"));
    impact.lines.push(Line::circumstance("last active", active));
    impact.lines.push(snapshots(look, project, "snapshots", |_| true).await);
    Ok(())
}

/// The snapshots that depend on the target. Scheduled ones come and go: they are shown, and bind nothing. Where they can't be
/// read, the plan says so.
async fn snapshots(
    look: &ReadSnapshot<'_, '_>,
    project: &ProjectId,
    label: &str,
    which: impl Fn(&Value) -> bool,
) -> Line {
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
    project: &ProjectId,
    endpoint: &EndpointId,
    impact: &mut Impact,
    lost: &mut Lost,
) -> Result<(), Failure> {
    let answer = look.endpoint(project, endpoint).await?;
    let about = Endpoint::in_answer(&answer);
    let (name, id) = (about.name(), endpoint.as_str());
    let shown = name.map_or_else(|| one_line(id, 80), |name| called(name, id));
    impact.names.insert(endpoint.to_string(), shown.clone());
    impact.lines.push(Line::fact("compute", [shown]));
    for field in ["type", "host"] {
        impact
            .lines
            .push(Line::fact(&format!("compute {field}"), words(about.shown(field))));
    }
    lost.compute = name.map(str::to_owned);
    Ok(())
}

async fn see_branch(
    look: &ReadSnapshot<'_, '_>,
    policy: &Policy,
    project: &ProjectId,
    branch: &BranchId,
    (connections, compute): (Connections, Option<&EndpointId>),
    impact: &mut Impact,
    lost: &mut Lost,
) -> Result<(), Failure> {
    let (answer, branches) = try_join(look.branch(project, branch), look.branches(project)).await?;
    let (computes, databases) =
        try_join(look.branch_computes(project, branch), look.databases(project, branch)).await?;
    let about = Branch::in_answer(&answer);
    let name = about.name().map_err(unread)?;
    let shown = called(name, branch.as_str());
    impact.names.insert(branch.to_string(), shown.clone());
    let protection = match (about.is_protected(), policy.protects(name)) {
        (true, _) => "yes",
        (false, true) => "by the operator's policy",
        (false, false) => "no",
    };
    let parent = match about.parent() {
        Parent::Root => None,
        // After a restore that kept what was there, children are that one's, and not the default branch's, as they were.
        Parent::Branch(parent) => Some(match Branch::all(&branches).find(|branch| branch.is(&parent)) {
            Some(found) => {
                let shown = branch_called(found, &parent);
                impact.names.insert(parent.to_string(), shown.clone());
                match found.is_default() {
                    true => shown,
                    false => format!("{shown}, which isn't the default branch"),
                }
            }
            None => parent.to_string(),
        }),
        Parent::Unknown => Some("unknown".to_owned()),
    };
    let children = Branch::all(&branches).filter(|other| other.may_be_child_of(branch));
    impact.lines.extend([
        Line::fact("branch", [shown]),
        Line::fact("default branch", [yes_or_no(about.is_default())]),
        Line::fact("protected", [protection.to_owned()]),
        Line::fact("parent", parent),
        Line::fact("created", words(about.shown("created_at"))),
        Line::fact("expires", words(about.shown("expires_at"))),
        Line::fact("children", protected_first(children).into_iter().map(branch_in_short)),
        Line::fact(
            "databases",
            Database::all(&databases).map(|database| told(database.name().unwrap_or_default())),
        ),
        Line::fact("computes", Endpoint::all(&computes).map(compute_in_short)),
        running(connections, &computes, compute),
        Line::circumstance("size", size(about.shown("logical_size"))),
        Line::circumstance("last active", last_active(&computes)),
    ]);
    let of_it = |snapshot: &Value| snapshot.get("source_branch_id").and_then(Value::as_str) == Some(branch.as_str());
    impact
        .lines
        .push(snapshots(look, project, "snapshots of it", of_it).await);
    lost.branch = Some(name.to_owned());
    Ok(())
}

/// The names of the branches that other arguments give, for the summary.
async fn name_other_branches(
    look: &ReadSnapshot<'_, '_>,
    tool: &Tool,
    arguments: &Map<String, Value>,
    project: &ProjectId,
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
        let found = BranchId::parse(id).ok();
        let name = found.and_then(|id| name_of(&branches, &id));
        let shown = name.map_or_else(|| format!("{} (not found)", one_line(id, 80)), |name| called(name, id));
        names.insert(id.to_owned(), shown);
    }
    for (id, shown) in names {
        impact.lines.push(Line::fact("other branch", [shown.clone()]));
        impact.names.insert(id, shown);
    }
    Ok(())
}

/// The compute that an argument names.
fn named_compute(tool: &Tool, arguments: &Map<String, Value>) -> Result<Option<EndpointId>, Failure> {
    let names_one = |argument: &&String| tool.names(argument) == Some(Argument::Resource(Resource::Endpoint));
    match arguments.keys().find(names_one) {
        Some(argument) => id(arguments, argument),
        None => Ok(None),
    }
}

/// The name of the branch of that id, where it is among these and has one.
fn name_of<'v>(branches: &'v Value, id: &BranchId) -> Option<&'v str> {
    Branch::all(branches).find(|branch| branch.is(id))?.name().ok()
}

/// A branch by its name and that id, or by the id alone where it has no name.
fn branch_called(branch: Branch<'_>, id: &BranchId) -> String {
    branch
        .name()
        .map_or_else(|_| id.to_string(), |name| called(name, id.as_str()))
}

/// A name and an id: `"dev" (br-…)`.
fn called(name: &str, id: &str) -> String {
    format!("{} ({})", told(name), told_plain(id))
}

fn yes_or_no(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}

/// The default and the protected branches in front: of a long list the first are shown.
fn protected_first<'v>(branches: impl Iterator<Item = Branch<'v>>) -> Vec<Branch<'v>> {
    let mut branches: Vec<Branch<'_>> = branches.collect();
    branches.sort_by_key(|branch| !branch.is_default_or_protected());
    branches
}

fn branch_in_short(branch: Branch<'_>) -> String {
    let field = |name: &str| branch.shown(name).as_str().unwrap_or_default();
    let marks = [(branch.is_default(), "default"), (branch.is_protected(), "protected")];
    let marks: Vec<&str> = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark).collect();
    let shown = called(field("name"), field("id"));
    if marks.is_empty() {
        shown
    } else {
        format!("{shown} {}", marks.join(" and "))
    }
}

fn compute_in_short(compute: Endpoint<'_>) -> String {
    let field = |name: &str| compute.shown(name).as_str().unwrap_or_default();
    format!("{} {}", told_plain(field("id")), told_plain(field("type")))
}

/// The computes that run, or that one if it does.
fn running(connections: Connections, computes: &Value, only: Option<&EndpointId>) -> Line {
    let (label, to) = match connections {
        Connections::Drop => ("connections that drop", "those to "),
        Connections::Stay => ("running computes", ""),
    };
    let mut lines: Vec<String> = Endpoint::all(computes)
        .filter(|compute| compute.runs() && only.is_none_or(|only| compute.is(only)))
        .map(|compute| {
            let shown = |name: &str| told_plain(compute.shown(name).as_str().unwrap_or("unknown"));
            format!("{to}{} ({})", shown("id"), shown("current_state"))
        })
        .collect();
    if lines.is_empty() {
        lines.push("none: no such compute runs".to_owned());
    }
    Line::circumstance(label, lines)
}

fn last_active(computes: &Value) -> Option<String> {
    Endpoint::all(computes)
        .filter_map(|compute| compute.shown("last_active").as_str())
        .max()
        .map(|text| to_seconds(text).unwrap_or_else(|| told_plain(text)))
}

/// Bytes for people, in powers of 1,024.
#[allow(clippy::cast_precision_loss)]
fn size(bytes: &Value) -> Option<String> {
    let bytes = bytes.as_u64()?;
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
        Value::Bool(value) => vec![yes_or_no(*value)],
        Value::String(text) if is_plain(text) => vec![to_seconds(text).unwrap_or_else(|| text.clone())],
        Value::String(text) => vec![told(text)],
        Value::Array(values) => values.iter().flat_map(words).collect(),
        Value::Object(members) => {
            let parts = parts(members);
            match parts.is_empty() {
                true => vec!["nothing".to_owned()],
                false => vec![parts.join(", ")],
            }
        }
        other => vec![told_plain(&other.to_string())],
    }
}

/// What an object holds, one part for each value that is something: `range end: 10`.
fn parts(members: &Map<String, Value>) -> Vec<String> {
    let part = |(name, value): (&String, &Value)| {
        let name = told_plain(&name.replace('_', " "));
        match value {
            Value::Object(inner) => parts(inner).into_iter().map(|part| format!("{name} {part}")).collect(),
            value => match words(value) {
                nothing if nothing.is_empty() => Vec::new(),
                words => vec![format!("{name}: {}", words.join(" and "))],
            },
        }
    };
    members.iter().flat_map(part).collect()
}

/// A time without the parts of its seconds, which say nothing to a human.
fn to_seconds(text: &str) -> Option<String> {
    let time = chrono::DateTime::parse_from_rfc3339(text)
        .ok()
        .filter(|_| text.contains('.'))?;
    Some(time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true))
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

/// Whether a field changes by itself, so that no approval can be bound to it: sizes, states, counters, the last change.
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn no_value_is_shown_as_json() {
        let settings = json!({"suspend_timeout_seconds": 0, "quota": {"written": 5, "none": null}, "names": ["a", "b c"], "empty": {}});
        let [line] = words(&settings).try_into().expect("a line");
        assert!(!line.contains(['{', '}', '[', '_']), "{line}");
        for (name, value) in [("seconds", "0"), ("written", "5"), ("names", "b c")] {
            let at = line.find(name).expect("its name");
            assert!(line[at..].contains(value), "{line}");
        }
        assert!(
            !line.contains("none") && !line.contains("empty"),
            "what holds nothing is left out: {line}"
        );
        assert_eq!(words(&json!({})), ["nothing"]);
        let hostile = json!({"a\u{202e}\nb": "c\u{202e}d"});
        assert!(!words(&hostile)[0].contains(['\n', '\u{202e}']));
    }
}
