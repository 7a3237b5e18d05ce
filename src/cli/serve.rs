//! What the serving commands share: from settings to an engine, and what is said at the start.

use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "sandbox")]
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};

#[cfg(feature = "sandbox")]
use anyhow::Context as _;
use futures::FutureExt as _;
use futures::future::BoxFuture;

#[cfg(feature = "sandbox")]
use super::common::told;
use crate::base_url::BaseUrl;

use crate::catalog::{Catalog, Selection};
use crate::engine::{Engine, EngineAccount, Service, SignInEnd, SignInPage};
use crate::guard::{ApprovalFlow, Effect, Principal};
use crate::neon::{self, Client, ClientConfig, KeyKind, LimitSettings, RateLimits};
#[cfg(feature = "sandbox")]
use crate::neon::{Credential, api_base};
#[cfg(feature = "sandbox")]
use crate::sandbox::{Sandbox, SandboxOptions, command::project_ready};
use crate::server::published;
#[cfg(feature = "sandbox")]
use crate::settings::KeyOrigin;
use crate::settings::{Account, AccountSource, Settings, Upstream};
use crate::sign_in::SignIn;
use crate::telemetry;

/// What the keys of a sandbox begin with. Lean builds know it too: a sandbox may run beside them.
const SANDBOX_KEY_PREFIX: &str = "sandbox_";

/// How long after the start the kind of key is asked for.
const KEY_DELAY: Duration = Duration::from_millis(500);

/// An engine that is ready, and the sandbox under it, which lives as long.
pub(super) struct Started {
    pub(super) engine: Engine,
    #[cfg(feature = "sandbox")]
    pub(super) sandbox: Option<Carried>,
}

/// A sandbox that this process carries, and what makes its first project.
#[cfg(feature = "sandbox")]
pub(super) struct Carried {
    sandbox: Sandbox,
    preparing: Option<AbortOnDropHandle<()>>,
}

#[cfg(feature = "sandbox")]
impl Carried {
    /// Has a project made, where one is wanted. What comes back is cancelled when that is over, however it went: calls wait for it.
    fn new(sandbox: Sandbox, with_project: bool) -> (Self, CancellationToken) {
        let ready = CancellationToken::new();
        let over = ready.clone().drop_guard();
        let preparing = with_project.then(|| {
            let project = project_ready(&sandbox);
            AbortOnDropHandle::new(tokio::spawn(async move {
                let _over = over;
                if let Err(error) = project.await {
                    tracing::warn!("the sandbox has no project ready: {}", told(&error));
                }
            }))
        });
        (Self { sandbox, preparing }, ready)
    }

    /// Ends it.
    pub(super) async fn shutdown(self) {
        drop(self.preparing);
        self.sandbox.shutdown().await;
    }
}

/// Makes the engine; with `--sandbox`, starts the sandbox first. Sends nothing to Neon.
pub(super) async fn start(settings: Settings) -> anyhow::Result<Started> {
    let catalog = Catalog::embedded()?;
    let guards = settings.guards(&catalog)?;
    let selection = Selection::new(catalog, &settings.selection, &*guards.policy)?;
    #[cfg(feature = "sandbox")]
    let mut carried = None;
    let (base, accounts, service) = match settings.upstream {
        #[cfg(feature = "sandbox")]
        Upstream::Sandbox(data) => {
            let sandbox = Sandbox::start(SandboxOptions {
                postgres: data.postgres,
                postgres_bin: data.postgres_bin,
                fetch_postgres: data.fetch_postgres,
                dir: data.dir,
                rate_limits: settings.sandbox_rate_limits,
                ..SandboxOptions::default()
            })
            .await
            .context("the sandbox can't start")?;
            let base = api_base(&sandbox.api_url())?;
            let key = Credential::new(sandbox.api_key().to_owned())?;
            carried = Some(Carried::new(sandbox, data.project));
            let source = AccountSource::Key(key, KeyOrigin::Variable);
            (base, vec![Account { name: None, source }], Service::Sandbox)
        }
        Upstream::Api { base, accounts } => {
            let service = service(&base, &accounts);
            (base, accounts, service)
        }
    };
    begin_counts(&selection);
    tracing::info!(
        "neon-mcp {}: {} tools, {} at {}",
        env!("CARGO_PKG_VERSION"),
        published(&selection).len(),
        service.name(),
        base.as_str()
    );
    for (name, why) in selection.without_step() {
        tracing::warn!("{name} is not offered: {why}");
    }
    let limits = rate_limits(service, settings.sandbox_rate_limits);
    let accounts = accounts.into_iter().map(|account| {
        let whose = budget_of(&account, &base);
        engine_account(account, &base, guards.approval_flow.rate_limits(limits, &whose))
    });
    let accounts: Vec<EngineAccount> = accounts.collect();
    let engine = Engine::over(
        accounts,
        selection,
        service,
        settings.limits,
        guards,
        crate::workflows::all(),
    );
    Ok(Started {
        #[cfg(feature = "sandbox")]
        sandbox: carried.map(|(sandbox, ready)| {
            engine.begins_when(ready);
            sandbox
        }),
        engine,
    })
}

