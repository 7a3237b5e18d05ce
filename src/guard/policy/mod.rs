//! Placeholder until the policy lands.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use super::effect::Effect;
use crate::catalog::Tool;

/// Why a call asks by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Its effect.
    Effect,
    /// It drops connections.
    Interrupts,
    /// It hands over a secret.
    Reveals,
}
/// x
#[derive(Debug)]
pub struct Occasion<'a> {
    /// x
    pub tool: &'a Tool,
    /// x
    pub effect: Effect,
    /// x
    pub severe: bool,
    /// x
    pub causes: &'a [Cause],
}
/// x
#[derive(Debug)]
pub enum Rule {
    /// x
    Allow,
    /// x
    Confirm,
    /// x
    Deny(Denied),
}
/// x
#[derive(Debug, Clone)]
pub struct Denied {
    /// x
    pub rule: String,
    /// x
    pub message: String,
    /// x
    pub next: String,
}
/// x
#[derive(Debug, Clone, Default)]
pub struct Policy {
    confirm: ConfirmRules,
}
impl Default for ConfirmRules {
    fn default() -> Self {
        Self {
            channels: vec![Channel::Client, Channel::Terminal, Channel::Page],
            question_seconds: 300,
            approval_seconds: 300,
            terminal_yes: false,
            page_secret_file: None,
        }
    }
}
/// x
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct PolicyError;
/// x
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Channel {
    Client,
    Terminal,
    Page,
}
/// x
#[derive(Debug, Clone)]
pub struct ConfirmRules {
    /// x
    pub channels: Vec<Channel>,
    /// x
    pub question_seconds: u64,
    /// x
    pub approval_seconds: u64,
    /// x
    pub terminal_yes: bool,
    /// x
    pub page_secret_file: Option<std::path::PathBuf>,
}
#[allow(missing_docs, clippy::missing_errors_doc, clippy::unused_self)]
impl Policy {
    pub fn confirm(&self) -> &ConfirmRules {
        &self.confirm
    }
    pub fn with_read_only(self, _r: bool) -> Self {
        self
    }
    pub fn read<'a>(_p: &std::path::Path, _t: impl Iterator<Item = &'a str>) -> Result<Self, PolicyError> {
        Err(PolicyError)
    }
    pub fn offers(&self, _tool: &Tool) -> Result<(), Denied> {
        Ok(())
    }
    pub fn lists(&self, _tool: &Tool) -> bool {
        true
    }
    pub fn admits(&self, _t: &Tool, _a: &Map<String, Value>, _e: Effect, _n: DateTime<Utc>) -> Result<(), Denied> {
        Ok(())
    }
    pub fn rule(&self, occasion: &Occasion<'_>) -> Rule {
        if occasion.causes.is_empty() {
            Rule::Allow
        } else {
            Rule::Confirm
        }
    }
    pub fn protects(&self, _b: &str) -> bool {
        false
    }
    pub fn branch_limit(&self) -> Option<u64> {
        None
    }
    pub fn check_branches(&self, _p: u64) -> Result<(), Denied> {
        Ok(())
    }
    pub fn wants_organization(&self) -> bool {
        false
    }
    pub fn check_organization(&self, _o: Option<&str>) -> Result<(), Denied> {
        Ok(())
    }
    pub fn admits_project(&self, _id: &str) -> bool {
        true
    }
    pub fn dry_run(&self) -> bool {
        false
    }
    pub fn frozen(&self) -> Option<&str> {
        None
    }
    pub fn safety_copy(&self) -> bool {
        false
    }
    pub fn changes_per_minute(&self) -> Option<u32> {
        None
    }
    pub fn throwaway_lifetime(&self) -> Duration {
        Duration::from_secs(720 * 3600)
    }
}
