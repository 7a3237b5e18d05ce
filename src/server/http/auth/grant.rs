//! A caller that may be served.

use std::sync::Arc;

use super::challenge::Denial;
use super::setup::Setup;
use crate::guard::{Effect, Identity, Principal, Scopes};

/// A caller that may be served, and what the operator set up for it.
#[derive(Debug)]
pub(in crate::server::http) struct Grant {
    pub(in crate::server::http) principal: Principal,
    /// The scopes of what was shown, whatever the operator leaves of them: more can be asked for.
    pub(in crate::server::http) issued: Scopes,
    /// What is set up for it, where something is.
    pub(in crate::server::http) setup: Option<Arc<Setup>>,
    /// Why its groups aren't known whole, where they aren't: nothing that depends on groups may be decided then.
    pub(in crate::server::http) groups_untold: Option<&'static str>,
}

impl Grant {
    /// A caller for whom nothing is set up.
    pub(in crate::server::http) fn of(identity: Identity) -> Self {
        Self {
            principal: Principal::new(identity),
            issued: Scopes::ALL,
            setup: None,
            groups_untold: None,
        }
    }

    /// Whether its principal stands for one caller, and not for all that show the same token or none.
    pub(in crate::server::http) fn is_told_apart(&self) -> bool {
        !matches!(self.principal.identity(), Identity::Http(_))
    }

    /// Whether it may read, as every tool does, whatever else it does.
    ///
    /// # Errors
    /// The answer to a request of one that may not.
    pub(in crate::server::http) fn may_read(&self) -> Result<(), Denial> {
        let reads = |scopes: Scopes| scopes.allows(Effect::Read);
        match (reads(self.issued), reads(self.principal.scopes())) {
            (true, true) => Ok(()),
            (false, _) => Err(Denial::Scopes {
                needed: Scopes::for_effect(Effect::Read),
                held: self.issued,
            }),
            (true, false) => Err(Denial::NotAllowed(
                "The operator of this server left you without the scope neon:read, which every tool needs: another token changes nothing.",
            )),
        }
    }

    /// Counts a tool call of it.
    ///
    /// # Errors
    /// In how many seconds it may try again, where it made as many calls in this minute as it may.
    pub(in crate::server::http) fn count(&self) -> Result<(), u64> {
        match &self.setup {
            Some(setup) => setup.count(&self.principal.id()),
            None => Ok(()),
        }
    }

    /// What tells what it is served from what others are, and from what it was before something else was set up for it.
    pub(in crate::server::http) fn key(&self) -> String {
        let revision = self.setup.as_ref().map_or(0, |setup| setup.revision);
        let scopes = [self.principal.scopes(), self.issued].map(|scopes| scopes.text());
        format!("{} {} {revision}", self.principal.id(), scopes.join(" of "))
    }
}
