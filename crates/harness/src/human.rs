//! The human behind a client: what is shown to it, and what it answers.

use std::sync::{Arc, Mutex};

use rmcp::ErrorData;
use rmcp::model::{ElicitRequestParams, ElicitResult, ElicitationAction};
use serde_json::{Value, json};

/// What a human does with a question.
#[derive(Debug, Clone, PartialEq)]
pub enum Manner {
    /// Approves; a name that must be typed is taken from the question, as a human reads it there.
    Accepts,
    /// Accepts and fills the form with this.
    Fills(Value),
    /// Accepts without any form.
    AcceptsNothing,
    Declines,
    Cancels,
    NeverAnswers,
    /// The client answers with a protocol error.
    Fails,
}

/// A human that remembers what it was asked.
#[derive(Debug, Clone)]
pub struct Human {
    manner: Arc<Mutex<Manner>>,
    asked: Arc<Mutex<Vec<(String, Value)>>>,
    /// Runs when a question comes, before it is answered: the world moves on while a human reads.
    meanwhile: Arc<Mutex<Option<Meanwhile>>>,
}

struct Meanwhile(Box<dyn FnMut() + Send>);

impl std::fmt::Debug for Meanwhile {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Meanwhile")
    }
}

impl Human {
    pub fn who(manner: Manner) -> Self {
        Self {
            manner: Arc::new(Mutex::new(manner)),
            asked: Arc::default(),
            meanwhile: Arc::default(),
        }
    }

    /// Lets something happen while the human reads.
    pub fn meanwhile(self, happens: impl FnMut() + Send + 'static) -> Self {
        *self.meanwhile.lock().expect("a lock") = Some(Meanwhile(Box::new(happens)));
        self
    }

    /// From now on the human does something else.
    pub fn changes_to(&self, manner: Manner) {
        *self.manner.lock().expect("a lock") = manner;
    }

    /// What was asked so far: the message and the form's schema.
    pub fn asked(&self) -> Vec<(String, Value)> {
        self.asked.lock().expect("a lock").clone()
    }

    /// What was asked after the first so many questions.
    pub fn asked_since(&self, count: usize) -> Vec<(String, Value)> {
        self.asked.lock().expect("a lock")[count..].to_vec()
    }

    /// How many questions there were so far.
    pub fn count(&self) -> usize {
        self.asked.lock().expect("a lock").len()
    }

    pub async fn answer(&self, request: ElicitRequestParams) -> Result<ElicitResult, ErrorData> {
        let ElicitRequestParams::FormElicitationParams {
            message,
            requested_schema,
            ..
        } = request
        else {
            panic!("only forms are asked");
        };
        let schema = serde_json::to_value(&requested_schema).expect("a schema");
        self.asked
            .lock()
            .expect("a lock")
            .push((message.clone(), schema.clone()));
        if let Some(Meanwhile(happens)) = &mut *self.meanwhile.lock().expect("a lock") {
            happens();
        }
        let manner = self.manner.lock().expect("a lock").clone();
        let accepted = |content: Value| {
            let mut result = ElicitResult::new(ElicitationAction::Accept);
            result.content = Some(content);
            result
        };
        Ok(match manner {
            Manner::Accepts => accepted(filled(&message, &schema)),
            Manner::Fills(content) => accepted(content),
            Manner::AcceptsNothing => ElicitResult::new(ElicitationAction::Accept),
            Manner::Declines => ElicitResult::new(ElicitationAction::Decline),
            Manner::Cancels => ElicitResult::new(ElicitationAction::Cancel),
            Manner::NeverAnswers => std::future::pending().await,
            Manner::Fails => return Err(ErrorData::internal_error("no dialog", None)),
        })
    }
}

/// The form as a human fills it who approves.
pub fn filled(message: &str, schema: &Value) -> Value {
    match schema["properties"]["name"]["title"].as_str() {
        None => json!({"approve": true}),
        Some(title) => {
            let name = title.strip_prefix("Type ").expect("what to type");
            assert!(message.contains(name), "{name} is shown: {message}");
            json!({"name": name})
        }
    }
}

/// The name that a plan shows of the thing: `Branch: "main" (br-…)`.
pub fn name_in(plan: &str, what: &str) -> String {
    let label = format!("{}{}: ", what[..1].to_uppercase(), &what[1..]);
    let line = plan.lines().find_map(|line| line.strip_prefix(&label));
    if let Some(quoted) = line.and_then(|line| line.strip_prefix('"')) {
        let end = quoted
            .rfind("\" (")
            .unwrap_or_else(|| quoted.strip_suffix('"').unwrap_or(quoted).len());
        return quoted[..end].replace("\\\"", "\"").replace("\\\\", "\\");
    }
    if let Some(line) = line {
        return line.to_owned();
    }
    // What isn't a project, branch or compute stands in the summary alone.
    let summary = plan.lines().next().unwrap_or_default();
    summary.split('"').nth(1).unwrap_or_default().to_owned()
}
