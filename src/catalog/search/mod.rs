//! Finding the tools for a task told in a person's words: a small index of the catalogue's words and of how people ask.
//!
//! Four things decide. The words of a tool's name, title, description and arguments, as BM25 weighs them (terms that are rare count
//! more, repetition counts less and less), with what people say for them. How like the request is to requests that the tool
//! answers. What is asked to be done, and which toolset it is about: by counting which words came with which before.

mod kind;
mod likelihood;
mod synonyms;
mod words;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

pub use synonyms::{SynonymProblem, synonym_problems};

use self::likelihood::{Likelihood, Trust, shares};
use self::synonyms::{Asks, Kind, Synonyms, Unit, features, meaning, toolset_parts};
use super::load::LoadError;
use super::selection::{SelectedTool, Selection};

/// How much the words of each part of a tool count.
const NAME: f64 = 3.0;
const TITLE: f64 = 2.0;
const REQUESTS: f64 = 1.2;
const DESCRIPTION: f64 = 0.8;
const TOOLSET: f64 = 0.5;
const ARGUMENTS: f64 = 0.3;

/// BM25's own: how fast repetition stops counting, and how much long parts are held against a tool.
const SATURATION: f64 = 1.2;
const LENGTH: f64 = 0.4;

/// The most that rarity counts: with so few tools, a rare word may be no more than an accident.
const RAREST: f64 = 3.8;
/// A word as it stands, beside what it means.
const OWN: f64 = 0.8;
/// A verb is shared by many tools, and a place is where, not what.
const VERB: f64 = 0.35;
const PLACE: f64 = 0.4;
/// In comparing requests: two units that follow each other, and words that the catalogue doesn't have.
const PAIR: f64 = 2.4;
const UNKNOWN: f64 = 3.0;
/// How much likeness to requests counts, of how many, and how much of the tool's name that was said.
const LIKENESS: f64 = 1.2;
const LIKEST: usize = 2;
const NAMED: f64 = 0.3;
/// What a tool keeps of its score when everything speaks for another kind, or another toolset.
const OTHER_KIND: f64 = 0.8;
const OTHER_TOOLSET: f64 = 1.0;
/// How many times as likely a kind is that the request names.
const SAID: f64 = 8.0;
/// What it counts that a request says many where the tool's name does, or says many where the name says one.
const NUMBER: f64 = 1.1;
/// How like a request must be to those for what nothing here does: by itself, and beside the likest tool.
const ABSENT: f64 = 0.4;
const ABSENT_BESIDE: f64 = 0.8;

const KIND_TRUST: Trust = Trust {
    part: 0.4,
    prior: 0.5,
    doubt: 6.0,
};
const TOOLSET_TRUST: Trust = Trust {
    part: 0.5,
    prior: 0.3,
    doubt: 5.0,
};

/// How much of a request is looked at, in characters: as much as the schema of the search takes. Time and memory grow with it, and what a
/// person asks for is said sooner.
pub const MAX_REQUEST: usize = 500;

/// Weights of features, whose squares add up to 1. In order, so that the same request always adds up to the same.
type Direction = BTreeMap<String, f64>;

/// What is looked at of a request.
fn looked_at(request: &str) -> &str {
    let end = request.char_indices().nth(MAX_REQUEST).map(|(at, _)| at);
    end.and_then(|end| request.get(..end)).unwrap_or(request)
}

/// The index of a selection's tools.
#[derive(Debug)]
pub struct SearchIndex {
    synonyms: Synonyms,
    documents: Vec<Document>,
    /// In how many tools a feature occurs.
    frequency: HashMap<String, usize>,
    kinds: Likelihood,
    toolsets: Likelihood,
    /// What no tool does: requests for it, and what is said then.
    absent: Vec<Absent>,
}

/// A tool, as the index knows it.
#[derive(Debug)]
struct Document {
    /// The name of the tool.
    tool: String,
    kind: Kind,
    toolset: usize,
    /// How much of each feature it has.
    weights: HashMap<String, f64>,
    /// What its name says, but for the verb.
    name: BTreeSet<String>,
    /// Its name and title, and each request that it answers.
    requests: Vec<Direction>,
}

/// Something that no tool does, as the index knows it.
#[derive(Debug)]
struct Absent {
    asks: Asks,
    requests: Vec<Direction>,
    instead: String,
}

/// A part of a tool, and how much its words count.
struct Part {
    weight: f64,
    features: Vec<String>,
}

