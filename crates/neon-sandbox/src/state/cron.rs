//! Schedules in five numeric fields: minute, hour, day of the month, month, day of the week; in UTC.
//!
//! `croner` reads them and finds the next run. Its dialect is wider (names, `@daily`, seconds, `L`, `W`, `#`) and narrower (no
//! `5/15`), so each field is read as Neon's and handed on as plain numbers and ranges.

use std::str::FromStr;

use chrono::DateTime;
use croner::parser::{CronParser, Seconds, Year};
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// What each field is called, with its smallest and its largest number. Sunday has two.
const FIELDS: [(&str, u8, u8); 5] = [
    ("minute", 0, 59),
    ("hour", 0, 23),
    ("day", 1, 31),
    ("month", 1, 12),
    ("day of the week", 0, 7),
];

/// A schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Cron {
    text: String,
    /// None for a day that no year has, such as 31 February: a search for it goes through thousands of years.
    runs: Option<Box<croner::Cron>>,
}

impl FromStr for Cron {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let given: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = given.as_slice() else {
            let names = FIELDS.map(|(name, ..)| name).join(", ");
            return Err(format!("a schedule has five fields: {names}"));
        };
        let mut plain = Vec::new();
        for (field, (_, least, most)) in [minutes, hours, days, months, weekdays].into_iter().zip(FIELDS) {
            plain.push(numbers(field, least, most)?);
        }
        let parser = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            // Where both kinds of day are restricted, either will do.
            .dom_and_dow(days.starts_with('*') || weekdays.starts_with('*'))
            .build();
        let cron = parser
            .parse(&plain.join(" "))
            .map_err(|error| format!("`{text}` is no schedule: {error}"))?;
        let ever = cron.find_next_occurrence(&DateTime::UNIX_EPOCH, true).is_ok();
        Ok(Self {
            text: text.to_owned(),
            runs: ever.then(|| Box::new(cron)),
        })
    }
}

impl TryFrom<String> for Cron {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Cron> for String {
    fn from(cron: Cron) -> Self {
        cron.text
    }
}

impl Cron {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The first run after a moment.
    pub(crate) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        self.runs.as_ref()?.find_next_occurrence(&after, false).ok()
    }
}

/// One field as numbers and ranges: Neon's `*`, `n`, `a-b`, each with `/step`, and lists of them. What the numbers may be is
/// checked by `croner`.
fn numbers(field: &str, least: u8, most: u8) -> Result<String, String> {
    let wrong =
        || format!("`{field}` is no field of a schedule: numbers from {least} to {most}, *, a-b, a/step, lists");
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let part = |part: &str| {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (part, None),
        };
        let plain = match range.split_once('-') {
            _ if range == "*" => format!("{least}-{most}"),
            Some((from, to)) if is_number(from) && is_number(to) => range.to_owned(),
            None if is_number(range) && step.is_some() => format!("{range}-{most}"),
            None if is_number(range) => range.to_owned(),
            _ => return Err(wrong()),
        };
        match step {
            Some(step) if is_number(step) => Ok(format!("{plain}/{step}")),
            Some(_) => Err(wrong()),
            None => Ok(plain),
        }
    };
    let parts: Vec<String> = field.split(',').map(part).collect::<Result<_, _>>()?;
    Ok(parts.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(cron: &str, after: &str) -> String {
        let after = chrono::DateTime::parse_from_rfc3339(after).unwrap().to_utc();
        let next = cron.parse::<Cron>().unwrap().next(after);
        next.map(|next| next.to_rfc3339()).unwrap_or_default()
    }

    #[test]
    fn the_next_run_is_found() {
        let at = "2030-01-31T12:07:30Z";
        assert_eq!(next("*/5 * * * *", at), "2030-01-31T12:10:00+00:00");
        assert_eq!(next("0 3 * * *", at), "2030-02-01T03:00:00+00:00");
        assert_eq!(next("7 12 31 1 *", at), "2031-01-31T12:07:00+00:00");
        // 2030-02-03 is a Sunday, by either of its numbers.
        assert_eq!(next("0 0 * * 7", at), "2030-02-03T00:00:00+00:00");
        assert_eq!(next("0 0 * * 0", at), "2030-02-03T00:00:00+00:00");
        assert_eq!(next("0 0 2 * 0", at), "2030-02-02T00:00:00+00:00");
        assert_eq!(next("0 0 29 2 *", at), "2032-02-29T00:00:00+00:00");
        assert_eq!(next("0 0 31 2 *", at), "");
        assert_eq!(next("50/5,3 * * * *", at), "2030-01-31T12:50:00+00:00");
        // A field that begins with a star restricts nothing by itself: both kinds of day must fit. 2030-02-11 is a Monday.
        assert_eq!(next("0 0 */2 * 1", at), "2030-02-11T00:00:00+00:00");
    }

    #[test]
    fn schedule_is_kept_as_its_text() {
        let cron: Cron = "0 3 * * *".parse().unwrap();
        assert_eq!(serde_json::to_value(&cron).unwrap(), "0 3 * * *");
        assert_eq!(serde_json::from_value::<Cron>("0 3 * * *".into()).unwrap(), cron);
        assert!(serde_json::from_value::<Cron>("@daily".into()).is_err());
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for wrong in [
            "",
            "* * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "*/0 * * * *",
            "5-1 * * * *",
            "@daily",
            "MON * * * *",
            "0 0 L * *",
            "0 0 * * 1#2",
            "0 0 ? * *",
            "0 0 * * * *",
            "+5 * * * *",
            "1, * * * *",
            "5/ * * * *",
            "99999999999 * * * *",
        ] {
            assert!(wrong.parse::<Cron>().is_err(), "{wrong}");
        }
    }
}
