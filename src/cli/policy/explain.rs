//! What a policy would do with one call, without Neon: where facts decide, every case.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context as _, bail};
use chrono::Utc;
use serde_json::{Map, Value};

use crate::catalog::{Catalog, Resource, Selection, SelectionOptions, Tool};
use crate::cli::common::print_folded;
use crate::engine::{assess_statements, complete_arguments};
use crate::guard::untrusted::bare;
use crate::guard::{
    AskedCall, Assessment, BranchFacts, Channel, Denied, Effect, Facts, MayApprove, Needs, Policy, PolicyDecision,
    RiskAssessment, projects_of,
};
use crate::neon::text::one_line;

/// The longest line of ours that quotes the file, in characters.
pub(super) const LONGEST: usize = 500;

/// How a call ends: the order is the order of strictness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum End {
    Runs,
    Asks,
    Refused,
}

impl End {
    fn code(self) -> ExitCode {
        match self {
            Self::Runs => ExitCode::SUCCESS,
            Self::Asks => ExitCode::from(2),
            Self::Refused => ExitCode::FAILURE,
        }
    }
}

/// One state of the world that the call could meet.
struct Case {
    name: String,
    facts: Facts,
}

pub(super) fn run(policy: &Policy, catalog: Catalog, name: &str, arguments: &str) -> anyhow::Result<ExitCode> {
    let given: Value = serde_json::from_str(arguments).context("the arguments are no JSON")?;
    let Value::Object(given) = given else {
        bail!("the arguments are no JSON object: write them as '{{\"project_id\": \"…\"}}'");
    };
    let everything = SelectionOptions {
        toolsets: Some(vec!["all".to_owned()]),
        ..SelectionOptions::default()
    };
    let selection = Selection::new(catalog, &everything, &Policy::default())?;
    let Some(selected) = selection.tool(name) else {
        bail!("{}", selection.missing(name));
    };
    let tool = &selected.tool;
    let arguments = match complete_arguments(selected, given) {
        Ok(arguments) => arguments,
        Err(problems) => bail!("the arguments don't fit {name}: {}", problems.join("; ")),
    };
    if let Err(denied) = policy.offers(tool) {
        print_folded(&refusal("", &denied), "  ");
        return Ok(End::Refused.code());
    }
    let workflows = crate::workflows::all();
    let statements = match assess_statements(&*workflows, selected, &arguments, policy.unasked_rows()) {
        Ok(statements) => statements,
        Err(why) => {
            print_folded(&line("", &format!("refused: {}", bare(&why))), "  ");
            return Ok(End::Refused.code());
        }
    };
    let begin = || RiskAssessment::begin_assessed(tool, &arguments, statements.clone());
    let measured = statements
        .as_ref()
        .is_some_and(|risk| risk.measurable && risk.effect() > Effect::Read);
    let mut ends: Vec<(End, Vec<String>)> = Vec::new();
    match begin() {
        RiskAssessment::Done(assessment) => ends.push(rule(policy, "", assessment, &arguments)),
        RiskAssessment::Looks(pending) => {
            for case in cases(policy, tool, &arguments, pending.needs()) {
                // A judgement ends once: each case has its own.
                if let RiskAssessment::Looks(pending) = begin() {
                    ends.push(rule(policy, &case.name, pending.with(&case.facts), &arguments));
                }
            }
        }
    }
    // What is refused is what a reader looks for.
    ends.sort_by_key(|(end, _)| std::cmp::Reverse(*end == End::Refused));
    ends.iter()
        .flat_map(|(_, lines)| lines)
        .for_each(|line| print_folded(line, "  "));
    let strictest = ends.iter().map(|(end, _)| *end).max().unwrap_or(End::Runs);
    if measured && strictest == End::Runs {
        print_folded(
            &format!(
                "What the statements lose is measured when the call is made: more than {} rows of a table, or an object, asks.",
                policy.unasked_rows()
            ),
            "  ",
        );
    }
    if strictest != End::Refused {
        notes(policy, tool, &arguments);
    }
    Ok(strictest.code())
}

