//! Files of this machine, opened so that nobody can make a program wait, follow or read what it didn't mean to.
//!
//! [`leftover`] is for what another process left: nothing is followed through a link. [`open_given`] is for what whoever starts the
//! program names: links are followed, pipes aren't waited for.

mod given;
pub mod leftover;

pub use given::{LARGEST_GIVEN, is_handed_over, open_given, read_given};
