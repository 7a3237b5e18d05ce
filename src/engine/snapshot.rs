//! Reading what a call is about from Neon: each thing once, however often it is asked for.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::catalog::{Pages, Place, Tool};
use crate::engine::check::files::Files;
use crate::engine::check::organizations;
use crate::engine::context::CallContext;
use crate::engine::error::Failure;
use crate::guard::mask;
use crate::neon::views::Branch;
use crate::neon::{
    BranchId, Changed, EndpointId, Method, OddAnswer, OrganizationId, PageLimit, Paging, PathSegment, ProjectId, Read,
    Request, pages,
};

/// The most items of a list that are read; Neon's plans allow fewer branches.
const MAX_ITEMS: usize = 10_000;

/// One look at Neon: what was read stays as it was then. A later look is another one.
pub(in crate::engine) struct ReadSnapshot<'c, 'a> {
    call: &'c CallContext<'a>,
    seen: Mutex<HashMap<String, Arc<Value>>>,
    /// When the newest answer was made, by Neon's clock.
    date: Mutex<Option<DateTime<Utc>>>,
    /// The branch that isn't looked at: the copy that this call made itself.
    passed_over: Option<BranchId>,
}

/// What a look saw, for one that goes on with it.
#[derive(Debug, Default)]
pub(in crate::engine) struct Seen {
    answers: HashMap<String, Arc<Value>>,
    date: Option<DateTime<Utc>>,
}

impl<'c, 'a> ReadSnapshot<'c, 'a> {
    /// The same look, gone on with: of what was read so far, nothing is read again.
    pub(in crate::engine) fn going_on(call: &'c CallContext<'a>, seen: Seen) -> Self {
        Self {
            seen: Mutex::new(seen.answers),
            date: Mutex::new(seen.date),
            ..Self::new(call)
        }
    }

    /// What it saw.
    pub(in crate::engine) fn into_seen(self) -> Seen {
        Seen {
            answers: self.seen.into_inner().unwrap_or_else(PoisonError::into_inner),
            date: self.date.into_inner().unwrap_or_else(PoisonError::into_inner),
        }
    }

    pub(in crate::engine) fn new(call: &'c CallContext<'a>) -> Self {
        Self {
            call,
            seen: Mutex::default(),
            date: Mutex::default(),
            passed_over: None,
        }
    }

    /// A look that passes over the branch that this call made itself, where it made one.
    pub(in crate::engine) fn passing_over(call: &'c CallContext<'a>, own: Option<BranchId>) -> Self {
        Self {
            passed_over: own,
            ..Self::new(call)
        }
    }

    /// The present by Neon's clock, as far as it told; else by this machine's.
    pub(in crate::engine) fn now(&self) -> DateTime<Utc> {
        let date = self.date.lock().unwrap_or_else(PoisonError::into_inner);
        date.unwrap_or_else(Utc::now)
    }

    /// How this server is signed in.
    pub(in crate::engine) async fn authentication(&self) -> Result<Arc<Value>, Failure> {
        self.get("/auth", &[]).await
    }

    pub(in crate::engine) async fn project(&self, project: &ProjectId) -> Result<Arc<Value>, Failure> {
        self.get("/projects/{project_id}", &[("project_id", project.into())])
            .await
    }

    pub(in crate::engine) async fn branch(
        &self,
        project: &ProjectId,
        branch: &BranchId,
    ) -> Result<Arc<Value>, Failure> {
        let segments = [("project_id", project.into()), ("branch_id", branch.into())];
        self.get("/projects/{project_id}/branches/{branch_id}", &segments).await
    }

    pub(in crate::engine) async fn endpoint(
        &self,
        project: &ProjectId,
        endpoint: &EndpointId,
    ) -> Result<Arc<Value>, Failure> {
        let segments = [("project_id", project.into()), ("endpoint_id", endpoint.into())];
        self.get("/projects/{project_id}/endpoints/{endpoint_id}", &segments)
            .await
    }

