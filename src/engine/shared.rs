//! The engine: what all calls of a server share.

use std::sync::{Arc, OnceLock};

use chrono::Utc;
use serde_json::{Map, Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::catalog::{SelectedTool, Selection, Tool, declared};
use crate::docs::Docs;
use crate::engine::api::{APPROVAL, ApprovalMode, CallLimits, Caller, Guards, Outcome, Service, UnknownTool};
use crate::engine::check::time::Reference;
use crate::engine::check::{arguments, files, known, linked, reference};
use crate::engine::decide::whole;
use crate::engine::error::ArgumentProblem;
use crate::engine::pipeline::Pipeline;
use crate::engine::present::untrusted;
use crate::engine::rate_cap::RateCap;
use crate::engine::workflow::Workflows;
use crate::engine::{connections, context, left_behind, made, record};
use crate::guard::OwnKey;
use crate::neon::Client;

/// The arguments of a call as it would run, checked as every call's are before anything is sent. Names aren't looked up.
///
/// # Errors
/// Everything that is wrong, each as a sentence.
pub fn complete_arguments(
    selected: &SelectedTool,
    mut given: Map<String, Value>,
) -> Result<Map<String, Value>, Vec<String>> {
    declared(&selected.tool.input, &mut given);
    let said = |problems: Vec<ArgumentProblem>| {
        let say = |problem: ArgumentProblem| match problem.argument.as_str() {
            "" => problem.message,
            argument => format!("{argument}: {}", problem.message),
        };
        problems.into_iter().map(say).collect::<Vec<String>>()
    };
    let arguments = arguments::check(selected, given, &mut Reference::of_repeated(None, Utc::now())).map_err(said)?;
    reference::check(&selected.tool, &arguments).map_err(said)?;
    Ok(arguments)
}

/// Runs tool calls: the selected tools over the shared client. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    client: Client,
    selection: Selection,
    service: Service,
    limits: CallLimits,
    guards: Guards,
    workflows: Arc<dyn Workflows>,
    rate_cap: Option<RateCap>,
    /// Where SQL goes, as far as that is known.
    connections: connections::Connections,
    /// The documentation, where it is read.
    docs: Option<Docs>,
    /// The organizations of the key, once they were read.
    wholes: whole::Wholes,
    /// What sessions made, of which they may delete again by a click.
    made: made::Made,
    organizations: known::Organizations,
    /// Held while branches are counted and one is added.
    adding: tokio::sync::Mutex<()>,
    /// Which account and which API, as a digest: an approval for one is none for another.
    account: String,
    /// The server's own key, which no answer holds.
    key: OwnKey,
    /// Cancelled when calls may begin.
    ready: OnceLock<CancellationToken>,
}

impl Engine {
    /// An engine for the selected tools.
    #[must_use]
    pub fn new(
        client: Client,
        selection: Selection,
        service: Service,
        limits: CallLimits,
        guards: Guards,
        workflows: Arc<dyn Workflows>,
    ) -> Self {
        let config = client.config();
        let account = crate::guard::digest(&json!([config.base.as_str(), config.credential.expose()]));
        let rate_cap = guards.policy.changes_per_minute().map(RateCap::new);
        let key = OwnKey::new(config.credential.expose());
        key.keep_out_of_logs();
        Self {
            inner: Arc::new(Inner {
                rate_cap,
                connections: connections::Connections::new(limits.sql_hosts.clone()),
                docs: limits.docs.clone().map(Docs::new),
                organizations: known::Organizations::default(),
                wholes: whole::Wholes::default(),
                made: made::Made::default(),
                adding: tokio::sync::Mutex::default(),
                account,
                key,
                ready: OnceLock::new(),
                client,
                selection,
                service,
                limits,
                guards,
                workflows,
            }),
        }
    }

    /// Has calls wait until this is cancelled: what they are about is being made. All else of a server goes on meanwhile. Once is
    /// enough.
    pub fn begins_when(&self, ready: CancellationToken) {
        let _ = self.inner.ready.set(ready);
    }

    /// What stands between a call and Neon.
    #[must_use]
    pub fn guards(&self) -> &Guards {
        &self.inner.guards
    }

    /// All statements of a plan that shows some of them by their digest alone, without their secrets, under the address that
    /// the plan names.
    #[must_use]
    pub fn statements(&self, uri: &str) -> Option<String> {
        self.inner.wholes.get(uri)
    }

    /// The tools.
    #[must_use]
    pub fn selection(&self) -> &Selection {
        &self.inner.selection
    }

