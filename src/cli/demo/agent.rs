//! The demo's agent: calls tools through MCP, prints what it calls and what matters in what it gets, and checks what it claims.

use anyhow::{Context as _, bail};
use rmcp::model::{CallToolRequestParams, CallToolResult};
use rmcp::service::RunningService;
use rmcp::transport::TokioChildProcess;
use rmcp::{RoleClient, ServiceExt as _};
use serde_json::{Map, Value, json};

use super::super::common::print;
use super::human::{Answer, Human};
use super::layout::{self, INDENT};

/// An MCP client and its human.
pub(super) struct Agent {
    client: RunningService<RoleClient, Human>,
    human: Human,
    full: bool,
    number: usize,
    calls: usize,
    checks: usize,
}

/// How often a look is made again whose compute is just starting.
const MAX_TRIES: usize = 3;

impl Agent {
    /// Starts the server and greets it.
    pub(super) async fn start(server: TokioChildProcess, human: Human, full: bool) -> anyhow::Result<Self> {
        let client = human
            .clone()
            .serve(server)
            .await
            .context("the MCP server didn't start")?;
        let about = client.peer_info().context("the server said nothing about itself")?;
        let identity = about
            .server_info
            .as_ref()
            .map(|info| format!("{} {}", info.name, info.version))
            .unwrap_or_default();
        let tools = client.list_all_tools().await?;
        layout::say(&format!(
            "An MCP client started {identity} on it over stdio (MCP {}), and is offered {} tools.",
            about.protocol_version,
            tools.len()
        ));
        Ok(Self {
            client,
            human,
            full,
            number: 0,
            calls: 0,
            checks: 0,
        })
    }

    /// Ends client and server.
    pub(super) async fn end(self) -> anyhow::Result<()> {
        self.client.cancel().await?;
        Ok(())
    }

    /// How many tools were called.
    pub(super) fn calls(&self) -> usize {
        self.calls
    }

    /// How much was checked.
    pub(super) fn checks(&self) -> usize {
        self.checks
    }

    /// How the human will answer the next question.
    pub(super) fn human_will(&self, answer: Answer) {
        self.human.will(answer);
    }

    /// A step that succeeds: the whole result.
    pub(super) async fn does(&mut self, about: &str, tool: &str, arguments: Value) -> anyhow::Result<Value> {
        self.announce(about, tool, &arguments);
        let (value, is_error) = self.call(tool, arguments).await?;
        if is_error {
            bail!("step {}: {tool} failed: {value:#}", self.number);
        }
        self.print_whole(&value);
        Ok(value)
    }

    /// A step that is refused, and changes nothing: the error.
    pub(super) async fn is_refused(&mut self, about: &str, tool: &str, arguments: Value) -> anyhow::Result<Value> {
        self.announce(about, tool, &arguments);
        let (value, is_error) = self.call(tool, arguments).await?;
        let error = value.get("error").cloned().unwrap_or_default();
        if !is_error || error.get("changed") != Some(&json!("no")) {
            bail!("step {}: {tool} was not refused: {value:#}", self.number);
        }
        self.print_whole(&value);
        layout::tell("refused", &text(&error, "/message")?);
        Ok(error)
    }

    /// A look beside the story: its result.
    pub(super) async fn looks(&mut self, tool: &str, arguments: Value) -> anyhow::Result<Value> {
        let mut tries = 0;
        loop {
            let (value, is_error) = self.call(tool, arguments.clone()).await?;
            // What came back starts its compute, which may cut a connection that was just made: a look is made again, as told.
            let restarts = value.pointer("/error/sqlstate") == Some(&json!("57P01"));
            match value.get("result") {
                Some(result) if !is_error => return Ok(result.clone()),
                _ if restarts && tries < MAX_TRIES => tries += 1,
                _ => bail!("a look with {tool} at what step {} did failed: {value:#}", self.number),
            }
        }
    }

