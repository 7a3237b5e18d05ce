//! What a call made on its way and didn't remove: a call that fails names each, with the call that removes it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::Utc;
use serde_json::{Map, Value, json};

use crate::catalog::Tool;
use crate::engine::present::untrusted::Fence;
use crate::engine::values::{id, text};
use crate::guard::Undoing;
use crate::neon::text::one_line;
use crate::neon::views::Endpoint;
use crate::neon::{BranchId, Changed, EndpointId, ProjectId};

/// What the tools are called by that remove what another one made.
const REMOVES: [&str; 2] = ["delete_", "revoke_"];

/// What a call has made so far and not removed.
#[derive(Debug, Default)]
pub(in crate::engine) struct LeftBehind {
    left: Mutex<Vec<Left>>,
    /// Whether something was made and removed again.
    cleaned: AtomicBool,
}

/// One thing that was made, or may have been.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Left {
    /// What it is: `branch`, `compute`, `snapshot`, `role`, `database`.
    pub(crate) what: String,
    /// Its id, where an answer told it.
    pub(crate) id: Option<String>,
    /// Its name, where the call gave it one.
    pub(crate) name: Option<String>,
    /// The project that it is in, where it is in one.
    pub(crate) project: Option<ProjectId>,
    /// The call that removes it.
    remove: Option<Value>,
    /// The call that shows whether it is there, where that isn't known.
    find: Option<Value>,
    /// The branch with which it goes.
    goes_with: Option<String>,
}

impl LeftBehind {
    fn all(&self) -> MutexGuard<'_, Vec<Left>> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes what a step made, by its declared undo.
    pub(in crate::engine) fn made(&self, tool: &Tool, arguments: &Map<String, Value>, answer: &Value) {
        let mut all = self.all();
        all.extend(preserved(tool, arguments, true));
        let Some(remove) = removal(tool, arguments, answer) else {
            return;
        };
        let what = made_by(&remove);
        let id = id_in(&remove, &what);
        let project = project_of(arguments);
        if let (Some(project), "branch") = (&project, what.as_str()) {
            let computes = answer.get("endpoints").unwrap_or(&Value::Null);
            for compute in Endpoint::all(computes).filter_map(|compute| compute.id().ok()) {
                all.push(Left::compute(project, &compute, id.as_deref()));
            }
        }
        let find = id.is_none().then(|| finding(tool, arguments)).flatten();
        let left = Left {
            name: text(arguments, "name").map(str::to_owned),
            remove: id.is_some().then_some(remove),
            what,
            id,
            project,
            find,
            goes_with: None,
        };
        // What holds the others stands first.
        let at = all
            .iter()
            .position(|other| other.goes_with.is_some() && other.goes_with == left.id)
            .unwrap_or(all.len());
        all.insert(at, left);
    }

    /// Notes what a step may have made whose answer was lost.
    pub(in crate::engine) fn perhaps_made(&self, tool: &Tool, arguments: &Map<String, Value>) {
        let mut all = self.all();
        all.extend(preserved(tool, arguments, false));
        let Some(remove) = removal(tool, arguments, &Value::Null) else {
            return;
        };
        all.push(Left {
            what: made_by(&remove),
            id: None,
            name: text(arguments, "name").map(str::to_owned),
            project: project_of(arguments),
            remove: None,
            find: finding(tool, arguments),
            goes_with: None,
        });
    }

    /// Notes that a step removed what it names, with what goes with that.
    pub(in crate::engine) fn removed(&self, tool: &str, arguments: &Map<String, Value>) {
        let mut all = self.all();
        let is_it = |left: &Left| {
            left.remove.as_ref().is_some_and(|remove| {
                remove.get("tool").and_then(Value::as_str) == Some(tool)
                    && remove.get("arguments").and_then(Value::as_object) == Some(arguments)
            })
        };
        let Some(at) = all.iter().position(is_it) else {
            return;
        };
        self.cleaned.store(true, Ordering::Relaxed);
        let gone = all.remove(at).id;
        all.retain(|left| left.goes_with.is_none() || left.goes_with != gone);
    }

    /// Notes that something is not there, whatever became of the step that made it or removed it.
    pub(in crate::engine) fn is_gone(&self, of: &Left) {
        let mut all = self.all();
        self.cleaned.store(true, Ordering::Relaxed);
        all.retain(|left| left != of && (left.goes_with.is_none() || left.goes_with != of.id));
    }

