//! The plan of the query that is to be made faster, and what it says in numbers.

use serde_json::{Map, Value, json};

use crate::engine::{self, Analyze, ArgumentProblem, Explains, Failure, Fence, WorkflowContext};
use crate::neon::sql::{Connection, Reads};
use crate::sql::{Reading, Statement};
use crate::workflows::sql::parameters;
use crate::workflows::sql::statements::Target;

/// The most of a plan that is shown, in bytes.
const MAX_PLAN: usize = 6_000;

/// A query's plan, and what it says in numbers.
pub(super) struct Explained {
    text: String,
    /// The planner's estimate of the whole query, in its own units.
    pub(super) cost: Option<f64>,
    /// How long it took, in milliseconds, where it was run.
    pub(super) milliseconds: Option<f64>,
}

/// The query, and how its plan is read.
pub(super) struct Subject<'a> {
    statement: &'a Statement,
    reading: &'a Reading,
    pub(super) parameters: &'a [Value],
    /// It is proven to read, so it may be run and measured.
    pub(super) measured: bool,
}

impl<'a> Subject<'a> {
    pub(super) fn new(explained: &'a engine::Explained, parameters: &'a [Value]) -> Result<Self, Failure> {
        let problem = |message: &str| {
            Failure::Arguments(vec![ArgumentProblem {
                argument: "sql".to_owned(),
                message: message.to_owned(),
            }])
        };
        let only = explained.script.only();
        let statement = only.ok_or_else(|| problem("give one statement"))?;
        let reading = explained.reading.as_ref().ok_or_else(|| {
            problem("this statement has no plan: EXPLAIN takes SELECT, INSERT, UPDATE, DELETE, MERGE and VALUES")
        })?;
        Ok(Self {
            statement,
            reading,
            parameters,
            measured: explained.analyzed,
        })
    }

    /// The plan now. What is measured runs twice: the first run fills the caches, the second one counts.
    pub(super) async fn explain(
        &self,
        flow: &WorkflowContext<'_, '_>,
        at: (&Target<'_>, &Connection),
    ) -> Result<Explained, Failure> {
        let (target, connection) = at;
        // Each time anew: what is tried may change which types are expected.
        let parameters = parameters::encoded(flow, at, self.statement, self.parameters).await?;
        let reads = Reads::proven(self.reading.clone(), parameters).repeated(if self.measured { 2 } else { 1 });
        let results = match flow.query(connection, reads, target.timeout()).await {
            Ok(results) => results,
            Err(failure) => {
                return Err(parameters::explained(flow, at, self.statement, self.parameters, failure).await);
            }
        };
        let text = results
            .last()
            .map(|result| {
                let lines = result.rows.iter().filter_map(|row| row.first()?.as_str());
                lines.collect::<Vec<_>>().join("\n")
            })
            .unwrap_or_default();
        Ok(Explained {
            cost: number_after(&text, ".."),
            milliseconds: number_after(&text, "Execution Time: "),
            text,
        })
    }
}

impl Explained {
    pub(super) fn shown(&self, fence: &Fence) -> Value {
        let mut shown = Map::new();
        shown.extend(self.cost.map(|cost| ("cost".to_owned(), json!(cost))));
        shown.extend(self.milliseconds.map(|time| ("execution_ms".to_owned(), json!(time))));
        let mut end = self.text.len().min(MAX_PLAN);
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let text = self.text.get(..end).unwrap_or_default();
        shown.insert("plan".into(), fence.around(&format!("\n{text}\n")).into());
        Value::Object(shown)
    }
}

/// The first number that stands behind a mark.
fn number_after(text: &str, mark: &str) -> Option<f64> {
    let (_, rest) = text.split_once(mark)?;
    let end = rest
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(rest.len());
    rest.get(..end)?.trim_end_matches('.').parse().ok()
}

/// How much less the second is than the first, in words.
pub(super) fn compared(before: &Explained, after: &Explained) -> Option<String> {
    let (from, to, what) = match (before.milliseconds, after.milliseconds) {
        (Some(from), Some(to)) => (from, to, "execution time"),
        _ => (before.cost?, after.cost?, "estimated cost"),
    };
    let factor = if to > 0.0 { from / to } else { return None };
    Some(if (0.95..=1.05).contains(&factor) {
        format!("The {what} is about the same.")
    } else if factor > 1.0 {
        format!("The {what} falls to {:.1} % of what it was.", 100.0 / factor)
    } else {
        format!("The {what} rises to {:.0} % of what it was.", 100.0 / factor)
    })
}

pub(super) fn measured_where_it_reads(text: &str) -> Explains<'_> {
    Explains {
        text,
        analyze: Analyze::WhereItReads,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_from_plans() {
        let plan = "Seq Scan on t  (cost=0.00..18.50 rows=3 width=8) (actual time=0.01..0.02 rows=1 loops=1)\nPlanning Time: 0.1 ms\nExecution Time: 0.034 ms";
        assert_eq!(number_after(plan, ".."), Some(18.5));
        assert_eq!(number_after(plan, "Execution Time: "), Some(0.034));
        assert_eq!(number_after("no plan", ".."), None);
    }
}