    /// Says something that is so. If it isn't, the demo ends.
    pub(super) fn check(&mut self, is_so: bool, claim: &str, seen: &Value) -> anyhow::Result<()> {
        if !is_so {
            bail!(
                "step {} isn't as it should be. Not so: {claim} Seen: {seen:#}",
                self.number
            );
        }
        self.checks += 1;
        layout::say_with(&format!("{INDENT}✓ "), &format!("{INDENT}  "), claim);
        Ok(())
    }

    /// Nobody was asked since the last time that this was checked.
    pub(super) fn nobody_was_asked(&mut self, because: &str) -> anyhow::Result<()> {
        let asked = self.human.asked();
        self.check(asked.is_empty(), &format!("Nobody was asked: {because}"), &json!(asked))
    }

    /// One question was asked since then, and it holds these words.
    pub(super) fn was_asked(&mut self, words: &[&str], claim: &str) -> anyhow::Result<()> {
        self.was_asked_times(1, words, claim)
    }

    /// A question was asked since then, and asked again, and both times it holds these words.
    pub(super) fn was_asked_again(&mut self, words: &[&str], claim: &str) -> anyhow::Result<()> {
        self.was_asked_times(2, words, claim)
    }

    fn was_asked_times(&mut self, times: usize, words: &[&str], claim: &str) -> anyhow::Result<()> {
        let asked = self.human.asked();
        let holds = asked.len() == times
            && words
                .iter()
                .all(|word| asked.iter().all(|question| question.contains(word)));
        self.check(holds, claim, &json!(asked))
    }

    fn announce(&mut self, about: &str, tool: &str, arguments: &Value) {
        self.number += 1;
        layout::say("");
        layout::say_with(&format!("{:>2}. ", self.number), INDENT, about);
        let mut fields = Vec::new();
        let mut sql = Vec::new();
        for (name, value) in arguments.as_object().into_iter().flatten() {
            match (name.as_str(), value) {
                ("sql", Value::String(text)) => sql.extend(text.lines().map(str::to_owned)),
                ("statements", Value::Array(all)) => {
                    sql.extend(all.iter().filter_map(Value::as_str).map(str::to_owned))
                }
                (name, Value::String(text)) => fields.push(format!("{name}: {text}")),
                (name, value) => fields.push(format!("{name}: {value}")),
            }
        }
        let beyond = format!("{INDENT}    ");
        layout::say_with(
            &format!("{INDENT}> "),
            &beyond,
            format!("{tool}  {}", fields.join(", ")).trim_end(),
        );
        sql.iter().for_each(|line| layout::say_with(&beyond, &beyond, line));
    }

    fn print_whole(&self, value: &Value) {
        if self.full {
            print(&format!("{value:#}"));
        }
    }

    async fn call(&mut self, tool: &str, arguments: Value) -> anyhow::Result<(Value, bool)> {
        self.calls += 1;
        let arguments: Map<String, Value> = arguments.as_object().cloned().unwrap_or_default();
        let request = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
        let result: CallToolResult = self
            .client
            .call_tool(request)
            .await
            .with_context(|| format!("step {}: {tool} can't be called", self.number))?;
        let value = result.structured_content.context("a result has structured content")?;
        Ok((value, result.is_error.unwrap_or(false)))
    }
}

/// The text at a pointer.
pub(super) fn text(value: &Value, pointer: &str) -> anyhow::Result<String> {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .map(str::to_owned)
        .with_context(|| format!("{pointer} is missing in {value}"))
}

/// What stands inside the fence of a text at a pointer, line by line.
pub(super) fn fenced(value: &Value, pointer: &str) -> anyhow::Result<Vec<String>> {
    let text = text(value, pointer)?;
    let mut lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    let is_mark = |line: Option<&&str>| line.is_some_and(|line| line.contains("untrusted-data-"));
    if lines.len() < 2 || !is_mark(lines.first()) || !is_mark(lines.last()) {
        bail!("{pointer} has no fence: {text}");
    }
    lines.pop();
    lines.remove(0);
    Ok(lines.into_iter().map(str::to_owned).collect())
}
