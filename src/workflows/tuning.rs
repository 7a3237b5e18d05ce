//! Making a query faster: changes are tried on a throwaway branch, with the query's plan before and after, and sealed.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::looking::{explaining, parsed, without_plan};
use super::trial::Trial;
use super::{completion, parameters, script, sql};
use crate::engine::{ArgumentProblem, Failure, Fence, WorkflowContext, WorkflowOutput};
use crate::neon::sql::{Connection, Reads};

/// The most of a plan that is shown, in bytes.
const MAX_PLAN: usize = 6_000;

/// A query's plan, and what it says in numbers.
struct Explained {
    text: String,
    /// The planner's estimate of the whole query, in its own units.
    cost: Option<f64>,
    /// How long it took, in milliseconds, where it was run.
    milliseconds: Option<f64>,
}

/// The query, and how its plan is read.
struct Subject<'a> {
    text: &'a str,
    script: crate::sql::Script,
    parameters: Option<&'a Value>,
    /// It is proven to read, so it may be run and measured.
    measured: bool,
}

impl<'a> Subject<'a> {
    async fn new(text: &'a str, parameters: Option<&'a Value>) -> Result<Self, Failure> {
        let problem = |message: &str| {
            Err(Failure::Arguments(vec![ArgumentProblem {
                argument: "sql".to_owned(),
                message: message.to_owned(),
            }]))
        };
        let Some(measured) = explaining(text.to_owned(), true).await? else {
            return problem("give one statement");
        };
        let measured = measured.is_some();
        if !measured && explaining(text.to_owned(), false).await?.flatten().is_none() {
            return problem(
                "this statement has no plan: EXPLAIN takes SELECT, INSERT, UPDATE, DELETE, MERGE and VALUES",
            );
        }
        Ok(Self {
            text,
            script: parsed(text.to_owned()).await?,
            parameters,
            measured,
        })
    }

    /// The plan now. What is measured runs twice: the first run fills the caches, the second one counts.
    async fn explain(
        &self,
        flow: &WorkflowContext<'_, '_>,
        connection: &Connection,
        timeout: Duration,
    ) -> Result<Explained, Failure> {
        let reading = explaining(self.text.to_owned(), self.measured)
            .await?
            .flatten()
            .ok_or_else(|| Failure::Internal("the query has no plan".to_owned()))?;
        let statement = self
            .script
            .only()
            .ok_or_else(|| Failure::Internal("the query is none".to_owned()))?;
        // Each time anew: what is tried may change which types are expected.
        let parameters = parameters::encoded(flow, connection, statement, self.parameters).await?;
        let reads = Reads::proven(reading, parameters).repeated(if self.measured { 2 } else { 1 });
        let results = match flow.query(connection, reads, timeout).await {
            Ok(results) => results,
            Err(failure) => {
                return Err(parameters::explained(flow, connection, statement, self.parameters, failure).await);
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
    fn shown(&self, fence: &Fence) -> Value {
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
fn compared(before: &Explained, after: &Explained) -> Option<String> {
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

/// `prepare_query_tuning`
pub(super) async fn prepare(flow: &WorkflowContext<'_, '_>) -> Result<WorkflowOutput, Failure> {
    let query = flow.required("sql")?;
    let subject = match Subject::new(query, flow.arguments().get("params")).await {
        Ok(subject) => subject,
        Err(failure) => return Err(without_plan(flow, query, failure).await),
    };
    let mut script = match script::read("changes", flow.scripts()) {
        Ok(script) => script,
        Err(failure) => return Err(sql::refused(flow, failure).await),
    };
    let timeout = super::statements::timeout(flow);
    let trial = Trial::begin(flow, "tuning").await?;
    let outcome = async {
        let before = subject.explain(flow, &trial.connection, timeout).await?;
        let tried = match trial.run(flow, &mut script, timeout).await {
            Ok(tried) => tried,
            Err(failure) => return Ok(Err(failure)),
        };
        let after = subject.explain(flow, &trial.connection, timeout).await?;
        let query = json!({"sql": subject.text, "params": subject.parameters.unwrap_or(&json!([])), "cost": before.cost, "ms": before.milliseconds});
        let sealed = trial
            .sealed(flow, &script, tried, "complete_query_tuning", Some(query))
            .await?;
        Ok::<_, Failure>(Ok((before, after, sealed)))
    };
    let (before, after, mut ended) = match outcome.await {
        Ok(Ok(tried)) => tried,
        // Where the changes failed, the branch is gone already, or the failure says that it isn't.
        Ok(Err(failure)) => return Err(failure),
        Err(failure) => {
            trial.end(flow).await;
            return Err(failure);
        }
    };
    if let Some(object) = ended.result.as_object_mut() {
        object.insert("before".into(), before.shown(flow.fence()));
        object.insert("after".into(), after.shown(flow.fence()));
    }
    ended.notes.extend(compared(&before, &after));
    if !subject.measured {
        ended
            .notes
            .push("The query isn't proven to read, so it wasn't run: the plans are estimates.".to_owned());
    }
    let locks = script
        .statements
        .iter()
        .any(|statement| statement.kind == "CREATE INDEX" && statement.transaction != crate::sql::Transaction::Outside);
    if locks {
        ended.notes.push(
            "CREATE INDEX keeps others from writing to the table until it is built: on a busy one prepare CREATE INDEX CONCURRENTLY."
                .to_owned(),
        );
    }
    Ok(ended.note(
        "Nothing was changed on the target. complete_query_tuning applies exactly these changes there, if its schema hasn't changed by \
         then; it asks the user where they drop or delete something.",
    ))
}

/// `complete_query_tuning`
pub(super) async fn complete(flow: &WorkflowContext<'_, '_>) -> Result<WorkflowOutput, Failure> {
    let completed = completion::complete(flow).await?;
    let mut ended = completed.ended;
    let query = completed.prepared.query.as_ref();
    let text = query.and_then(|query| query.get("sql")).and_then(Value::as_str);
    if let (Some(target), Some(text)) = (&completed.target, text) {
        let subject = Subject::new(text, query.and_then(|query| query.get("params"))).await?;
        match subject.explain(flow, target, super::statements::timeout(flow)).await {
            Ok(now) => {
                if let Some(object) = ended.result.as_object_mut() {
                    object.insert("now".into(), now.shown(flow.fence()));
                }
            }
            Err(_) => ended
                .notes
                .push("The changes are applied; the query's plan couldn't be read afterwards.".to_owned()),
        }
    }
    Ok(ended)
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
