//! The kinds of errors: what `error.kind` of a result can be.

/// A kind of error. Its name is what results, the audit log and docs/errors.md call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Arguments don't fit the tool's schema. `problems` names each, with why.
    InvalidArguments,
    /// A name leads to nothing, or to more than one thing. `argument` says which.
    Unresolved,
    /// Discovery mode: no tool of that name is there, or it isn't offered.
    UnknownTool,
    /// Discovery mode: the tool does more than this caller may. `caller` names the right one.
    WrongCaller,
    /// The operator's policy denies the call. `rule` names the key.
    DeniedByPolicy,
    /// A human must approve the call, and this client can't ask one. `plan` shows what it does.
    NeedsConfirmation,
    /// The human declined.
    Declined,
    /// The human closed the question.
    CancelledByUser,
    /// Nobody answered in time.
    ConfirmationTimedOut,
    /// What was typed isn't the name of what is lost.
    WrongName,
    /// The answer to the question isn't one.
    ConfirmationMalformed,
    /// The answer is to another call, another client or from a place where it doesn't count.
    ConfirmationInvalid,
    /// The question's time is over.
    ConfirmationExpired,
    /// The approval was used for a call already.
    ConfirmationUsed,
    /// The approval can't be recorded as used, so it doesn't count.
    ConfirmationUnrecorded,
    /// The target changed while a human was asked, or while its copy was made.
    TargetChanged,
    /// The call can't be recorded in the audit log, and what leaves no trace doesn't run.
    Unrecorded,
    /// The copy that the policy demands first couldn't be made.
    NoSafetyCopy,
    /// Neon doesn't take the key (401).
    Unauthorized,
    /// Neon doesn't allow it to this key (403).
    Forbidden,
    /// Neon knows no such thing (404), or this key doesn't see it.
    NotFound,
    /// Neon says that it clashes with what is there (409).
    Conflict,
    /// Neon refused the request (4xx); its own words are quoted.
    RefusedByNeon,
    /// Other operations of the project are at work (423).
    Locked,
    /// Too many requests (429). `retry_after_seconds` says how long to wait.
    RateLimited,
    /// Neon can't answer now (502, 503, 504).
    Unavailable,
    /// Neon failed (5xx).
    NeonError,
    /// The connection to Neon failed.
    Network,
    /// The call's time was over.
    TimedOut,
    /// The client cancelled the call.
    Cancelled,
    /// The answer to a change was lost: whether it happened isn't known. It is never sent twice.
    OutcomeUnknown,
    /// Neon answered, and the answer can't be read.
    AnswerUnreadable,
    /// The answer isn't what Neon documents.
    MalformedAnswer,
    /// The answer is larger than what is read.
    TooLarge,
    /// The host answered with a redirect, which isn't followed: it would be given the key.
    RedirectRefused,
    /// Postgres refused the SQL. `sqlstate`, `position`, `line`, `column`, `statement` and what helps stand beside it.
    SqlFailed,
    /// The result of the SQL is larger than what is read.
    ResultTooLarge,
    /// A statement that was taken for a read reaches a function that changes something.
    ReachesListedFunction,
    /// Indexes call functions of the database's own by now, which nothing holds outside of a transaction.
    RunsUnheldCode,
    /// The statements lose more than was judged or approved, so they were rolled back. `would_lose` lists it.
    LosesMoreThanApproved,
    /// The database that answered isn't the one that the call is about.
    AnotherDatabase,
    /// A setting of the role or database makes a text mean something else than it says.
    UnsafeSetting,
    /// What the statements lose can't be measured, so they were rolled back.
    NotVerifiable,
    /// A migration failed where it was tried: on a throwaway branch.
    TrialFailed,
    /// The branch is deleted by Neon before the migration could be completed.
    TargetExpires,
    /// As many prepared migrations wait as are kept.
    TooManyPrepared,
    /// The statements are longer than what is kept.
    TooLargeToPrepare,
    /// What was prepared can't be kept in the state directory.
    NotKept,
    /// Another call completes it, or did.
    AlreadyCompleted,
    /// The target's schema isn't the one that the migration was tried against.
    SchemaMoved,
    /// A migration stopped before anything of it took effect. `cause` says why.
    NotApplied,
    /// A migration stopped after some of its parts took effect. `not_applied` lists the rest, `left_behind` what is to be removed.
    AppliedInPart,
    /// A step of a workflow didn't come about. `step` names its tool, `left_behind` what was made before it.
    StepFailed,
    /// The documentation's host can't be reached.
    DocsUnreachable,
    /// The documentation has no such page.
    DocsNotFound,
    /// What the documentation's host answered can't be used.
    DocsUnusable,
    /// A defect of this server.
    Internal,
}

