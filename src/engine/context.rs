//! What a call under way has at hand.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::catalog::{Catalog, SelectedTool, Selection};
use crate::docs::Docs;
use crate::engine::api::{ApprovalMode, CallBound, CallLimits, Guards, Progress, Service};
use crate::engine::check::files::Files;
use crate::engine::check::known::Organizations;
use crate::engine::check::linked::Filled;
use crate::engine::check::sql::Explained;
use crate::engine::check::time::Reference;
use crate::engine::connections::Connections;
use crate::engine::decide::whole::Wholes;
use crate::engine::error::{Failure, WorkflowError};
use crate::engine::kind::Kind;
use crate::engine::left_behind::LeftBehind;
use crate::engine::made::Made;
use crate::engine::present::untrusted::Fence;
use crate::engine::rate_cap::RateCap;
use crate::guard::{self, Effect, StatementRisk, Subject};
use crate::neon::sql::Measured;
use crate::neon::{Changed, Client, Context};
use crate::sql::Script;

/// What was prepared, and its handle.
#[derive(Debug, Clone)]
pub(in crate::engine) struct Opened {
    pub(in crate::engine) handle: String,
    pub(in crate::engine) content: Value,
}

/// A call under way.
pub(in crate::engine) struct CallContext<'a> {
    pub(in crate::engine) client: &'a Client,
    /// The name of the account, where there are several.
    pub(in crate::engine) account: Option<&'a str>,
    pub(in crate::engine) catalog: &'a Catalog,
    pub(in crate::engine) service: Service,
    pub(in crate::engine) limits: &'a CallLimits,
    pub(in crate::engine) guards: &'a Guards,
    pub(in crate::engine) rate_caps: &'a [RateCap],
    pub(in crate::engine) adding: &'a tokio::sync::Mutex<()>,
    pub(in crate::engine) connections: &'a Connections,
    /// What sessions made.
    pub(in crate::engine) made: &'a Made,
    /// The lists of statements that plans show in part.
    pub(in crate::engine) wholes: &'a Wholes,
    pub(in crate::engine) docs: Option<&'a Docs>,
    /// The organizations of the key, once they were read.
    pub(in crate::engine) organizations: &'a Organizations,
    /// What the call made on its way and didn't remove.
    pub(in crate::engine) left_behind: LeftBehind,
    /// What the statements of the call do, where it has some.
    pub(in crate::engine) assessed: Option<StatementRisk>,
    /// What the statements lost in an attempt that was stopped.
    pub(in crate::engine) exceeded: Option<Measured>,
    /// Those statements, parsed once: a script for each text.
    pub(in crate::engine) scripts: Vec<Script>,
    /// The texts that they stand in.
    pub(in crate::engine) sources: Vec<String>,
    /// What the call only explains, parsed once.
    pub(in crate::engine) explained: Option<Explained>,
    /// What the call completes, where it completes something.
    pub(in crate::engine) prepared: Option<Opened>,
    /// Account, way and credential, and what the client calls itself.
    pub(in crate::engine) who: String,
    /// Account, way and credential alone.
    pub(in crate::engine) peer: String,
    /// Whom prepared work belongs to.
    pub(in crate::engine) owner: String,
    pub(in crate::engine) session: &'a guard::Session,
    /// What came back of an earlier question outside the client.
    pub(in crate::engine) approval: Option<String>,
    /// What durations in the arguments count from.
    pub(in crate::engine) times: Reference,
    pub(in crate::engine) principal: &'a guard::Principal,
    pub(in crate::engine) client_name: Option<&'a str>,
    pub(in crate::engine) way: &'a ApprovalMode,
    /// What the call may do at most, where it came by a way that says so.
    pub(in crate::engine) bound: Option<&'a CallBound>,
    pub(in crate::engine) selected: &'a SelectedTool,
    /// What is offered here.
    pub(in crate::engine) selection: &'a Selection,
    pub(in crate::engine) context: Context,
    pub(in crate::engine) progress: Option<Arc<dyn Progress>>,
    /// What stands around texts of others in the result.
    pub(in crate::engine) fence: Fence,
    /// What stands in for arguments that aren't given, of what the working directory is linked to.
    pub(in crate::engine) linked: Filled,
    /// The id of the operator's branch, once a call resolved its name.
    pub(in crate::engine) pinned_branch: Option<String>,
    /// The files that the arguments give, once they are read.
    pub(in crate::engine) files: Files,
    /// The server's own key, which nothing that is told or kept holds.
    pub(in crate::engine) key: &'a guard::OwnKey,
}

impl CallContext<'_> {
    /// How many rows of a table SQL may lose unasked, by the operator's policy. Where statements were judged as being about tables that
    /// the call itself makes: none of what existed before, whatever their names lead to.
    pub(in crate::engine) fn unasked_rows(&self) -> u64 {
        let statements = self.scripts.iter().flat_map(|script| &script.statements);
        match statements.into_iter().any(|statement| statement.of_made) {
            true => 0,
            false => self.guards.policy.unasked_rows(),
        }
    }

    /// Ends a call that does more than whoever made it may do with it.
    pub(in crate::engine) fn within_bound(&self, effect: Effect) -> Result<(), Failure> {
        let Some(bound) = self.bound.filter(|bound| effect > bound.effect) else {
            return Ok(());
        };
        let CallBound { caller, instead, .. } = bound;
        Err(Failure::WorkflowError(Box::new(WorkflowError {
            kind: Kind::WrongCaller,
            message: format!("{caller} runs {}. Nothing was run.", {
                let name = self.selected.tool.name();
                match bound.effect {
                    Effect::Read => format!("what only reads, and this call of {name} isn't proven to"),
                    _ => format!("what can be changed back, and this call of {name} loses what is there"),
                }
            }),
            changed: Changed::No,
            next: format!("Call it through {instead}, if that is what the user wants: it asks where it must."),
            more: serde_json::json!({ "caller": instead }),
        })))
    }

    /// Who asks for what.
    pub(in crate::engine) fn subject<'s>(&'s self, arguments: &'s Map<String, Value>) -> Subject<'s> {
        Subject {
            tool: self.selected.tool.name(),
            arguments,
            caller: &self.who,
            peer: &self.peer,
            session: self.session,
            approval: self.approval.as_deref(),
            principal: self.principal,
            client: self.client_name,
        }
    }
}
