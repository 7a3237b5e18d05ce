//! A policy in plain words.

/// A policy in plain words.
#[derive(Debug)]
pub struct PolicyInWords;