/// What a reader of an error wants to know of its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// What happened.
    pub meaning: &'static str,
    /// Whether anything was changed.
    pub changed: &'static str,
    /// What to do.
    pub next: &'static str,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 57] = [
        Self::InvalidArguments,
        Self::Unresolved,
        Self::UnknownTool,
        Self::WrongCaller,
        Self::DeniedByPolicy,
        Self::NeedsConfirmation,
        Self::Declined,
        Self::CancelledByUser,
        Self::ConfirmationTimedOut,
        Self::WrongName,
        Self::ConfirmationMalformed,
        Self::ConfirmationInvalid,
        Self::ConfirmationExpired,
        Self::ConfirmationUsed,
        Self::ConfirmationUnrecorded,
        Self::TargetChanged,
        Self::Unrecorded,
        Self::NoSafetyCopy,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::Conflict,
        Self::RefusedByNeon,
        Self::Locked,
        Self::RateLimited,
        Self::Unavailable,
        Self::NeonError,
        Self::Network,
        Self::TimedOut,
        Self::Cancelled,
        Self::OutcomeUnknown,
        Self::AnswerUnreadable,
        Self::MalformedAnswer,
        Self::TooLarge,
        Self::RedirectRefused,
        Self::SqlFailed,
        Self::ResultTooLarge,
        Self::ReachesListedFunction,
        Self::RunsUnheldCode,
        Self::LosesMoreThanApproved,
        Self::AnotherDatabase,
        Self::UnsafeSetting,
        Self::NotVerifiable,
        Self::TrialFailed,
        Self::TargetExpires,
        Self::TooManyPrepared,
        Self::TooLargeToPrepare,
        Self::NotKept,
        Self::AlreadyCompleted,
        Self::SchemaMoved,
        Self::NotApplied,
        Self::AppliedInPart,
        Self::StepFailed,
        Self::DocsUnreachable,
        Self::DocsNotFound,
        Self::DocsUnusable,
        Self::Internal,
    ];

    /// The name in results.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidArguments => "invalid_arguments",
            Self::Unresolved => "unresolved",
            Self::UnknownTool => "unknown_tool",
            Self::WrongCaller => "wrong_caller",
            Self::DeniedByPolicy => "denied_by_policy",
            Self::NeedsConfirmation => "needs_confirmation",
            Self::Declined => "declined",
            Self::CancelledByUser => "cancelled_by_user",
            Self::ConfirmationTimedOut => "confirmation_timed_out",
            Self::WrongName => "wrong_name",
            Self::ConfirmationMalformed => "confirmation_malformed",
            Self::ConfirmationInvalid => "confirmation_invalid",
            Self::ConfirmationExpired => "confirmation_expired",
            Self::ConfirmationUsed => "confirmation_used",
            Self::ConfirmationUnrecorded => "confirmation_unrecorded",
            Self::TargetChanged => "target_changed",
            Self::Unrecorded => "unrecorded",
            Self::NoSafetyCopy => "no_safety_copy",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Conflict => "conflict",
            Self::RefusedByNeon => "refused_by_neon",
            Self::Locked => "locked",
            Self::RateLimited => "rate_limited",
            Self::Unavailable => "unavailable",
            Self::NeonError => "neon_error",
            Self::Network => "network",
            Self::TimedOut => "timed_out",
            Self::Cancelled => "cancelled",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::AnswerUnreadable => "answer_unreadable",
            Self::MalformedAnswer => "malformed_answer",
            Self::TooLarge => "too_large",
            Self::RedirectRefused => "redirect_refused",
            Self::SqlFailed => "sql_failed",
            Self::ResultTooLarge => "result_too_large",
            Self::ReachesListedFunction => "reaches_listed_function",
            Self::RunsUnheldCode => "runs_unheld_code",
            Self::LosesMoreThanApproved => "loses_more_than_approved",
            Self::AnotherDatabase => "another_database",
            Self::UnsafeSetting => "unsafe_setting",
            Self::NotVerifiable => "not_verifiable",
            Self::TrialFailed => "trial_failed",
            Self::TargetExpires => "target_expires",
            Self::TooManyPrepared => "too_many_prepared",
            Self::TooLargeToPrepare => "too_large_to_prepare",
            Self::NotKept => "not_kept",
            Self::AlreadyCompleted => "already_completed",
            Self::SchemaMoved => "schema_moved",
            Self::NotApplied => "not_applied",
            Self::AppliedInPart => "applied_in_part",
            Self::StepFailed => "step_failed",
            Self::DocsUnreachable => "docs_unreachable",
            Self::DocsNotFound => "docs_not_found",
            Self::DocsUnusable => "docs_unusable",
            Self::Internal => "internal",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// What it means, whether anything was changed, and what to do.
    #[must_use]
    pub fn about(self) -> About {
        let (meaning, changed, next) = match self {
            Self::InvalidArguments => (
                "Arguments don't fit the tool's schema. `problems` names each, with why.",
                "nothing",
                "Correct them and call again.",
            ),
            Self::Unresolved => (
                "A name leads to nothing, or to more than one thing. `argument` says which.",
                "nothing",
                "Give an id, or one of the names that the message lists.",
            ),
            Self::UnknownTool => (
                "Discovery mode: no tool of that name is there, or it isn't offered.",
                "nothing",
                "Find it with `search_tools`.",
            ),
            Self::WrongCaller => (
                "Discovery mode: the tool does more than this caller may. `caller` names the right one.",
                "nothing",
                "Call it through that one, if the user wants it.",
            ),
            Self::DeniedByPolicy => (
                "The operator's policy denies the call. `rule` names the key.",
                "nothing",
                "Tell the user: only the operator can change the policy.",
            ),
            Self::NeedsConfirmation => (
                "A human must approve the call, and this client can't ask one. `plan` shows what it does.",
                "nothing",
                "Show the plan; the user approves by the command or the page that is named. Then repeat exactly this call with `approval`.",
            ),
            Self::Declined => (
                "The human declined.",
                "nothing",
                "It is their decision: don't call again unless they ask for it.",
            ),
            Self::CancelledByUser => (
                "The human closed the question.",
                "nothing",
                "It is their decision: don't call again unless they ask for it.",
            ),
            Self::ConfirmationTimedOut => (
                "Nobody answered in time.",
                "nothing",
                "Call again to be asked anew, if the user still wants it.",
            ),
            Self::WrongName => (
                "What was typed isn't the name of what is lost.",
                "nothing",
                "Call again to be asked anew, if the user still wants it.",
            ),
            Self::ConfirmationMalformed => (
                "The answer to the question isn't one.",
                "nothing",
                "Call again to be asked anew.",
            ),
            Self::ConfirmationInvalid => (
                "The answer is to another call, another client or from a place where it doesn't count.",
                "nothing",
                "Call again to be asked anew.",
            ),
            Self::ConfirmationExpired => (
                "The question's time is over.",
                "nothing",
                "Call again to be asked anew.",
            ),
            Self::ConfirmationUsed => (
                "The approval was used for a call already.",
                "nothing",
                "Call again to be asked anew.",
            ),
            Self::ConfirmationUnrecorded => (
                "The approval can't be recorded as used, so it doesn't count.",
                "nothing",
                "Tell the user: the operator must make the state directory writable.",
            ),
            Self::TargetChanged => (
                "The target changed while a human was asked, or while its copy was made.",
                "nothing, but for a copy that is named",
                "Call again to be asked about what is there now.",
            ),
            Self::Unrecorded => (
                "The call can't be recorded in the audit log, and what leaves no trace doesn't run.",
                "nothing",
                "Tell the user: the operator must make the audit log writable.",
            ),
            Self::NoSafetyCopy => (
                "The copy that the policy demands first couldn't be made.",
                "nothing, but for a copy that may have been begun",
                "Tell the user; `list_snapshots` and `list_branches` show what there is.",
            ),
            Self::Unauthorized => (
                "Neon doesn't take the key (401).",
                "nothing",
                "The key must be replaced by the operator.",
            ),
            Self::Forbidden => (
                "Neon doesn't allow it to this key (403).",
                "nothing",
                "Use a key that may, or ask whoever owns the project.",
            ),
            Self::NotFound => (
                "Neon knows no such thing (404), or this key doesn't see it.",
                "nothing",
                "Look with the list call for what there is.",
            ),
            Self::Conflict => (
                "Neon says that it clashes with what is there (409).",
                "nothing",
                "Look at what is there first.",
            ),
            Self::RefusedByNeon => (
                "Neon refused the request (4xx); its own words are quoted.",
                "nothing",
                "Correct what its words name.",
            ),
            Self::Locked => (
                "Other operations of the project are at work (423).",
                "nothing",
                "Wait for them (`list_operations`) and call again.",
            ),
            Self::RateLimited => (
                "Too many requests (429). `retry_after_seconds` says how long to wait.",
                "nothing",
                "Wait as long, then call again.",
            ),
            Self::Unavailable => (
                "Neon can't answer now (502, 503, 504).",
                "as `changed` says",
                "Call again later; after a change look first.",
            ),
            Self::NeonError => (
                "Neon failed (5xx).",
                "as `changed` says",
                "After a change look with a reading tool before repeating it.",
            ),
            Self::Network => (
                "The connection to Neon failed.",
                "as `changed` says",
                "Call again; after a change look first.",
            ),
            Self::TimedOut => (
                "The call's time was over.",
                "as `changed` says",
                "After a change look with a reading tool before repeating it.",
            ),
            Self::Cancelled => (
                "The client cancelled the call.",
                "as `changed` says",
                "After a change look with a reading tool before repeating it.",
            ),
            Self::OutcomeUnknown => (
                "The answer to a change was lost: whether it happened isn't known. It is never sent twice.",
                "unknown",
                "Call the reading tool that is named to see whether it happened.",
            ),
            Self::AnswerUnreadable => (
                "Neon answered, and the answer can't be read.",
                "as `changed` says",
                "After a change look with a reading tool before repeating it.",
            ),
            Self::MalformedAnswer => (
                "The answer isn't what Neon documents.",
                "as `changed` says",
                "After a change look with a reading tool before repeating it.",
            ),
            Self::TooLarge => (
                "The answer is larger than what is read.",
                "as `changed` says",
                "Ask for less: a filter, a limit, a link.",
            ),
            Self::RedirectRefused => (
                "The host answered with a redirect, which isn't followed: it would be given the key.",
                "nothing",
                "The operator must name the right host.",
            ),
            Self::SqlFailed => (
                "Postgres refused the SQL. `sqlstate`, `position`, `line`, `column`, `statement` and what helps stand beside it.",
                "as `changed` says: nothing where it ran in a transaction",
                "Correct the SQL by what `next` says.",
            ),
            Self::ResultTooLarge => (
                "The result of the SQL is larger than what is read.",
                "as `changed` says",
                "Select fewer rows or columns, or parts of long values.",
            ),
            Self::ReachesListedFunction => (
                "A statement that was taken for a read reaches a function that changes something.",
                "nothing",
                "Run it with `run_sql`, which asks where it must.",
            ),
            Self::RunsUnheldCode => (
                "Indexes call functions of the database's own by now, which nothing holds outside of a transaction.",
                "nothing",
                "Call again to be asked, or prepare what is left once more.",
            ),
            Self::LosesMoreThanApproved => (
                "The statements lose more than was judged or approved, so they were rolled back. `would_lose` lists it.",
                "nothing",
                "Call again to be asked about what it loses now.",
            ),
            Self::AnotherDatabase => (
                "The database that answered isn't the one that the call is about.",
                "nothing",
                "Look where the compute is, then try again.",
            ),
            Self::UnsafeSetting => (
                "A setting of the role or database makes a text mean something else than it says.",
                "nothing",
                "Reset that setting, or let another role run it.",
            ),
            Self::NotVerifiable => (
                "What the statements lose can't be measured, so they were rolled back.",
                "nothing",
                "Leave out what the message names, or use a throwaway branch.",
            ),
            Self::TrialFailed => (
                "A migration failed where it was tried: on a throwaway branch.",
                "nothing on the target",
                "Correct the statement that is named and prepare again.",
            ),
            Self::TargetExpires => (
                "The branch is deleted by Neon before the migration could be completed.",
                "nothing",
                "Choose another branch, or prolong this one.",
            ),
            Self::TooManyPrepared => (
                "As many prepared migrations wait as are kept.",
                "nothing",
                "Complete or discard one, or wait until one expires.",
            ),
            Self::TooLargeToPrepare => (
                "The statements are longer than what is kept.",
                "nothing",
                "Make several migrations of them.",
            ),
            Self::NotKept => (
                "What was prepared can't be kept in the state directory.",
                "nothing",
                "Tell the user: the operator must make it writable.",
            ),
            Self::AlreadyCompleted => (
                "Another call completes it, or did.",
                "nothing",
                "Wait for that one, or prepare again.",
            ),
            Self::SchemaMoved => (
                "The target's schema isn't the one that the migration was tried against.",
                "nothing",
                "Prepare again.",
            ),
            Self::NotApplied => (
                "A migration stopped before anything of it took effect. `cause` says why.",
                "nothing",
                "Do what `next` says, and complete or prepare again.",
            ),
            Self::AppliedInPart => (
                "A migration stopped after some of its parts took effect. `not_applied` lists the rest, `left_behind` what is to be removed.",
                "yes",
                "Remove what is left behind, correct the cause, prepare the rest.",
            ),
            Self::StepFailed => (
                "A step of a workflow didn't come about. `step` names its tool, `left_behind` what was made before it.",
                "as `changed` says",
                "Do what `next` says; the list calls show what there is.",
            ),
            Self::DocsUnreachable => (
                "The documentation's host can't be reached.",
                "nothing",
                "Go on without it, or try later.",
            ),
            Self::DocsNotFound => (
                "The documentation has no such page.",
                "nothing",
                "`list_docs_resources` lists the pages.",
            ),
            Self::DocsUnusable => (
                "What the documentation's host answered can't be used.",
                "nothing",
                "Go on without it, and tell the user.",
            ),
            Self::Internal => (
                "A defect of this server.",
                "unknown",
                "Look with a reading tool before repeating a change, and report it.",
            ),
        };
        About { meaning, changed, next }
    }
}

