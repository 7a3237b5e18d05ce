//! The callers of discovery mode, by what they run.

use crate::permit::Effect;

/// The callers, by what they run, the most harmless first.
pub const CALLERS: [(Effect, &str, &str, &str); 4] = [
    (
        Effect::Read,
        "call_read_tool",
        "Call a reading tool",
        "Call a tool that search_tools found: one that changes nothing and hands over no secret, or run_sql with a query.",
    ),
    (
        Effect::Write,
        "call_write_tool",
        "Call a writing tool",
        "Call a tool that search_tools found: one that adds something, or changes what can be changed back, run_sql with an \
         INSERT among them. Where its arguments do more than that, a human is asked.",
    ),
    (
        Effect::Access,
        "call_access_tool",
        "Call a tool that gives access",
        "Call a tool that search_tools found: one that hands over a secret, gives someone access, opens data up, or changes what \
         is spent. As a rule a human is asked.",
    ),
    (
        Effect::Destructive,
        "call_destructive_tool",
        "Call a destructive tool",
        "Call a tool that search_tools found: one that loses data or access, or can't be taken back. A human is asked.",
    ),
];

/// The name of the caller that runs tools of an effect.
#[must_use]
pub fn caller_of(effect: Effect) -> &'static str {
    let found = CALLERS.iter().find(|(runs, ..)| *runs == effect);
    found.map_or("call_destructive_tool", |(_, name, ..)| name)
}