/// Rules over one case, and says how it ends.
fn rule(policy: &Policy, case: &str, assessment: Assessment, arguments: &Map<String, Value>) -> (End, Vec<String>) {
    if let Err(denied) = policy.admits(assessment.tool(), arguments, assessment.effect(), Utc::now()) {
        return (End::Refused, vec![refusal(case, &denied)]);
    }
    let effect = assessment.effect();
    let because = match assessment.reasons() {
        [] => String::new(),
        reasons => format!(", because it {}", reasons.join(" and ")),
    };
    let dry = if policy.dry_run() && assessment.changes() {
        ", and sends nothing (dry_run)"
    } else {
        ""
    };
    let severe = if assessment.severe() {
        ", and the name of what is lost must be typed"
    } else {
        ""
    };
    match assessment.under(policy) {
        PolicyDecision::Deny(denied) => (End::Refused, vec![refusal(case, &denied)]),
        PolicyDecision::Allow(_) => (
            End::Runs,
            vec![line(
                case,
                &format!("runs without a question{dry} (effect {effect}{because})"),
            )],
        ),
        PolicyDecision::RequireApproval(_) if !dry.is_empty() => (
            End::Asks,
            vec![line(
                case,
                &format!("would ask a human{dry} (effect {effect}{because})"),
            )],
        ),
        PolicyDecision::RequireApproval(_) if policy.approval().channels.is_empty() => (
            End::Refused,
            vec![line(
                case,
                &format!(
                    "would ask a human, but nobody may approve (approval.channels): refused (effect {effect}{because})"
                ),
            )],
        ),
        PolicyDecision::RequireApproval(asking) => {
            let may = approvers(policy, asking.assessment().tool().name(), effect, arguments);
            let can_come = |channel: &Channel| may.may_come_through(*channel);
            if !policy.approval().channels.iter().any(can_come) {
                let text = format!(
                    "would ask a human, but nobody may approve (approval.approvers): refused (effect {effect}{because})"
                );
                return (End::Refused, vec![line(case, &text)]);
            }
            let who: String = may
                .in_words()
                .iter()
                .map(|who| format!(", approved by {who}"))
                .collect();
            let text = format!("asks a human{severe}{who} (effect {effect}{because})");
            (End::Asks, vec![line(case, &text)])
        }
    }
}

/// Who may approve a call with these arguments.
fn approvers(policy: &Policy, tool: &str, effect: Effect, arguments: &Map<String, Value>) -> MayApprove {
    let projects = projects_of(arguments);
    policy.approval().may_approve(AskedCall {
        tool,
        effect,
        projects: &projects,
    })
}

fn refusal(case: &str, denied: &Denied) -> String {
    line(
        case,
        &format!("refused by {}: {} {}", denied.rule, bare(&denied.message), denied.next),
    )
}

fn line(case: &str, text: &str) -> String {
    let text = if case.is_empty() {
        text.to_owned()
    } else {
        format!("{case}: {text}")
    };
    one_line(&text, LONGEST)
}

/// What Neon would be asked besides, which can only refuse.
fn notes(policy: &Policy, tool: &Tool, arguments: &Map<String, Value>) {
    if policy.wants_organization() && arguments.contains_key("project_id") {
        print_folded(
            "Neon is asked first whose the project is: allowed_organizations refuses any other's.",
            "  ",
        );
    }
    if policy.bounds_branches() && tool.reaches_branches() {
        print_folded(
            "Neon is asked first which branches the call reaches, and what they are: allowed_branches and denied_branches refuse it then.",
            "  ",
        );
    }
    if let Some(most) = policy.branch_limit().filter(|_| tool.declaration.safety.adds_branch) {
        print_folded(
            &format!("Neon is asked first how many branches there are: caps.branches_per_project refuses at {most}."),
            "  ",
        );
    }
}