impl SearchIndex {
    /// Indexes what can be found in a selection.
    ///
    /// # Errors
    /// When the synonyms that the binary carries can't be read; the tests see to it that this doesn't happen.
    pub fn new(selection: &Selection) -> Result<Self, LoadError> {
        let synonyms = Synonyms::embedded()?;
        let toolset_names = selection.catalog().toolsets();
        let mut index = Self {
            synonyms,
            documents: Vec::new(),
            frequency: HashMap::new(),
            kinds: Likelihood::new(Kind::ALL.len(), KIND_TRUST),
            toolsets: Likelihood::new(toolset_names.len(), TOOLSET_TRUST),
            absent: Vec::new(),
        };
        // There are thousands of requests: each is read once.
        let asked: Vec<Vec<Vec<Unit>>> = selection
            .findable()
            .iter()
            .map(|selected| index.asked(selected))
            .collect();
        let with_asked = || selection.findable().iter().zip(&asked);
        let parts: Vec<Vec<Part>> = with_asked()
            .map(|(selected, asked)| index.parts(selected, asked))
            .collect();
        let average: Vec<f64> = (0..).map_while(|part| average(&parts, part)).collect();
        for ((selected, asked), parts) in with_asked().zip(parts) {
            let tool = &selected.tool;
            let mut weights: HashMap<String, f64> = HashMap::new();
            for (Part { weight, features }, average) in parts.into_iter().zip(&average) {
                #[allow(clippy::cast_precision_loss)]
                let length = features.len() as f64 / average;
                let each = weight / (1.0 - LENGTH + LENGTH * length);
                for feature in features {
                    *weights.entry(feature).or_default() += each;
                }
            }
            for feature in weights.keys() {
                *index.frequency.entry(feature.clone()).or_default() += 1;
            }
            let kind = kind::of_tool(tool);
            let toolset = toolset_names.iter().position(|toolset| toolset.name == tool.toolset);
            let toolset = toolset.unwrap_or(toolset_names.len());
            let requests = index.synonyms.requests(tool.name());
            let title = &tool.declaration.title;
            for request in requests.iter().chain([title]) {
                index.kinds.learn(kind as usize, kind::parts(request));
            }
            let told = [title, &tool.declaration.description].map(|text| index.synonyms.units(text));
            for units in asked.iter().chain(&told) {
                index.toolsets.learn(toolset, toolset_parts(units));
            }
            let name = index.synonyms.units(&spaced(tool.name()));
            index.documents.push(Document {
                tool: tool.name().to_owned(),
                kind,
                toolset,
                weights,
                name: name.iter().flat_map(meaning).collect(),
                requests: Vec::new(),
            });
        }
        // How rare a feature is counts in every request, and is known only now.
        let requests: Vec<Vec<Direction>> = with_asked()
            .map(|(selected, asked)| index.requests(selected, asked))
            .collect();
        for (document, requests) in index.documents.iter_mut().zip(requests) {
            document.requests = requests;
        }
        let absent = index.synonyms.absent().map(|absent| {
            let requests = absent.requests.iter().map(|request| index.synonyms.units(request));
            Absent {
                asks: absent.asks,
                requests: requests.map(|units| index.direction(&units)).collect(),
                instead: absent.instead.clone(),
            }
        });
        index.absent = absent.collect();
        Ok(index)
    }

    /// What to say to a request for what no tool does: told by being like requests for that, and hardly less so than like any that a
    /// tool answers. The best of the tools would invite a call that does something else.
    #[must_use]
    pub fn absent(&self, request: &str) -> Option<&str> {
        let request = looked_at(request);
        let direction = self.direction(&self.synonyms.units(request));
        let only_asks = kind::is_question(request, |text| self.synonyms.units(text));
        let (likest, instead) = self
            .absent
            .iter()
            .filter(|absent| absent.asks == Asks::ToRead || !only_asks)
            .map(|absent| (likeness(&absent.requests, &direction), absent.instead.as_str()))
            .max_by(|(one, _), (other, _)| one.total_cmp(other))?;
        let documents = self.documents.iter();
        let beside = documents
            .map(|document| likeness(&document.requests, &direction))
            .fold(0.0, f64::max);
        (likest >= ABSENT.max(ABSENT_BESIDE * beside)).then_some(instead)
    }