    /// Notes the id of what was found by its name.
    pub(in crate::engine) fn is_found(&self, of: &Left, id: &BranchId) {
        if let Some(left) = self.all().iter_mut().find(|left| *left == of) {
            left.id = Some(id.to_string());
            left.find = None;
            let arguments = json!({"project_id": left.project, "branch_id": id});
            left.remove = Some(json!({"tool": "delete_branch", "arguments": arguments}));
        }
    }

    /// Notes the computes of a branch that was found by its name: they stand after it, and go with it.
    pub(in crate::engine) fn has_computes(&self, project: &ProjectId, branch: &BranchId, computes: &[EndpointId]) {
        let mut all = self.all();
        let is_it = |left: &Left| {
            left.what == "branch"
                && left.project.as_ref() == Some(project)
                && left.id.as_deref() == Some(branch.as_str())
        };
        let Some(at) = all.iter().position(is_it) else {
            return;
        };
        let known = |id: &EndpointId| {
            all.iter()
                .any(|left| left.what == "compute" && left.id.as_deref() == Some(id.as_str()))
        };
        let new: Vec<Left> = computes
            .iter()
            .filter(|id| !known(id))
            .map(|id| Left::compute(project, id, Some(branch.as_str())))
            .collect();
        all.splice(at + 1..at + 1, new);
    }

    /// What there is.
    pub(in crate::engine) fn list(&self) -> Vec<Left> {
        self.all().clone()
    }

    /// Adds to the result of a call that failed what it left behind: then something was changed.
    pub(in crate::engine) fn told(&self, value: &mut Value, fence: &Fence) {
        let all = self.list();
        let Some(error) = value.get_mut("error").and_then(Value::as_object_mut) else {
            return;
        };
        if all.is_empty() {
            if let Some(Value::String(next)) = error.get_mut("next").filter(|_| self.cleaned.load(Ordering::Relaxed)) {
                next.push_str(" What this call had made was deleted again.");
            }
            return;
        }
        let sure = all.iter().any(|left| left.id.is_some() || left.remove.is_some());
        if error.get("changed").and_then(Value::as_str) == Some(crate::engine::error::changed_name(Changed::No)) {
            let changed = if sure { Changed::Yes } else { Changed::Unknown };
            error.insert("changed".into(), crate::engine::error::changed_name(changed).into());
        }
        let list: Vec<Value> = all.iter().map(|left| left.shown(fence)).collect();
        if let Some(Value::String(next)) = error.get_mut("next") {
            next.push_str(if sure {
                " What this call made and didn't remove stands in left_behind, with the call that removes it."
            } else {
                " What this call may have made stands in left_behind, with the call that shows it."
            });
        }
        match error.get_mut("left_behind") {
            Some(Value::Array(others)) => others.extend(list),
            _ => {
                error.insert("left_behind".into(), list.into());
            }
        }
    }

    /// What there is, for the audit log.
    pub(in crate::engine) fn in_words(&self) -> Option<String> {
        let all = self.list();
        let names: Vec<String> = all
            .iter()
            .map(|left| {
                let name = left.id.as_deref().or(left.name.as_deref()).unwrap_or("without a name");
                let perhaps = if left.id.is_none() && left.remove.is_none() {
                    "perhaps "
                } else {
                    ""
                };
                format!("{perhaps}{} {}", left.what, one_line(name, 80))
            })
            .collect();
        (!names.is_empty()).then(|| format!("left behind: {}", names.join(", ")))
    }
}

impl Left {
    /// A branch that stays behind, as a result says it.
    pub(crate) fn branch(project: &ProjectId, branch: &BranchId) -> Self {
        let arguments = json!({"project_id": project, "branch_id": branch});
        Self {
            what: "branch".to_owned(),
            id: Some(branch.to_string()),
            name: None,
            project: Some(project.clone()),
            remove: Some(json!({"tool": "delete_branch", "arguments": arguments})),
            find: None,
            goes_with: None,
        }
    }

    /// A compute of a branch.
    fn compute(project: &ProjectId, compute: &EndpointId, branch: Option<&str>) -> Self {
        let arguments = json!({"project_id": project, "endpoint_id": compute});
        Self {
            what: "compute".to_owned(),
            id: Some(compute.to_string()),
            name: None,
            project: Some(project.clone()),
            remove: Some(json!({"tool": "delete_compute", "arguments": arguments})),
            find: None,
            goes_with: branch.map(str::to_owned),
        }
    }

