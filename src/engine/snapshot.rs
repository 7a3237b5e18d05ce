//! Reading what a call is about from Neon: each thing once, however often it is asked for.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Map, Value};

use crate::catalog::{Pages, Place, Tool};
use crate::engine::check::files::Files;
use crate::engine::check::organizations;
use crate::engine::context::CallContext;
use crate::engine::error::Failure;
use crate::guard::mask;
use crate::neon::{Changed, Method, PageLimit, Paging, PathSegment, Read, Request, pages};

/// The most items of a list that are read; Neon's plans allow fewer branches.
const MAX_ITEMS: usize = 10_000;

/// One look at Neon: what was read stays as it was then. A later look is another one.
pub(in crate::engine) struct ReadSnapshot<'c, 'a> {
    call: &'c CallContext<'a>,
    seen: Mutex<HashMap<String, Arc<Value>>>,
    /// What isn't looked at: the copy that this call made itself.
    passed_over: Option<String>,
}

impl<'c, 'a> ReadSnapshot<'c, 'a> {
    pub(in crate::engine) fn new(call: &'c CallContext<'a>) -> Self {
        Self {
            call,
            seen: Mutex::default(),
            passed_over: None,
        }
    }

    /// A look that passes over what this call made itself.
    pub(in crate::engine) fn passing_over(call: &'c CallContext<'a>, id: String) -> Self {
        Self {
            passed_over: Some(id),
            ..Self::new(call)
        }
    }

    /// How this server is signed in.
    pub(in crate::engine) async fn authentication(&self) -> Result<Arc<Value>, Failure> {
        self.get("/auth", &[]).await
    }

    pub(in crate::engine) async fn project(&self, project: &str) -> Result<Arc<Value>, Failure> {
        self.get("/projects/{project_id}", &[("project_id", project)]).await
    }

    pub(in crate::engine) async fn branch(&self, project: &str, branch: &str) -> Result<Arc<Value>, Failure> {
        let segments = [("project_id", project), ("branch_id", branch)];
        self.get("/projects/{project_id}/branches/{branch_id}", &segments).await
    }

    pub(in crate::engine) async fn endpoint(&self, project: &str, endpoint: &str) -> Result<Arc<Value>, Failure> {
        let segments = [("project_id", project), ("endpoint_id", endpoint)];
        self.get("/projects/{project_id}/endpoints/{endpoint_id}", &segments)
            .await
    }