    /// All branches of a project.
    pub(in crate::engine) async fn branches(&self, project: &ProjectId) -> Result<Arc<Value>, Failure> {
        let route = "/projects/{project_id}/branches";
        if let Some(seen) = self.known(&format!("{route} {project}")) {
            return Ok(seen);
        }
        let read = Read::new(route, &[("project_id", project.into())]).map_err(internal)?;
        let first = self
            .read(read.clone().with_query("limit", MAX_ITEMS.to_string()))
            .await?;
        let more = first.pointer("/pagination/next").is_some_and(|next| !next.is_null());
        let mut branches = match first.pointer("/branches") {
            Some(Value::Array(branches)) if !more => branches.clone(),
            _ => {
                let mut paging = Paging::by_query("/branches", "/pagination/next");
                paging.limit = Some(PageLimit {
                    name: "limit".to_owned(),
                    max: 10_000,
                    full_pages: false,
                });
                let list = pages::collect(self.call.client, read, &paging, None, MAX_ITEMS, &self.call.context).await?;
                if list.next.is_some() {
                    return Err(Failure::Answer {
                        message: format!(
                            "The project has over {MAX_ITEMS} branches: too many to look at, so the call wasn't made."
                        ),
                        changed: Changed::No,
                    });
                }
                list.items
            }
        };
        if let Some(own) = &self.passed_over {
            branches.retain(|branch| !Branch::of(branch).is(own));
        }
        Ok(self.remember(format!("{route} {project}"), Value::Array(branches)))
    }

    /// The same with the deleted ones that Neon still tells of.
    pub(in crate::engine) async fn with_deleted_branches(&self, project: &ProjectId) -> Result<Arc<Value>, Failure> {
        let route = "/projects/{project_id}/branches";
        let read = Read::new(route, &[("project_id", project.into())]).map_err(internal)?;
        let read = read
            .with_query("limit", MAX_ITEMS.to_string())
            .with_query("include_deleted", "true");
        let answer = self.read(read).await?;
        match answer.pointer("/branches") {
            Some(list @ Value::Array(_)) => Ok(Arc::new(list.clone())),
            _ => Err(unread(OddAnswer::Lacks("/branches"))),
        }
    }

    pub(in crate::engine) async fn branch_computes(
        &self,
        project: &ProjectId,
        branch: &BranchId,
    ) -> Result<Arc<Value>, Failure> {
        let segments = [("project_id", project.into()), ("branch_id", branch.into())];
        let route = "/projects/{project_id}/branches/{branch_id}/endpoints";
        self.whole_list(route, &segments, "/endpoints").await
    }

    pub(in crate::engine) async fn computes(&self, project: &ProjectId) -> Result<Arc<Value>, Failure> {
        let route = "/projects/{project_id}/endpoints";
        self.whole_list(route, &[("project_id", project.into())], "/endpoints")
            .await
    }

    pub(in crate::engine) async fn databases(
        &self,
        project: &ProjectId,
        branch: &BranchId,
    ) -> Result<Arc<Value>, Failure> {
        let segments = [("project_id", project.into()), ("branch_id", branch.into())];
        let route = "/projects/{project_id}/branches/{branch_id}/databases";
        self.whole_list(route, &segments, "/databases").await
    }

    pub(in crate::engine) async fn roles(&self, project: &ProjectId, branch: &BranchId) -> Result<Arc<Value>, Failure> {
        let segments = [("project_id", project.into()), ("branch_id", branch.into())];
        let route = "/projects/{project_id}/branches/{branch_id}/roles";
        self.whole_list(route, &segments, "/roles").await
    }

    pub(in crate::engine) async fn snapshots(&self, project: &ProjectId) -> Result<Arc<Value>, Failure> {
        let route = "/projects/{project_id}/snapshots";
        self.whole_list(route, &[("project_id", project.into())], "/snapshots")
            .await
    }

    pub(in crate::engine) async fn branch_count(&self, project: &ProjectId) -> Result<u64, Failure> {
        let route = "/projects/{project_id}/branches/count";
        let answer = self.get(route, &[("project_id", project.into())]).await?;
        answer
            .get("count")
            .and_then(Value::as_u64)
            .ok_or_else(|| unread(OddAnswer::Lacks("/count")))
    }

