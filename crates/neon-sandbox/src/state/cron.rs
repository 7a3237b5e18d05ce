//! Schedules in five numeric fields: minute, hour, day of the month, month, day of the week; in UTC.

use std::str::FromStr;

use chrono::{Datelike, Days, NaiveDate, NaiveDateTime};
use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// How many days ahead the next run is looked for: past two leap years.
const DAYS: u64 = 9 * 366;

/// A schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cron {
    text: String,
    minutes: Vec<u32>,
    hours: Vec<u32>,
    days: Vec<u32>,
    months: Vec<u32>,
    weekdays: Vec<u32>,
}

impl FromStr for Cron {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fields: Vec<&str> = text.split_ascii_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields.as_slice() else {
            return Err("a schedule has five fields: minute, hour, day, month, day of the week".to_owned());
        };
        let mut weekdays = field(weekdays, 0, 7)?;
        // Sunday has two numbers.
        weekdays.iter_mut().for_each(|day| *day %= 7);
        Ok(Self {
            text: text.to_owned(),
            minutes: field(minutes, 0, 59)?,
            hours: field(hours, 0, 23)?,
            days: field(days, 1, 31)?,
            months: field(months, 1, 12)?,
            weekdays,
        })
    }
}

impl Cron {
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The first run after a moment, within some years.
    pub(crate) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let start = after.naive_utc();
        (0..DAYS)
            .filter_map(|ahead| start.date().checked_add_days(Days::new(ahead)))
            .filter(|date| self.has_day(*date))
            .flat_map(|date| self.times(date))
            .find(|time| *time > start)
            .map(|time| time.and_utc())
    }

    fn times(&self, date: NaiveDate) -> impl Iterator<Item = NaiveDateTime> {
        self.hours.iter().flat_map(move |hour| {
            self.minutes
                .iter()
                .filter_map(move |minute| date.and_hms_opt(*hour, *minute, 0))
        })
    }

    /// Where both kinds of day are restricted, either will do.
    fn has_day(&self, date: NaiveDate) -> bool {
        let day = self.days.contains(&date.day());
        let weekday = self.weekdays.contains(&date.weekday().num_days_from_sunday());
        let restricted = |at: usize| {
            !self
                .text
                .split_ascii_whitespace()
                .nth(at)
                .unwrap_or_default()
                .starts_with('*')
        };
        let fits = if restricted(2) && restricted(4) {
            day || weekday
        } else {
            day && weekday
        };
        fits && self.months.contains(&date.month())
    }
}

/// The numbers of one field: `*`, `n`, `a-b`, each with `/step`, and lists of them.
fn field(text: &str, least: u32, most: u32) -> Result<Vec<u32>, String> {
    let wrong = || format!("`{text}` is no field of a schedule: numbers from {least} to {most}, *, a-b, a/step, lists");
    let number = |text: &str| {
        text.parse::<u32>()
            .ok()
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(wrong)
    };
    let mut numbers = Vec::new();
    for part in text.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (
                range,
                Some(step.parse::<usize>().ok().filter(|step| *step > 0).ok_or_else(wrong)?),
            ),
            None => (part, None),
        };
        let (from, to) = match range.split_once('-') {
            _ if range == "*" => (least, most),
            Some((from, to)) => (number(from)?, number(to)?),
            None if step.is_some() => (number(range)?, most),
            None => (number(range)?, number(range)?),
        };
        if from > to {
            return Err(wrong());
        }
        numbers.extend((from..=to).step_by(step.unwrap_or(1)));
    }
    numbers.sort_unstable();
    numbers.dedup();
    Ok(numbers)
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
        ] {
            assert!(wrong.parse::<Cron>().is_err(), "{wrong}");
        }
    }
}