    /// All branches of a project.
    pub(in crate::engine) async fn branches(&self, project: &str) -> Result<Arc<Value>, Failure> {
        let route = "/projects/{project_id}/branches";
        if let Some(seen) = self.known(&format!("{route} {project}")) {
            return Ok(seen);
        }
        let read = Read::new(route, &[("project_id", segment(project)?)]).map_err(internal)?;
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
            branches.retain(|branch| branch.get("id").and_then(Value::as_str) != Some(own));
        }
        Ok(self.remember(format!("{route} {project}"), Value::Array(branches)))
    }

    /// The same with the deleted ones that Neon still tells of.
    pub(in crate::engine) async fn with_deleted_branches(&self, project: &str) -> Result<Arc<Value>, Failure> {
        let route = "/projects/{project_id}/branches";
        let read = Read::new(route, &[("project_id", segment(project)?)]).map_err(internal)?;
        let read = read
            .with_query("limit", MAX_ITEMS.to_string())
            .with_query("include_deleted", "true");
        let answer = self.read(read).await?;
        match answer.pointer("/branches") {
            Some(list @ Value::Array(_)) => Ok(Arc::new(list.clone())),
            _ => Err(lacks("/branches")),
        }
    }

    pub(in crate::engine) async fn branch_computes(&self, project: &str, branch: &str) -> Result<Arc<Value>, Failure> {
        let segments = [("project_id", project), ("branch_id", branch)];
        let route = "/projects/{project_id}/branches/{branch_id}/endpoints";
        self.whole_list(route, &segments, "/endpoints").await
    }

    pub(in crate::engine) async fn computes(&self, project: &str) -> Result<Arc<Value>, Failure> {
        let route = "/projects/{project_id}/endpoints";
        self.whole_list(route, &[("project_id", project)], "/endpoints").await
    }

    pub(in crate::engine) async fn databases(&self, project: &str, branch: &str) -> Result<Arc<Value>, Failure> {
        let segments = [("project_id", project), ("branch_id", branch)];
        let route = "/projects/{project_id}/branches/{branch_id}/databases";
        self.whole_list(route, &segments, "/databases").await
    }

    pub(in crate::engine) async fn roles(&self, project: &str, branch: &str) -> Result<Arc<Value>, Failure> {
        let segments = [("project_id", project), ("branch_id", branch)];
        let route = "/projects/{project_id}/branches/{branch_id}/roles";
        self.whole_list(route, &segments, "/roles").await
    }

    pub(in crate::engine) async fn snapshots(&self, project: &str) -> Result<Arc<Value>, Failure> {
        let route = "/projects/{project_id}/snapshots";
        self.whole_list(route, &[("project_id", project)], "/snapshots").await
    }

    pub(in crate::engine) async fn branch_count(&self, project: &str) -> Result<u64, Failure> {
        let route = "/projects/{project_id}/branches/count";
        let answer = self.get(route, &[("project_id", project)]).await?;
        answer
            .get("count")
            .and_then(Value::as_u64)
            .ok_or_else(|| lacks("/count"))
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
        }) = &tool.declaration.pages
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
        mask(&mut body, &tool.declaration.returns.mask, &[]);
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
            Some(given) => vec![Some(given.to_owned())],
            None => organizations::to_look_in(self.call).await?,
        };
        let requests = over.into_iter().map(|organization| match organization {
            Some(id) => request.clone().with_query_replaced("org_id", id),
            None => request.clone(),
        });
        Ok(requests.collect())
    }

    async fn whole_list(
        &self,
        route: &'static str,
        segments: &[(&'static str, &str)],
        items: &str,
    ) -> Result<Arc<Value>, Failure> {
        let answer = self.get(route, segments).await?;
        match answer.pointer(items) {
            Some(list @ Value::Array(_)) => Ok(Arc::new(list.clone())),
            _ => Err(lacks(items)),
        }
    }

    async fn get(&self, route: &'static str, segments: &[(&'static str, &str)]) -> Result<Arc<Value>, Failure> {
        let mut filled = Vec::new();
        for (name, id) in segments {
            filled.push((*name, segment(id)?));
        }
        self.read(Read::new(route, &filled).map_err(internal)?).await
    }

    /// The answer to a read: the one that was read before, where the same address was. The answer may hold secrets.
    async fn read(&self, read: Read) -> Result<Arc<Value>, Failure> {
        let request = read.request();
        let key = (request.method() == Method::Get).then(|| address(request));
        if let Some(seen) = key.as_deref().and_then(|key| self.known(key)) {
            return Ok(seen);
        }
        let answer = self.call.client.read(read, &self.call.context).await?;
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

/// Whether a branch is the default, and whether it is protected, by Neon's word. What isn't said counts as the
/// dangerous case.
pub(in crate::engine) fn flags(branch: &Value) -> (bool, bool) {
    let flag = |name: &str| branch.get(name).and_then(Value::as_bool);
    // `primary` is what older answers call the default.
    let default = flag("default").or_else(|| flag("primary")).unwrap_or(true);
    (default, flag("protected").unwrap_or(true))
}

/// A text that an answer must have: without it the call isn't made.
pub(in crate::engine) fn string(answer: &Value, pointer: &str) -> Result<String, Failure> {
    answer
        .pointer(pointer)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .ok_or_else(|| lacks(pointer))
}

fn lacks(pointer: &str) -> Failure {
    Failure::Answer {
        message: format!("Neon's answer about the target of this call lacks {pointer}, so the call wasn't made."),
        changed: Changed::No,
    }
}

fn segment(id: &str) -> Result<PathSegment, Failure> {
    PathSegment::id(id).map_err(|error| Failure::Internal(format!("an id from Neon: {error}")))
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