    /// The item of `left_behind` in a result.
    pub(crate) fn shown(&self, fence: &Fence) -> Value {
        let mut shown = Map::new();
        shown.insert("what".into(), self.what.as_str().into());
        let fields = [("id", &self.id), ("name", &self.name)];
        for (field, value) in fields {
            if let Some(value) = value {
                shown.insert(field.into(), fence.quote(&one_line(value, 256)).into());
            }
        }
        let sure = self.id.is_some() || self.remove.is_some();
        if !sure {
            shown.insert("exists".into(), "unknown".into());
        }
        for (field, call) in [("remove", &self.remove), ("find", &self.find)] {
            if let Some(call) = call {
                let mut call = call.clone();
                fence.enclose_undo(&mut call);
                shown.insert(field.into(), call);
            }
        }
        if let Some(branch) = &self.goes_with {
            shown.insert("goes_with".into(), fence.quote(branch).into());
        }
        Value::Object(shown)
    }
}

/// The project that a step is about.
fn project_of(arguments: &Map<String, Value>) -> Option<ProjectId> {
    id(arguments, "project_id").ok().flatten()
}

/// The call that removes what a tool makes; nothing for a tool that makes nothing.
fn removal(tool: &Tool, arguments: &Map<String, Value>, answer: &Value) -> Option<Value> {
    let way = |answer| {
        let undoing = Undoing {
            tool,
            arguments,
            before: None,
            answer,
            now: Utc::now(),
        };
        undoing.way().filter(Value::is_object)
    };
    // Where the answer doesn't tell which one it is, or was lost, it is still told what it is.
    let mut way = way(Some(answer)).or_else(|| way(None))?;
    let name = way.get("tool").and_then(Value::as_str)?;
    if !REMOVES.iter().any(|begins| name.starts_with(begins)) {
        return None;
    }
    if let Some(object) = way.as_object_mut() {
        object.retain(|field, _| matches!(field.as_str(), "tool" | "arguments"));
    }
    Some(way)
}

/// What it is that a call removes, by the tool's name.
fn made_by(remove: &Value) -> String {
    let name = remove.get("tool").and_then(Value::as_str).unwrap_or_default();
    let bare = REMOVES
        .iter()
        .find_map(|begins| name.strip_prefix(begins))
        .unwrap_or(name);
    bare.trim_start_matches("branch_").to_owned()
}

/// The id of what a call removes: the last of its arguments, where that is known.
fn id_in(remove: &Value, what: &str) -> Option<String> {
    let arguments = remove.get("arguments").and_then(Value::as_object)?;
    let own = ["_id", "_name"]
        .iter()
        .find_map(|ends| arguments.get(&format!("{what}{ends}")));
    let id = own.or_else(|| arguments.values().next_back())?;
    match id {
        Value::String(id) if !id.is_empty() && !id.starts_with('(') => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    }
}

/// The call that shows whether something was made.
fn finding(tool: &Tool, arguments: &Map<String, Value>) -> Option<Value> {
    let check = tool.declaration.output.check.as_deref()?;
    let mut with = Map::new();
    for name in ["project_id", "branch_id"]
        .iter()
        .filter(|name| check != "list_branches" || **name == "project_id")
    {
        with.extend(arguments.get(*name).map(|value| ((*name).to_owned(), value.clone())));
    }
    if let (Some(name), "list_branches") = (arguments.get("name"), check) {
        with.insert("search".into(), name.clone());
    }
    Some(json!({"tool": check, "arguments": with}))
}

/// The branch on which a restore keeps what it overwrites.
fn preserved(tool: &Tool, arguments: &Map<String, Value>, sure: bool) -> Option<Left> {
    let name = text(arguments, "preserve_under_name").filter(|_| tool.declares("preserve_under_name"))?;
    let project = project_of(arguments)?;
    let delete =
        json!({"tool": "delete_branch", "arguments": {"project_id": project, "branch_id": format!("name:{name}")}});
    let find = json!({"tool": "list_branches", "arguments": {"project_id": project, "search": name}});
    Some(Left {
        what: "branch".to_owned(),
        id: None,
        name: Some(name.to_owned()),
        project: Some(project),
        remove: sure.then_some(delete),
        find: (!sure).then_some(find),
        goes_with: None,
    })
}
