//! Sums over a project's ledger, for any span of time.

use chrono::TimeDelta;

use super::{
    project::Project,
    session::Session,
    usage::{BranchUse, SnapshotUse},
};
use crate::clock::Timestamp;

pub(crate) const SECONDS_PER_HOUR: f64 = 3600.0;

/// A span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) from: Timestamp,
    pub(crate) until: Timestamp,
}

impl Span {
    /// How many seconds something lasted in it, that has ended or not.
    fn seconds(self, from: Timestamp, until: Option<Timestamp>) -> f64 {
        let until = until.map_or(self.until, |until| until.min(self.until));
        let milliseconds = (until - from.max(self.from)).num_milliseconds().max(0);
        float(u64::try_from(milliseconds).unwrap_or_default()) / 1000.0
    }
}

/// A sum of a ledger over a span, of everything or of one branch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sums<'a> {
    project: &'a Project,
    branch_id: Option<&'a str>,
    span: Span,
}

impl<'a> Sums<'a> {
    /// Over what a span has so far: nothing is summed up that lies ahead.
    pub(crate) fn new(project: &'a Project, branch_id: Option<&'a str>, span: Span, now: Timestamp) -> Self {
        let span = Span {
            from: span.from,
            until: span.until.min(now),
        };
        Self {
            project,
            branch_id,
            span,
        }
    }

