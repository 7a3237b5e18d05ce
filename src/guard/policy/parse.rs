//! Reading a policy file: everything that isn't understood is an error, and then nothing starts.

use std::ops::Range;
use std::path::{Path, PathBuf};

use jsonschema::error::ValidationErrorKind;
use serde_json::{Map, Value};
use thiserror::Error;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::branches::is_unknown_fact;
use super::file::PolicyFile;
use super::reference::schema;
use crate::catalog::nearest;
use crate::guard::trusted::{Untrusted, read_trusted};
use crate::guard::whole::{CUT_OFF, is_whole};
use crate::text::one_line;
use crate::toml_error::Position;

/// The longest part of an error that quotes the file, in characters.
const LONGEST: usize = 400;

/// Keys of earlier versions, and what they are called now.
const RENAMED_KEYS: [(&str, &str); 2] = [
    ("confirm", "approval"),
    ("approval.terminal_yes", "approval.without_terminal"),
];

/// A value of earlier versions, and what it is called now, as [`super::reference::choices_at`] writes it.
const RENAMED_ACTION: (&str, &str) = ("confirm", "`\"require_approval\"`");

/// The longest reason of a freeze that is shown, in characters.
const MAX_REASON: usize = 200;

/// A policy that can't be used. The server doesn't start with one.
#[derive(Debug, Error)]
pub enum PolicyError {
    /// The file can't be read.
    #[error("can't read the policy {path}: {source}; give its right path, or leave the policy out", path = .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// Others can change the file, and so what agents may do.
    #[error("the policy {0}")]
    Untrusted(Untrusted),
    /// The file isn't a policy.
    #[error("the policy {place}, line {line}, column {column}: {message}")]
    Invalid {
        /// The file, or what stands for it.
        place: String,
        /// Where, counted from 1.
        line: usize,
        /// Where in the line, in characters, counted from 1.
        column: usize,
        /// What is wrong, and what would be right.
        message: String,
    },
}

/// What is wrong with a text, and where in it.
struct Problem {
    at: usize,
    message: String,
}

/// Whom a policy file is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    /// All callers: it is read at the start, and when the operator asks for that.
    Server,
    /// Some of them: it is read again whenever it changes, and so while it is written, too.
    Callers,
}

/// Reads a file, which nobody but this user and root may be able to change, and gives its text, too.
pub(super) fn read(path: &Path, tools: &[&str], of: Of) -> Result<(PolicyFile, String), PolicyError> {
    let bytes = read_trusted(path).map_err(|error| match error {
        Untrusted::Read { source, .. } => PolicyError::Read {
            path: path.to_owned(),
            source,
        },
        other => PolicyError::Untrusted(other),
    })?;
    let place = path.display().to_string();
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let good = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let message = "this is no UTF-8 text: write the file anew".to_owned();
            return Err(Problem { at: good, message }.placed(&place, &text));
        }
    };
    // Its lines would count without those that narrow them, or with none at all.
    let cut_off = match of {
        Of::Server if text.trim().is_empty() => Some(
            "the file is empty, as one is whose writing broke off: where nothing is to be said, write that as a comment",
        ),
        Of::Callers if !is_whole(&text) => Some(CUT_OFF),
        _ => None,
    };
    if let Some(why) = cut_off {
        let (at, message) = (text.trim_end().len(), why.to_owned());
        return Err(Problem { at, message }.placed(&place, &text));
    }
    let mut policy = parse(&text, &place, tools)?;
    if let (Some(secret), Some(directory)) = (&mut policy.approval.page_secret_file, path.parent()) {
        *secret = directory.join(&*secret);
    }
    Ok((policy, text))
}

/// Parses a text. `place` is what errors call it.
pub(super) fn parse(text: &str, place: &str, tools: &[&str]) -> Result<PolicyFile, PolicyError> {
    understand(text, tools).map_err(|problem| problem.placed(place, text))
}

