//! One tool call, from arguments to result: check, resolve, judge, ask, bind, run, wait, shape.

mod api;
mod check;
mod connect;
mod connections;
mod context;
mod decide;
mod dispatch;
mod ended;
mod error;
mod flow;
mod kind;
mod left_behind;
mod open;
mod pace;
mod pipeline;
mod present;
mod record;
mod shared;
mod snapshot;
mod values;
mod wait;
mod workflow;

pub use api::{
    APPROVAL, Ask, CallLimits, CallResult, Caller, Guards, Outcome, Progress, Returned, Service, UnknownTool, Way,
};
pub use check::files::{FilesDir, MAX_FILE_BYTES, MAX_INLINE_BYTES};
pub(crate) use decide::facts::will_expire;
pub use ended::Ended;
pub use error::{ArgumentProblem, Failure, Told};
pub use flow::Flow;
pub(crate) use flow::Held;
pub use kind::{About, Kind, reference as errors_reference};
pub(crate) use left_behind::Left;
pub(crate) use present::content::{boundary, fitting};
pub(crate) use present::sql::{postgres_says, sql_next};
pub(crate) use present::untrusted::Fence;
pub use shared::{Engine, complete_arguments};
pub use workflow::Workflows;
