//! What reaches a listed function under another name: looked up in the database before a statement is run that mentions it.
//!
//! An operator, an aggregate, a cast, a view, a policy or a function of the database's own can call a function that a read-only
//! transaction doesn't stop, without the statement naming it; so can a default, a check, a trigger or a rule when something is written. What does so is found in the catalogue, and remembered with the
//! catalogue's version.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::neon::sql::query::{Connection, Query};
use crate::sql::{Mentions, listed_functions};

static FULL: LazyLock<String> = LazyLock::new(|| {
    let version = include_str!("version.sql");
    include_str!("reach.sql").replace("/*{version}*/", version)
});

static SAME: LazyLock<String> = LazyLock::new(|| {
    let version = include_str!("version.sql");
    include_str!("same.sql").replace("/*{version}*/", version)
});

/// Sequences are advanced by ordinary statements, and a read-only transaction stops that.
const STOPPED_BY_READ_ONLY: [&str; 2] = ["nextval", "setval"];

static LISTED: LazyLock<String> = LazyLock::new(|| {
    let listed: Vec<Value> = listed_functions()
        .filter(|function| !STOPPED_BY_READ_ONLY.contains(&function.pattern))
        .map(|function| {
            let grade = match (function.destructive, function.leaves) {
                (_, true) => Grade::Leaves,
                (true, false) => Grade::Destroys,
                (false, false) => Grade::Changes,
            };
            json!({
                "schema": function.schema,
                "name": function.pattern,
                "prefix": function.prefix,
                "grade": grade as i32,
            })
        })
        .collect();
    Value::from(listed).to_string()
});

/// How many databases' findings are kept.
const MAX_KEPT: usize = 1_000;

/// How bad it is to reach a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grade {
    /// It changes something. As the least that counts it is for reads, which run nothing that only a write runs.
    Changes = 1,
    /// It destroys something.
    Destroys = 2,
    /// What it does isn't bounded by the branch, or isn't known.
    Leaves = 3,
}

/// What a statement mentions that reaches a listed function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaching {
    /// Names of functions, operators, views, tables and types.
    pub names: Vec<String>,
    /// The worst that is reached.
    pub grade: Grade,
}

#[derive(Deserialize)]
struct Said {
    names: Vec<String>,
    grade: i64,
}

impl Reaching {
    pub(super) fn read(text: &str) -> Self {
        let said: Option<Said> = serde_json::from_str(text).ok();
        let grade = said.as_ref().map_or(3, |said| said.grade);
        Self {
            grade: match grade {
                1 => Grade::Changes,
                2 => Grade::Destroys,
                _ => Grade::Leaves,
            },
            names: said.map(|said| said.names).unwrap_or_default(),
        }
    }
}

/// Something of a database that reaches a listed function.
#[derive(Clone, Debug, Deserialize, Serialize)]
struct Known {
    kind: String,
    name: String,
    grade: i32,
    /// Only a write runs it: a default, a check, a trigger, a rule.
    writes: bool,
}

impl Known {
    /// Whether it counts for statements of which functions of this grade and worse do.
    fn counts(&self, least: Grade) -> bool {
        self.grade >= least as i32 && (least > Grade::Changes || !self.writes)
    }

    fn is_mentioned(&self, mentions: &Mentions) -> bool {
        match self.kind.as_str() {
            "operator" => mentions.operators.contains(&self.name),
            "name" => mentions.identifiers.contains(&self.name),
            // A cast or an operator class is used without being named.
            _ => true,
        }
    }
}

#[derive(Clone, Debug)]
struct Catalogue {
    version: String,
    known: Vec<Known>,
}

/// What was found in which database, with the version of its catalogue.
#[derive(Debug, Default)]
pub(crate) struct Catalogues(Mutex<HashMap<[String; 4], Catalogue>>);

/// A look in the database before a statement.
#[derive(Clone, Debug)]
pub(in crate::neon::sql) enum Look {
    /// The catalogue is searched.
    Search { mentions: String, least: Grade },
    /// The catalogue is still the one in which nothing was found that the statement mentions.
    Same { version: String },
}

impl Look {
    /// The query, behind the pins.
    pub(super) fn query(&self, mark: &str) -> Query {
        match self {
            Self::Search { mentions, least } => Query::new(
                FULL.as_str(),
                vec![
                    mark.into(),
                    LISTED.as_str().into(),
                    mentions.as_str().into(),
                    (*least as i32).to_string().into(),
                ],
            ),
            Self::Same { version } => Query::new(SAME.as_str(), vec![mark.into(), version.as_str().into()]),
        }
    }

    /// The look that searches, whatever is known.
    pub(in crate::neon::sql) fn search(mentions: &Mentions, least: Grade) -> Self {
        Self::Search {
            mentions: mentions.to_json().to_string(),
            least,
        }
    }
}

impl Catalogues {
    fn key(connection: &Connection) -> [String; 4] {
        let identity = &connection.identity;
        [
            identity.project.to_string(),
            identity.branch.to_string(),
            connection.database.clone(),
            connection.role.clone(),
        ]
    }

    /// The look that statements with these mentions need.
    pub(in crate::neon::sql) fn look(&self, connection: &Connection, mentions: &Mentions, least: Grade) -> Look {
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match kept.get(&Self::key(connection)) {
            Some(catalogue)
                if !catalogue
                    .known
                    .iter()
                    .any(|known| known.counts(least) && known.is_mentioned(mentions)) =>
            {
                Look::Same {
                    version: catalogue.version.clone(),
                }
            }
            _ => Look::search(mentions, least),
        }
    }

    /// Keeps what a search found.
    pub(in crate::neon::sql) fn keep(&self, connection: &Connection, version: Option<Value>, known: Option<Value>) {
        let (Some(Value::String(version)), Some(Value::String(known))) = (version, known) else {
            return;
        };
        let Ok(known) = serde_json::from_str(&known) else {
            return;
        };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= MAX_KEPT {
            kept.clear();
        }
        kept.insert(Self::key(connection), Catalogue { version, known });
    }
}
