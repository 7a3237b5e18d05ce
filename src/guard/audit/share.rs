//! How much of the log one caller's refusals may take: the log is bounded, so whoever fills it takes others' lines out of it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::entry::{AuditOutcome, Entry};

/// How many refusals of one caller are noted at once.
const BURST: u32 = 60;

/// How long it takes until one more is.
const EVERY: Duration = Duration::from_secs(6);

/// For how many callers it is counted: where more are refused at once, whoever was refused longest ago is forgotten.
const MAX_CALLERS: usize = 1_000;

/// The channel of a decision that the caller's own client brought.
const CLIENT: &str = "client";

/// What is counted of callers.
#[derive(Debug, Default)]
pub(super) struct Shares(HashMap<String, Share>);

#[derive(Debug)]
struct Share {
    /// How many more may be noted.
    left: u32,
    /// When the last one that came back did.
    since: Instant,
    /// Those that weren't noted, and the last of them.
    over: Option<(u64, Box<Entry>)>,
}

impl Shares {
    /// Whether the line of a call that wasn't noted before is written.
    pub(super) fn takes(&mut self, entry: &Entry, now: Instant) -> bool {
        if !is_cheap(entry) {
            return true;
        }
        if !self.0.contains_key(&entry.caller) && self.0.len() >= MAX_CALLERS {
            self.forget();
        }
        let share = self.0.entry(entry.caller.clone()).or_insert_with(|| Share {
            left: BURST,
            since: now,
            over: None,
        });
        share.come_back(now);
        match share.left.checked_sub(1) {
            Some(left) => {
                share.left = left;
                true
            }
            None => {
                let before = share.over.take().map_or(0, |(before, _)| before);
                share.over = Some((before + 1, Box::new(entry.clone())));
                false
            }
        }
    }

    /// The lines that say how many refusals weren't noted, of callers that have a share again.
    pub(super) fn told(&mut self, now: Instant) -> Vec<Entry> {
        let mut told = Vec::new();
        for share in self.0.values_mut().filter(|share| share.over.is_some()) {
            share.come_back(now);
            let Some(left) = share.left.checked_sub(1) else {
                continue;
            };
            if let Some((count, last)) = share.over.take() {
                share.left = left;
                told.push(summary(count, *last));
            }
        }
        told
    }

    /// The same of everybody, when the log ends.
    pub(super) fn rest(&mut self) -> Vec<Entry> {
        let over = self.0.values_mut().filter_map(|share| share.over.take());
        over.map(|(count, last)| summary(count, *last)).collect()
    }

    fn forget(&mut self) {
        let oldest = self
            .0
            .iter()
            .min_by_key(|(_, share)| (share.over.is_some(), share.since));
        if let Some(caller) = oldest.map(|(caller, _)| caller.clone()) {
            self.0.remove(&caller);
        }
    }
}

impl Share {
    fn come_back(&mut self, now: Instant) {
        let many = now.saturating_duration_since(self.since).as_secs() / EVERY.as_secs();
        let many = u32::try_from(many).unwrap_or(BURST).min(BURST);
        if many > 0 {
            self.left = self.left.saturating_add(many).min(BURST);
            self.since = now;
        }
    }
}

/// Whether a caller can have as many such lines as it likes: nothing was sent to Neon, and no human decided but by the caller's own client.
fn is_cheap(entry: &Entry) -> bool {
    match entry.outcome {
        AuditOutcome::Done | AuditOutcome::Unknown | AuditOutcome::Approved => false,
        AuditOutcome::Failed => entry.request_ids.is_empty(),
        AuditOutcome::Rejected => entry.channel.as_deref().is_none_or(|channel| channel == CLIENT),
        AuditOutcome::Refused
        | AuditOutcome::Asked
        | AuditOutcome::Cancelled
        | AuditOutcome::TimedOut
        | AuditOutcome::WrongName
        | AuditOutcome::Malformed
        | AuditOutcome::Expired
        | AuditOutcome::Changed
        | AuditOutcome::Used
        | AuditOutcome::DryRun => true,
    }
}

fn summary(count: u64, last: Entry) -> Entry {
    let mut entry = Entry::new(last.tool, last.effect, AuditOutcome::Refused);
    entry.time = last.time;
    entry.service = last.service;
    entry.caller = last.caller;
    entry.client = last.client;
    entry.account = last.account;
    entry.reason = Some(format!(
        "{count} more calls of this caller that sent nothing to Neon have no line of their own: it had too many; the last is this one's tool"
    ));
    entry
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::Effect;

    fn refused(caller: &str) -> Entry {
        let mut entry = Entry::new("delete_branch", Effect::Destructive, AuditOutcome::Refused);
        entry.caller = caller.to_owned();
        entry
    }

    #[test]
    fn refusals_of_one_caller_take_a_share_of_the_log() {
        let (mut shares, start) = (Shares::default(), Instant::now());
        let noted = (0..1_000).filter(|_| shares.takes(&refused("mallory"), start)).count();
        assert_eq!(noted, BURST as usize);
        assert!(shares.told(start).is_empty());
        // Another's are noted, and what was sent is.
        assert!(shares.takes(&refused("alice"), start));
        let done = Entry {
            outcome: AuditOutcome::Done,
            ..refused("mallory")
        };
        assert!(shares.takes(&done, start));
        let told = shares.told(start + EVERY);
        let [one] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!(one.caller, "mallory");
        assert!(
            one.reason.as_deref().is_some_and(|why| why.starts_with("940 ")),
            "{one:?}"
        );
        // That line was its share.
        assert!(!shares.takes(&refused("mallory"), start + EVERY));
        assert!(shares.takes(&refused("mallory"), start + EVERY * 2));
    }

    #[test]
    fn callers_that_are_counted_are_bounded() {
        let (mut shares, now) = (Shares::default(), Instant::now());
        for number in 0..MAX_CALLERS + 50 {
            assert!(shares.takes(&refused(&number.to_string()), now));
        }
        assert_eq!(shares.0.len(), MAX_CALLERS);
    }
}
