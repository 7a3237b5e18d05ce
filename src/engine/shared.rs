//! The engine: what all calls of a server share.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use chrono::Utc;
use serde_json::{Map, Value};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;

use crate::catalog::{ACCOUNT, SelectedTool, Selection, Tool, Workflow, declared};
use crate::docs::Docs;
use crate::engine::account::{Account, Accounts};
use crate::engine::api::{
    APPROVAL, ApprovalMode, CallLimits, CallResult, Caller, EngineAccount, Guards, Outcome, Service, UnknownTool,
};
use crate::engine::check::time::Reference;
use crate::engine::check::{arguments, files, linked, reference, sql};
use crate::engine::decide::whole;
use crate::engine::error::{ArgumentProblem, Failure};
use crate::engine::pipeline::Pipeline;
use crate::engine::present::untrusted;
use crate::engine::rate_cap::{RateCap, RateCaps};
use crate::engine::workflow::{Basis, Workflows};
use crate::engine::{context, left_behind, record};
use crate::guard::audit::AuditOutcome;
use crate::guard::{Effect, Policy, Principal, StatementRisk};
use crate::neon::{Client, ErrorKind, Method, NoCredential, Read};
use crate::telemetry;

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

/// What the SQL of a call does by its text alone, as a call judges it before it looks into the database; nothing where the declaration of
/// its tool says what it does.
///
/// # Errors
/// Why the call may not have such SQL.
pub fn assess_statements(
    workflows: &dyn Workflows,
    selected: &SelectedTool,
    arguments: &Map<String, Value>,
    unasked_rows: u64,
) -> Result<Option<StatementRisk>, String> {
    let Some(workflow) = selected.tool.declaration.workflow() else {
        return Ok(None);
    };
    let said = |failure: Failure| failure.message();
    let call = workflows.begin(workflow, arguments).map_err(said)?;
    let texts = call.sql(None).runs;
    if texts.is_empty() {
        return Ok(None);
    }
    let scripts = sql::scripts(&texts);
    let basis = Basis {
        declared: selected.effect(),
        prepared: None,
        unasked_rows,
    };
    call.assess(&scripts, &basis).map_err(said)
}

fn of_accounts(given: Vec<EngineAccount>, limits: &CallLimits) -> Accounts {
    let accounts = given.into_iter();
    Accounts::new(
        accounts
            .map(|given| Account::new(given, limits.sql_hosts.clone()))
            .collect(),
    )
}

/// How much of a caller's name the log has, in characters.
const MAX_CALLER: usize = 600;

/// Runs tool calls: the selected tools over the shared client. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    accounts: Arc<Accounts>,
    selection: Arc<Selection>,
    service: Service,
    limits: Arc<CallLimits>,
    guards: Guards,
    workflows: Arc<dyn Workflows>,
    /// What changes are counted by: the operator's cap, and the caller's own.
    rate_caps: Vec<RateCap>,
    common: Arc<Common>,
}

/// What all callers of a process share, whatever each of them may do.
#[derive(Debug)]
struct Common {
    /// The documentation, where it is read.
    docs: Option<Docs>,
    /// The statements that plans show in part.
    wholes: whole::Wholes,
    /// The changes of the last minute, of all callers and of those whose own policy caps them.
    rate_caps: RateCaps,
    /// Held while branches are counted and one is added.
    adding: tokio::sync::Mutex<()>,
    /// Cancelled when calls may begin.
    ready: OnceLock<CancellationToken>,
}

/// What a caller gets of an engine in place of what all get.
#[derive(Debug, Default)]
pub struct Narrowing {
    /// The tools.
    pub selection: Option<Arc<Selection>>,
    /// The policy, narrowed for this caller.
    pub policy: Option<Policy>,
    /// Whose changes are counted by themselves, beside those of all, and how many of them there may be in a minute. Whoever is
    /// narrowed again goes on with the same count.
    pub own_cap: Option<(String, u32)>,
    /// With which accounts calls are made: a caller's own are nobody else's.
    pub accounts: Option<Vec<EngineAccount>>,
}

impl Engine {
    /// An engine for the selected tools, over the one account of a client whose key stays.
    #[must_use]
    pub fn new(
        client: Client,
        selection: Selection,
        service: Service,
        limits: CallLimits,
        guards: Guards,
        workflows: Arc<dyn Workflows>,
    ) -> Self {
        let accounts = vec![EngineAccount::of_key(client)];
        Self::over(accounts, selection, service, limits, guards, workflows)
    }

    /// An engine for the selected tools, over these accounts.
    #[must_use]
    pub fn over(
        accounts: Vec<EngineAccount>,
        selection: Selection,
        service: Service,
        limits: CallLimits,
        guards: Guards,
        workflows: Arc<dyn Workflows>,
    ) -> Self {
        let rate_caps = RateCaps::default();
        Self {
            inner: Arc::new(Inner {
                accounts: Arc::new(of_accounts(accounts, &limits)),
                rate_caps: rate_caps.of_all(guards.policy.changes_per_minute()),
                common: Arc::new(Common {
                    docs: limits.docs.clone().map(Docs::new),
                    wholes: whole::Wholes::default(),
                    rate_caps,
                    adding: tokio::sync::Mutex::default(),
                    ready: OnceLock::new(),
                }),
                selection: Arc::new(selection),
                service,
                limits: Arc::new(limits),
                guards,
                workflows,
            }),
        }
    }

