//! Random scripts, the same ones for the same seed: what [`grammar.txt`](grammar.txt) says, written down in the ways in which
//! SQL lets the same thing be written.

use std::collections::HashMap;
use std::sync::LazyLock;

use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

/// How deep productions may nest before the first alternative of each is taken.
const DEPTH: u32 = 9;

/// One alternative of a production.
struct Alternative {
    weight: u32,
    text: &'static str,
}

/// What there is to choose from, by name.
struct Grammar(HashMap<&'static str, Vec<Alternative>>);

static GRAMMAR: LazyLock<Grammar> = LazyLock::new(|| {
    let mut productions: HashMap<&'static str, Vec<Alternative>> = HashMap::new();
    for line in include_str!("grammar.txt").lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (head, text) = line
            .split_once(" = ")
            .unwrap_or_else(|| panic!("no production: {line}"));
        let (name, weight) = head.split_once(' ').unwrap_or_else(|| panic!("no weight: {line}"));
        let weight = weight.parse().unwrap_or_else(|_| panic!("no weight: {line}"));
        productions.entry(name).or_default().push(Alternative { weight, text });
    }
    Grammar(productions)
});

/// A script, and of which kinds its parts are.
#[derive(Debug, Clone)]
pub struct Script {
    pub kinds: Vec<&'static str>,
    pub statements: Vec<String>,
}

/// The script with this number of this seed.
pub fn script(seed: u64, number: u64) -> Script {
    let mut generator = Generator {
        random: StdRng::seed_from_u64(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15).wrapping_add(number)),
        chosen: HashMap::new(),
    };
    let units = match generator.below(10) {
        0..=4 => 1,
        5..=6 => 2,
        7 => 3,
        8 => 4,
        _ => 5,
    };
    let mut kinds = Vec::new();
    let mut statements: Vec<String> = Vec::new();
    for _ in 0..units {
        let (kind, text) = generator.unit();
        if !kinds.contains(&kind) {
            kinds.push(kind);
        }
        statements.extend(text.split(";;").map(|statement| statement.trim().to_owned()));
    }
    let statements = statements
        .into_iter()
        .map(|statement| generator.dressed(statement))
        .collect();
    Script { kinds, statements }
}

struct Generator {
    random: StdRng,
    /// What was chosen once for the whole of a unit.
    chosen: HashMap<&'static str, String>,
}

impl Generator {
    fn below(&mut self, bound: u32) -> u32 {
        self.random.random_range(0..bound)
    }

    fn choose(&mut self, name: &str, depth: u32) -> &'static str {
        let alternatives = &GRAMMAR.0[name];
        if depth >= DEPTH {
            return alternatives[0].text;
        }
        let all = alternatives.iter().map(|alternative| alternative.weight).sum();
        let mut left = self.below(all);
        for alternative in alternatives {
            if left < alternative.weight {
                return alternative.text;
            }
            left -= alternative.weight;
        }
        unreachable!("weights add up")
    }

    fn unit(&mut self) -> (&'static str, String) {
        self.chosen.clear();
        let unit = self.choose("unit", 0);
        (unit.trim_matches(['{', '}']), self.expanded(unit, 1))
    }

    /// A text with its productions written out. `{{}}` stands for braces.
    fn expanded(&mut self, text: &'static str, depth: u32) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('{') {
            out.push_str(before);
            if let Some(after) = after.strip_prefix("{}}") {
                out.push_str("{}");
                rest = after;
                continue;
            }
            let (name, after) = after.split_once('}').unwrap_or_else(|| panic!("no end: {text}"));
            out.push_str(&self.named(name, depth));
            rest = after;
        }
        out + rest
    }

    /// One of a production's alternatives, written out.
    fn named(&mut self, name: &'static str, depth: u32) -> String {
        let Some(production) = name.strip_prefix("the_") else {
            let text = self.choose(name, depth);
            return self.expanded(text, depth + 1);
        };
        if let Some(chosen) = self.chosen.get(production) {
            return chosen.clone();
        }
        let written = self.named(production, depth);
        self.chosen.insert(production, written.clone());
        written
    }

    /// The same statement, sometimes with what only a lexer sees in it.
    fn dressed(&mut self, statement: String) -> String {
        match self.below(24) {
            0 => format!("/* first /* nested ' */ */ {statement}"),
            1 => format!("{statement} -- ' ; \"\n"),
            2 => statement.replacen(' ', "\n\t", 1),
            3 => statement.replacen(' ', " /* ; */ ", 1),
            4 => format!("/*+ Rows(a b #10) */ {statement}"),
            5 => format!("-- $$ \n{statement}"),
            _ => statement,
        }
    }
}

#[test]
fn the_grammar_is_whole_and_every_production_is_reached() {
    let mut reached = vec!["unit"];
    let mut next = 0;
    while let Some(name) = reached.get(next).copied() {
        next += 1;
        let alternatives = GRAMMAR.0.get(name).unwrap_or_else(|| panic!("no production of {name}"));
        for alternative in alternatives {
            for part in alternative.text.replace("{{}}", "").leak().split('{').skip(1) {
                let name = part.split('}').next().unwrap();
                let name = name.strip_prefix("the_").unwrap_or(name);
                if !reached.contains(&name) {
                    reached.push(name);
                }
            }
        }
    }
    assert_eq!(reached.len(), GRAMMAR.0.len(), "productions that nothing names");
}

#[test]
fn a_seed_gives_the_same_scripts_again() {
    let all = |seed| {
        (0..200)
            .map(|number| script(seed, number).statements)
            .collect::<Vec<_>>()
    };
    assert_eq!(all(7), all(7));
    assert_ne!(all(7), all(8));
}