    /// The answer of a reading tool of the catalogue, with those of the call's arguments that the tool takes, and its
    /// secrets masked.
    pub(in crate::engine) async fn tool(
        &self,
        name: &str,
        with: &BTreeMap<String, String>,
        arguments: &Map<String, Value>,
    ) -> Result<Arc<Value>, Failure> {
        let tool = self
            .call
            .catalog
            .tool(name)
            .ok_or_else(|| Failure::Internal(format!("there is no tool `{name}` to look with")))?;
        let of_its_own = |argument: &String| {
            tool.placeholders.contains(argument) || (tool.declares(argument) && is_required(tool, argument))
        };
        let mut taken: Map<String, Value> = arguments
            .iter()
            .filter(|(argument, _)| of_its_own(argument))
            .map(|(argument, value)| (argument.clone(), value.clone()))
            .collect();
        taken.extend(
            with.iter()
                .filter_map(|(theirs, ours)| Some((theirs.clone(), arguments.get(ours)?.clone()))),
        );
        let mut request =
            crate::engine::check::bind::bind(tool, &taken, &Files::default()).map_err(Failure::Internal)?;
        // What is looked for may be anywhere in the list.
        if let Some(Pages {
            limit: Some(Place::Query(name)),
            max: Some(max),
            ..
        }) = &tool.declaration.output.pages
        {
            request = request.with_query(name, max.to_string());
        }
        let mut body = Value::Null;
        for request in self.over_organizations(tool, arguments, request).await? {
            let read = Read::try_from(request).map_err(internal)?;
            let page = (*self.read(read).await?).clone();
            match (body.pointer_mut("/projects"), page.get("projects")) {
                (Some(Value::Array(all)), Some(Value::Array(more))) => all.extend(more.iter().cloned()),
                _ => body = page,
            }
        }
        mask(&mut body, &tool.declaration.output.mask, &[]);
        Ok(Arc::new(body))
    }

    /// The request, or one for each organization where it lists projects: a personal key has to name one.
    async fn over_organizations(
        &self,
        tool: &Tool,
        arguments: &Map<String, Value>,
        request: Request,
    ) -> Result<Vec<Request>, Failure> {
        if !organizations::are_wanted(tool, &Map::new()) || request.method() != Method::Get {
            return Ok(vec![request]);
        }
        let over = match arguments.get("org_id").and_then(Value::as_str) {
            Some(given) => vec![Some(OrganizationId::parse(given).map_err(internal)?)],
            None => organizations::to_look_in(self.call).await?,
        };
        let requests = over.into_iter().map(|organization| match organization {
            Some(id) => request.clone().with_query_replaced("org_id", id.as_str()),
            None => request.clone(),
        });
        Ok(requests.collect())
    }

    async fn whole_list(
        &self,
        route: &'static str,
        segments: &[(&'static str, PathSegment)],
        items: &'static str,
    ) -> Result<Arc<Value>, Failure> {
        let answer = self.get(route, segments).await?;
        match answer.pointer(items) {
            Some(list @ Value::Array(_)) => Ok(Arc::new(list.clone())),
            _ => Err(unread(OddAnswer::Lacks(items))),
        }
    }

    async fn get(&self, route: &'static str, segments: &[(&'static str, PathSegment)]) -> Result<Arc<Value>, Failure> {
        self.read(Read::new(route, segments).map_err(internal)?).await
    }

    /// The answer to a read: the one that was read before, where the same address was. The answer may hold secrets.
    async fn read(&self, read: Read) -> Result<Arc<Value>, Failure> {
        let request = read.request();
        let key = (request.method() == Method::Get).then(|| address(request));
        if let Some(seen) = key.as_deref().and_then(|key| self.known(key)) {
            return Ok(seen);
        }
        let answer = self.call.client.read(read, &self.call.context).await?;
        if let Some(made) = answer.date {
            let mut date = self.date.lock().unwrap_or_else(PoisonError::into_inner);
            *date = Some(date.map_or(made, |known| known.max(made)));
        }
        let body = answer.body.unwrap_or_default();
        Ok(match key {
            Some(key) => self.remember(key, body),
            None => Arc::new(body),
        })
    }

    fn known(&self, key: &str) -> Option<Arc<Value>> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(key).cloned()
    }

    fn remember(&self, key: String, value: Value) -> Arc<Value> {
        let value = Arc::new(value);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(key, value.clone());
        value
    }
}

/// The path and the query of a request.
fn address(request: &Request) -> String {
    let query: String = request
        .query()
        .iter()
        .map(|(name, value)| format!("&{name}={value}"))
        .collect();
    format!("{}?{query}", request.path())
}

/// The failure of a call that isn't made, because Neon's answer about its target doesn't say what must be known.
pub(in crate::engine) fn unread(odd: OddAnswer) -> Failure {
    Failure::Answer {
        message: format!("Neon's answer about the target of this call {odd}, so the call wasn't made."),
        changed: Changed::No,
    }
}

fn internal(error: impl std::fmt::Display) -> Failure {
    Failure::Internal(error.to_string())
}

fn is_required(tool: &crate::catalog::Tool, argument: &str) -> bool {
    tool.input
        .get("required")
        .and_then(Value::as_array)
        .is_some_and(|names| names.iter().any(|name| name == argument))
}