/// The page docs/errors.md.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from(
        "# Errors\n\nEvery failed call answers `{\"error\": {\"kind\", \"message\", \"changed\", \"next\", …}}`. `kind` is one of these, `message` says \
         what happened, `changed` whether anything was changed at Neon or in the database (`nothing`, `yes`, `unknown`), and `next` what to \
         do. Where something was made on the way and not removed, `left_behind` lists it, each with the call that removes it.\n\nThis page is \
         made by `cargo xtask errors`.\n\n| kind | meaning | changed | what to do |\n|---|---|---|---|\n",
    );
    for kind in Kind::ALL {
        let About { meaning, changed, next } = kind.about();
        page.push_str(&format!("| `{}` | {meaning} | {changed} | {next} |\n", kind.name()));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_name_of_its_own_and_is_found_by_it() {
        for kind in Kind::ALL {
            assert_eq!(Kind::named(kind.name()), Some(kind));
        }
    }

    #[test]
    fn kinds_of_other_rooms_are_kinds() {
        use crate::docs::DocsError;
        use crate::guard::No;

        for no in [
            No::Declined,
            No::Cancelled,
            No::TimedOut,
            No::Expired,
            No::Used,
            No::Changed,
            No::NotTicked,
            No::Tampered,
        ] {
            assert!(Kind::named(no.kind()).is_some(), "{}", no.kind());
        }
        assert!(Kind::named(DocsError::Cancelled.kind()).is_some());
    }
}