fn understand(text: &str, tools: &[&str]) -> Result<PolicyFile, Problem> {
    let of_toml = |error: toml::de::Error| Problem {
        at: error.span().map_or(0, |span| span.start),
        message: one_line(error.message(), LONGEST),
    };
    let table = DeTable::parse(text).map_err(of_toml)?;
    let schema = schema();
    let whole = json_of(table.get_ref());
    let validator = jsonschema::draft202012::new(&schema).map_err(|error| Problem {
        at: 0,
        message: format!("the schema of policies is broken: {error}"),
    })?;
    if let Some(error) = validator.iter_errors(&whole).next() {
        return Err(describe(&error, &table, &schema));
    }
    // The schema speaks of values as JSON has them; the types have the last word.
    let mut policy: PolicyFile = toml::from_str(text).map_err(of_toml)?;
    let key = |path: &[&str]| find(&table, path).start;
    let no_tool = |name: &str, at: usize| {
        let near = nearest(name, tools.iter().copied());
        let hint = near.map_or_else(
            || "`neon-mcp tools --toolsets all` lists them".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        Problem {
            at,
            message: format!("there is no tool `{}`: {hint}", one_line(name, 80)),
        }
    };
    if let Some(name) = policy.tools.keys().find(|name| !tools.contains(&name.as_str())) {
        return Err(no_tool(name, key(&["tools", name])));
    }
    for (index, rule) in policy.approval.approvers.iter().enumerate() {
        let unknown = rule.tools.iter().flatten().find(|name| !tools.contains(&name.as_str()));
        if let Some(name) = unknown {
            let at = key(&["approval", "approvers", &index.to_string(), "tools"]);
            return Err(no_tool(name, at));
        }
    }
    policy.freeze = policy.freeze.map(|reason| one_line(&reason, MAX_REASON));
    if policy.freeze.as_ref().is_some_and(String::is_empty) {
        return Err(Problem {
            at: key(&["freeze"]),
            message: "`freeze` has nothing to show: write why nothing may change, or leave the key out".to_owned(),
        });
    }
    let none = Vec::new();
    let patterns = [
        (
            "protected_branches",
            &policy.protected_branches,
            "\"main\" or \"release/*\"",
        ),
        ("denied_branches", &policy.denied_branches, "\"main\" or \"@default\""),
        (
            "allowed_branches",
            policy.allowed_branches.as_ref().unwrap_or(&none),
            "\"dev\" or \"feature/*\"",
        ),
        (
            "allowed_roles",
            policy.allowed_roles.as_ref().unwrap_or(&none),
            "\"app\" or \"app_*\"",
        ),
        (
            "allowed_databases",
            policy.allowed_databases.as_ref().unwrap_or(&none),
            "\"shop\" or \"shop_*\"",
        ),
    ];
    for (name, patterns, such) in patterns {
        if patterns.iter().any(|pattern| pattern.trim().is_empty()) {
            return Err(Problem {
                at: key(&[name]),
                message: format!("`{name}` has an empty pattern: write a name, as {such}"),
            });
        }
        let unknown = patterns.iter().find(|pattern| is_unknown_fact(pattern));
        if let Some(pattern) = unknown.filter(|_| matches!(name, "denied_branches" | "allowed_branches")) {
            return Err(Problem {
                at: key(&[name]),
                message: format!(
                    "`{name}`: there is no `{}`, only `@default` and `@protected`; for a branch of that name write ? in place of @",
                    one_line(pattern, 80)
                ),
            });
        }
    }
    Ok(policy)
}

impl Problem {
    fn placed(self, place: &str, text: &str) -> PolicyError {
        let Position { line, column } = Position::of(text, self.at);
        PolicyError::Invalid {
            place: place.to_owned(),
            line,
            column,
            message: self.message,
        }
    }
}

/// What is wrong where a value doesn't fit the schema.
fn describe(error: &jsonschema::ValidationError<'_>, table: &Spanned<DeTable<'_>>, schema: &Value) -> Problem {
    let pointer = error.instance_path().to_string();
    let path: Vec<String> = pointer
        .split('/')
        .skip(1)
        .map(|step| step.replace("~1", "/").replace("~0", "~"))
        .collect();
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    if let ValidationErrorKind::AdditionalProperties { unexpected } = error.kind()
        && let Some(name) = unexpected.first()
    {
        // An item of a list of tables is no part of a key's name.
        let named: Vec<&str> = path
            .iter()
            .copied()
            .filter(|step| step.parse::<usize>().is_err())
            .collect();
        let full = dotted(&named, name);
        let at = find(table, &[&path[..], &[name]].concat()).start;
        if let Some(new) = RENAMED_KEYS.iter().find_map(|(old, new)| (*old == full).then_some(new)) {
            return Problem {
                at,
                message: format!("`{full}` is now `{new}`: rename it"),
            };
        }
        return Problem {
            at,
            message: format!(
                "there is no key `{}`{}",
                one_line(&full, 80),
                suggestion(name, &named, schema)
            ),
        };
    }
    let key = path.iter().fold(String::new(), |key, step| dotted(&[&key], step));
    let choices = super::reference::choices_at(schema, &path);
    let numbers = super::reference::numbers_at(schema, &path);
    let what = if let Some((range, right)) = numbers {
        let wrong = match error.instance().as_ref() {
            // What no number of JSON holds: `nan`, `inf`, and whole numbers beyond 64 bits.
            Value::Null => "the value can't be taken".to_owned(),
            _ => error.to_string(),
        };
        format!("{wrong}: write {range}, e.g. {right}")
    } else if choices.is_empty() {
        error.to_string()
    } else if error.instance().as_str() == Some(RENAMED_ACTION.0)
        && choices.iter().any(|choice| choice == RENAMED_ACTION.1)
    {
        format!("{} is now {}: rename it", error.instance(), RENAMED_ACTION.1)
    } else {
        format!("{} is none of {}", error.instance(), choices.join(", "))
    };
    let what = one_line(&what, LONGEST);
    Problem {
        at: find(table, &path).start,
        message: format!("`{}`: {what}; see `neon-mcp policy reference`", one_line(&key, 80)),
    }
}

fn dotted(path: &[&str], name: &str) -> String {
    let path: Vec<&str> = path
        .iter()
        .copied()
        .filter(|step| !step.is_empty())
        .chain([name])
        .collect();
    path.join(".")
}

/// The key that was probably meant: of the same table first, then of any other.
fn suggestion(name: &str, path: &[&str], schema: &Value) -> String {
    let keys = super::reference::keys(schema);
    let prefix = dotted(path, "");
    let here = keys.iter().filter_map(|key| {
        let key = key.strip_prefix(&prefix)?;
        (!key.is_empty() && !key.contains('.')).then_some(key)
    });
    if let Some(near) = nearest(name, here) {
        return format!(": did you mean `{}`?", dotted(path, near));
    }
    let last = |key: &str| key.rsplit('.').next().unwrap_or_default().to_owned();
    let everywhere: Vec<(String, &String)> = keys.iter().map(|key| (last(key), key)).collect();
    let near = nearest(name, everywhere.iter().map(|(last, _)| last.as_str()));
    match near.and_then(|near| everywhere.iter().find(|(last, _)| last == near)) {
        // TOML takes what follows a `[table]` for a part of it.
        Some((_, key)) if !key.contains('.') => {
            format!(": did you mean `{key}`, which stands above the first `[table]`?")
        }
        Some((_, key)) => format!(": did you mean `{key}`?"),
        None => "; `neon-mcp policy reference` lists the keys".to_owned(),
    }
}

/// Where a key stands in the text, or the item of a list, or what holds it.
fn find(table: &Spanned<DeTable<'_>>, path: &[&str]) -> Range<usize> {
    let mut span = table.span();
    let mut tables = Some(table.get_ref());
    let mut items = None;
    for step in path {
        let value = match (tables, items) {
            (Some(table), _) => {
                let Some((key, value)) = table.iter().find(|(key, _)| key.get_ref() == step) else {
                    return span;
                };
                span = key.span();
                value
            }
            (None, Some(list)) => {
                let list: &toml::de::DeArray<'_> = list;
                let Some(value) = step.parse().ok().and_then(|index: usize| list.get(index)) else {
                    return span;
                };
                span = value.span();
                value
            }
            (None, None) => return span,
        };
        (tables, items) = match value.get_ref() {
            DeValue::Table(table) => (Some(table), None),
            DeValue::Array(list) => (None, Some(list)),
            _ => (None, None),
        };
    }
    span
}

fn json_of(table: &DeTable<'_>) -> Value {
    let fields = table
        .iter()
        .map(|(key, value)| (key.get_ref().to_string(), json_of_value(value.get_ref())));
    Value::Object(fields.collect::<Map<_, _>>())
}

/// The value as JSON. What JSON has no word for becomes null, which no key takes.
fn json_of_value(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::from(text.as_ref()),
        DeValue::Integer(number) => {
            i64::from_str_radix(number.as_str(), number.radix()).map_or(Value::Null, Value::from)
        }
        DeValue::Float(number) => number.as_str().parse::<f64>().map_or(Value::Null, Value::from),
        DeValue::Boolean(value) => Value::Bool(*value),
        DeValue::Datetime(_) => Value::Null,
        DeValue::Array(items) => items.iter().map(|item| json_of_value(item.get_ref())).collect(),
        DeValue::Table(table) => json_of(table),
    }
}
