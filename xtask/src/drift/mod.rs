//! How far the declarations and Neon's own OpenAPI file are apart, and what of that isn't meant.

mod answer;
mod changes;
mod intended;
mod report;
mod request;
mod schema;

pub use changes::changes;
pub use intended::{Intended, LeftOut, Newer, Reason, Source};
pub use report::{Finding, Report, Subject};

use neon_mcp::catalog::{Catalog, Tool};
use neon_openapi::{Document, Operation};

/// Compares the tools with an OpenAPI file. What is left are the differences that nothing in `intended` explains, and the
/// entries there that explain nothing.
#[must_use]
pub fn compare(catalog: &Catalog, document: &Document, intended: &Intended) -> Report {
    let mut comparison = Comparison {
        catalog,
        document,
        report: Report {
            operations: document.operations.len(),
            ..Report::default()
        },
    };
    comparison.operations(intended);
    // A workflow sends the requests of other tools.
    for tool in catalog
        .tools()
        .iter()
        .filter(|tool| tool.declaration.workflow.is_none())
    {
        comparison.tool(tool);
    }
    comparison.explain(intended);
    comparison.report
}

/// A comparison under way.
struct Comparison<'a> {
    catalog: &'a Catalog,
    document: &'a Document,
    report: Report,
}

impl<'a> Comparison<'a> {
    fn find(&mut self, subject: Subject, of: &str, at: &str, says: impl Into<String>) {
        self.report.findings.push(Finding {
            subject,
            of: of.to_owned(),
            at: at.to_owned(),
            says: says.into(),
        });
    }

    /// Every operation is claimed, or left out with a reason that holds; every claimed one exists, or is newer.
    fn operations(&mut self, intended: &Intended) {
        let document = self.document;
        for operation in &document.operations {
            let id = operation.id.as_str();
            let claims = |tool: &&std::sync::Arc<Tool>| tool.declaration.operation.iter().any(|claimed| claimed == id);
            let claimed = self.catalog.tools().iter().any(|tool| claims(&tool));
            let left_out = intended.left_out.iter().find(|entry| entry.operation == id);
            self.report.claimed += usize::from(claimed);
            self.report.left_out += usize::from(left_out.is_some() && !claimed);
            let ended = match (operation.deprecated, operation.internal) {
                (true, _) => Some("deprecated"),
                (_, true) => Some("internal"),
                _ => None,
            };
            let address = format!("{} {}", operation.method, operation.path);
            match (claimed, left_out, ended) {
                (true, Some(_), _) => self.find(Subject::Intentions, id, "", "is left out, but a tool stands for it"),
                (true, None, Some(ended)) => {
                    self.find(
                        Subject::Operations,
                        id,
                        "",
                        format!("is {ended} there, and a tool stands for it"),
                    );
                }
                (false, None, Some(ended)) => {
                    let says = format!("is {ended} there: leave it out with a reason ({address})");
                    self.find(Subject::Operations, id, "", says);
                }
                (false, None, None) => {
                    self.find(
                        Subject::Operations,
                        id,
                        "",
                        format!("is new there, and no tool stands for it ({address})"),
                    );
                }
                (false, Some(entry), Some(ended)) if entry.deprecated_in.is_some() => {
                    let says = format!("is {ended} in the file itself now: take `deprecated_in` off");
                    self.find(Subject::Intentions, id, "", says);
                }
                (false, Some(entry), None) if entry.deprecated_in.is_none() => {
                    self.find(
                        Subject::Operations,
                        id,
                        "",
                        "is left out, and neither deprecated nor internal there",
                    );
                }
                (true, None, None) | (false, Some(_), _) => {}
            }
        }
        self.entries(intended);
    }

    /// The entries about operations are about something, and their sources are known.
    fn entries(&mut self, intended: &Intended) {
        let claimed = |id: &str| {
            let mut tools = self.catalog.tools().iter();
            tools.any(|tool| tool.declaration.operation.iter().any(|claimed| claimed == id))
        };
        let mut stale = Vec::new();
        for entry in &intended.left_out {
            if self.document.operation(&entry.operation).is_none() {
                stale.push((entry.operation.as_str(), "is left out, but isn't in the file"));
            }
            if entry.because.is_empty() {
                stale.push((entry.operation.as_str(), "is left out without a reason"));
            }
        }
        for entry in &intended.newer {
            let id = entry.operation.as_str();
            if self.document.operation(id).is_some() {
                stale.push((id, "is in the file now: take it off `newer`"));
            } else if !claimed(id) {
                stale.push((id, "is newer than the file, but no tool stands for it"));
            } else if let Some(source) = intended.sources.get(&entry.source) {
                let source = format!("{} {}", source.package, source.version);
                self.report.newer.push((id.to_owned(), source));
            }
        }
        let reasons = intended
            .differences
            .iter()
            .filter_map(|reason| reason.source.as_deref());
        let newer = intended.newer.iter().map(|entry| entry.source.as_str());
        let ended = intended
            .left_out
            .iter()
            .filter_map(|entry| entry.deprecated_in.as_deref());
        for source in reasons.chain(newer).chain(ended) {
            if !intended.sources.contains_key(source) {
                stale.push((source, "is no source"));
            }
        }
        let gone: Vec<(String, String)> = self
            .catalog
            .tools()
            .iter()
            .flat_map(|tool| tool.declaration.operation.iter().map(|id| (tool.name(), id)))
            .filter(|(_, id)| self.document.operation(id).is_none())
            .filter(|(_, id)| !intended.newer.iter().any(|entry| entry.operation == *id))
            .map(|(tool, id)| (tool.to_owned(), format!("its operation {id} is gone there")))
            .collect();
        for (of, says) in stale {
            self.find(Subject::Intentions, of, "", says);
        }
        for (tool, says) in gone {
            self.find(Subject::Operations, &tool, "", says);
        }
    }

    fn tool(&mut self, tool: &'a Tool) {
        let document = self.document;
        let known: Vec<&Operation> = tool
            .declaration
            .operation
            .iter()
            .filter_map(|id| document.operation(id))
            .collect();
        // Of several operations one is the request that the declaration describes.
        let declared = |operation: &&&Operation| operation.path == tool.declaration.request.path;
        if let Some(operation) = known.iter().find(declared).or(known.first()) {
            self.request(tool, operation);
            self.answer(tool, operation);
        }
        self.references(tool);
    }

    /// Takes away what is meant; what explains nothing is a finding itself.
    fn explain(&mut self, intended: &Intended) {
        for reason in &intended.differences {
            for (of, places) in &reason.of {
                for at in places {
                    let is_it =
                        |finding: &Finding| finding.of == *of && finding.at == *at && finding.says == reason.says;
                    match self.report.findings.iter().position(is_it) {
                        Some(index) if !reason.because.is_empty() => {
                            self.report.findings.remove(index);
                            self.report.intended += 1;
                        }
                        Some(_) => self.find(Subject::Intentions, of, at, "is explained without a reason"),
                        None => self.find(
                            Subject::Intentions,
                            of,
                            at,
                            format!("is not so any more: {}", reason.says),
                        ),
                    }
                }
            }
        }
    }
}
