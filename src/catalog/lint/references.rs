//! Lints of what a declaration says of other tools and of its own arguments: undo, plan, refusals, texts.

use serde_json::Value;

use super::Linter;
use crate::catalog::Effect;
use crate::catalog::declaration::{PlanDeclaration, Said, Undo, UndoWay};
use crate::catalog::load::Catalog;
use crate::catalog::template::{templates, templates_within};
use crate::catalog::tool::{Tool, property};

impl Linter {
    pub(super) fn references(&mut self, tool: &Tool, catalog: &Catalog) {
        let declaration = &tool.declaration;
        let reader = |name: &str| {
            catalog
                .tool(name)
                .is_some_and(|tool| tool.declaration.safety.effect == Effect::Read && !tool.declaration.safety.reveals)
        };
        let safety = &declaration.safety;
        if let Some(made) = &safety.made_here {
            let maker = catalog.tool(&made.by).map(|maker| &maker.declaration.safety.undo);
            let names_it = matches!(maker, Some(Some(Undo::Way(way))) if !way.arguments.is_empty());
            self.require(
                names_it,
                "/safety/made_here/by",
                "is no tool whose undo names what it made",
            );
            let read = made.read.as_deref();
            self.require(read.is_none_or(reader), "/safety/made_here/read", "is no reading tool");
            self.require(
                read.is_some() || safety.plan.is_some(),
                "/safety/made_here/read",
                "is missing, and there is no plan",
            );
            self.pointers(std::slice::from_ref(&made.stamp), "/safety/made_here/stamp");
        }
        let by_made = safety.light.iter().any(|light| light.made_here)
            || safety.escalate.iter().any(|escalation| escalation.unless_made_here);
        self.require(
            !by_made || safety.made_here.is_some(),
            "/safety/made_here",
            "says how that is known",
        );
        if let Some(plan) = &declaration.safety.plan {
            self.require(reader(&plan.read), "/safety/plan/read", "is no reading tool");
            self.require(!plan.show.is_empty(), "/safety/plan/show", "shows nothing");
            self.pointers(&plan.show, "/safety/plan/show");
            self.plan(tool, plan, catalog);
            for summary in plan.summary.texts() {
                self.summary(tool, summary, "/safety/plan/summary");
            }
        }
        for (index, escalation) in declaration.safety.escalate.iter().enumerate() {
            if let Some(summary) = &escalation.summary {
                self.summary(tool, summary, &format!("/safety/escalate/{index}/summary"));
            }
        }
        self.refusals(tool, catalog, &reader);
        if let Some(check) = &declaration.output.check {
            self.require(reader(check), "/output/check", "is no reading tool");
        }
        for state in &declaration.output.state {
            self.require(reader(&state.read), "/output/state/read", "is no reading tool");
        }
        let done = declaration.output.done.iter().flat_map(Said::texts);
        let filled = done.chain(declaration.output.also.values().map(String::as_str));
        for name in filled.flat_map(templates).filter(|name| !name.starts_with('/')) {
            self.require(
                tool.declares(name),
                "/output/done",
                format!("`{{{name}}}` is no argument"),
            );
        }
        if let Some(Undo::Way(way)) = &declaration.safety.undo {
            self.undo(tool, way, catalog, "/safety/undo");
        }
    }

    /// A way back leads to a tool that there is, with all that it needs.
    fn undo(&mut self, tool: &Tool, way: &UndoWay, catalog: &Catalog, at: &str) {
        let declaration = &tool.declaration;
        let Some(undo) = catalog.tool(&way.tool) else {
            self.require(false, &format!("{at}/tool"), "is no tool");
            return;
        };
        for (name, value) in &way.arguments {
            let pointer = format!("{at}/arguments/{name}");
            self.require(
                property(&undo.input, name).is_some(),
                &pointer,
                "is no argument of that tool",
            );
            for template in templates_within(value)
                .into_iter()
                .filter(|template| !template.starts_with('/'))
            {
                let before = template
                    .strip_prefix("before:")
                    .or_else(|| template.strip_prefix("before?:"));
                let known = match before {
                    Some(before) => before.starts_with('/') && declaration.safety.plan.is_some(),
                    None => tool.declares(template),
                };
                self.require(
                    known,
                    &pointer,
                    format!("`{{{template}}}` is no argument, nor a part of what the plan reads"),
                );
            }
        }
        for (name, former) in &way.former {
            let pointer = format!("{at}/former/{name}");
            let both = tool.declares(name) && property(&undo.input, name).is_some();
            self.require(both, &pointer, "is no argument of both tools");
            let known = former.pointer().starts_with('/') && declaration.safety.plan.is_some();
            self.require(known, &pointer, "is no part of what the plan reads");
        }
        let required = undo
            .input
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten();
        for name in required.filter_map(Value::as_str) {
            self.require(
                way.arguments.contains_key(name) || way.former.contains_key(name),
                &format!("{at}/arguments"),
                format!("`{name}` is required"),
            );
        }
        if let Some(instead) = &way.instead {
            self.undo(tool, instead, catalog, &format!("{at}/instead"));
        }
    }

