//! Decides whether a call may run; it never sends anything itself.
//!
//! The way through is one-way: [`Judgement::begin`] looks at the declaration and the arguments, asks
//! for [`Facts`] where those decide, and ends in a [`Verdict`]. Only a verdict that doesn't ask for a
//! human gives a [`Permitted`] request, and only for the method and route that it judged.

pub mod audit;
mod effect;
mod judge;
mod mask;
mod permit;
mod plan;
mod state_dir;

pub use effect::Effect;
pub use judge::{BranchFacts, Facts, Judgement, Needs, Pending, Refused, Verdict};
pub use mask::{MASK, mask, mask_text};
pub use permit::Permitted;
pub use plan::Plan;
pub use state_dir::state_dir;
