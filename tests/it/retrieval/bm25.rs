//! BM25 as textbooks have it, over what every client gets: the search that clients with many tools make for themselves.

use std::collections::{HashMap, HashSet};

const K1: f64 = 1.2;
const B: f64 = 0.75;

pub struct Bm25 {
    documents: Vec<(String, HashMap<String, f64>, f64)>,
    frequency: HashMap<String, f64>,
    average: f64,
}

fn words(text: &str) -> impl Iterator<Item = String> + '_ {
    text.split(|character: char| !character.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_lowercase)
}

impl Bm25 {
    /// Names and texts.
    pub fn new(texts: impl Iterator<Item = (String, String)>) -> Self {
        let mut documents = Vec::new();
        let mut frequency: HashMap<String, f64> = HashMap::new();
        for (name, text) in texts {
            let mut counts: HashMap<String, f64> = HashMap::new();
            for word in words(&text) {
                *counts.entry(word).or_default() += 1.0;
            }
            for word in counts.keys() {
                *frequency.entry(word.clone()).or_default() += 1.0;
            }
            let length = counts.values().sum();
            documents.push((name, counts, length));
        }
        let average = documents.iter().map(|(_, _, length)| length).sum::<f64>() / documents.len() as f64;
        Self {
            documents,
            frequency,
            average,
        }
    }

    /// The names of what fits, best first.
    pub fn search(&self, request: &str) -> Vec<String> {
        let asked: HashSet<String> = words(request).collect();
        let all = self.documents.len() as f64;
        let mut found: Vec<(f64, &String)> = Vec::new();
        for (name, counts, length) in &self.documents {
            let score: f64 = asked
                .iter()
                .filter_map(|word| {
                    let count = counts.get(word)?;
                    let some = self.frequency[word];
                    let rarity = (1.0 + (all - some + 0.5) / (some + 0.5)).ln();
                    Some(rarity * count * (K1 + 1.0) / (count + K1 * (1.0 - B + B * length / self.average)))
                })
                .sum();
            if score > 0.0 {
                found.push((score, name));
            }
        }
        found.sort_by(|(one, name), (other, name_too)| other.total_cmp(one).then(name.cmp(name_too)));
        found.into_iter().map(|(_, name)| name.clone()).collect()
    }
}
