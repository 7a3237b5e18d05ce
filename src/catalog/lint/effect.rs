//! Lints of what a tool does, and what decides it.

use super::Linter;
use crate::catalog::Effect;
use crate::catalog::declaration::{Resource, SafetyCopy};
use crate::catalog::tool::Tool;
use crate::neon::Method;

impl Linter {
    pub(super) fn effect(&mut self, tool: &Tool) {
        let declaration = &tool.declaration;
        let argued = declaration
            .safety
            .effect_because
            .as_ref()
            .is_some_and(|text| !text.is_empty());
        let changes = declaration.request.method != Method::Get;
        let reads = declaration.safety.effect == Effect::Read;
        self.require(
            changes != reads || argued,
            "/safety/effect",
            "a GET reads and nothing else does, or effect_because says why",
        );
        let deletes = declaration.request.method == Method::Delete;
        self.require(
            !deletes || declaration.safety.effect.needs_consent(),
            "/safety/effect",
            "a DELETE is destructive or access",
        );
        self.require(
            !declaration.output.waits || changes,
            "/output/waits",
            "a GET starts no operation",
        );
        self.require(
            !declaration.safety.interrupts || changes,
            "/safety/interrupts",
            "a GET drops no connection",
        );
        let branch = matches!(
            tool.target(),
            Some((_, Resource::Branch | Resource::Endpoint | Resource::Project))
        );
        let looks = declaration.safety.interrupts
            || (declaration.safety.reveals && tool.is_about_a_branch())
            || declaration
                .safety
                .escalate
                .iter()
                .any(|escalation| !escalation.facts.is_empty() || escalation.lowers.is_some());
        self.require(
            !looks || branch,
            "/safety/target",
            "the guard looks at a project, branch or compute: name it",
        );
        let on_a_branch = matches!(tool.target(), Some((_, Resource::Branch | Resource::Endpoint)));
        let destructive = declaration.safety.effect == Effect::Destructive;
        self.require(
            !declaration.safety.ends_sessions || destructive,
            "/safety/ends_sessions",
            "sessions end with what is destroyed",
        );
        self.require(
            !declaration.safety.free_on_throwaway || (destructive && on_a_branch),
            "/safety/free_on_throwaway",
            "is about what is destroyed on a branch",
        );
        self.require(
            !declaration.safety.adds_branch || changes,
            "/safety/adds_branch",
            "a GET adds nothing",
        );
        let keeps = match declaration.safety.safety_copy {
            None => true,
            Some(SafetyCopy::Branch) => destructive && on_a_branch,
            Some(SafetyCopy::Preserve) => destructive && tool.declares("preserve_under_name"),
        };
        self.require(keeps, "/safety/safety_copy", "there is nothing that it could keep");
        for (index, escalation) in declaration.safety.escalate.iter().enumerate() {
            let pointer = format!("/safety/escalate/{index}");
            self.require(
                !escalation.free_on_throwaway || (escalation.effect == Effect::Destructive && on_a_branch),
                &format!("{pointer}/free_on_throwaway"),
                "is about what is destroyed on a branch",
            );
            let conditions = escalation.when.is_some() || escalation.lowers.is_some() || !escalation.facts.is_empty();
            self.require(conditions, &pointer, "has no condition");
            let raises = escalation.effect > declaration.safety.effect || escalation.severe;
            self.require(raises, &pointer, "raises nothing");
            self.require(!escalation.because.is_empty(), &pointer, "says no reason");
            if let Some(comparison) = &escalation.lowers {
                let known = tool.declares(&comparison.argument);
                self.require(known, &format!("{pointer}/lowers/argument"), "is no argument");
                let rooted = comparison.present.starts_with('/');
                self.require(rooted, &format!("{pointer}/lowers/present"), "is no JSON pointer");
            }
        }
        let asks = declaration.safety.effect.needs_consent()
            || declaration.safety.interrupts
            || declaration.safety.reveals
            || declaration
                .safety
                .escalate
                .iter()
                .any(|escalation| escalation.effect.needs_consent());
        self.require(
            !asks || declaration.safety.plan.is_some(),
            "/safety/plan",
            "a call that may ask has a plan",
        );
        self.require(
            !changes || reads || declaration.safety.undo.is_some(),
            "/safety/undo",
            "a change has a way back, or says that it has none",
        );
        self.require(
            !changes || reads || declaration.output.check.is_some() || declaration.workflow.is_some(),
            "/output/check",
            "a change names the tool that tells whether it happened",
        );
        self.require(
            !changes || reads || declaration.output.done.is_some() || declaration.workflow.is_some(),
            "/output/done",
            "a change says what was done",
        );
        let reveals = !declaration.output.reveal.is_empty();
        self.require(
            reveals == declaration.safety.reveals,
            "/output/reveal",
            "safety.reveals and output.reveal go together",
        );
    }
}
