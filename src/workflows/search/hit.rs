//! Something that was found, as `search` gives it and `fetch` takes it.

use serde_json::{Map, Value};

use super::rank::Rank;
use crate::engine::{ArgumentProblem, Failure};
use crate::neon::text::one_line;
use crate::neon::views::Branch;
use crate::neon::{BranchId, OrganizationId, ProjectId};

/// What is found, by kind. The order is that of hits which fit equally well.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Id {
    Organization(OrganizationId),
    Project(ProjectId),
    Branch { project: ProjectId, branch: BranchId },
}

impl Id {
    /// Reads what `search` wrote.
    ///
    /// # Errors
    /// What is none says the form.
    pub(super) fn parse(text: &str) -> Result<Self, Failure> {
        let parsed = match text.split_once(':') {
            Some(("org", rest)) => rest.parse().ok().map(Self::Organization),
            Some(("project", rest)) => rest.parse().ok().map(Self::Project),
            Some(("branch", rest)) => rest
                .split_once('/')
                .and_then(|(project, branch)| project.parse().ok().zip(branch.parse().ok()))
                .map(|(project, branch)| Self::Branch { project, branch }),
            _ => None,
        };
        parsed.ok_or_else(|| {
            Failure::Arguments(vec![ArgumentProblem {
                argument: "id".to_owned(),
                message: "is none that search gives: write org:ORGANIZATION_ID, project:PROJECT_ID or branch:PROJECT_ID/BRANCH_ID"
                    .to_owned(),
            }])
        })
    }

    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Organization(_) => "organization",
            Self::Project(_) => "project",
            Self::Branch { .. } => "branch",
        }
    }

    /// Where Neon's console has it, below its root.
    pub(super) fn console_path(&self) -> String {
        match self {
            Self::Organization(id) => format!("{id}/projects"),
            Self::Project(id) => format!("projects/{id}"),
            Self::Branch { project, branch } => format!("projects/{project}/branches/{branch}"),
        }
    }
}

impl std::fmt::Display for Id {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Organization(id) => write!(formatter, "org:{id}"),
            Self::Project(id) => write!(formatter, "project:{id}"),
            Self::Branch { project, branch } => write!(formatter, "branch:{project}/{branch}"),
        }
    }
}

/// Something that fits.
#[derive(Debug)]
pub(super) struct Hit {
    pub(super) rank: Rank,
    pub(super) id: Id,
    pub(super) title: String,
    /// What it lies in.
    pub(super) within: Option<String>,
    pub(super) text: String,
}

impl Hit {
    /// What hits are ordered by.
    pub(super) fn order(&self) -> (Rank, &'static str, &str, &Id) {
        // Organizations, projects, branches: each holds the next.
        let kind = match self.id {
            Id::Organization(_) => "1",
            Id::Project(_) => "2",
            Id::Branch { .. } => "3",
        };
        (self.rank, kind, &self.title, &self.id)
    }

    /// The hit as a result has it.
    pub(super) fn to_value(&self, url: Option<String>) -> Value {
        let mut object = Map::new();
        object.insert("id".into(), self.id.to_string().into());
        object.insert("kind".into(), self.id.kind().into());
        object.insert("title".into(), self.title.as_str().into());
        object.extend(
            self.within
                .as_deref()
                .map(|within| ("location".to_owned(), within.into())),
        );
        object.insert("text".into(), self.text.as_str().into());
        object.extend(url.map(|url| ("url".to_owned(), url.into())));
        Value::Object(object)
    }
}

/// A field that is text; empty where there is none.
pub(super) fn field<'v>(value: &'v Value, name: &str) -> &'v str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A name as it is shown, or the id of what has none.
pub(super) fn title(value: &Value) -> String {
    let name = one_line(field(value, "name"), 256);
    if name.is_empty() {
        one_line(field(value, "id"), 80)
    } else {
        name
    }
}

/// What is said about an organization, in short.
pub(super) fn about_organization(organization: &Value) -> String {
    let plan = one_line(field(organization, "plan"), 40);
    if plan.is_empty() {
        "Organization".to_owned()
    } else {
        format!("Organization on the plan {plan}")
    }
}

/// What is said about a project, in short.
pub(super) fn about_project(project: &Value) -> String {
    let version = project.get("pg_version").and_then(Value::as_u64);
    let mut parts = vec![version.map_or("Project".to_owned(), |version| {
        format!("Project with Postgres {version}")
    })];
    for (before, name) in [
        ("in ", "region_id"),
        ("created ", "created_at"),
        ("last active ", "compute_last_active_at"),
    ] {
        let value = one_line(field(project, name), 60);
        if !value.is_empty() {
            parts.push(format!("{before}{value}"));
        }
    }
    parts.join(", ")
}

/// What is said about a branch, in short.
pub(super) fn about_branch(branch: &Value) -> String {
    let mut parts = vec!["Branch".to_owned()];
    for (mark, name) in [("default", "default"), ("protected", "protected")] {
        if Branch::of(branch).shown(name) == &Value::Bool(true) {
            parts.push(mark.to_owned());
        }
    }
    for (before, name) in [
        ("state ", "current_state"),
        ("parent ", "parent_id"),
        ("expires ", "expires_at"),
        ("created ", "created_at"),
    ] {
        let value = one_line(field(branch, name), 60);
        if !value.is_empty() {
            parts.push(format!("{before}{value}"));
        }
    }
    parts.join(", ")
}
