//! `search`: organizations, projects and branches by words, in few requests.

mod fetch;
mod hit;
mod rank;

use std::collections::HashSet;

use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _, stream};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::engine::{ArgumentProblem, Failure, WorkflowCall, WorkflowContext, WorkflowOutput};
use crate::neon::text::one_line;
use crate::neon::views::{Branch, Project};
use crate::neon::{OrganizationId, ProjectId};
use hit::{Hit, Id, about_branch, about_organization, about_project, field, title};
use rank::Wanted;

pub(super) use fetch::Fetch;

/// The most requests of one search.
const MAX_REQUESTS: usize = 12;

/// How many of them run at a time.
const AT_ONCE: usize = 4;

/// In how many organizations projects are looked for.
const MAX_ORGANIZATIONS: usize = 4;

/// How many projects a request asks for.
const PROJECTS: usize = 100;

/// With so few projects, the branches of all are looked over; with more, of those whose name fits.
const FEW_PROJECTS: usize = 10;

/// How many branches of a project a request asks for.
const BRANCHES: usize = 1_000;

/// How many requests are kept back for branches.
const FOR_BRANCHES: usize = 3;

/// The most hits that are given.
const MAX_HITS: usize = 50;

/// What `search` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SearchNeon {
    query: String,
    project_id: Option<ProjectId>,
    org_id: Option<OrganizationId>,
}

impl WorkflowCall for SearchNeon {
    fn run<'f>(&'f self, flow: &'f WorkflowContext<'_, '_>) -> BoxFuture<'f, Result<WorkflowOutput, Failure>> {
        search(flow, self).boxed()
    }
}

/// `search`
async fn search(flow: &WorkflowContext<'_, '_>, input: &SearchNeon) -> Result<WorkflowOutput, Failure> {
    let wanted = Wanted::parse(&input.query).ok_or_else(|| {
        Failure::Arguments(vec![ArgumentProblem {
            argument: "query".to_owned(),
            message: "holds no word to search for".to_owned(),
        }])
    })?;
    let mut search = Search {
        flow,
        wanted,
        left: MAX_REQUESTS,
        stopped: false,
        hits: Vec::new(),
        notes: Vec::new(),
    };
    match &input.project_id {
        Some(project) => search.one_project(project).await?,
        None => {
            search.everything(input.org_id.as_ref()).await?;
        }
    }
    Ok(search.ended())
}

/// A search under way.
struct Search<'f, 'c, 'a> {
    flow: &'f WorkflowContext<'c, 'a>,
    wanted: Wanted,
    /// How many requests may still be made.
    left: usize,
    /// More requests would have been made.
    stopped: bool,
    hits: Vec<Hit>,
    notes: Vec<String>,
}

/// Projects of an organization, or of the key.
struct Projects {
    organization: Option<OrganizationId>,
    found: Vec<Value>,
    /// There are more than were asked for.
    more: bool,
}

