//! Why a call isn't approved, and why nobody can be asked.

use thiserror::Error;

use crate::guard::approvals::{ApprovalsError, TypedName};
use crate::guard::shown::told;
use crate::guard::store::StoreError;

/// Why a call isn't approved. Nothing was sent.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotApproved {
    /// The human said no.
    #[error("The user rejected it.")]
    Rejected,
    /// Nobody decided: too many wrong secrets or names were given outside the client.
    #[error("Five wrong secrets or names were given for it outside the client, so it is refused: nobody decided it.")]
    WrongTries,
    /// The human closed the dialog.
    #[error("The user closed the question without an answer, which means no.")]
    Cancelled,
    /// Nobody answered.
    #[error("Nobody answered in time, which means no.")]
    TimedOut,
    /// The typed name isn't the one that is lost.
    #[error("What was typed is not {}, the name of the {}, which means no.", told(&.0.name), .0.what)]
    WrongName(TypedName),
    /// The form was accepted without its approval.
    #[error("The form came back accepted, but without the approval that it asks for, which means no.")]
    NotTicked,
    /// What came back is no answer.
    #[error("The answer could not be read ({0}), which means no.")]
    Malformed(String),
    /// The seal was changed, made up, or made with another key (as before a restart).
    #[error("The approval is not one that this server gave out, or it was changed.")]
    Tampered,
    /// The approval is for another call.
    #[error("The approval is for another {0}.")]
    Other(&'static str),
    /// The approval ran out.
    #[error("The approval has run out.")]
    Expired,
    /// The approval was used already.
    #[error("The approval was used already: each is good for one call.")]
    Used,
    /// The target isn't what was shown any more.
    #[error("The target changed since the plan was shown, so the approval no longer counts.")]
    Changed,
    /// The channel that the approval came through isn't one that the policy takes.
    #[error("The operator's policy takes no approval from {0}.")]
    Channel(&'static str),
    /// The store of approvals came back without what it had: nobody knows what was used.
    #[error(
        "The store of approvals came back without all that it had since this was asked, so the approval no longer counts."
    )]
    StoreBegan,
    /// The store that replicas share can't be used: without it, no approval counts.
    #[error("No approval counts while what replicas share can't be used: {0}.")]
    StoreUnavailable(String),
    /// Who approved it isn't who the policy has approve such calls.
    #[error("The operator's policy has it approved by {0}.")]
    Approver(String),
    /// Another than the caller must approve it, and nobody can tell whether another did. It says what the operator is to set.
    #[error(
        "The operator's policy has another than the caller approve it (approval.own_calls = false), and nothing tells this caller from who approved, so the approval does not count until {0}."
    )]
    CallerUntold(String),
    /// Where used approvals are kept can't be read or written: without that, none counts.
    #[error("Used approvals can't be recorded ({0}), so none counts.")]
    Unrecorded(String),
}

impl NotApproved {
    /// The name in results and in the audit log.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::WrongTries => "too_many_wrong_tries",
            Self::Cancelled => "cancelled_by_user",
            Self::TimedOut => "approval_timed_out",
            Self::WrongName(_) => "wrong_name",
            Self::NotTicked | Self::Malformed(_) => "approval_malformed",
            Self::Tampered | Self::Other(_) | Self::Channel(_) | Self::Approver(_) | Self::CallerUntold(_) => {
                "approval_invalid"
            }
            Self::Expired | Self::StoreBegan => "approval_expired",
            Self::Used => "approval_used",
            Self::Changed => "target_changed",
            Self::Unrecorded(_) => "approval_unrecorded",
            Self::StoreUnavailable(_) => "store_unavailable",
        }
    }

    /// Whether a human decided against the call, so that asking again would be nagging.
    #[must_use]
    pub fn is_a_decision(&self) -> bool {
        matches!(
            self,
            Self::Rejected | Self::Cancelled | Self::WrongName(_) | Self::NotTicked
        )
    }
}

impl From<StoreError> for NotApproved {
    fn from(error: StoreError) -> Self {
        if error.is_away() {
            Self::StoreUnavailable(error.to_string())
        } else {
            Self::Unrecorded(error.to_string())
        }
    }
}

/// Why nobody can be asked outside the client.
#[derive(Debug, Error)]
pub enum NobodyToAsk {
    /// There is no directory for it.
    #[error("there is no state directory (set XDG_STATE_HOME or HOME)")]
    NoPlace,
    /// The policy takes no approval from there; who may approve the call, in words.
    #[error("{}", no_channel(.0))]
    Policy(Vec<String>),
    /// Another than the caller must approve, and nobody can tell the caller from who approves. It says what the operator is to set.
    #[error(
        "the operator's policy has another than the caller approve (approval.own_calls = false), and nothing tells this caller from who approves, until {0}"
    )]
    CallerUntold(String),
    /// The directory can't be used.
    #[error("waiting approvals can't be kept: {0}")]
    Approvals(#[from] ApprovalsError),
}

/// Why the policy leaves nobody to ask.
fn no_channel(who: &[String]) -> String {
    match who.is_empty() {
        true => "the operator's policy takes no approval from where this server could get one".to_owned(),
        false => format!(
            "the operator's policy has it approved by {}, and this server has no channel on which they could",
            who.join(", and by ")
        ),
    }
}

impl NobodyToAsk {
    /// Why the call isn't approved, where the store that replicas share can't be used.
    #[must_use]
    pub fn store_unavailable(&self) -> Option<NotApproved> {
        match self {
            Self::Approvals(ApprovalsError::Store(error)) if error.is_away() => {
                Some(NotApproved::StoreUnavailable(error.to_string()))
            }
            _ => None,
        }
    }
}