    /// The tools of a selection that fit the request, the best first; none that has nothing of it. The selection is the one that was
    /// indexed, or one that was narrowed from it: one index serves all.
    #[must_use]
    pub fn search<'s>(&self, selection: &'s Selection, request: &str) -> Vec<&'s Arc<SelectedTool>> {
        let request = looked_at(request);
        let units = self.synonyms.units(request);
        let direction = self.direction(&units);
        let features: BTreeSet<&String> = units.iter().flat_map(features).collect();
        let most = units.iter().map(|unit| self.most(unit)).sum::<f64>().max(1.0);
        let kinds = self.kinds_of(request);
        let toolsets = self.toolsets.of(&toolset_parts(&units));
        let spoken = words::spoken(request);
        let of = |shares: &[f64], class: usize| shares.get(class).copied().unwrap_or_default();
        let findable: HashMap<&str, &Arc<SelectedTool>> = selection
            .findable()
            .iter()
            .map(|selected| (selected.tool.name(), selected))
            .collect();
        let mut found: Vec<(f64, &Arc<SelectedTool>)> = self
            .documents
            .iter()
            .filter_map(|document| Some((document, *findable.get(document.tool.as_str())?)))
            .map(|(document, selected)| {
                let words: f64 = units.iter().map(|unit| self.of_unit(document, unit)).sum();
                let score = words / most
                    + LIKENESS * likeness(&document.requests, &direction)
                    + NAMED * self.named(document, &features);
                let kind = OTHER_KIND + of(&kinds, document.kind as usize);
                let toolset = OTHER_TOOLSET + of(&toolsets, document.toolset);
                let is_name = request.trim() == selected.tool.name();
                let number = number(&document.tool, &spoken);
                let score = score * kind * toolset * number;
                (if is_name { f64::INFINITY } else { score }, selected)
            })
            .filter(|(score, _)| *score > 0.0)
            .collect();
        found.sort_by(|(one, _), (other, _)| other.total_cmp(one));
        found.into_iter().map(|(_, selected)| selected).collect()
    }

    /// What people say who ask for the tool.
    fn asked(&self, selected: &SelectedTool) -> Vec<Vec<Unit>> {
        let requests = self.synonyms.requests(selected.tool.name()).iter();
        requests.map(|request| self.synonyms.units(request)).collect()
    }

    fn parts(&self, selected: &SelectedTool, asked: &[Vec<Unit>]) -> Vec<Part> {
        let tool = &selected.tool;
        let part = |weight: f64, units: &[Unit]| Part {
            weight,
            features: units.iter().flat_map(features).cloned().collect(),
        };
        let units = |text: &str| self.synonyms.units(text);
        let arguments: Vec<Unit> = selected.arguments().flat_map(|name| units(&spaced(name))).collect();
        vec![
            part(NAME, &units(&spaced(tool.name()))),
            part(TITLE, &units(&tool.declaration.title)),
            part(REQUESTS, &asked.concat()),
            part(DESCRIPTION, &units(&tool.declaration.description)),
            part(ARGUMENTS, &arguments),
            part(TOOLSET, &units(&spaced(&tool.toolset))),
        ]
    }

    fn requests(&self, selected: &SelectedTool, asked: &[Vec<Unit>]) -> Vec<Direction> {
        let mut own = self.synonyms.units(&spaced(selected.tool.name()));
        own.extend(self.synonyms.units(&selected.tool.declaration.title));
        std::iter::once(&own)
            .chain(asked)
            .map(|units| self.direction(units))
            .collect()
    }

    /// How much a feature tells: the rarer, the more.
    #[allow(clippy::cast_precision_loss)]
    fn rarity(&self, feature: &str) -> f64 {
        let Some(frequency) = self.frequency.get(feature) else {
            return 0.0;
        };
        let (all, some) = (self.documents.len() as f64, *frequency as f64);
        (1.0 + (all - some + 0.5) / (some + 0.5)).ln().min(RAREST)
    }

    /// BM25 of one unit: of its words and what they mean, what tells most.
    fn of_unit(&self, document: &Document, unit: &Unit) -> f64 {
        let of = |feature: &String| {
            let has = document.weights.get(feature).copied().unwrap_or_default();
            self.rarity(feature) * has * (SATURATION + 1.0) / (SATURATION + has)
        };
        let own: f64 = unit.own.iter().map(of).sum();
        weight(unit) * unit.concepts.iter().map(of).fold(OWN * own, f64::max)
    }

    /// The most that a unit could give.
    fn most(&self, unit: &Unit) -> f64 {
        let own = unit.own.iter().map(|word| OWN * self.rarity(word));
        let meant = unit.concepts.iter().map(|concept| self.rarity(concept));
        weight(unit) * own.chain(meant).fold(0.5, f64::max)
    }

    /// How much of a tool's name is said.
    fn named(&self, document: &Document, said: &BTreeSet<&String>) -> f64 {
        let whole: f64 = document.name.iter().map(|feature| self.rarity(feature)).sum();
        let spoken = document.name.iter().filter(|feature| said.contains(feature));
        let spoken: f64 = spoken.map(|feature| self.rarity(feature)).sum();
        if whole > 0.0 { spoken / whole } else { 0.0 }
    }

    /// What a request is about, to compare it with others.
    fn direction(&self, units: &[Unit]) -> Direction {
        let mut direction = Direction::new();
        let mut add = |feature: String, weight: f64| {
            let place = direction.entry(feature).or_default();
            *place = place.max(weight);
        };
        let mut before: Option<String> = None;
        for unit in units {
            let rarity = |feature: &str| Some(self.rarity(feature)).filter(|rarity| *rarity > 0.0);
            for word in &unit.own {
                add(word.clone(), 0.5 * weight(unit) * rarity(word).unwrap_or(UNKNOWN));
            }
            for concept in &unit.concepts {
                // What no tool is about, a request for what no tool does can be.
                add(concept.clone(), weight(unit) * rarity(concept).unwrap_or(UNKNOWN));
            }
            let verb = || unit.verbs.first().map(|kind| format!("#{kind:?}"));
            let label = unit
                .concepts
                .first()
                .cloned()
                .or_else(verb)
                .or_else(|| unit.own.first().cloned());
            if let (Some(before), Some(label)) = (&before, &label) {
                add(format!("{before} {label}"), PAIR);
            }
            before = label;
        }
        let length = direction.values().map(|weight| weight * weight).sum::<f64>().sqrt();
        if length > 0.0 {
            direction.values_mut().for_each(|weight| *weight /= length);
        }
        direction
    }

    /// How likely each kind is.
    fn kinds_of(&self, request: &str) -> Vec<f64> {
        let said = kind::said(request, |text| self.synonyms.units(text));
        let likely = self.kinds.of(&kind::parts(request));
        let named = |kind: &Kind| if said.contains(kind) { SAID } else { 1.0 };
        shares(
            Kind::ALL
                .iter()
                .zip(likely)
                .map(|(kind, share)| share * named(kind))
                .collect(),
        )
    }
}

