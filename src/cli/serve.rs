//! What the serving commands share: from settings to an engine, and what is said at the start.

use std::time::Duration;

#[cfg(feature = "sandbox")]
use anyhow::Context as _;

use crate::catalog::{Catalog, Selection};
use crate::engine::{Engine, Service};
use crate::neon::{self, Client, ClientConfig, KeyKind, LimitSettings, RateLimits};
#[cfg(feature = "sandbox")]
use crate::neon::{Credential, api_base};
#[cfg(feature = "sandbox")]
use crate::sandbox::{Sandbox, SandboxOptions};
use crate::settings::{Settings, SettingsError, Upstream};

/// What the keys of a sandbox begin with. Lean builds know it too: a sandbox may run beside them.
const SANDBOX_KEY_PREFIX: &str = "sandbox_";

/// How long after the start the kind of key is asked for.
const KEY_DELAY: Duration = Duration::from_millis(500);

/// An engine that is ready, and the sandbox under it, which lives as long.
pub(super) struct Started {
    pub(super) engine: Engine,
    #[cfg(feature = "sandbox")]
    pub(super) sandbox: Option<Sandbox>,
}

/// Makes the engine; with `--sandbox`, starts the sandbox first. Sends nothing to Neon.
pub(super) async fn start(settings: Settings) -> anyhow::Result<Started> {
    let catalog = Catalog::embedded()?;
    let guards = settings.guards(&catalog)?;
    let selection = Selection::new(catalog, &settings.selection, &guards.policy)?;
    #[cfg(feature = "sandbox")]
    let mut carried = None;
    let (base, credential, service) = match settings.upstream {
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
            let credential = Credential::new(sandbox.api_key().to_owned())?;
            carried = Some(sandbox);
            (base, credential, Service::Sandbox)
        }
        Upstream::Api { base, credential } => {
            let credential = credential.ok_or(SettingsError::NoKey)?;
            // A sandbox that runs by itself: its keys say what they are, and it listens on loopback only.
            let is_sandbox = base.is_loopback() && credential.expose().starts_with(SANDBOX_KEY_PREFIX);
            let service = if is_sandbox { Service::Sandbox } else { Service::Neon };
            (base, credential, service)
        }
    };
    tracing::info!(
        "neon-mcp {}: {} tools, {} at {}",
        env!("CARGO_PKG_VERSION"),
        selection.tools().len(),
        service.name(),
        base.as_str()
    );
    for (name, why) in selection.without_step() {
        tracing::warn!("{name} is not offered: {why}");
    }
    let mut config = ClientConfig::new(base, credential);
    config.limits = RateLimits::new(rate_limits(service, settings.sandbox_rate_limits));
    let client = Client::new(config);
    Ok(Started {
        engine: Engine::new(
            client,
            selection,
            service,
            settings.limits,
            guards,
            crate::workflows::all(),
        ),
        #[cfg(feature = "sandbox")]
        sandbox: carried,
    })
}

/// What a service lets through. What the operator says of a sandbox is nothing to Neon.
fn rate_limits(service: Service, sandbox_has_them: bool) -> LimitSettings {
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
    let client = engine.client().clone();
    tokio::spawn(async move {
        // After the client's first questions: they shouldn't wait while TLS is set up.
        tokio::time::sleep(KEY_DELAY).await;
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
    });
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