    fn sessions(&self) -> impl Iterator<Item = &'a Session> {
        let wanted = self.branch_id;
        let open = self
            .project
            .endpoints
            .iter()
            .filter_map(|endpoint| endpoint.session.as_ref());
        let unsorted = self
            .project
            .endpoints
            .iter()
            .flat_map(|endpoint| &endpoint.past_sessions);
        self.project
            .usage
            .sessions
            .iter()
            .chain(unsorted)
            .chain(open)
            .filter(move |session| wanted.is_none_or(|id| id == session.branch_id))
    }

    fn branches(&self) -> impl Iterator<Item = &'a BranchUse> {
        let wanted = self.branch_id;
        self.project
            .usage
            .branches
            .iter()
            .filter(move |(id, _)| wanted.is_none_or(|wanted| wanted == *id))
            .map(|(_, branch)| branch)
    }

    fn snapshots(&self) -> impl Iterator<Item = &'a SnapshotUse> {
        self.project.usage.snapshots.iter()
    }

    /// Seconds in which computes worked.
    pub(crate) fn active_seconds(&self) -> f64 {
        self.sessions()
            .map(|session| self.span.seconds(session.from, session.until))
            .sum()
    }

    /// The same, times their size. Nothing loads a compute of the sandbox, so that it works at its smallest.
    pub(crate) fn compute_unit_seconds(&self) -> f64 {
        self.sessions()
            .map(|session| self.span.seconds(session.from, session.until) * session.cu)
            .sum()
    }

    /// Bytes that were written.
    pub(crate) fn written_bytes(&self) -> u64 {
        self.branches()
            .flat_map(|branch| &branch.writes)
            .filter(|write| write.at >= self.span.from && write.at < self.span.until)
            .map(|write| write.bytes)
            .sum()
    }

    /// The logical size of all branches at the span's end.
    pub(crate) fn logical_bytes(&self) -> u64 {
        let end = self.span.until;
        self.branches()
            .filter(|branch| branch.from <= end && branch.until.is_none_or(|until| until >= end))
            .filter_map(|branch| branch.levels.iter().rev().find(|level| level.at <= end))
            .map(|level| level.size)
            .sum()
    }

    /// Logical bytes, times the seconds that they were there.
    pub(crate) fn logical_byte_seconds(&self) -> f64 {
        self.branches()
            .map(|branch| self.level_seconds(branch, |size, _| size))
            .sum()
    }

    /// What root branches hold, times seconds.
    pub(crate) fn root_byte_seconds(&self) -> f64 {
        self.branches()
            .filter(|branch| branch.root)
            .map(|branch| self.level_seconds(branch, |size, _| size))
            .sum()
    }

    /// What child branches have of their own (what was written to them, at most all they hold), times seconds.
    pub(crate) fn child_byte_seconds(&self) -> f64 {
        self.branches()
            .filter(|branch| !branch.root)
            .map(|branch| self.level_seconds(branch, u64::min))
            .sum()
    }

    /// The log of root branches that the history window reaches, times seconds.
    pub(crate) fn restore_byte_seconds(&self) -> f64 {
        let window = self.project.window();
        self.branches()
            .filter(|branch| branch.root)
            .flat_map(|branch| branch.writes.iter().map(move |write| (branch.until, write)))
            .map(|(gone, write)| {
                let leaves = write.at + window;
                let until = gone.map_or(leaves, |gone| gone.min(leaves));
                float(write.bytes) * self.span.seconds(write.at, Some(until))
            })
            .sum()
    }

    /// All of that, times hours.
    pub(crate) fn stored_byte_hours(&self) -> u64 {
        let seconds = self.root_byte_seconds() + self.child_byte_seconds() + self.restore_byte_seconds();
        whole(seconds / SECONDS_PER_HOUR)
    }

    /// What snapshots hold, times seconds.
    pub(crate) fn snapshot_byte_seconds(&self) -> f64 {
        self.snapshots()
            .map(|snapshot| float(snapshot.bytes) * self.span.seconds(snapshot.from, snapshot.until))
            .sum()
    }

    /// Branches beyond those that the plan includes, times seconds.
    pub(crate) fn extra_branch_seconds(&self, included: usize) -> f64 {
        let inside = |at: &Timestamp| *at > self.span.from && *at < self.span.until;
        let mut cuts: Vec<Timestamp> = self
            .branches()
            .flat_map(|branch| [Some(branch.from), branch.until])
            .flatten()
            .filter(inside)
            .chain([self.span.from, self.span.until])
            .collect();
        cuts.sort_unstable();
        cuts.iter()
            .zip(cuts.iter().skip(1))
            .map(|(from, until)| {
                let there = |branch: &&BranchUse| branch.from <= *from && branch.until.is_none_or(|gone| gone > *from);
                let extra = self.branches().filter(there).count().saturating_sub(included);
                let span = Span {
                    from: *from,
                    until: *until,
                };
                float(u64::try_from(extra).unwrap_or_default()) * span.seconds(*from, Some(*until))
            })
            .sum()
    }

    fn level_seconds(&self, branch: &BranchUse, bytes: impl Fn(u64, u64) -> u64) -> f64 {
        let ends = branch.levels.iter().skip(1).map(|next| Some(next.at)).chain([None]);
        branch
            .levels
            .iter()
            .zip(ends)
            .map(|(level, next)| {
                let until = [next, branch.until].into_iter().flatten().min();
                float(bytes(level.size, level.written)) * self.span.seconds(level.at, until)
            })
            .sum()
    }
}

/// The seconds of the calendar month that a moment lies in.
pub(crate) fn month_seconds(at: Timestamp) -> f64 {
    let (start, end) = month_around(at);
    Span {
        from: start,
        until: end,
    }
    .seconds(start, None)
}

/// The first moments of the month that a moment lies in, and of the next.
pub(crate) fn month_around(at: Timestamp) -> (Timestamp, Timestamp) {
    use chrono::{Datelike, Months, NaiveTime};
    let start = at
        .date_naive()
        .with_day(1)
        .map_or(at, |day| day.and_time(NaiveTime::MIN).and_utc());
    let end = start
        .checked_add_months(Months::new(1))
        .unwrap_or(start + TimeDelta::days(31));
    (start, end)
}

/// Bytes and counts of the sandbox stay far below the numbers that this would round.
#[allow(clippy::cast_precision_loss)]
fn float(value: u64) -> f64 {
    value as f64
}

/// A sum as Neon shows it. Sums are never negative, nor near the end of what fits.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(crate) fn whole(value: f64) -> u64 {
    value.round() as u64
}
