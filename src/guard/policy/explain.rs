//! A policy in plain words, with what its author may not have meant.

use super::file::{Action, CopiedBefore, PolicyFile};
use super::{Channel, Policy};
use crate::catalog::Catalog;
use crate::guard::Effect;

const EFFECTS: [Effect; 4] = [Effect::Read, Effect::Write, Effect::Access, Effect::Destructive];

/// A policy in plain words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyExplanation {
    /// What each key does, in the order of the reference.
    pub rules: Vec<String>,
    /// The tools that aren't listed, each with the key that hides it.
    pub hidden: Vec<(String, String)>,
    /// What contradicts itself, or does more than it may seem to.
    pub warnings: Vec<String>,
}

impl Policy {
    /// The operator's file in plain words.
    #[must_use]
    pub fn in_words(&self, catalog: &Catalog) -> PolicyExplanation {
        let hidden: Vec<(String, String)> = catalog
            .tools()
            .iter()
            .filter_map(|tool| Some((tool.name().to_owned(), self.offers(tool).err()?.rule)))
            .collect();
        let mut warnings = warnings(&self.base, catalog);
        if hidden.len() == catalog.tools().len() {
            warnings.push("no tool is left: the server doesn't start".to_owned());
        }
        PolicyExplanation {
            rules: rules(&self.base),
            hidden,
            warnings,
        }
    }
}

fn rules(file: &PolicyFile) -> Vec<String> {
    let mut rules = Vec::new();
    let mut say = |text: String| rules.push(text);
    if file.read_only {
        say("read_only: only tools that change nothing and hand over no secret".to_owned());
    }
    if let Some(reason) = &file.freeze {
        say(format!("freeze: nothing changes ({reason})"));
    }
    if file.dry_run {
        say("dry_run: changes answer with what they would send, and send nothing".to_owned());
    }
    if let Some(ids) = &file.allowed_projects {
        say(format!(
            "allowed_projects: calls name no other project than {}",
            ids.join(", ")
        ));
    }
    if let Some(ids) = &file.allowed_organizations {
        say(format!(
            "allowed_organizations: calls name no other organization, and no project of another, than {}",
            ids.join(", ")
        ));
    }
    if !file.protected_branches.is_empty() {
        say(format!(
            "protected_branches: these count as protected: {}",
            file.protected_branches.join(", ")
        ));
    }
    if let Some(allowed) = &file.allowed_branches {
        say(format!(
            "allowed_branches: calls reach no other branch than {}, and throwaway branches made of those",
            allowed.join(", ")
        ));
    }
    if !file.denied_branches.is_empty() {
        say(format!(
            "denied_branches: no call reaches {}, and no branch is made of it",
            file.denied_branches.join(", ")
        ));
    }
    if let Some(allowed) = &file.allowed_roles {
        say(format!(
            "allowed_roles: calls name no other role than {}, and SQL runs as no other",
            allowed.join(", ")
        ));
    }
    if let Some(allowed) = &file.allowed_databases {
        say(format!(
            "allowed_databases: calls name no other database than {}, and SQL runs in no other",
            allowed.join(", ")
        ));
    }
    for effect in EFFECTS {
        if let Some(action) = file.effects.of(effect) {
            say(format!("effects.{effect}: {} calls {}", effect, in_words(action)));
        }
    }
    for (name, action) in &file.tools {
        say(format!("tools.{name}: its calls {}", in_words(*action)));
    }
    let caps = &file.caps;
    if let Some(hours) = caps.throwaway_lifetime_hours {
        say(format!(
            "caps.throwaway_lifetime_hours: a new branch's expiry is at most {hours} h away"
        ));
    }
    if let Some(most) = caps.branches_per_project {
        say(format!(
            "caps.branches_per_project: no new branch where a project has {most}"
        ));
    }
    if let Some(most) = caps.compute_cu {
        say(format!(
            "caps.compute_cu: no call asks for a compute of more than {most} CU"
        ));
    }
    if let Some(most) = caps.changes_per_minute {
        say(format!("caps.changes_per_minute: at most {most} changes in a minute"));
    }
    let approval = super::ApprovalRules::of(file);
    let channels: Vec<&str> = approval.channels.iter().map(|channel| channel.name()).collect();
    if file.approval.channels.is_some() && !channels.is_empty() {
        say(format!(
            "approval.channels: approvals may come through {}",
            channels.join(", ")
        ));
    }
    if file.approval.question_seconds.is_some() {
        say(format!(
            "approval.question_seconds: a question waits {} s",
            approval.question_seconds
        ));
    }
    if file.approval.approver_seconds.is_some() {
        say(format!(
            "approval.approver_seconds: a call waits {} s for an approver who isn't the caller's own human",
            approval.approver_seconds
        ));
    }
    if file.approval.approval_seconds.is_some() {
        say(format!(
            "approval.approval_seconds: an approval waits {} s for its call",
            approval.approval_seconds
        ));
    }
    if approval.without_terminal {
        say("approval.without_terminal: `neon-mcp approve --yes` works without a terminal".to_owned());
    }
    if let Some(path) = &approval.page_secret_file {
        say(format!(
            "approval.page_secret_file: the approval page's secret is in {}",
            path.display()
        ));
    }
    if file.approval.own_calls == Some(false) {
        say("approval.own_calls: another than the caller must approve".to_owned());
    }
    for (number, rule) in file.approval.approvers.iter().enumerate() {
        say(format!(
            "approval.approvers, number {}: {}",
            number + 1,
            rule.in_words()
        ));
    }
    if file.safety_copy.before == CopiedBefore::Destructive {
        say("safety_copy.before: destructive calls that ask are sent after a copy of the branch was made, where Neon has one".to_owned());
    }
    rules
}