/// Every case that would make a difference to the judgement.
fn cases(policy: &Policy, tool: &Arc<Tool>, arguments: &Map<String, Value>, needs: Needs) -> Vec<Case> {
    let branches = if needs.branch {
        branches(policy, tool, arguments, needs)
    } else {
        vec![(String::new(), None)]
    };
    let mut presents = vec![("", None)];
    if needs.present {
        presents = vec![
            ("nothing is lowered", Some(as_wanted(tool, arguments))),
            ("a value is lowered", None),
        ];
    }
    let mut cases = Vec::new();
    let made: &[(&str, bool)] = match needs.made_here {
        true => &[("", false), ("made by this session minutes ago", true)],
        false => &[("", false)],
    };
    for (branch_name, branch) in branches {
        for (present_name, present) in &presents {
            for (made_name, made_here) in made {
                let parts = [branch_name.as_str(), present_name, made_name];
                let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
                cases.push(Case {
                    name: parts.join(", "),
                    facts: Facts {
                        branch: branch.clone(),
                        present: present.clone(),
                        made_here: *made_here,
                    },
                });
            }
        }
    }
    cases
}

/// The branches that the call could act on.
fn branches(
    policy: &Policy,
    tool: &Tool,
    arguments: &Map<String, Value>,
    needs: Needs,
) -> Vec<(String, Option<BranchFacts>)> {
    let target = tool.target().and_then(|(argument, resource)| {
        let text = arguments.get(argument).and_then(Value::as_str)?;
        Some((text, resource))
    });
    let Some((text, resource)) = target.or_else(|| {
        let text = arguments.get("endpoint_id").and_then(Value::as_str)?;
        Some((text, Resource::Endpoint))
    }) else {
        return vec![("on the default branch, since none is named".to_owned(), None)];
    };
    // A name is known; of an id, and of a compute's branch, nothing is.
    let name = match resource {
        Resource::Branch if !text.starts_with("br-") => text.strip_prefix("name:").unwrap_or(text),
        _ => "",
    };
    let ordinary = BranchFacts {
        name: name.to_owned(),
        default: false,
        protected: false,
        running: false,
        throwaway: false,
        inherits_secret: false,
    };
    let mut branches = Vec::new();
    if !name.is_empty() && policy.protects(name) {
        let protected = BranchFacts {
            protected: true,
            running: needs.running,
            ..ordinary.clone()
        };
        branches.push((format!("on {name}, which protected_branches protects"), Some(protected)));
    } else {
        if needs.children {
            let throwaway = BranchFacts {
                throwaway: true,
                ..ordinary.clone()
            };
            branches.push(("on a throwaway branch".to_owned(), Some(throwaway)));
        }
        branches.push(("on an ordinary branch".to_owned(), Some(ordinary.clone())));
        if needs.running {
            let running = BranchFacts {
                running: true,
                ..ordinary.clone()
            };
            branches.push(("on an ordinary branch with a running compute".to_owned(), Some(running)));
        }
        if needs.role {
            let inherits = BranchFacts {
                inherits_secret: true,
                ..ordinary.clone()
            };
            branches.push((
                "on a branch that may have inherited the password".to_owned(),
                Some(inherits),
            ));
        }
        let protected = BranchFacts {
            protected: true,
            running: needs.running,
            ..ordinary.clone()
        };
        branches.push(("on a protected branch".to_owned(), Some(protected)));
    }
    let default = BranchFacts {
        default: true,
        running: needs.running,
        ..ordinary
    };
    branches.push(("on the default branch".to_owned(), Some(default)));
    branches
}

/// A present state in which every value is what the call asks for already.
fn as_wanted(tool: &Tool, arguments: &Map<String, Value>) -> Value {
    let mut present = Value::Object(Map::new());
    for lowers in tool
        .declaration
        .safety
        .escalate
        .iter()
        .filter_map(|escalation| escalation.lowers.as_ref())
    {
        let Some(wanted) = arguments.get(&lowers.argument) else {
            continue;
        };
        let mut place = &mut present;
        for step in lowers.present.split('/').skip(1) {
            let Value::Object(fields) = place else { break };
            place = fields.entry(step).or_insert_with(|| Value::Object(Map::new()));
        }
        *place = wanted.clone();
    }
    present
}
