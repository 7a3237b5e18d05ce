//! What to call next where Neon refuses: a table (`advice.json`) from the operation, the status and Neon's words to a sentence
//! and a whole call, and which id of the call it is that wasn't found.

use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::catalog::{Selection, Tool, templates};
use crate::neon::{Changed, Error};

/// The table, as the program carries it.
const TABLE: &str = include_str!("advice.json");

static ADVICE: LazyLock<Table> = LazyLock::new(|| serde_json::from_str(TABLE).unwrap_or_default());

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    refusals: Vec<Refusal>,
    missing: Vec<Missing>,
}

/// A refusal that is known, and what helps against it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Refusal {
    /// What it is called in tests.
    #[cfg_attr(not(test), expect(dead_code, reason = "it names the row"))]
    about: String,
    /// The statuses that it comes with.
    status: Vec<u16>,
    /// The operations of the API that it is of; none for all.
    #[serde(default)]
    operations: Vec<String>,
    /// Neon's codes for it.
    #[serde(default)]
    codes: Vec<String>,
    /// Parts of Neon's message, one of which it holds, in lower case. Neither codes nor words stand for any.
    #[serde(default)]
    says: Vec<String>,
    /// What to do, as a sentence that names the tool.
    next: String,
    /// The call itself.
    #[serde(default)]
    call: Option<Call>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    tool: String,
    /// Texts with the names of the failed call's arguments in braces.
    arguments: Map<String, Value>,
}

/// An argument that may name what isn't there, and the tool that lists what is.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Missing {
    argument: String,
    /// How Neon's message calls it, in lower case.
    says: Vec<String>,
    tool: String,
}

/// What to do next.
#[derive(Debug, PartialEq)]
pub(in crate::engine) struct Advice {
    /// As a sentence.
    pub(in crate::engine) next: String,
    /// As a call, where its tool is offered and takes what is known.
    pub(in crate::engine) call: Option<Value>,
}

/// What helps against a refusal of Neon's; nothing where the table doesn't know it, or something may have been changed.
pub(in crate::engine) fn advise(
    tool: &Tool,
    error: &Error,
    arguments: &Map<String, Value>,
    selection: &Selection,
) -> Option<Advice> {
    let status = error.status().filter(|_| error.changed() == Changed::No)?;
    let said = error.message().unwrap_or_default().to_lowercase();
    let code = error.code().unwrap_or_default();
    let fits = |refusal: &&Refusal| {
        let of_operation = refusal.operations.is_empty()
            || tool
                .declaration
                .operation
                .iter()
                .any(|id| refusal.operations.iter().any(|known| known == id));
        let any = refusal.codes.is_empty() && refusal.says.is_empty();
        let worded =
            refusal.codes.iter().any(|known| known == code) || refusal.says.iter().any(|part| said.contains(part));
        refusal.status.contains(&status) && of_operation && (any || worded)
    };
    if let Some(refusal) = ADVICE.refusals.iter().find(fits) {
        let call = refusal.call.as_ref();
        return Some(Advice {
            next: refusal.next.clone(),
            call: call.and_then(|call| whole(&call.tool, filled(&call.arguments, arguments), selection)),
        });
    }
    // What the message says of keys is said of the key, not of an id.
    let is_missing = matches!(status, 404 | 410) && !said.contains("organization api key");
    is_missing.then(|| not_found(tool, &said, arguments, selection))?
}

/// Which id of the call wasn't found: the one that the message is about first, else the last one in the path.
fn not_found(tool: &Tool, said: &str, arguments: &Map<String, Value>, selection: &Selection) -> Option<Advice> {
    let given: Vec<&Missing> = ADVICE
        .missing
        .iter()
        .filter(|row| arguments.contains_key(&row.argument) && is_listable(row, arguments, selection))
        .collect();
    let mentioned = |row: &&Missing| row.says.iter().filter_map(|word| said.find(word.as_str())).min();
    let named = given
        .iter()
        .filter_map(|row| Some((mentioned(row)?, *row)))
        .min_by_key(|(at, _)| *at)
        .map(|(_, row)| row);
    let row = named.or_else(|| {
        let mut in_path = tool.placeholders.iter().rev();
        in_path.find_map(|name| given.iter().find(|row| row.argument == *name).copied())
    })?;
    let catalog = selection.catalog();
    let lists = catalog.tool(&row.tool)?;
    // What the list takes of what the call names, but not what wasn't found.
    let known: Map<String, Value> = ["org_id", "project_id", "branch_id", "region_id", "bucket_name"]
        .into_iter()
        .filter(|name| *name != row.argument && lists.property(name).is_some())
        .filter_map(|name| Some((name.to_owned(), arguments.get(name)?.clone())))
        .collect();
    let next = match named {
        Some(_) => format!("`{}` was not found: {} shows what there is.", row.argument, row.tool),
        None => format!(
            "Neon doesn't say which of the call's ids was not found, and `{}` is the likeliest: {} shows what there is.",
            row.argument, row.tool
        ),
    };
    Some(Advice {
        next,
        call: whole(&row.tool, known, selection),
    })
}

/// Whether the call names all that the list needs.
fn is_listable(row: &Missing, arguments: &Map<String, Value>, selection: &Selection) -> bool {
    let lists = selection.catalog().tool(&row.tool);
    lists.is_some_and(|lists| lists.placeholders.iter().all(|name| arguments.contains_key(name)))
}

/// The arguments of a call, with what the failed one gave. One that it didn't give is left out.
fn filled(template: &Map<String, Value>, given: &Map<String, Value>) -> Map<String, Value> {
    let value = |value: &Value| match value.as_str().and_then(|text| templates(text).next()) {
        Some(name) => given.get(name).cloned(),
        None => Some(value.clone()),
    };
    template
        .iter()
        .filter_map(|(name, template)| Some((name.clone(), value(template)?)))
        .collect()
}

/// A call that its tool takes as it stands, where it is offered here.
fn whole(tool: &str, mut arguments: Map<String, Value>, selection: &Selection) -> Option<Value> {
    let offered = selection.tool(tool)?;
    // What the operator fixed isn't given.
    arguments.retain(|name, _| offered.arguments().any(|argument| argument == name));
    let required = offered.input.get("required").and_then(Value::as_array);
    let is_whole = required
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .all(|name| arguments.contains_key(name));
    is_whole.then(|| json!({"tool": tool, "arguments": arguments}))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalog::Catalog;

    #[test]
    fn advice_names_tools_and_arguments_that_there_are() {
        let table: Table = serde_json::from_str(TABLE).unwrap();
        let catalog = Catalog::embedded().unwrap();
        for refusal in &table.refusals {
            let about = &refusal.about;
            assert!(refusal.next.len() <= 400, "{about}");
            assert!(refusal.says.iter().all(|part| *part == part.to_lowercase()), "{about}");
            let Some(call) = &refusal.call else { continue };
            let tool = catalog
                .tool(&call.tool)
                .unwrap_or_else(|| panic!("{about}: {}", call.tool));
            assert!(
                call.arguments.keys().all(|name| tool.property(name).is_some()),
                "{about}"
            );
            let operations = || {
                catalog
                    .tools()
                    .iter()
                    .flat_map(|tool| tool.declaration.operation.iter())
            };
            assert!(
                refusal
                    .operations
                    .iter()
                    .all(|id| operations().any(|known| known == id)),
                "{about}"
            );
        }
        for row in &table.missing {
            assert!(catalog.tool(&row.tool).is_some(), "{}", row.tool);
        }
    }
}