    /// The client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.inner.client
    }

    /// What a line of the audit log needs of the engine.
    fn recording(&self) -> (&Guards, Service, &OwnKey) {
        (&self.inner.guards, self.inner.service, &self.inner.key)
    }

    /// What answers the requests.
    #[must_use]
    pub fn service(&self) -> Service {
        self.inner.service
    }

    /// Notes a call that is refused before it begins, as every refusal is: one that would have changed something, or handed
    /// over a secret.
    pub fn note_refusal(&self, tool: &Tool, why: &str, arguments: &Map<String, Value>, caller: &Caller) {
        record::left_out(tool, why, arguments, caller, self.recording());
    }

    /// Calls a tool. Whatever goes wrong in the call is in its result.
    ///
    /// # Errors
    /// When there is no such tool in the selection.
    pub async fn call(
        &self,
        name: &str,
        mut arguments: Map<String, Value>,
        mut caller: Caller,
    ) -> Result<Outcome, UnknownTool> {
        let Some(selected) = self.selection().tool(name) else {
            let missing = self.selection().missing(name);
            if let Some(tool) = self.selection().catalog().tool(name) {
                record::left_out(tool, &missing, &arguments, &caller, self.recording());
            }
            return Err(UnknownTool(missing));
        };
        if let Some(ready) = self.inner.ready.get() {
            tokio::select! {
                () = ready.cancelled() => {}
                // The call itself says what that means for it.
                () = caller.cancel.cancelled() => {}
            }
        }
        let started = Instant::now();
        // Before anything looks at them or records them.
        declared(&selected.tool.input, &mut arguments);
        let inner = &self.inner;
        let mut approval = caller.approval.clone();
        if selected.tool.property(APPROVAL).is_none() && arguments.get(APPROVAL).is_some_and(Value::is_string) {
            let given = arguments.shift_remove(APPROVAL);
            approval = given.as_ref().and_then(Value::as_str).map(str::to_owned).or(approval);
        }
        let returned = match &mut caller.way {
            ApprovalMode::InReturn(Some(returned)) => Some(&mut returned.seal),
            _ if approval.is_some() => approval.as_mut(),
            // A list goes on over the same span of time.
            _ => match arguments.get_mut("cursor") {
                Some(Value::String(cursor)) => Some(cursor),
                _ => None,
            },
        };
        let times = Reference::of_repeated(returned, Utc::now());
        let credential = caller.credential.as_deref().unwrap_or("-");
        let peer = format!("{} {} {credential}", inner.account, caller.principal);
        let who = format!("{peer} {}", caller.client.as_deref().unwrap_or("-"));
        let call = context::CallContext {
            client: &inner.client,
            catalog: inner.selection.catalog(),
            service: inner.service,
            limits: &inner.limits,
            guards: &inner.guards,
            rate_cap: inner.rate_cap.as_ref(),
            adding: &inner.adding,
            connections: &inner.connections,
            wholes: &inner.wholes,
            made: &inner.made,
            docs: inner.docs.as_ref(),
            organizations: &inner.organizations,
            left_behind: left_behind::LeftBehind::default(),
            assessed: None,
            scripts: Vec::new(),
            sources: Vec::new(),
            explained: None,
            exceeded: None,
            prepared: None,
            owner: inner.guards.confirmations.owner_of(&who, &caller.session),
            who,
            peer,
            session: &caller.session,
            approval,
            times,
            principal: &caller.principal,
            client_name: caller.client.as_deref(),
            way: &caller.way,
            bound: caller.bound.as_ref(),
            selected,
            selection: &inner.selection,
            context: crate::neon::Context {
                deadline: started + inner.limits.deadline,
                cancel: caller.cancel.clone(),
                lane: caller.lane.clone(),
            },
            progress: caller.progress.clone(),
            fence: untrusted::Fence::new(&arguments),
            linked: linked::Filled::default(),
            pinned_branch: None,
            files: files::Files::default(),
            key: &inner.key,
        };
        let mut outcome = Pipeline::new(call, &*inner.workflows).run(arguments).await;
        match &mut outcome {
            Outcome::Done(result) => inner.key.redact(&mut result.value),
            // The plan was looked through before: what holds the key isn't asked about.
            Outcome::Ask(_) => {}
        }
        tracing::info!(
            tool = name,
            outcome = match &outcome {
                Outcome::Done(result) if result.is_error => "error",
                Outcome::Done(_) => "ok",
                Outcome::Ask(_) => "asked",
            },
            milliseconds = started.elapsed().as_millis(),
            "tool call"
        );
        Ok(outcome)
    }
}