impl Search<'_, '_, '_> {
    /// Takes so many requests, or as many as are left.
    fn take(&mut self, wanted: usize, keep: usize) -> usize {
        let taken = wanted.min(self.left.saturating_sub(keep));
        self.left -= taken;
        self.stopped |= taken < wanted;
        taken
    }

    /// One project and its branches.
    async fn one_project(&mut self, id: &ProjectId) -> Result<(), Failure> {
        self.take(1, 0);
        let answer = self
            .flow
            .get("/projects/{project_id}", &[("project_id", id.into())], &[])
            .await?;
        let project = answer.get("project").cloned().unwrap_or_default();
        let organization = Project::of(&project).organization();
        self.flow
            .bounds()
            .check_organization("project_id", organization.as_ref())?;
        self.hit_project(&project);
        self.branches_of(&[project]).await;
        Ok(())
    }

    /// All that the key, the policy and the operator let be seen.
    async fn everything(&mut self, organization: Option<&OrganizationId>) -> Result<(), Failure> {
        // A personal key lists projects by organization, which it must name; a key of an organization or of a project lists
        // what is its own, and may not be allowed to list organizations.
        let organizations = match organization {
            Some(one) => self.one_organization(one).await,
            None => self.organizations().await?,
        };
        let Some(organizations) = organizations else {
            return Ok(());
        };
        let mut lists = self.projects(organizations).await?;
        self.search_larger(&mut lists).await;
        let complete = lists.iter().all(|list| !list.more);
        let bounds = self.flow.bounds();
        let mut seen = HashSet::new();
        let projects: Vec<Value> = lists
            .into_iter()
            .flat_map(|list| list.found)
            .filter(|project| {
                let project = Project::of(project);
                project.id().is_ok_and(|id| bounds.admits_project(&id))
                    && bounds.admits_organization(project.organization().as_ref())
            })
            .filter(|project| seen.insert(field(project, "id").to_owned()))
            .collect();
        for project in &projects {
            self.hit_project(project);
        }
        let few = complete && projects.len() <= FEW_PROJECTS;
        let is_near = |project: &Value| few || self.wanted.touches(field(project, "name"), field(project, "id"));
        let (mut near, far): (Vec<Value>, Vec<Value>) = projects.into_iter().partition(is_near);
        near.sort_by_key(|project| {
            self.wanted
                .rank(field(project, "name"), field(project, "id"), "")
                .is_none()
        });
        self.branches_of(&near).await;
        if !far.is_empty() || !complete {
            self.notes.push(
                "There are many projects, so branches were looked over only in those whose name or id has a word of the query: \
                 name the project too (shop main), or give project_id."
                    .to_owned(),
            );
        }
        Ok(())
    }

    /// The organization that was given or fixed. Its projects are looked for even where it can't be read itself.
    async fn one_organization(&mut self, id: &OrganizationId) -> Option<Vec<Option<OrganizationId>>> {
        self.take(1, 0);
        let at = [("org_id", id.into())];
        match self.flow.get("/organizations/{org_id}", &at, &[]).await {
            Ok(organization) => self.hit_organization(&organization),
            Err(failure) => self.not_looked_over("The organization", failure),
        }
        Some(vec![Some(id.clone())])
    }

    /// The organizations that may be seen: in each, projects are looked for. Nothing where there are some, and none may be.
    async fn organizations(&mut self) -> Result<Option<Vec<Option<OrganizationId>>>, Failure> {
        self.take(1, 0);
        let listed = match self.flow.get("/users/me/organizations", &[], &[]).await {
            Ok(answer) => answer
                .get("organizations")
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default(),
            Err(failure) if is_final(&failure) => return Err(failure),
            Err(failure) => {
                self.not_looked_over("Organizations", failure);
                return Ok(Some(vec![None]));
            }
        };
        if listed.is_empty() {
            return Ok(Some(vec![None]));
        }
        let bounds = self.flow.bounds();
        let mut admitted = Vec::new();
        for organization in &listed {
            if let Ok(id) = OrganizationId::parse(field(organization, "id"))
                && bounds.admits_organization(Some(&id))
            {
                self.hit_organization(organization);
                admitted.push(Some(id));
            }
        }
        if admitted.len() > MAX_ORGANIZATIONS {
            self.notes.push(format!(
                "Projects were looked for in the first {MAX_ORGANIZATIONS} of {} organizations: give org_id for another one.",
                admitted.len()
            ));
            admitted.truncate(MAX_ORGANIZATIONS);
        }
        Ok((!admitted.is_empty()).then_some(admitted))
    }

    /// The first projects of each organization.
    ///
    /// # Errors
    /// When none of the lists can be read.
    async fn projects(&mut self, organizations: Vec<Option<OrganizationId>>) -> Result<Vec<Projects>, Failure> {
        let count = self.take(organizations.len(), 0);
        let read = stream::iter(organizations.into_iter().take(count))
            .map(|organization| self.list(organization, None))
            .buffered(AT_ONCE)
            .collect::<Vec<_>>()
            .await;
        let mut lists = Vec::new();
        let mut failed = Vec::new();
        for list in read {
            match list {
                Ok(list) => lists.push(list),
                Err(failure) => failed.push(failure),
            }
        }
        for failure in failed {
            if lists.is_empty() || is_final(&failure) {
                return Err(failure);
            }
            self.not_looked_over("The projects of an organization", failure);
        }
        Ok(lists)
    }

    /// Where there are more projects than one request gives, Neon is asked for those that have the query or a word of it.
    async fn search_larger(&mut self, lists: &mut [Projects]) {
        let searches: Vec<String> = self.wanted.searches().into_iter().map(str::to_owned).collect();
        for list in lists.iter_mut().filter(|list| list.more) {
            let count = self.take(searches.len(), FOR_BRANCHES);
            let organization = &list.organization;
            let read = stream::iter(searches.clone().into_iter().take(count))
                .map(|search| self.list(organization.clone(), Some(search)))
                .buffered(AT_ONCE)
                .collect::<Vec<_>>()
                .await;
            for found in read {
                match found {
                    Ok(found) => list.found.extend(found.found),
                    Err(failure) => self.not_looked_over("Some projects", failure),
                }
            }
        }
    }

    /// A page of projects.
    async fn list(&self, organization: Option<OrganizationId>, search: Option<String>) -> Result<Projects, Failure> {
        let limit = PROJECTS.to_string();
        let mut query = vec![("limit", limit.as_str())];
        query.extend(organization.as_ref().map(|id| ("org_id", id.as_str())));
        query.extend(search.as_deref().map(|search| ("search", search)));
        let answer = self.flow.get("/projects", &[], &query).await?;
        let found = answer
            .get("projects")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let more = found.len() >= PROJECTS;
        Ok(Projects {
            organization,
            found,
            more,
        })
    }

    /// The branches of projects that fit.
    async fn branches_of(&mut self, projects: &[Value]) {
        let known: Vec<(&Value, ProjectId)> = projects
            .iter()
            .filter_map(|project| Some((project, Project::of(project).id().ok()?)))
            .collect();
        let count = self.take(known.len(), 0);
        let ids: Vec<ProjectId> = known.iter().map(|(_, id)| id.clone()).collect();
        let read = stream::iter(ids.into_iter().take(count))
            .map(|project| self.page_of_branches(project, None))
            .buffered(AT_ONCE)
            .collect::<Vec<_>>()
            .await;
        let mut larger = Vec::new();
        for ((project, id), branches) in known.iter().zip(read) {
            match branches {
                Ok((branches, more)) => {
                    self.hit_branches(project, id, &branches);
                    larger.extend(more.then_some((project, id)));
                }
                Err(failure) => self.not_looked_over(
                    &format!("The branches of {}", self.flow.fence().quote(&title(project))),
                    failure,
                ),
            }
        }
        // One with more branches than a request gives is searched by Neon, by the longest word.
        let longest = self.wanted.searches().last().map(|word| (*word).to_owned());
        for (project, id) in larger {
            if self.take(1, 0) == 1
                && let Ok((branches, _)) = self.page_of_branches(id.clone(), longest.clone()).await
            {
                self.hit_branches(project, id, &branches);
            }
            self.notes.push(format!(
                "{} has more than {BRANCHES} branches, of which not all were looked over: list_branches with search does.",
                self.flow.fence().quote(&title(project))
            ));
        }
    }

    /// Branches of a project, and whether there are more.
    async fn page_of_branches(
        &self,
        project: ProjectId,
        search: Option<String>,
    ) -> Result<(Vec<Value>, bool), Failure> {
        let limit = BRANCHES.to_string();
        let mut query = vec![("limit", limit.as_str())];
        query.extend(search.as_deref().map(|search| ("search", search)));
        let at = [("project_id", (&project).into())];
        let answer = self.flow.get("/projects/{project_id}/branches", &at, &query).await?;
        let branches = answer
            .get("branches")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let more = branches.len() >= BRANCHES;
        Ok((branches, more))
    }

    fn hit_organization(&mut self, organization: &Value) {
        let Ok(id) = OrganizationId::parse(field(organization, "id")) else {
            return;
        };
        if let Some(rank) = self.wanted.rank(field(organization, "name"), id.as_str(), "") {
            self.hits.push(Hit {
                rank,
                id: Id::Organization(id),
                title: title(organization),
                within: None,
                text: about_organization(organization),
            });
        }
    }

    fn hit_project(&mut self, project: &Value) {
        let Ok(id) = Project::of(project).id() else {
            return;
        };
        if let Some(rank) = self.wanted.rank(field(project, "name"), id.as_str(), "") {
            let organization = one_line(field(project, "org_id"), 80);
            self.hits.push(Hit {
                rank,
                id: Id::Project(id),
                title: title(project),
                within: (!organization.is_empty()).then(|| format!("organization {organization}")),
                text: about_project(project),
            });
        }
    }

    fn hit_branches(&mut self, project: &Value, project_id: &ProjectId, branches: &[Value]) {
        let around = format!("{} {}", field(project, "name"), field(project, "id"));
        for branch in branches {
            let Ok(id) = Branch::of(branch).id() else {
                continue;
            };
            if let Some(rank) = self.wanted.rank(field(branch, "name"), id.as_str(), &around) {
                self.hits.push(Hit {
                    rank,
                    id: Id::Branch {
                        project: project_id.clone(),
                        branch: id,
                    },
                    title: title(branch),
                    within: Some(format!(
                        "project {} ({})",
                        self.flow.fence().quote(&title(project)),
                        project_id
                    )),
                    text: about_branch(branch),
                });
            }
        }
    }

    fn not_looked_over(&mut self, what: &str, failure: Failure) {
        self.notes.push(format!(
            "{what} couldn't be looked over: {}",
            message(self.flow, failure)
        ));
    }

    /// The hits, the best first.
    fn ended(mut self) -> WorkflowOutput {
        self.hits.sort_by(|one, other| one.order().cmp(&other.order()));
        self.hits.dedup_by(|one, other| one.id == other.id);
        let whole = self.hits.len();
        self.hits.truncate(MAX_HITS);
        if whole > self.hits.len() {
            self.notes.push(format!(
                "Shown are the best {MAX_HITS} of {whole}: add a word, or give project_id."
            ));
        }
        if self.stopped {
            self.notes.push(format!(
                "A search makes {MAX_REQUESTS} requests at most, and there was more to look at: give project_id or org_id to narrow it."
            ));
        }
        if self.hits.is_empty() {
            self.notes.push(
                "Nothing has these words in its name or id: list_projects and list_branches show what there is."
                    .to_owned(),
            );
        } else {
            self.notes
                .push("fetch shows one of them in full, by its id.".to_owned());
        }
        let flow = self.flow;
        let shown = self
            .hits
            .iter()
            .map(|hit| hit.to_value(flow.console(&hit.id.console_path())));
        let mut ended = WorkflowOutput::with(json!({"results": shown.collect::<Vec<_>>()}));
        let ours = self.hits.iter().flat_map(|hit| [hit.text.clone(), hit.id.to_string()]);
        ended.ours = ours
            .chain(self.hits.iter().filter_map(|hit| hit.within.clone()))
            .collect();
        ended.notes = self.notes;
        ended
    }
}

/// Whether nothing else would do better: the key is none, or the call is over.
fn is_final(failure: &Failure) -> bool {
    match failure {
        Failure::Neon { error, .. } => !matches!(error.status(), Some(400 | 402..=428 | 500..=599)),
        _ => true,
    }
}

/// What a failure says.
fn message(flow: &WorkflowContext<'_, '_>, failure: Failure) -> String {
    let fence = flow.fence();
    fence.line(&failure.into_message(fence), 200)
}
