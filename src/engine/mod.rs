//! One tool call, from arguments to result: check, resolve, judge, ask, bind, run, wait, shape.
//!
//! ```no_run
//! use neon_mcp::catalog::Selection;
//! use neon_mcp::engine::{CallLimits, Caller, Engine, Guards, Outcome, Service, UnknownTool};
//! use neon_mcp::neon::Client;
//! use serde_json::Map;
//!
//! /// Calls a tool as the server does: the engine is handed all that it needs, and knows no workflow by name.
//! async fn projects(
//!     (client, selection): (Client, Selection),
//!     (limits, guards): (CallLimits, Guards),
//!     caller: Caller,
//! ) -> Result<(), UnknownTool> {
//!     let engine = Engine::new(client, selection, Service::Neon, limits, guards, neon_mcp::workflows::all());
//!     match engine.call("list_projects", Map::new(), caller).await? {
//!         Outcome::Done(result) => println!("{}", result.value),
//!         _ => println!("a human has to decide first"),
//!     }
//!     Ok(())
//! }
//! ```

mod account;
mod api;
mod check;
mod connect;
mod connections;
mod context;
mod decide;
mod dispatch;
mod error;
mod kind;
mod left_behind;
mod made;
mod open;
mod pipeline;
mod present;
mod rate_cap;
mod record;
mod shared;
mod snapshot;
mod values;
mod wait;
mod workflow;
mod workflow_context;
mod workflow_output;

pub use api::{
    APPROVAL, ApprovalMode, Ask, CallBound, CallLimits, CallResult, Caller, EngineAccount, Guards, Outcome, Progress,
    Returned, Service, SignInEnd, SignInPage, UnknownTool,
};
pub use check::files::{FilesDir, MAX_FILE_BYTES, MAX_INLINE_BYTES};
pub use check::sql::{Analyze, Explained, Explains};
pub use error::{ArgumentProblem, Failure, WorkflowError};
pub use kind::{About, Kind, reference as errors_reference};
pub(crate) use left_behind::Left;
pub(crate) use present::content::{boundary, fitting};
pub(crate) use present::sql::{postgres_says, sql_next};
pub(crate) use present::untrusted::Fence;
pub use shared::{Engine, Narrowing, assess_statements, complete_arguments};
pub use workflow::{Basis, CallSql, Measuring, Preview, RunsOn, WorkflowCall, Workflows};
pub(crate) use workflow_context::Held;
pub use workflow_context::WorkflowContext;
pub use workflow_output::WorkflowOutput;
