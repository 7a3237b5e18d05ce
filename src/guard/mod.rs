//! Decides whether a call may run; it never sends anything itself.
//!
//! The way through is one-way: [`Judgement::begin`] looks at the declaration and the arguments, asks
//! for [`Facts`] where those decide, and ends in a [`Verdict`]. The operator's [`Policy`] rules over it, and what a human
//! must say yes to is put to one by [`Confirmations`]. Only the [`Cleared`] that comes out of either gives a [`Permitted`]
//! request, and only for the method and route that was judged.

mod approvals;
pub mod audit;
mod clear;
mod confirm;
mod files;
pub(crate) mod foreign;
mod impact;
mod judge;
mod mask;
mod plan;
mod policy;
mod prepared;
mod preparing;
mod seal;
mod session;
mod shown;
mod state_dir;
mod trusted;
mod undo;

pub use crate::permit::{Effect, JudgedTexts, Permitted};
pub use approvals::{
    Approval, Approvals, ApprovalsError, DecideError, Decider, Decision, MAX_OF_GROUP, MAX_OF_ONE, MAX_WAITING,
    NewApproval, State, TypedName,
};
pub use clear::{Asking, Cleared, NotJudged, Ruling, SaidYes};
pub use confirm::{
    Answer, CONFIRM_FIELD, Confirmations, Elsewhere, NAME_FIELD, No, NobodyToAsk, Page, Question, Reply, Subject,
};
pub use files::FileError;
pub(crate) use files::{read_private, replace_private};
pub(crate) use impact::{done_losses, lines as impact_lines, reaching, told_losses};
pub use judge::{Assessed, BranchFacts, Facts, Judgement, Needs, Pending, Verdict};
pub use mask::{MASK, OwnKey, mask, mask_text, without_own_keys};
pub(crate) use plan::can_be_shown;
pub use plan::{Plan, Sight, file_in_short, would_send};
pub use policy::{
    Cause, Channel, ConfirmRules, Denied, Occasion, Policy, PolicyError, PolicyInWords, Rule, policy_reference,
    policy_schema,
};
pub use prepared::NotPrepared;
pub use seal::{MIN_KEY, Sealer, ShortKey};
pub use session::Session;
pub use shown::{Line, digest, quoted};
pub(crate) use shown::{told, told_plain};
pub use state_dir::{kept_seal_key, kept_session, state_dir};
pub use trusted::{Untrusted, read_trusted, read_trusted_text};
pub(crate) use undo::FROM_THE_ANSWER;
pub use undo::Undoing;
