//! `list_docs_resources` and `get_doc_resource`: Neon's documentation, as the operator's docs host has it.

use futures::FutureExt as _;
use futures::future::BoxFuture;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::docs::{Entry, Slug};
use crate::engine::{ArgumentProblem, Failure, WorkflowCall, WorkflowContext, WorkflowOutput, boundary, fitting};

/// The most pages that are listed at once.
const MAX_PAGES: usize = 100;

/// Room for all that isn't text of the docs host, in bytes.
const ROOM: usize = 2_000;

/// The longest description that is listed, in characters.
const MAX_ABOUT: usize = 200;

/// What `list_docs_resources` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListDocsResources {
    query: Option<String>,
    offset: Option<usize>,
}

impl WorkflowCall for ListDocsResources {
    fn run<'f>(&'f self, flow: &'f WorkflowContext<'_, '_>) -> BoxFuture<'f, Result<WorkflowOutput, Failure>> {
        list(flow, self).boxed()
    }
}

/// `list_docs_resources`
async fn list(flow: &WorkflowContext<'_, '_>, input: &ListDocsResources) -> Result<WorkflowOutput, Failure> {
    let docs = flow.docs()?;
    let entries = flow.docs_index().await?;
    let words: Vec<String> = input
        .query
        .as_deref()
        .unwrap_or_default()
        .split_whitespace()
        .map(str::to_lowercase)
        .collect();
    let whole = entries.len();
    let (found, all) = matching(entries, &words);
    let offset = input.offset.unwrap_or(0);
    let mut room = flow.most_bytes().saturating_sub(ROOM);
    let lines: Vec<String> = found
        .iter()
        .skip(offset)
        .take(MAX_PAGES)
        .map(|entry| {
            let about = crate::neon::text::one_line(&entry.about, MAX_ABOUT);
            json!({"slug": entry.slug.as_str(), "title": entry.title, "description": about}).to_string()
        })
        .take_while(|line| {
            // In the result's own JSON, quotes and backslashes take two bytes.
            let bytes = line.len() + line.bytes().filter(|byte| matches!(byte, b'"' | b'\\')).count() + 2;
            let fits = bytes <= room;
            room = room.saturating_sub(bytes);
            fits
        })
        .collect();
    let fence = flow.fence();
    let next = offset + lines.len();
    let mut ended = WorkflowOutput::with(json!({
        "docs_url": docs.base().as_str(),
        "returned": lines.len(),
        "matched": found.len(),
        "pages": whole,
        "resources": fence.around(&format!("\n{}\n", lines.join("\n"))),
    }));
    if !all {
        ended = ended.note("No page has all of these words: these have some of them, most of them first.");
    }
    if next < found.len() {
        ended = ended.next_offset(next).note(format!(
            "There are more: call again with offset {next}, or with other words in query."
        ));
    }
    if whole == 0 {
        ended = ended.note("The docs host's index names no page below its own address.");
    } else if found.is_empty() {
        ended = ended.note("No page has these words: try others, or none to see all.");
    }
    Ok(ended.note("get_doc_resource gives a page by its slug."))
}

/// The pages that have all of the words, or where none has, those that have some. What has them in its name comes first.
fn matching(entries: Vec<Entry>, words: &[String]) -> (Vec<Entry>, bool) {
    let scored: Vec<(usize, usize, Entry)> = entries
        .into_iter()
        .map(|entry| {
            let name = format!("{} {}", entry.slug, entry.title).to_lowercase();
            let about = entry.about.to_lowercase();
            let in_name = words.iter().filter(|word| name.contains(word.as_str())).count();
            let in_any = words
                .iter()
                .filter(|word| name.contains(word.as_str()) || about.contains(word.as_str()))
                .count();
            (in_any, in_name, entry)
        })
        .collect();
    let all = scored.iter().any(|(in_any, ..)| *in_any == words.len());
    let least = if all { words.len() } else { 1 };
    let mut found: Vec<_> = scored.into_iter().filter(|(in_any, ..)| *in_any >= least).collect();
    // The order of the index otherwise: the sort is stable.
    found.sort_by_key(|(in_any, in_name, _)| std::cmp::Reverse((*in_any, *in_name)));
    let none = found.is_empty();
    (found.into_iter().map(|(.., entry)| entry).collect(), all || none)
}

/// What `get_doc_resource` takes.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GetDocResource {
    slug: String,
    from_byte: Option<usize>,
}

impl WorkflowCall for GetDocResource {
    fn run<'f>(&'f self, flow: &'f WorkflowContext<'_, '_>) -> BoxFuture<'f, Result<WorkflowOutput, Failure>> {
        get(flow, self).boxed()
    }
}

/// `get_doc_resource`
async fn get(flow: &WorkflowContext<'_, '_>, input: &GetDocResource) -> Result<WorkflowOutput, Failure> {
    let docs = flow.docs()?;
    let slug = Slug::parse(&input.slug, docs.base()).map_err(|error| {
        Failure::Arguments(vec![ArgumentProblem {
            argument: "slug".to_owned(),
            message: error.to_string(),
        }])
    })?;
    let text = flow.docs_page(&slug).await?;
    let asked = input.from_byte.unwrap_or(0);
    let from = boundary(&text, asked);
    let part = fitting(
        text.get(from..).unwrap_or_default(),
        flow.most_bytes().saturating_sub(ROOM),
    );
    let until = from + part.len();
    let fence = flow.fence();
    let mut result = json!({
        "slug": slug.as_str(),
        "url": docs.address(&slug),
        "bytes": text.len(),
        "text": fence.around(&format!("\n{part}\n")),
    });
    let mut ended = WorkflowOutput::default();
    if until < text.len() {
        if let Some(object) = result.as_object_mut() {
            object.insert("next_from_byte".into(), Value::from(until));
        }
        ended = ended.note(format!(
            "Cut at byte {until} of {}. Call again with from_byte {until} for the rest.",
            text.len()
        ));
    } else if asked > text.len() {
        ended = ended.note(format!("There are only {} bytes.", text.len()));
    }
    // The address is made of the slug that the caller gave.
    ended.ours = vec![slug.as_str().to_owned(), docs.address(&slug).to_string()];
    ended.result = result;
    Ok(ended)
}