/// Has what alerts look at be counted from 0 on.
fn begin_counts(selection: &Selection) {
    telemetry::begin_store_errors();
    for selected in selection.tools() {
        let declaration = &selected.tool.declaration;
        let escalated = declaration.safety.escalate.iter().map(|escalation| escalation.effect);
        let greatest = escalated.fold(declaration.safety.effect, Effect::max);
        // What a workflow does is found out with each call.
        let may_do = |effect: &Effect| *effect <= greatest || declaration.workflow.is_some();
        if greatest > Effect::Read {
            for effect in [Effect::Write, Effect::Access, Effect::Destructive]
                .iter()
                .filter(|effect| may_do(effect))
            {
                telemetry::begin_unknown(selected.tool.name(), effect.name());
            }
        }
    }
}

/// What answers there. A sandbox that runs by itself: its keys say what they are, and it listens on loopback only.
fn service(base: &BaseUrl, accounts: &[Account]) -> Service {
    let is_sandbox = |account: &Account| match &account.source {
        AccountSource::Key(key, _) => key.expose().starts_with(SANDBOX_KEY_PREFIX),
        AccountSource::SignIn(_) => false,
    };
    match base.is_loopback() && accounts.iter().all(is_sandbox) {
        true => Service::Sandbox,
        false => Service::Neon,
    }
}

/// An account for an engine: its client, and where a person signs in to it.
pub(super) fn engine_account(account: Account, base: &BaseUrl, limits: RateLimits) -> EngineAccount {
    let mut config = ClientConfig::new(base.clone(), account.source.credentials());
    config.limits = limits;
    let client = Client::new(config);
    match account.source {
        AccountSource::Key(..) => EngineAccount {
            name: account.name,
            ..EngineAccount::of_key(client)
        },
        AccountSource::SignIn(sign_in) => EngineAccount {
            name: account.name,
            client,
            key: sign_in.key().clone(),
            page: Some(Arc::new(Page(sign_in))),
        },
    }
}

/// Whose rate budget it is: the same on every replica, and kept from all eyes by who keeps budgets.
pub(super) fn budget_of(account: &Account, base: &BaseUrl) -> String {
    let whose = match &account.source {
        AccountSource::Key(key, _) => key.expose(),
        AccountSource::SignIn(_) => account.name.as_deref().unwrap_or("signed in"),
    };
    format!("{} {whose}", base.as_str())
}

/// Where a person signs in.
#[derive(Debug)]
struct Page(SignIn);

impl SignInPage for Page {
    fn open(&self) -> BoxFuture<'_, Result<(String, SignInEnd), String>> {
        self.0.offer().boxed()
    }

    fn command(&self) -> String {
        self.0.command()
    }
}

/// What a service lets through. What the operator says of a sandbox is nothing to Neon.
pub(super) fn rate_limits(service: Service, sandbox_has_them: bool) -> LimitSettings {
    match service {
        Service::Sandbox if !sandbox_has_them => LimitSettings::unlimited(),
        Service::Sandbox | Service::Neon => LimitSettings::default(),
    }
}

