//! Views on Neon's answers: what rules read of a project, a branch, a compute, a database and a role, they read here.
//!
//! A view borrows the answer and decides nothing about a call. It says what an absent or odd field means, once for every rule, and
//! each accessor names the direction that is cautious:
//!
//! | field | absent or odd counts as | because |
//! |---|---|---|
//! | a branch's `default`, `protected` | it is | a human is asked, where nobody would be of an ordinary branch |
//! | a branch's `parent_id` | absent: none, which is how Neon writes a root branch; odd: unknown, and no root | only of a root branch can a restore be promised or a snapshot be taken |
//! | another branch's `parent_id`, odd | it may be a child | what has children is no throwaway branch |
//! | a branch's expiry | it stays | a throwaway branch is deleted without asking anybody |
//! | a compute's `current_state` | it runs | connections may drop |
//! | a project's `org_id` | not told | the operator's bounds deny what nobody can tell |
//! | an id that a rule goes on with | an error | no request is made about it |
//!
//! What a plan or a result only shows is read with `shown`, as it stands.

mod branch;
mod database;
mod endpoint;
mod fields;
mod project;

pub use branch::{Branch, Parent};
pub use database::{Database, Role};
pub use endpoint::Endpoint;
pub use fields::OddAnswer;
pub use project::Project;
