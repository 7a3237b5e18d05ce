//! Times as people say them: durations from now, days, times with any offset. They become the times that Neon takes before
//! anything is judged, so that a plan, an approval and an undo show the time itself.

use chrono::{DateTime, Duration, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, Utc};
use serde_json::{Map, Value};

use crate::catalog::{Tense, Tool};
use crate::neon::text::trimmed;

/// The forms that a time may have, for whoever wrote another.
pub(in crate::engine) const FORMS: &str =
    "write a time (2026-01-31T10:00:00Z, or with an offset), a day (2026-01-31), a duration (2d, 90m, 1h30m) or now";

/// The farthest that a duration reaches, in days: a thousand years.
const MAX_DAYS: i64 = 365_250;

/// What marks an approval or a seal as one of a call that counts from an earlier time.
const MARK: char = '~';

/// How many seconds from now the mark of a call that is repeated may lie: no question waits longer.
const MAX_REPEAT_SECONDS: i64 = 86_400;

/// The time that a call's durations count from. A call that comes back with an approval counts from where it did when its human
/// was asked: otherwise `2d` would be another time, which nobody approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::engine) struct Reference {
    at: DateTime<Utc>,
    /// A time of the call depends on it.
    pub(in crate::engine) is_used: bool,
}

impl Reference {
    /// Takes the mark off what a call came back with, and counts from the time in it. Nothing is trusted for it: an approval is
    /// bound to the arguments that come of it.
    pub(in crate::engine) fn of_repeated(approval: Option<&mut String>, now: DateTime<Utc>) -> Self {
        let marked = approval.and_then(|approval| {
            let (proof, seconds) = approval.rsplit_once(MARK)?;
            let at = DateTime::from_timestamp(seconds.parse().ok()?, 0)?;
            let is_near = (now - at).num_seconds().abs() <= MAX_REPEAT_SECONDS;
            *approval = proof.to_owned();
            is_near.then_some(at)
        });
        Self {
            at: marked.unwrap_or(now),
            is_used: false,
        }
    }

    /// What the client gives back, with the time that the call counts from where that matters.
    pub(in crate::engine) fn mark(&self, approval: String) -> String {
        match self.is_used {
            true => format!("{approval}{MARK}{}", self.at.timestamp()),
            false => approval,
        }
    }

    /// Writes every time of a call as Neon takes it. What is no time stays, and the check that follows says so.
    pub(in crate::engine) fn write(&mut self, tool: &Tool, arguments: &mut Map<String, Value>) {
        for (name, value) in arguments.iter_mut() {
            let tense = tool.property(name).and_then(Tense::of);
            if let (Some(tense), Value::String(text)) = (tense, &*value)
                && let Some(time) = self.read(text, tense)
            {
                *value = time.into();
            }
        }
    }

