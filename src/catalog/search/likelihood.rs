//! Which of a few classes a text belongs to, told by the company that its parts keep elsewhere: plain counting.

use std::collections::{BTreeSet, HashMap};

/// What was seen of each class.
#[derive(Debug)]
pub(super) struct Likelihood {
    seen: HashMap<String, Vec<f64>>,
    texts: Vec<f64>,
    settings: Trust,
}

/// How much the counts are believed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Trust {
    /// In one part: parts of a text aren't independent, so less than 1.
    pub(super) part: f64,
    /// In how frequent the class is.
    pub(super) prior: f64,
    /// How many texts' worth of doubt each count begins with.
    pub(super) doubt: f64,
}

impl Likelihood {
    pub(super) fn new(classes: usize, settings: Trust) -> Self {
        Self {
            seen: HashMap::new(),
            texts: vec![0.0; classes],
            settings,
        }
    }

    pub(super) fn learn(&mut self, class: usize, parts: BTreeSet<String>) {
        let classes = self.texts.len();
        let add_one = |counts: &mut Vec<f64>| {
            if let Some(count) = counts.get_mut(class) {
                *count += 1.0;
            }
        };
        add_one(&mut self.texts);
        for part in parts {
            add_one(self.seen.entry(part).or_insert_with(|| vec![0.0; classes]));
        }
    }

    /// How likely each class is: they add up to 1.
    pub(super) fn of(&self, parts: &BTreeSet<String>) -> Vec<f64> {
        let Trust { part, prior, doubt } = self.settings;
        let all: f64 = self.texts.iter().sum();
        let counts: Vec<&Vec<f64>> = parts.iter().filter_map(|part| self.seen.get(part)).collect();
        let logs: Vec<f64> = self
            .texts
            .iter()
            .enumerate()
            .map(|(class, texts)| {
                let evidence: f64 = counts
                    .iter()
                    .map(|counts| {
                        let usual = counts.iter().sum::<f64>() / all;
                        let here = counts.get(class).copied().unwrap_or_default();
                        ((here + doubt * usual) / (texts + doubt) / usual).ln()
                    })
                    .sum();
                // A class that nothing was seen of can't be ruled out.
                prior * (texts.max(0.5) / all.max(1.0)).ln() + part * evidence
            })
            .collect();
        let greatest = logs.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        shares(logs.into_iter().map(|log| (log - greatest).exp()).collect())
    }
}

/// The values, so that they add up to 1.
pub(super) fn shares(values: Vec<f64>) -> Vec<f64> {
    let sum: f64 = values.iter().sum();
    values.into_iter().map(|value| value / sum).collect()
}
