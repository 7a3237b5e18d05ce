//! Lints of schemas, and of what a tool keeps of an answer.

use serde_json::{Map, Value};

use super::Linter;
use crate::catalog::declaration::{Declaration, Keep, Place, Undo, UndoWay};
use crate::catalog::tool::Tool;

impl Linter {
    pub(super) fn schemas(&mut self, tool: &Tool) {
        let declaration = &tool.declaration;
        let mut said = declaration
            .output
            .done
            .iter()
            .map(|done| (done, "/output/done"))
            .collect::<Vec<_>>();
        if let Some(Undo::Way(UndoWay { when, note, .. })) = &declaration.safety.undo {
            if let Some(schema) = when {
                self.schema(schema, "/safety/undo/when");
            }
            said.extend(note.iter().map(|note| (note, "/safety/undo/note")));
        }
        if let Some(plan) = &declaration.safety.plan {
            said.push((&plan.summary, "/safety/plan/summary"));
        }
        if let Some(unless) = &declaration.safety.reveals_unless {
            self.schema(unless, "/safety/reveals_unless");
        }
        for (said, pointer) in said {
            for (index, when) in said.conditions() {
                self.schema(when, &format!("{pointer}/{index}/when"));
            }
        }
        for (index, rule) in declaration.request.rules.iter().enumerate() {
            self.schema(&rule.schema, &format!("/request/rules/{index}/schema"));
            self.require(
                !rule.message.is_empty(),
                &format!("/request/rules/{index}/message"),
                "says nothing",
            );
        }
        for (index, escalation) in declaration.safety.escalate.iter().enumerate() {
            if let Some(schema) = &escalation.when {
                self.schema(schema, &format!("/safety/escalate/{index}/when"));
            }
        }
        for (index, constant) in declaration.request.set.iter().enumerate() {
            if let Some(schema) = &constant.when {
                self.schema(schema, &format!("/request/set/{index}/when"));
            }
        }
        self.schema(&tool.input, "/input");
    }

    pub(super) fn schema(&mut self, schema: &Map<String, Value>, pointer: &str) {
        let schema = Value::Object(schema.clone());
        if let Err(error) = jsonschema::draft202012::meta::validate(&schema) {
            self.require(false, &format!("{pointer}{}", error.instance_path()), error.to_string());
        }
    }

    pub(super) fn answer(&mut self, declaration: &Declaration) {
        let output = &declaration.output;
        self.pointers(&output.mask, "/output/mask");
        self.pointers(&output.reveal, "/output/reveal");
        self.pointers(&output.fixed, "/output/fixed");
        if let Some(keep) = &output.keep {
            self.keep(keep, "/output/keep");
        }
        let takes_format = declaration.request.bind.get("format") == Some(&Place::Local);
        self.require(
            output
                .env
                .as_ref()
                .is_none_or(|pointer| takes_format && output.reveal.contains(pointer)),
            "/output/env",
            "is about a connection string that is revealed, and `format` is local",
        );
        self.require(
            !output.flat || declaration.workflow.is_some(),
            "/output/flat",
            "is about a workflow's result",
        );
        self.require(
            !declaration.safety.stays_in_project || declaration.workflow.is_some(),
            "/safety/stays_in_project",
            "only a workflow can see to it",
        );
        let Some(pages) = &declaration.output.pages else { return };
        let rooted = pages.items.is_empty() || pages.items.starts_with('/');
        self.require(rooted, "/output/pages/items", "is no JSON pointer");
        self.require(
            pages.items.is_empty() == output.wrap.is_some(),
            "/output/wrap",
            "a bare list needs a name, nothing else does",
        );
        self.require(
            pages.next.is_some() == pages.cursor.is_some(),
            "/output/pages",
            "next and cursor go together",
        );
        self.require(
            pages.beside.is_empty() || pages.next.is_some(),
            "/output/pages/beside",
            "is about lists that come in pages",
        );
        self.require(
            pages.limit.is_some() == pages.max.is_some(),
            "/output/pages",
            "limit and max go together",
        );
        for (place, name) in [(&pages.cursor, "cursor"), (&pages.limit, "limit")] {
            if let Some(place) = place {
                self.require(*place != Place::Local, &format!("/output/pages/{name}"), "goes nowhere");
                self.place(declaration, place, &format!("/output/pages/{name}"));
            }
        }
    }

    pub(super) fn keep(&mut self, keep: &Keep, pointer: &str) {
        match keep {
            Keep::All(all) => self.require(*all, pointer, "keeps nothing: leave it out"),
            Keep::Fields(fields) => self.require(!fields.is_empty(), pointer, "keeps nothing: leave it out"),
            Keep::Tree(tree) => {
                self.require(!tree.is_empty(), pointer, "keeps nothing: leave it out");
                for (name, keep) in tree {
                    self.keep(keep, &format!("{pointer}/{name}"));
                }
            }
        }
    }

    pub(super) fn pointers(&mut self, pointers: &[String], at: &str) {
        for (index, pointer) in pointers.iter().enumerate() {
            let rooted = pointer.starts_with('/') && pointer.len() > 1;
            self.require(rooted, &format!("{at}/{index}"), "is no JSON pointer");
        }
    }
}
