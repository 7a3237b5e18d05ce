//! What a call does, what a human is shown of it, and whether it may run.

pub(in crate::engine) mod approve;
pub(in crate::engine) mod assess;
pub(in crate::engine) mod bounds;
pub(in crate::engine) mod facts;
pub(in crate::engine) mod finding;
pub(in crate::engine) mod impact;
pub(in crate::engine) mod light;
pub(in crate::engine) mod reach;
pub(in crate::engine) mod refusals;
pub(in crate::engine) mod safety;
pub(in crate::engine) mod seen;
pub(in crate::engine) mod self_lockout;
pub(in crate::engine) mod target;
pub(in crate::engine) mod whole;