    /// A summary names arguments, and those that may be left out stand in brackets.
    pub(super) fn summary(&mut self, tool: &Tool, summary: &str, pointer: &str) {
        let read = tool.declaration.safety.plan.is_some();
        let is_read = |name: &str| read && name.starts_with("before:/");
        for name in templates(summary).filter(|name| !is_read(name)) {
            self.require(tool.declares(name), pointer, format!("`{{{name}}}` is no argument"));
        }
        let outside: String = summary
            .split('[')
            .map(|part| part.split_once(']').map_or(part, |(_, after)| after))
            .collect();
        let conditional = pointer.contains("/escalate/");
        for name in templates(&outside).filter(|_| !conditional) {
            let required = tool.input.get("required").and_then(Value::as_array);
            let required = required.is_some_and(|names| names.iter().any(|one| one == name));
            // What is filled in before anything is planned is there, too.
            let filled = tool.declaration.request.fills_in(name);
            self.require(
                required || filled,
                pointer,
                format!("`{{{name}}}` may be left out: put it in brackets"),
            );
        }
    }

    /// What is found out before a human is asked can be read, and its advice names tools that there are.
    pub(super) fn refusals(&mut self, tool: &Tool, catalog: &Catalog, reader: &dyn Fn(&str) -> bool) {
        let safety = &tool.declaration.safety;
        let refused = safety.refuse.iter().enumerate();
        let refused = refused.map(|(index, refusal)| (format!("/safety/refuse/{index}"), refusal.finds.as_ref()));
        let light = safety.light.iter().enumerate();
        let light = light.map(|(index, light)| (format!("/safety/light/{index}"), light.finds.as_ref()));
        let findings: Vec<_> = refused.chain(light).collect();
        for (pointer, finding) in findings {
            let Some(finding) = finding else { continue };
            let pointer = format!("{pointer}/finds");
            let read = finding.read.as_deref();
            self.require(read.is_none_or(reader), &pointer, "is no reading tool");
            let pointers = finding.list.iter().chain(&finding.field);
            let rooted = pointers.into_iter().all(|one| one.is_empty() || one.starts_with('/'));
            self.require(rooted, &pointer, "has no JSON pointer");
            self.require(
                finding.field.is_some() == finding.argument.is_some(),
                &pointer,
                "a field equals an argument",
            );
            let own = finding.argument.iter().chain(finding.with.values());
            let known = own.into_iter().all(|name| tool.declares(name));
            self.require(known, &pointer, "names no argument");
        }
        for (index, refusal) in safety.refuse.iter().enumerate() {
            let pairs = [&refusal.same, &refusal.differ, &refusal.above].into_iter().flatten();
            let known = pairs
                .into_iter()
                .all(|(one, other)| tool.declares(one) && tool.declares(other));
            self.require(
                known,
                &format!("/safety/refuse/{index}"),
                "compares what is no argument",
            );
            let words = refusal.next.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
            for word in words.filter(|word| word.contains('_')) {
                let argument = catalog.tools().iter().any(|tool| tool.property(word).is_some());
                let known = catalog.tool(word).is_some() || argument || word == "restore_status";
                self.require(
                    known,
                    &format!("/safety/refuse/{index}/next"),
                    format!("`{word}` is no tool"),
                );
            }
        }
        for name in safety.moments.keys() {
            self.require(
                tool.declares(name),
                "/safety/moments",
                format!("`{name}` is no argument"),
            );
        }
    }

    /// A plan can be read with the arguments that the call has.
    pub(super) fn plan(&mut self, tool: &Tool, plan: &PlanDeclaration, catalog: &Catalog) {
        if let Some(reader) = catalog.tool(&plan.read) {
            let required = reader.input.get("required").and_then(Value::as_array);
            for name in required.into_iter().flatten().filter_map(Value::as_str) {
                self.require(
                    tool.declares(name),
                    "/safety/plan/read",
                    format!("needs `{name}`, which the call doesn't have"),
                );
            }
        }
        for (theirs, ours) in &plan.with {
            let pointer = format!("/safety/plan/with/{theirs}");
            let known = catalog.tool(&plan.read).is_some_and(|reader| reader.declares(theirs));
            self.require(known, &pointer, "is no argument of the reading tool");
            self.require(tool.declares(ours), &pointer, format!("`{ours}` is no argument"));
        }
        if let Some(pick) = &plan.pick {
            let rooted = pick.list.is_empty() || pick.list.starts_with('/');
            self.require(rooted, "/safety/plan/pick/list", "is no JSON pointer");
            let one = match (&pick.argument, &pick.value) {
                (Some(argument), None) => tool.declares(argument),
                (None, Some(_)) => true,
                _ => false,
            };
            self.require(
                one,
                "/safety/plan/pick",
                "an item is picked by an argument of the call or by a value",
            );
        }
        if let Some(pointer) = &plan.lost_branch {
            self.require(
                pointer.starts_with('/'),
                "/safety/plan/lost_branch",
                "is no JSON pointer",
            );
        }
    }
}