    fn read(&mut self, text: &str, tense: Tense) -> Option<String> {
        let text = trimmed(text);
        let is_exact = text.as_bytes().get(10) == Some(&b'T') && DateTime::parse_from_rfc3339(text).is_ok();
        if is_exact {
            return Some(text.to_owned());
        }
        let now = DateTime::from_timestamp(self.at.timestamp(), 0)?;
        let time = match absolute(text) {
            Some(time) => time,
            None => {
                let time = from_now(text, tense, now)?;
                self.is_used = true;
                time
            }
        };
        Some(time.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

/// A time that depends on nothing else: a day is its first moment, and what has no offset is UTC.
fn absolute(text: &str) -> Option<DateTime<Utc>> {
    let text = text.to_ascii_uppercase();
    let text = text.trim_end_matches("UTC").trim_end_matches("GMT").trim_end();
    if let Ok(day) = NaiveDate::parse_from_str(text, "%Y-%m-%d") {
        return Some(day.and_time(NaiveTime::MIN).and_utc());
    }
    let text = text.replacen('T', " ", 1);
    let (day, time) = text.split_once(' ')?;
    let (time, offset) = match time.find(['+', '-', 'Z']) {
        Some(at) => time.split_at(at),
        None => (time, "Z"),
    };
    let local = ["%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|form| NaiveDateTime::parse_from_str(&format!("{day} {}", time.trim_end()), form).ok())?;
    Some((local - offset_of(offset)?).and_utc())
}

/// `Z`, `+02`, `+0200` or `+02:00`.
fn offset_of(text: &str) -> Option<Duration> {
    if text == "Z" {
        return Some(Duration::zero());
    }
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", digits) => (1, digits),
        ("-", digits) => (-1, digits),
        _ => return None,
    };
    let digits = digits.replacen(':', "", 1);
    let number: i64 = digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())??;
    let (hours, minutes) = match digits.len() {
        1 | 2 => (number, 0),
        4 => (number / 100, number % 100),
        _ => return None,
    };
    (hours <= 14 && minutes < 60).then(|| Duration::minutes(sign * (hours * 60 + minutes)))
}

/// A time that is said by its distance from now.
fn from_now(text: &str, tense: Tense, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let text = text.to_ascii_lowercase();
    if text == "now" {
        return Some(now);
    }
    let (distance, tense) = if let Some(before) = text.strip_suffix("ago").or_else(|| text.strip_prefix('-')) {
        (before, Tense::Past)
    } else if let Some(after) = text
        .strip_prefix("in ")
        .or_else(|| text.strip_prefix('+'))
        .or_else(|| text.strip_suffix("from now"))
    {
        (after, Tense::Future)
    } else {
        (text.as_str(), tense)
    };
    let words = distance.replace(',', " ").replace(" and ", " ");
    let distance = Duration::from_std(humantime::parse_duration(words.trim()).ok()?).ok()?;
    if distance > Duration::days(MAX_DAYS) {
        return None;
    }
    match tense {
        Tense::Past => now.checked_sub_signed(distance),
        Tense::Future => now.checked_add_signed(distance),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, tense: Tense) -> Option<String> {
        let at = DateTime::parse_from_rfc3339("2026-03-10T12:30:00.7Z").unwrap().to_utc();
        Reference { at, is_used: false }.read(text, tense)
    }

    #[test]
    fn time_is_taken_in_each_of_its_forms() {
        for (text, past, future) in [
            ("2026-01-31T10:00:00Z", "2026-01-31T10:00:00Z", "2026-01-31T10:00:00Z"),
            (
                "2026-01-31T10:00:00.25+02:00",
                "2026-01-31T10:00:00.25+02:00",
                "2026-01-31T10:00:00.25+02:00",
            ),
            ("2026-01-31t10:00:00z", "2026-01-31T10:00:00Z", "2026-01-31T10:00:00Z"),
            ("2026-01-31 10:00:00+02", "2026-01-31T08:00:00Z", "2026-01-31T08:00:00Z"),
            ("2026-01-31 10:00 -0530", "2026-01-31T15:30:00Z", "2026-01-31T15:30:00Z"),
            ("2026-01-31T10:00", "2026-01-31T10:00:00Z", "2026-01-31T10:00:00Z"),
            (
                "2026-01-31 10:00:00 UTC",
                "2026-01-31T10:00:00Z",
                "2026-01-31T10:00:00Z",
            ),
            (" 2026-01-31 ", "2026-01-31T00:00:00Z", "2026-01-31T00:00:00Z"),
            ("now", "2026-03-10T12:30:00Z", "2026-03-10T12:30:00Z"),
            ("2d", "2026-03-08T12:30:00Z", "2026-03-12T12:30:00Z"),
            ("90m", "2026-03-10T11:00:00Z", "2026-03-10T14:00:00Z"),
            ("1h30m", "2026-03-10T11:00:00Z", "2026-03-10T14:00:00Z"),
            ("1 hour, 30 minutes", "2026-03-10T11:00:00Z", "2026-03-10T14:00:00Z"),
            ("2 days ago", "2026-03-08T12:30:00Z", "2026-03-08T12:30:00Z"),
            ("-2h", "2026-03-10T10:30:00Z", "2026-03-10T10:30:00Z"),
            ("in 2 weeks", "2026-03-24T12:30:00Z", "2026-03-24T12:30:00Z"),
            ("3h from now", "2026-03-10T15:30:00Z", "2026-03-10T15:30:00Z"),
        ] {
            assert_eq!(read(text, Tense::Past).as_deref(), Some(past), "{text}");
            assert_eq!(read(text, Tense::Future).as_deref(), Some(future), "{text}");
        }
    }

    #[test]
    fn what_is_no_time_stays_what_it_is() {
        for text in [
            "",
            "soon",
            "2026-02-31",
            "2026-13-01T00:00:00Z",
            "31/01/2026",
            "10:00",
            "5",
            "2 fortnights",
            "1769853600",
            "2026-01-31T10:00:00+99",
            "2026-01-31 25:00",
            "99999999999999999999d",
            "9999999d",
            "never",
            "ago",
            "in ",
            "-",
        ] {
            assert_eq!(read(text, Tense::Past), None, "{text}");
        }
    }

    #[test]
    fn repeated_call_counts_from_where_it_did() {
        let now = DateTime::from_timestamp(1_800_000_000, 0).unwrap();
        let mut first = Reference::of_repeated(None, now);
        assert_eq!(
            first.mark("code.tag".into()),
            "code.tag",
            "nothing of it depends on the time"
        );
        let said = first.read("2h", Tense::Past);
        let mut approval = first.mark("code.tag".into());
        let later = now + Duration::minutes(9);
        let mut second = Reference::of_repeated(Some(&mut approval), later);
        assert_eq!(approval, "code.tag");
        assert_eq!(second.read("2h", Tense::Past), said);
        for forged in ["code.tag~1", "code.tag~x", "code.tag~99999999999999999999"] {
            let mut approval = forged.to_owned();
            assert_eq!(Reference::of_repeated(Some(&mut approval), later).at, later, "{forged}");
        }
    }
}
