//! Anonymized branches: what is masked in them, and how far that is.

use std::collections::VecDeque;

use chrono::TimeDelta;
use serde::{Deserialize, Serialize};

use super::data::Contents;
use crate::{clock::Timestamp, error::ApiError};

/// What is masked, and by what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MaskingRule {
    pub(crate) database_name: String,
    pub(crate) schema_name: String,
    pub(crate) table_name: String,
    pub(crate) column_name: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) masking_function: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) masking_value: Option<String>,
}

/// Where an anonymized branch stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AnonymizationState {
    Created,
    Initialized,
    InitializationError,
    Anonymizing,
    Anonymized,
    Error,
}

/// A change that lies ahead.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Step {
    at: Timestamp,
    to: AnonymizationState,
    message: Option<String>,
}

/// A run over the rules.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) started_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) completed_at: Option<Timestamp>,
    pub(crate) triggered_by: String,
    pub(crate) triggered_by_username: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) masked_columns: Option<usize>,
}

impl Run {
    /// A run that somebody asks for.
    pub(crate) fn by(user_id: String, username: String) -> Self {
        Self {
            started_at: None,
            completed_at: None,
            triggered_by: user_id,
            triggered_by_username: username,
            masked_columns: None,
        }
    }
}

/// The masking of a branch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Anonymization {
    pub(crate) rules: Vec<MaskingRule>,
    pub(crate) state: AnonymizationState,
    pub(crate) message: Option<String>,
    pub(crate) created_at: Timestamp,
    pub(crate) updated_at: Timestamp,
    pub(crate) failed_at: Option<Timestamp>,
    pub(crate) last_run: Option<Run>,
    /// How often it was run.
    pub(crate) runs: u64,
    /// The rules of the last run.
    pub(crate) run_rules: Vec<MaskingRule>,
    steps: VecDeque<Step>,
}

impl Anonymization {
    /// One that nothing happened to yet.
    pub(crate) fn new(rules: Vec<MaskingRule>, now: Timestamp) -> Self {
        Self {
            rules,
            state: AnonymizationState::Created,
            message: None,
            created_at: now,
            updated_at: now,
            failed_at: None,
            last_run: None,
            runs: 0,
            run_rules: Vec::new(),
            steps: VecDeque::new(),
        }
    }

    /// Gets ready at a moment, or fails to.
    pub(crate) fn initialize(&mut self, at: Timestamp, failure: Option<String>) {
        let to = match failure {
            None => AnonymizationState::Initialized,
            Some(_) => AnonymizationState::InitializationError,
        };
        self.plan(at, to, failure);
    }

    /// Masks from a moment until another one, if it ever ends.
    pub(crate) fn run(&mut self, run: Run, from: Timestamp, until: Option<Timestamp>, failure: Option<String>) {
        self.last_run = Some(run);
        self.runs += 1;
        self.run_rules.clone_from(&self.rules);
        self.plan(from, AnonymizationState::Anonymizing, None);
        if let Some(until) = until {
            let to = match failure {
                None => AnonymizationState::Anonymized,
                Some(_) => AnonymizationState::Error,
            };
            self.plan(until, to, failure);
        }
    }

    /// The branch has other contents, of which nothing is masked.
    pub(crate) fn refill(&mut self, now: Timestamp) {
        self.steps.clear();
        self.enter(Step {
            at: now,
            to: AnonymizationState::Initialized,
            message: None,
        });
    }

    /// Whether the data is to be masked: it is, or a run that ends well lies ahead.
    pub(crate) fn masks(&self) -> bool {
        self.state == AnonymizationState::Anonymized
            || self.steps.iter().any(|step| step.to == AnonymizationState::Anonymized)
    }

    /// Whether something comes after a moment.
    pub(crate) fn lies_ahead(&self, after: Timestamp) -> bool {
        self.steps.iter().any(|step| step.at > after)
    }

    /// Moves what lies ahead of a moment.
    pub(crate) fn shift(&mut self, after: Timestamp, by: TimeDelta) {
        for step in self.steps.iter_mut().filter(|step| step.at > after) {
            step.at += by;
        }
    }

    /// What lies ahead doesn't come about, for this reason.
    pub(crate) fn fail(&mut self, reason: &str) {
        for step in &mut self.steps {
            let to = match step.to {
                AnonymizationState::Anonymized => AnonymizationState::Error,
                AnonymizationState::Initialized => AnonymizationState::InitializationError,
                _ => continue,
            };
            step.to = to;
            step.message = Some(reason.to_owned());
        }
    }

    fn plan(&mut self, at: Timestamp, to: AnonymizationState, message: Option<String>) {
        self.steps.push_back(Step { at, to, message });
    }

    /// Lets due changes happen.
    pub(crate) fn settle(&mut self, now: Timestamp) {
        while self.steps.front().is_some_and(|step| step.at <= now) {
            if let Some(step) = self.steps.pop_front() {
                self.enter(step);
            }
        }
    }

    fn enter(&mut self, step: Step) {
        let masked = self.rules.len();
        if let Some(run) = &mut self.last_run {
            match step.to {
                AnonymizationState::Anonymizing => run.started_at = Some(step.at),
                AnonymizationState::Anonymized => {
                    run.completed_at = Some(step.at);
                    run.masked_columns = Some(masked);
                }
                _ => {}
            }
        }
        self.failed_at = matches!(
            step.to,
            AnonymizationState::Error | AnonymizationState::InitializationError
        )
        .then_some(step.at);
        self.state = step.to;
        self.message = step.message;
        self.updated_at = step.at;
    }
}

/// Refuses a rule that says two things.
pub(crate) fn check_rules(rules: &[MaskingRule]) -> Result<(), ApiError> {
    let both = |rule: &&MaskingRule| rule.masking_function.is_some() && rule.masking_value.is_some();
    match rules.iter().find(both) {
        None => Ok(()),
        Some(rule) => Err(ApiError::bad_request(format!(
            "the rule for {}.{}.{} has both masking_function and masking_value",
            rule.schema_name, rule.table_name, rule.column_name
        ))),
    }
}

/// Why the rules can't be applied to what the branch holds.
pub(crate) fn why_not_applied(rules: &[MaskingRule], contents: &Contents) -> Option<String> {
    rules
        .iter()
        .find(|rule| contents.database(&rule.database_name).is_none())
        .map(|rule| format!("database {:?} does not exist on the branch", rule.database_name))
}