/// Says on standard error what kind of key this is, when Neon has answered. Nothing waits for it.
pub(super) fn name_the_key(engine: &Engine) {
    if engine.service() == Service::Sandbox {
        return;
    }
    for client in engine.clients().cloned() {
        tokio::spawn(name_one(client));
    }
}

/// How many callers a warning names.
const MAX_NAMED: usize = 5;

/// Warns where approvers sign in on the page, and of some callers no call is ever approved there.
pub(super) fn warn_of_no_page(flow: &ApprovalFlow, callers: &[Principal]) {
    let never: Vec<&Principal> = callers.iter().filter(|caller| flow.never_signs_in(caller)).collect();
    if never.is_empty() {
        return;
    }
    let whose = whose(&never, callers.len());
    tracing::warn!(
        "approvers sign in on the approval page, but no call of {whose} can ever be approved there: the policy names no approvers, and nothing \
         tells whose calls are whose. Name who approves ([[approval.approvers]] in the policy), or whose a token is (`neon-mcp token create \
         --person`)"
    );
}

/// Some of the callers, in words.
fn whose(some: &[&Principal], of: usize) -> String {
    if some.len() == of {
        return "any caller".to_owned();
    }
    let named = some.iter().take(MAX_NAMED).map(|caller| caller.name());
    let more = some.len().saturating_sub(MAX_NAMED);
    let more = (more > 0).then(|| format!("{more} more"));
    named.chain(more).collect::<Vec<_>>().join(", ")
}

/// Warns where the policy has another than the caller approve, and nothing can ever tell some callers from who approves: what must be
/// approved never runs for them. They are served all the same, for all else.
pub(super) fn warn_of_untold(flow: &ApprovalFlow, callers: &[Principal]) {
    let untold = callers
        .iter()
        .filter_map(|caller| Some((caller, flow.never_approved(caller)?)));
    let untold: Vec<(&Principal, String)> = untold.collect();
    let Some((_, how)) = untold.first() else { return };
    let some: Vec<&Principal> = untold.iter().map(|(caller, _)| *caller).collect();
    let whose = whose(&some, callers.len());
    tracing::warn!(
        "the policy has another than the caller approve (approval.own_calls = false), and no approval of calls of {whose} can ever \
         count, until {how}"
    );
}

async fn name_one(client: Client) {
    // After the client's first questions: they shouldn't wait while TLS is set up.
    tokio::time::sleep(KEY_DELAY).await;
    match client.bearer().await {
        Err(error) => return tracing::warn!("{error} Calls say how to sign in."),
        // A person's own: what it reaches is what they may do, and they know that.
        Ok(bearer) if bearer.account.is_some() => return,
        Ok(_) => {}
    }
    match neon::key_kind(&client, &neon::Context::within(Duration::from_secs(20))).await {
        Ok(kind @ KeyKind::Project) => tracing::info!("the key is a {}", kind.name()),
        Ok(kind) => tracing::warn!(
            "the key is a {}: it reaches every project of the {}. A project-scoped key or --project-id bounds what an agent can reach",
            kind.name(),
            if kind == KeyKind::Organization {
                "organization"
            } else {
                "account"
            },
        ),
        Err(error) => tracing::warn!("Neon didn't say what kind of key this is: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_limits_of_neon_are_kept_to_whatever_a_sandbox_has() {
        let kept = LimitSettings::default();
        assert_eq!(rate_limits(Service::Neon, false), kept);
        assert_eq!(rate_limits(Service::Neon, true), kept);
        assert_eq!(rate_limits(Service::Sandbox, true), kept);
        assert_eq!(rate_limits(Service::Sandbox, false), LimitSettings::unlimited());
    }

    #[cfg(feature = "sandbox")]
    #[test]
    fn key_of_a_sandbox_is_known_without_the_sandbox() {
        assert_eq!(SANDBOX_KEY_PREFIX, crate::sandbox::KEY_PREFIX);
    }
}