    /// The engine for a caller that gets less of it, or works with accounts of its own. Approvals, the audit log and what is kept of
    /// plans stay shared.
    #[must_use]
    pub fn narrowed(&self, mut narrowing: Narrowing) -> Self {
        let inner = &*self.inner;
        let mut rate_caps = inner.rate_caps.clone();
        let own_cap = narrowing.own_cap.take();
        rate_caps.extend(own_cap.map(|(whose, most)| inner.common.rate_caps.of(&whose, most)));
        self.with(narrowing, rate_caps)
    }

    /// The engine under another policy of the operator's, with the tools that it leaves. Changes that were counted still count.
    #[must_use]
    pub fn under(&self, policy: Policy, selection: Selection) -> Self {
        let rate_caps = self.inner.common.rate_caps.of_all(policy.changes_per_minute());
        let narrowing = Narrowing {
            selection: Some(Arc::new(selection)),
            policy: Some(policy),
            ..Narrowing::default()
        };
        self.with(narrowing, rate_caps)
    }

    fn with(&self, narrowing: Narrowing, rate_caps: Vec<RateCap>) -> Self {
        let Narrowing {
            selection,
            policy,
            own_cap: _,
            accounts,
        } = narrowing;
        let inner = &*self.inner;
        let mut guards = inner.guards.clone();
        if let Some(policy) = policy {
            guards.approval_flow = guards.approval_flow.with_rules(policy.approval().clone());
            guards.policy = Arc::new(policy);
        }
        Self {
            inner: Arc::new(Inner {
                accounts: match accounts {
                    Some(accounts) => Arc::new(of_accounts(accounts, &inner.limits)),
                    None => inner.accounts.clone(),
                },
                selection: selection.unwrap_or_else(|| inner.selection.clone()),
                service: inner.service,
                limits: inner.limits.clone(),
                guards,
                workflows: inner.workflows.clone(),
                rate_caps,
                common: inner.common.clone(),
            }),
        }
    }

    /// Has calls wait until this is cancelled: what they are about is being made. All else of a server goes on meanwhile. Once is
    /// enough.
    pub fn begins_when(&self, ready: CancellationToken) {
        let _ = self.inner.common.ready.set(ready);
    }

    /// What stands between a call and Neon.
    #[must_use]
    pub fn guards(&self) -> &Guards {
        &self.inner.guards
    }

    /// All statements of a plan that shows some of them by their digest alone, without their secrets, under the address that
    /// the plan names. Those of another principal's plans are as unknown as any.
    #[must_use]
    pub fn statements(&self, principal: &Principal, uri: &str) -> Option<String> {
        self.inner.common.wholes.get(&principal.id(), uri)
    }

    /// The tools.
    #[must_use]
    pub fn selection(&self) -> &Selection {
        &self.inner.selection
    }

    /// The clients, one for each account.
    pub fn clients(&self) -> impl Iterator<Item = &Client> {
        self.inner.accounts.all().iter().map(Account::client)
    }

    /// Whether what is called answers at all, whatever it says: who may call it is another question. Without a credential of its own
    /// the server asks nothing.
    pub async fn is_answered(&self, within: Duration) -> bool {
        let (Some(client), Ok(read)) = (self.clients().next(), Read::new("/auth", &[])) else {
            return false;
        };
        match client.read(read, &crate::neon::Context::within(within)).await {
            Ok(_) => true,
            Err(error) => matches!(
                error.kind(),
                ErrorKind::NotSignedIn
                    | ErrorKind::Unauthorized
                    | ErrorKind::Forbidden
                    | ErrorKind::NotFound
                    | ErrorKind::Conflict
                    | ErrorKind::Refused
                    | ErrorKind::Locked
                    | ErrorKind::RateLimited
            ),
        }
    }

    /// How many requests have ended so far: who waits for calls sees by it whether they get on.
    #[must_use]
    pub fn heard(&self) -> u64 {
        self.clients().map(Client::heard).sum()
    }

    /// The names of the accounts, where there are several.
    pub fn account_names(&self) -> impl Iterator<Item = &str> {
        self.inner.accounts.all().iter().filter_map(Account::name)
    }

    /// The command that signs in, where nobody is signed in to any account as far as this machine knows.
    #[must_use]
    pub fn sign_in_command(&self) -> Option<String> {
        let accounts = self.inner.accounts.all();
        if accounts.iter().any(Account::is_there) {
            return None;
        }
        accounts.iter().find_map(Account::page).map(|page| page.command())
    }

    /// Takes what requests are sent with out of a value.
    fn redact(&self, value: &mut Value) {
        for account in self.inner.accounts.all() {
            account.key().redact(value);
        }
    }

    /// What answers the requests.
    #[must_use]
    pub fn service(&self) -> Service {
        self.inner.service
    }

