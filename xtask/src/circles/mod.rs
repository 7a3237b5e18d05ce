//! Circles between the rooms of a package, and between its files, read from the paths that the source names.
//!
//! A *room* is what stands on top of a package's `src`: a folder, or a file without one. Only names count: a method that is
//! called on a value needs no path, and makes no edge.

mod graph;
mod names;
mod package;
mod source;

pub use graph::{Circle, Kind, circles};
pub use package::{PackageError, packages};
pub use source::{Crate, SourceError};

use crate::known::Known;

/// What the comparison of the circles found with those known says.
#[derive(Debug, Default)]
pub struct Comparison {
    /// Circles that the list doesn't have.
    pub new: Vec<Circle>,
    /// Lines of the list whose circle is gone, so that they must go too.
    pub gone: Vec<String>,
    /// Circles that the list has.
    pub known: Vec<Circle>,
}

impl Comparison {
    /// Compares the circles found with those known. A circle that lost or gained a member is another one.
    #[must_use]
    pub fn new(found: Vec<Circle>, known: &Known) -> Self {
        let keys: Vec<String> = found.iter().map(Circle::key).collect();
        let gone = known.keys().filter(|key| !keys.iter().any(|found| found == key));
        let gone = gone.map(str::to_owned).collect();
        let (known, new) = found.into_iter().partition(|circle| known.has(&circle.key()));
        Self { new, gone, known }
    }

    /// Whether nothing is new and nothing is gone.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.new.is_empty() && self.gone.is_empty()
    }
}
