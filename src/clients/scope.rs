//! Whose file an entry stands in.

use std::path::Path;

/// Whose file.
#[derive(Debug, Clone, Copy)]
pub enum Scope<'a> {
    /// The user's own.
    User,
    /// That of the project in this folder. Whoever made the project may have written it: nothing of an entry there is kept.
    Project(&'a Path),
}

impl<'a> Scope<'a> {
    pub(super) fn project(self) -> Option<&'a Path> {
        match self {
            Self::User => None,
            Self::Project(folder) => Some(folder),
        }
    }
}