/// How like the request is to those that the tool answers: the mean of the likest.
#[allow(clippy::cast_precision_loss)]
fn likeness(requests: &[Direction], request: &Direction) -> f64 {
    let cosine = |other: &Direction| -> f64 {
        let common = request
            .iter()
            .filter_map(|(feature, weight)| Some(weight * other.get(feature)?));
        common.sum()
    };
    let mut all: Vec<f64> = requests.iter().map(cosine).collect();
    all.sort_by(|one, other| other.total_cmp(one));
    all.iter().take(LIKEST).sum::<f64>() / LIKEST as f64
}

/// What it counts in which number things are named: `show me the tables` asks for `get_database_tables` rather than for
/// `describe_table_schema`, though both have the stem.
fn number(tool: &str, spoken: &[String]) -> f64 {
    let named = || tool.split('_').skip(1);
    let is_many = |word: &str| word.ends_with('s') && words::stem(word) != word;
    let said = |word: &str| spoken.iter().any(|one| one == word);
    let many = named().any(|word| is_many(word) && said(word));
    let one_of_many = named().any(|word| {
        let stem = words::stem(word);
        !said(word) && spoken.iter().any(|one| is_many(one) && words::stem(one) == stem)
    });
    match (many, one_of_many) {
        (true, false) => NUMBER,
        (false, true) => 1.0 / NUMBER,
        _ => 1.0,
    }
}

/// How much a unit counts.
fn weight(unit: &Unit) -> f64 {
    let verb = !unit.verbs.is_empty() && unit.concepts.is_empty();
    (if verb { VERB } else { 1.0 }) * (if unit.is_place { PLACE } else { 1.0 })
}

fn spaced(name: &str) -> String {
    name.replace('_', " ")
}

/// How long that part is on average; nothing when there is no such part.
#[allow(clippy::cast_precision_loss)]
fn average(parts: &[Vec<Part>], part: usize) -> Option<f64> {
    let lengths: Vec<usize> = parts
        .iter()
        .filter_map(|parts| parts.get(part))
        .map(|part| part.features.len())
        .collect();
    let sum = lengths.iter().sum::<usize>() as f64;
    (!lengths.is_empty()).then(|| (sum / lengths.len() as f64).max(1.0))
}
