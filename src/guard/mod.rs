//! Decides whether a call may run; it never sends anything itself.
//!
//! The way through is one-way: [`RiskAssessment::begin`] looks at the declaration and the arguments, asks
//! for [`Facts`] where those decide, and ends in a [`Assessment`]. The operator's [`Policy`] decides about it, and what a human
//! must approve is put to one by [`ApprovalFlow`]. Only the [`AllowedCall`] that comes out of either gives a [`Permitted`]
//! request, and only for the method and route that was judged.
//!
//! ```
//! use neon_mcp::guard::Policy;
//!
//! let tools = ["run_sql", "delete_project"];
//! let policy = Policy::parse("read_only = true", tools.into_iter())?;
//! assert!(policy.is_read_only());
//! // A policy that isn't understood whole is an error.
//! assert!(Policy::parse("red_only = true", tools.into_iter()).is_err());
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod acl;
mod approval_flow;
mod approvals;
mod arguments;
mod assess;
pub mod audit;
mod decision;
mod files;
mod losses;
mod mask;
mod plan;
mod policy;
mod prepared;
mod preparing;
mod principal;
mod scopes;
mod seal;
mod session;
mod shown;
mod state_dir;
mod store;
mod trusted;
mod undo;
pub(crate) mod untrusted;
mod whole;
mod would_send;

pub use crate::permit::{Effect, JudgedTexts, Permitted};
pub use approval_flow::{
    APPROVE_FIELD, Answer, ApprovalFlow, DecidedElsewhere, InTerminal, NAME_FIELD, NobodyToAsk, NotApproved, OutOfBand,
    Page, PageAsks, PageSeal, Question, Reply, Subject, decision_entry,
};
pub use approvals::{
    Approval, Approvals, ApprovalsError, DecideError, DecidedBy, Decider, Decision, MAX_OF_GROUP, MAX_OF_ONE,
    MAX_WAITING, NewApproval, PersonDigest, Standing, State, TypedName,
};
pub(crate) use arguments::can_be_shown;
pub use arguments::file_in_short;
pub use assess::{Assessment, BranchFacts, Facts, Needs, Pending, RiskAssessment, StatementRisk};
pub use decision::{AllowedCall, Approver, AwaitingApproval, NotJudged, PolicyDecision};
pub use files::FileError;
pub(crate) use files::{close_directory, lock, make_directory, open_private, read_private, replace_private};
pub(crate) use losses::{done_losses, lines as impact_lines, reaching, told_losses};
pub use mask::{MASK, OwnKey, mask, mask_text, without_own_keys};
pub use plan::{Impact, Plan};
pub use policy::{
    ApprovalRules, AskedCall, BranchSeen, Cause, Channel, Denied, MayApprove, NewBranch, Occasion, Policy, PolicyError,
    PolicyExplanation, Rule, policy_reference, policy_schema, projects_of,
};
pub use prepared::{NotPrepared, Preparer};
pub use principal::{Identity, Person, Principal};
pub use scopes::Scopes;
pub use seal::{MIN_KEY, Sealer, ShortKey};
pub use session::Session;
pub use shown::{Line, digest, quoted};
pub(crate) use shown::{hex, told, told_plain};
pub use state_dir::{kept_seal_key, kept_session, state_dir};
pub use store::{InvalidStore, RedisAddress, StoreAddress, StoreError};
#[cfg(feature = "http-server")]
pub use store::{RedisOptions, RedisStore};
#[cfg(unix)]
pub(crate) use trusted::check_trusted_directory;
pub use trusted::{Untrusted, read_trusted, read_trusted_text, warn_if_readable_by_others};
pub(crate) use undo::FROM_THE_ANSWER;
pub use undo::Undoing;
pub use whole::{CUT_OFF, LAST_LINE, is_whole, says_its_end};
pub use would_send::would_send;