    /// Notes a call that is refused before it begins, as every refusal is: one that would have changed something, or handed
    /// over a secret.
    pub fn note_refusal(&self, tool: &Tool, why: &str, arguments: &Map<String, Value>, caller: &Caller) {
        self.leave_out(tool, why, arguments, caller);
    }

    fn leave_out(&self, tool: &Tool, why: &str, arguments: &Map<String, Value>, caller: &Caller) {
        record::left_out(
            tool,
            why,
            arguments,
            caller,
            (self.guards(), self.inner.service),
            |value| self.redact(value),
        );
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
                self.leave_out(tool, &missing, &arguments, &caller);
            } else {
                telemetry::call(None, Effect::Read.name(), AuditOutcome::Refused.name(), Duration::ZERO);
            }
            return Err(UnknownTool(missing));
        };
        if let Some(ready) = self.inner.common.ready.get() {
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
        let context = crate::neon::Context {
            deadline: started + inner.limits.deadline,
            cancel: caller.cancel.clone(),
            lane: caller.lane.clone(),
        };
        let account = match inner.accounts.of_call(selected, &mut arguments, &context).await {
            Ok(account) => account,
            Err(failure) => return Ok(Outcome::Done(self.refused(selected, failure, &arguments, &caller))),
        };
        let open = match account.open().await {
            Ok(open) => open,
            // The documentation is read without a key.
            Err(_) if selected.tool.declaration.workflow().is_some_and(Workflow::reads_docs) => account.nobodys(),
            Err(error) => {
                let failure = Failure::from(crate::neon::Error::no_credential(Method::Get, &error));
                let result = self.refused(selected, failure, &arguments, &caller);
                let page = account
                    .page()
                    .filter(|_| matches!(error, NoCredential::NotSignedIn { .. }));
                return Ok(match page {
                    Some(page) => Outcome::SignIn(result, page.clone()),
                    None => Outcome::Done(result),
                });
            }
        };
        let peer = format!("{} {}", open.digest, caller.principal.id());
        let who = format!("{peer} {}", caller.client.as_deref().unwrap_or("-"));
        let call = context::CallContext {
            client: &open.client,
            account: account.name(),
            catalog: inner.selection.catalog(),
            service: inner.service,
            limits: &inner.limits,
            guards: &inner.guards,
            rate_caps: &inner.rate_caps,
            adding: &inner.common.adding,
            connections: &open.connections,
            wholes: &inner.common.wholes,
            made: &open.made,
            docs: inner.common.docs.as_ref(),
            organizations: &open.organizations,
            left_behind: left_behind::LeftBehind::default(),
            assessed: None,
            scripts: Vec::new(),
            sources: Vec::new(),
            explained: None,
            exceeded: None,
            prepared: None,
            owner: inner.guards.approval_flow.owner_of(&who, &caller.session),
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
            context,
            progress: caller.progress.clone(),
            fence: untrusted::Fence::new(&arguments),
            linked: linked::Filled::default(),
            pinned_branch: None,
            files: files::Files::default(),
            key: account.key(),
        };
        // For the log alone: no span, no metric has it.
        let who_calls = crate::text::one_line(&caller.principal.name(), MAX_CALLER);
        let span = telemetry::spans::tool_call(name, selected.tool.declaration.safety.effect.name());
        // On the heap: the calls of a server run on threads whose stacks have a bound.
        let running = Box::pin(Pipeline::new(call, &*inner.workflows).run(arguments));
        let mut outcome = running.instrument(span).await;
        match &mut outcome {
            Outcome::Done(result) => {
                self.redact(&mut result.value);
                if let (Some(name), Some(object)) = (account.name(), result.value.as_object_mut()) {
                    object.insert(ACCOUNT.to_owned(), name.into());
                }
            }
            // The plan was looked through before: what holds the key isn't asked about.
            Outcome::Ask(_) | Outcome::SignIn(..) => {}
        }
        tracing::info!(
            tool = name,
            outcome = match &outcome {
                Outcome::Done(result) if result.is_error => "error",
                Outcome::Done(_) => "ok",
                Outcome::Ask(_) => "asked",
                Outcome::SignIn(..) => "not signed in",
            },
            milliseconds = started.elapsed().as_millis(),
            caller = who_calls,
            "tool call"
        );
        Ok(outcome)
    }

    /// The result of a call that ends before it begins.
    fn refused(
        &self,
        selected: &SelectedTool,
        failure: Failure,
        arguments: &Map<String, Value>,
        caller: &Caller,
    ) -> CallResult {
        let tool = &selected.tool;
        self.leave_out(tool, &failure.recorded().reason, arguments, caller);
        let fence = untrusted::Fence::new(arguments);
        let mut value = failure.into_value(&fence);
        if let Some(object) = value.as_object_mut() {
            object.insert("tool".to_owned(), tool.name().into());
            self.inner.service.stamp(object);
        }
        self.redact(&mut value);
        let who_calls = crate::text::one_line(&caller.principal.name(), MAX_CALLER);
        tracing::info!(tool = tool.name(), outcome = "error", caller = who_calls, "tool call");
        CallResult::new(value, true, fence)
    }
}
