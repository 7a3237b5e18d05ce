//! The kinds of errors: what `error.kind` of a result can be.

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

/// A row for each kind: its name, what happened, whether anything was changed, what to do. All that is known of kinds is made from it.
macro_rules! kinds {
    ($($kind:ident = $name:literal, $meaning:literal, $changed:literal, $next:literal;)*) => {
        /// A kind of error. Its name is what results, the audit log and docs/errors.md call it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Kind {
            $(#[doc = $meaning] $kind,)*
        }

        impl Kind {
            /// All of them.
            pub const ALL: &[Self] = &[$(Self::$kind),*];

            /// The name in results.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$kind => $name,)*
                }
            }

            /// What it means, whether anything was changed, and what to do.
            #[must_use]
            pub fn about(self) -> About {
                match self {
                    $(Self::$kind => About {
                        meaning: $meaning,
                        changed: $changed,
                        next: $next,
                    },)*
                }
            }
        }
    };
}

kinds! {
    InvalidArguments = "invalid_arguments",
        "Arguments don't fit the tool's schema. `problems` names each, with why.",
        "no",
        "Correct them and call again.";
    Unresolved = "unresolved",
        "A name leads to nothing, or to more than one thing. `argument` says which.",
        "no",
        "Give an id, or one of the names that the message lists.";
    WouldFail = "would_fail",
        "Neon would refuse the call, by what it says of the target now. Nobody was asked. `found` names what stands in the way.",
        "no",
        "Do first what `next` says.";
    UnknownTool = "unknown_tool",
        "Discovery mode: no tool of that name is there, or it isn't offered.",
        "no",
        "Find it with `search_tools`.";
    NotOffered = "not_offered",
        "The tool exists, and this server doesn't offer it. The message says why, and which flag of the operator's turns it on.",
        "no",
        "Tell the user, or use another tool.";
    WrongCaller = "wrong_caller",
        "Discovery mode: the tool does more than this caller may. `caller` names the right one.",
        "no",
        "Call it through that one, if the user wants it.";
    DeniedByPolicy = "denied_by_policy",
        "The operator's policy denies the call. `rule` names the key, or is `scope` where the caller lacks one: its token, or what the operator set up for it.",
        "no",
        "Tell the user: only the operator can change the policy.";
    RequiresApproval = "requires_approval",
        "A human must approve the call, and this client can't ask one. `plan` shows what it does.",
        "no",
        "Show the plan; the user approves by the command or the page that is named. Then repeat exactly this call with `approval`.";
    Rejected = "rejected",
        "The human rejected the call.",
        "no",
        "It is their decision: don't call again unless they ask for it.";
    TooManyWrongTries = "too_many_wrong_tries",
        "Too many wrong secrets or names were given for the call in a terminal or on the approval page. Nobody decided it.",
        "no",
        "Tell the user: it may be that somebody guessed. Call again when its time is over to be asked anew, if the user still wants it.";
    CancelledByUser = "cancelled_by_user",
        "The human closed the question.",
        "no",
        "It is their decision: don't call again unless they ask for it.";
    ApprovalTimedOut = "approval_timed_out",
        "Nobody answered in time.",
        "no",
        "Call again to be asked anew, if the user still wants it.";
    WrongName = "wrong_name",
        "What was typed isn't the name of what is lost.",
        "no",
        "Call again to be asked anew, if the user still wants it.";
    ApprovalMalformed = "approval_malformed",
        "The answer to the question isn't one.",
        "no",
        "Call again to be asked anew.";
    ApprovalInvalid = "approval_invalid",
        "The answer is to another call, another client or from a place where it doesn't count.",
        "no",
        "Call again to be asked anew.";
    ApprovalExpired = "approval_expired",
        "The question's time is over.",
        "no",
        "Call again to be asked anew.";
    ApprovalUsed = "approval_used",
        "The approval was used for a call already.",
        "no",
        "Call again to be asked anew.";
    ApprovalUnrecorded = "approval_unrecorded",
        "The approval can't be recorded as used, so it doesn't count.",
        "no",
        "Tell the user: the operator must make the state directory writable.";
    TargetChanged = "target_changed",
        "The target changed while a human was asked, or while its copy was made.",
        "nothing, but for a copy that is named",
        "Call again to be asked about what is there now.";
    StoreUnavailable = "store_unavailable",
        "The store that replicas of this server share can't be used now, and the call needs it: for an approval, for prepared work, or for a budget of changes. Reads go on.",
        "no",
        "Call again in a while. If it lasts, tell the user: the operator must look after the store.";
    Unrecorded = "unrecorded",
        "The call can't be recorded in the audit log, and what leaves no trace doesn't run.",
        "no",
        "Tell the user: the operator must make the audit log writable.";
    NoSafetyCopy = "no_safety_copy",
        "The copy that the policy demands first couldn't be made.",
        "nothing, but for a copy that may have been begun",
        "Tell the user; `list_snapshots` and `list_branches` show what there is.";
    NotSignedIn = "not_signed_in",
        "Nobody is signed in to Neon, or no longer. `next` says how to. Where the client takes URL elicitation, it opens the page.",
        "no",
        "Tell the user to sign in as `next` says, then call again: the server goes on without a restart.";
    Unauthorized = "unauthorized",
        "Neon doesn't take the key (401).",
        "no",
        "The key must be replaced by the operator.";
    Forbidden = "forbidden",
        "Neon doesn't allow it to this key (403).",
        "no",
        "Use a key that may, or ask whoever owns the project.";
    NotFound = "not_found",
        "Neon knows no such thing (404), or this key doesn't see it.",
        "no",
        "Look with the list call for what there is.";
    Conflict = "conflict",
        "Neon says that it clashes with what is there (409).",
        "no",
        "Look at what is there first.";
    RejectedByNeon = "rejected_by_neon",
        "Neon refused the request (4xx); its own words are quoted.",
        "no",
        "Correct what its words name.";
    Locked = "locked",
        "Other operations of the project are at work (423).",
        "no",
        "Wait for them (`list_operations`) and call again.";
    RateLimited = "rate_limited",
        "Too many requests (429). `retry_after_seconds` says how long to wait.",
        "no",
        "Wait as long, then call again.";
    Unavailable = "unavailable",
        "Neon can't answer now (502, 503, 504).",
        "as `changed` says",
        "Call again later; after a change look first.";
    NeonError = "neon_error",
        "Neon failed (5xx).",
        "as `changed` says",
        "After a change look with a reading tool before repeating it.";
    Network = "network",
        "The connection to Neon, or to its SQL endpoint, failed.",
        "as `changed` says",
        "Call again; after a change look first.";
    TimedOut = "timed_out",
        "The call's time was over.",
        "as `changed` says",
        "After a change look with a reading tool before repeating it.";
    Cancelled = "cancelled",
        "The client cancelled the call, or the server ended while it ran.",
        "as `changed` says",
        "After a change look with a reading tool before repeating it.";
    OutcomeUnknown = "outcome_unknown",
        "The answer to a change, or to SQL that may change something, was lost: whether it happened isn't known. It is never sent twice.",
        "unknown",
        "Call the reading tool that is named, or look at the data, to see whether it happened.";
    AnswerUnreadable = "answer_unreadable",
        "Neon answered, and the answer can't be read.",
        "as `changed` says",
        "After a change look with a reading tool before repeating it.";
    MalformedAnswer = "malformed_answer",
        "The answer isn't what Neon documents.",
        "as `changed` says",
        "After a change look with a reading tool before repeating it.";
    TooLarge = "too_large",
        "The answer is larger than what is read.",
        "as `changed` says",
        "Ask for less: a filter, a limit, a link.";
    RedirectRefused = "redirect_refused",
        "The host answered with a redirect, which isn't followed: it would be given the key.",
        "no",
        "The operator must name the right host.";
    SqlFailed = "sql_failed",
        "Postgres refused the SQL. `sqlstate`, `position`, `line`, `column`, `statement` and what helps stand beside it.",
        "as `changed` says: nothing where it ran in a transaction",
        "Correct the SQL by what `next` says.";
    NoPostgres = "no_postgres",
        "The sandbox runs no PostgreSQL: its branches hold no data, and SQL can't run.",
        "no",
        "Tell the user: start it with `--fetch-postgres`, or install PostgreSQL.";
    ResultTooLarge = "result_too_large",
        "The result of the SQL is larger than what is read.",
        "as `changed` says",
        "Select fewer rows or columns, or parts of long values.";
    NotARead = "not_a_read",
        "`query_database`: the statement isn't proven to only read. `reasons` says why, `call` is the one that runs it.",
        "no",
        "Call `run_sql` with the same arguments, if the user wants that.";
    ReachesListedFunction = "reaches_listed_function",
        "A statement that was taken for a read reaches a function that changes something.",
        "no",
        "Run it with `run_sql`, which asks where it must.";
    RunsUnguardedCode = "runs_unguarded_code",
        "Indexes call functions of the database's own by now, which nothing holds outside of a transaction.",
        "no",
        "Call again to be asked, or prepare what is left once more.";
    LosesMoreThanApproved = "loses_more_than_approved",
        "The statements lose more than was judged or approved, so they were rolled back. `losses` lists it.",
        "no",
        "Call again to be asked about what it loses now.";
    AnotherDatabase = "another_database",
        "The database that answered isn't the one that the call is about.",
        "no",
        "Look where the compute is, then try again.";
    UnsafeSetting = "unsafe_setting",
        "A setting of the role or database makes a text mean something else than it says.",
        "no",
        "Reset that setting, or let another role run it.";
    NotVerifiable = "not_verifiable",
        "What the statements lose can't be measured, so they were rolled back.",
        "no",
        "Leave out what the message names, or use a throwaway branch.";
    TrialFailed = "trial_failed",
        "A migration failed where it was tried: on a throwaway branch.",
        "nothing on the target",
        "Correct the statement that is named and prepare again.";
    TargetExpires = "target_expires",
        "The branch is deleted by Neon before the migration could be completed.",
        "no",
        "Choose another branch, or prolong this one.";
    TooManyPrepared = "too_many_prepared",
        "As many prepared migrations wait as are kept. `to_discard` lists those that end first, each as the call that gives it up.",
        "no",
        "Complete or discard one, or wait until one expires.";
    TooLargeToPrepare = "too_large_to_prepare",
        "The statements are longer than what is kept.",
        "no",
        "Make several migrations of them.";
    NotStored = "not_stored",
        "What was prepared can't be kept in the state directory.",
        "no",
        "Tell the user: the operator must make it writable.";
    AlreadyCompleted = "already_completed",
        "Another call completes it, or did.",
        "no",
        "Wait for that one, or prepare again.";
    SchemaMoved = "schema_moved",
        "The target's schema isn't the one that the migration was tried against.",
        "no",
        "Prepare again.";
    NotApplied = "not_applied",
        "A migration stopped before anything of it took effect. `cause` says why.",
        "no",
        "Do what `next` says, and complete or prepare again.";
    AppliedInPart = "applied_in_part",
        "A migration stopped after some of its parts took effect. `not_applied` lists the rest, `left_behind` what is to be removed, `look` is the call that shows what is there.",
        "yes",
        "Remove what is left behind, correct the cause, prepare the rest.";
    StepFailed = "step_failed",
        "A step of a workflow didn't come about. `step` names its tool, `left_behind` what was made before it.",
        "as `changed` says",
        "Do what `next` says; the list calls show what there is.";
    DocsUnreachable = "docs_unreachable",
        "The documentation's host can't be reached.",
        "no",
        "Go on without it, or try later.";
    DocsNotFound = "docs_not_found",
        "The documentation has no such page.",
        "no",
        "`list_docs_resources` lists the pages.";
    DocsUnusable = "docs_unusable",
        "What the documentation's host answered can't be used.",
        "no",
        "Go on without it, and tell the user.";
    Internal = "internal",
        "A defect of this server.",
        "unknown",
        "Look with a reading tool before repeating a change, and report it.";
}

impl Kind {
    /// The kind of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }
}

/// The page docs/errors.md.
#[must_use]
pub fn reference() -> String {
    let mut page = String::from(
        "# Errors\n\nEvery failed call answers `{\"error\": {\"kind\", \"message\", \"changed\", \"next\", …}}`. `kind` is one of these, `message` says \
         what happened, `changed` whether anything was changed at Neon or in the database (`no`, `yes`, `unknown`), and `next` what to \
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
            assert_eq!(Kind::named(kind.name()), Some(*kind));
        }
    }

    #[test]
    fn kinds_of_other_rooms_are_kinds() {
        use crate::docs::DocsError;
        use crate::guard::NotApproved;

        for no in [
            NotApproved::Rejected,
            NotApproved::WrongTries,
            NotApproved::Cancelled,
            NotApproved::TimedOut,
            NotApproved::Expired,
            NotApproved::Used,
            NotApproved::Changed,
            NotApproved::NotTicked,
            NotApproved::Tampered,
            NotApproved::StoreBegan,
            NotApproved::StoreUnavailable(String::new()),
        ] {
            assert!(Kind::named(no.kind()).is_some(), "{}", no.kind());
        }
        assert!(Kind::named(DocsError::Cancelled.kind()).is_some());
    }
}