fn in_words(action: Action) -> &'static str {
    match action {
        Action::Allow => "run without a question",
        Action::RequireApproval => "ask a human",
        Action::Deny => "are denied",
    }
}

fn quoted(action: Action) -> &'static str {
    match action {
        Action::Allow => "\"allow\"",
        Action::RequireApproval => "\"require_approval\"",
        Action::Deny => "\"deny\"",
    }
}

fn warnings(file: &PolicyFile, catalog: &Catalog) -> Vec<String> {
    let mut warnings = Vec::new();
    for (name, action) in &file.tools {
        let Some(tool) = catalog.tool(name).filter(|_| *action != Action::Deny) else {
            continue;
        };
        let effect = tool.declaration.safety.effect;
        let written = quoted(*action);
        match file.effects.of(effect) {
            Some(Action::Deny) => {
                warnings.push(format!(
                    "tools.{name} = {written} does nothing: effects.{effect} = \"deny\" is stricter"
                ));
                continue;
            }
            Some(Action::RequireApproval) if *action == Action::Allow => {
                warnings.push(format!(
                    "tools.{name} = {written} does nothing: effects.{effect} = \"require_approval\" is stricter"
                ));
            }
            _ => {}
        }
        if let Err(denied) = file.offers(tool) {
            warnings.push(format!(
                "tools.{name} = {written} does nothing: {} leaves the tool out",
                denied.rule
            ));
        } else if *action == Action::Allow && file.freeze.is_some() && effect != Effect::Read {
            warnings.push(format!(
                "tools.{name} = {written} does nothing at present: freeze is stricter"
            ));
        }
    }
    if file.effects.destructive == Some(Action::Allow) {
        warnings.push(
            "effects.destructive = \"allow\": data can be lost without a question; only what is severe still asks"
                .to_owned(),
        );
    }
    if file.safety_copy.before == CopiedBefore::Destructive {
        // A copy is a call like any other, and nobody can be asked about it.
        let held = ["create_snapshot", "create_branch"]
            .into_iter()
            .filter_map(|name| catalog.tool(name))
            .filter(|tool| {
                let rules = [
                    file.effects.of(tool.declaration.safety.effect),
                    file.tools.get(tool.name()).copied(),
                ];
                rules.into_iter().flatten().any(|action| action != Action::Allow) || file.freeze.is_some()
            });
        for tool in held {
            warnings.push(format!(
                "safety_copy: no copy can be made with {}, so calls that need one are never sent",
                tool.name()
            ));
        }
    }
    let takes = |wanted: Channel| {
        let channels = file.approval.channels.as_ref();
        channels.is_none_or(|channels| channels.contains(&wanted))
    };
    for (number, rule) in file.approval.approvers.iter().enumerate() {
        let number = number + 1;
        if rule.channels.iter().flatten().all(|channel| !takes(*channel)) && rule.channels.is_some() {
            warnings.push(format!(
                "approval.approvers, number {number}, does nothing: approval.channels leaves its channels out"
            ));
        }
        let denied = |effect: &Effect| file.effects.of(*effect) == Some(Action::Deny);
        if rule.effects.as_ref().is_some_and(|effects| effects.iter().all(denied)) {
            warnings.push(format!(
                "approval.approvers, number {number}, does nothing: effects denies what it is about"
            ));
        }
        if let (Some(groups), Some(channels)) = (&rule.groups, &rule.channels)
            && rule.principals.is_none()
            && !groups.is_empty()
            && channels.iter().all(|channel| *channel == Channel::Terminal)
        {
            warnings.push(format!(
                "approval.approvers, number {number}, does nothing: in a terminal nobody is in a group; name `cli`"
            ));
        }
    }
    if file.approval.own_calls == Some(false) && !takes(Channel::Terminal) && !takes(Channel::Page) {
        warnings.push(
            "approval.own_calls = false: only the client is left, which asks the caller's own human, so what asks never runs"
                .to_owned(),
        );
    }
    if file.approval.channels.as_ref().is_some_and(Vec::is_empty) {
        warnings.push("approval.channels is empty: nobody may approve, and what asks never runs".to_owned());
    }
    if file.approval.without_terminal && !takes(Channel::Terminal) {
        warnings.push("approval.without_terminal does nothing: approval.channels leaves the terminal out".to_owned());
    }
    if file.approval.page_secret_file.is_some() && !takes(Channel::Page) {
        warnings.push("approval.page_secret_file does nothing: approval.channels leaves the page out".to_owned());
    }
    warnings
}
