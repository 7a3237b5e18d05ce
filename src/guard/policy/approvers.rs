//! Who may approve which calls.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::file::{Approval, ApproverRule, Channel};
use crate::catalog::Effect;

/// Who may approve which calls: by a file and by each that narrows it, all of which must allow it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::guard) struct Approvers {
    own_calls: bool,
    /// The rules of each file that has some.
    layers: Vec<Vec<ApproverRule>>,
}

/// A call that somebody must approve.
#[derive(Debug, Clone, Copy)]
pub struct AskedCall<'a> {
    /// The name of its tool.
    pub tool: &'a str,
    /// What it does.
    pub effect: Effect,
    /// The ids of the projects that it names.
    pub projects: &'a [&'a str],
}

/// Who may approve one call. It is kept with the call, so that whoever takes a decision knows it, and never proves anything there: who
/// uses an approval looks at the policy again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MayApprove {
    /// Whether the caller itself may.
    own_calls: bool,
    /// Some of each list must fit. No list: everybody may.
    all_of: Vec<Vec<WhoApproves>>,
}

/// Whose a call is, as seen by who approves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// Their own.
    Own,
    /// Another's.
    Others,
    /// Nobody can tell: what is known of both can't be compared. Where one's own calls are another's to approve, that is a no.
    Unknown,
}

/// Some who may approve a call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WhoApproves {
    /// By name. Without names and groups: everybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    principals: Option<Vec<String>>,
    /// By group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    groups: Option<Vec<String>>,
    /// By way of these. None: of any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    channels: Option<Vec<Channel>>,
}

/// The ids of the projects that arguments name.
#[must_use]
pub fn projects_of(arguments: &Map<String, Value>) -> Vec<&str> {
    let is_project = |name: &str| {
        ["project_id", "project_ids"]
            .iter()
            .any(|known| name == *known || name.ends_with(&format!("_{known}")))
    };
    let of_project = arguments.iter().filter(|(name, _)| is_project(name));
    let ids = of_project.flat_map(|(_, value)| match value {
        Value::Array(items) => items.iter().collect::<Vec<&Value>>(),
        one => vec![one],
    });
    ids.filter_map(Value::as_str).collect()
}

impl Approvers {
    pub(super) fn of(file: &Approval) -> Self {
        let rules = Some(file.approvers.clone()).filter(|rules| !rules.is_empty());
        Self {
            own_calls: file.own_calls.unwrap_or(true),
            layers: rules.into_iter().collect(),
        }
    }

    /// The groups that are named.
    pub(in crate::guard) fn groups(&self) -> Vec<String> {
        let rules = self.layers.iter().flatten();
        rules.flat_map(|rule| rule.groups.iter().flatten().cloned()).collect()
    }

    /// What both allow.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.own_calls &= other.own_calls;
        self.layers.extend(other.layers);
        self
    }

    /// Who may approve any call at all.
    pub(super) fn of_some_call(&self) -> MayApprove {
        MayApprove {
            own_calls: self.own_calls,
            all_of: self
                .layers
                .iter()
                .map(|rules| rules.iter().map(ApproverRule::who).collect())
                .collect(),
        }
    }

    /// Who may approve a call.
    pub(super) fn of_call(&self, call: AskedCall<'_>) -> MayApprove {
        let of_layer = |rules: &Vec<ApproverRule>| {
            let fitting = rules.iter().filter(|rule| rule.is_about(call));
            fitting.map(ApproverRule::who).collect()
        };
        MayApprove {
            own_calls: self.own_calls,
            all_of: self.layers.iter().map(of_layer).collect(),
        }
    }
}

impl ApproverRule {
    /// Who may approve what by it.
    pub(super) fn in_words(&self) -> String {
        let mut words = format!("{} may approve", self.who().in_words());
        let listed = |names: &Option<Vec<String>>| names.as_ref().map(|names| names.join(", "));
        let effects = self.effects.as_ref().map(|effects| {
            let names: Vec<&str> = effects.iter().map(|effect| effect.name()).collect();
            names.join(", ")
        });
        let parts = [
            ("calls of effect", effects),
            ("calls of", listed(&self.tools)),
            ("calls about project", listed(&self.projects)),
        ];
        let parts: Vec<String> = parts
            .into_iter()
            .filter_map(|(what, names)| Some(format!("{what} {}", names?)))
            .collect();
        words.push(' ');
        words.push_str(&match parts.is_empty() {
            true => "all calls".to_owned(),
            false => parts.join(" that are "),
        });
        words
    }

    fn who(&self) -> WhoApproves {
        WhoApproves {
            principals: self.principals.clone(),
            groups: self.groups.clone(),
            channels: self.channels.clone(),
        }
    }

    /// Whether it is about such a call.
    fn is_about(&self, call: AskedCall<'_>) -> bool {
        let fits = |named: &Option<Vec<String>>, is: &dyn Fn(&String) -> bool| {
            named.as_ref().is_none_or(|named| named.iter().any(is))
        };
        let effects = self.effects.as_ref();
        // Of a call about several projects, each must be one of them.
        let in_projects = |allowed: &Vec<String>| {
            let mut named = call.projects.iter();
            !call.projects.is_empty() && named.all(|id| allowed.iter().any(|one| one == id))
        };
        effects.is_none_or(|effects| effects.contains(&call.effect))
            && fits(&self.tools, &|tool| tool == call.tool)
            && self.projects.as_ref().is_none_or(in_projects)
    }
}

impl Default for MayApprove {
    fn default() -> Self {
        Self {
            own_calls: true,
            all_of: Vec::new(),
        }
    }
}

impl MayApprove {
    /// Whether an approval by one of that name and those groups counts through that channel; `whose` says whose the call is to them.
    #[must_use]
    pub fn allows(&self, (name, groups): (&str, &[String]), channel: Channel, whose: Whose) -> bool {
        let is_named = |who: &Vec<WhoApproves>| who.iter().any(|who| who.is(name, groups, channel));
        (self.own_calls || whose == Whose::Others) && self.all_of.iter().all(is_named)
    }

    /// Whether the caller may approve its own call at all.
    #[must_use]
    pub fn allows_own(&self) -> bool {
        self.own_calls
    }

    /// Whether it names approvers, rather than leave it to the channels.
    #[must_use]
    pub fn names_approvers(&self) -> bool {
        !self.all_of.is_empty()
    }

    /// Whether anybody's approval through that channel could count, whoever that is.
    #[must_use]
    pub fn may_come_through(&self, channel: Channel) -> bool {
        let through = |who: &WhoApproves| who.channels.as_ref().is_none_or(|channels| channels.contains(&channel));
        self.all_of.iter().all(|who| who.iter().any(through))
    }

    /// Whether an approval of somebody who isn't known by name counts through that channel. It may be the caller itself.
    #[must_use]
    pub fn allows_anybody(&self, channel: Channel) -> bool {
        let anybody = |who: &WhoApproves| {
            let through = who.channels.as_ref().is_none_or(|channels| channels.contains(&channel));
            through && who.principals.is_none() && who.groups.is_none()
        };
        self.own_calls && self.all_of.iter().all(|who| who.iter().any(anybody))
    }

    /// Who may, in words: a part for each list of approvers.
    #[must_use]
    pub fn in_words(&self) -> Vec<String> {
        let words = |who: &Vec<WhoApproves>| match who.is_empty() {
            true => "nobody".to_owned(),
            false => who.iter().map(WhoApproves::in_words).collect::<Vec<_>>().join("; or "),
        };
        let mut words: Vec<String> = self.all_of.iter().map(words).collect();
        if !self.own_calls {
            words.push("somebody else than the caller".to_owned());
        }
        words
    }
}

impl WhoApproves {
    fn is(&self, name: &str, in_groups: &[String], channel: Channel) -> bool {
        let through = self
            .channels
            .as_ref()
            .is_none_or(|channels| channels.contains(&channel));
        let everybody = self.principals.is_none() && self.groups.is_none();
        let named = self.principals.iter().flatten().any(|known| known == name);
        let mut groups = self.groups.iter().flatten();
        let in_group = groups.any(|group| in_groups.contains(group));
        through && (everybody || named || in_group)
    }

    fn in_words(&self) -> String {
        let mut who = Vec::new();
        who.extend(self.principals.iter().flatten().cloned());
        who.extend(self.groups.iter().flatten().map(|group| format!("group {group}")));
        if who.is_empty() {
            who.push("everybody".to_owned());
        }
        let mut words = who.join(", ");
        if let Some(channels) = &self.channels {
            let channels: Vec<&str> = channels.iter().map(|channel| channel.name()).collect();
            words.push_str(&format!(" through {}", channels.join(", ")));
        }
        words
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guard::policy::Policy;

    const TOOLS: [&str; 2] = ["delete_branch", "create_api_key"];

    fn policy(text: &str) -> Policy {
        Policy::parse(text, TOOLS.into_iter()).unwrap_or_else(|error| panic!("{error}"))
    }

    fn subject(name: &str, groups: &[&str]) -> (String, Vec<String>) {
        let groups = groups.iter().map(|group| (*group).to_owned()).collect();
        (format!("https://id.example {name}"), groups)
    }

    fn allows(may: &MayApprove, who: &(String, Vec<String>), by: Channel, whose: Whose) -> bool {
        may.allows((&who.0, &who.1), by, whose)
    }

    const DELETE: AskedCall<'static> = AskedCall {
        tool: "delete_branch",
        effect: Effect::Destructive,
        projects: &["shop"],
    };

    const TEAM: &str = r#"
[approval]
own_calls = false

[[approval.approvers]]
groups = ["dba"]
channels = ["page"]
effects = ["destructive"]
projects = ["shop"]

[[approval.approvers]]
principals = ["https://id.example ann"]
tools = ["create_api_key"]
"#;

    #[test]
    fn approver_is_who_the_policy_names_for_the_call_through_the_channel() {
        let policy = policy(TEAM);
        let (ann, bob, dora) = (
            subject("ann", &[]),
            subject("bob", &["dba"]),
            subject("dora", &["DBA", "dev"]),
        );
        let key = AskedCall {
            tool: "create_api_key",
            effect: Effect::Access,
            projects: &[],
        };
        let elsewhere = AskedCall {
            projects: &["other"],
            ..DELETE
        };
        let both = AskedCall {
            projects: &["shop", "other"],
            ..DELETE
        };
        let nowhere = AskedCall {
            projects: &[],
            ..DELETE
        };
        let may = |call, who, by| allows(&policy.approval().may_approve(call), who, by, Whose::Others);
        for (call, who, by, expected) in [
            (DELETE, &bob, Channel::Page, true),
            (DELETE, &bob, Channel::Client, false),
            (DELETE, &ann, Channel::Page, false),
            (DELETE, &dora, Channel::Page, false),
            (elsewhere, &bob, Channel::Page, false),
            (both, &bob, Channel::Page, false),
            (nowhere, &bob, Channel::Page, false),
            (key, &ann, Channel::Page, true),
            (key, &ann, Channel::Terminal, true),
            (key, &bob, Channel::Page, false),
        ] {
            assert_eq!(may(call, who, by), expected, "{call:?} {} {by:?}", who.0);
        }
        // Whoever it is: not one's own.
        assert!(!allows(
            &policy.approval().may_approve(DELETE),
            &bob,
            Channel::Page,
            Whose::Own
        ));
        // Nor what may be one's own.
        assert!(!allows(
            &policy.approval().may_approve(DELETE),
            &bob,
            Channel::Page,
            Whose::Unknown
        ));
        assert!(allows(
            &Policy::default().approval().may_approve(DELETE),
            &bob,
            Channel::Client,
            Whose::Own
        ));
    }

    #[test]
    fn approver_must_be_named_by_the_policy_and_by_what_narrows_it() {
        let everybody = "[[approval.approvers]]\nchannels = [\"page\"]";
        let narrowed = policy(TEAM).narrowed_by(policy(everybody));
        let bob = subject("bob", &["dba"]);
        let may = |policy: &Policy, by| allows(&policy.approval().may_approve(DELETE), &bob, by, Whose::Others);
        assert!(may(&narrowed, Channel::Page));
        let other = "[[approval.approvers]]\nprincipals = [\"cli\"]";
        assert!(!may(&policy(TEAM).narrowed_by(policy(other)), Channel::Page));
        // Whoever narrows can't give back what the operator took.
        let own = Policy::default().narrowed_by(policy("[approval]\nown_calls = false"));
        assert!(!allows(
            &own.approval().may_approve(DELETE),
            &bob,
            Channel::Page,
            Whose::Own
        ));
        let own = policy("[approval]\nown_calls = false").narrowed_by(policy("[approval]\nown_calls = true"));
        assert!(!allows(
            &own.approval().may_approve(DELETE),
            &bob,
            Channel::Page,
            Whose::Own
        ));
    }

    #[test]
    fn channel_that_no_approver_comes_through_is_known_beforehand() {
        let may = policy(TEAM).approval().may_approve(DELETE);
        assert!(may.may_come_through(Channel::Page));
        assert!(!may.may_come_through(Channel::Terminal) && !may.allows_anybody(Channel::Page));
        let anybody = policy("[[approval.approvers]]\nchannels = [\"page\"]");
        assert!(anybody.approval().may_approve(DELETE).allows_anybody(Channel::Page));
        assert!(!anybody.approval().may_approve(DELETE).allows_anybody(Channel::Client));
    }

    #[test]
    fn approvers_that_are_not_understood_are_refused() {
        for (text, says) in [
            (
                "[[approval.approvers]]\ngroup = [\"dba\"]",
                "did you mean `approval.approvers.groups`",
            ),
            (
                "[[approval.approvers]]\ntools = [\"delete_branchs\"]",
                "did you mean `delete_branch`",
            ),
            ("[[approval.approvers]]\neffects = [\"delete\"]", "none of"),
            ("[[approval.approvers]]\nchannels = []", "approval.approvers"),
            ("[[approval.approvers]]\nprincipals = []", "approval.approvers"),
            ("[[approval.approvers]]\nprojects = [\"A/B\"]", "approval.approvers"),
            ("[approval]\nown_calls = \"no\"", "approval.own_calls"),
            ("[approval.approvers]\ngroups = [\"dba\"]", "approval.approvers"),
        ] {
            let error = Policy::parse(text, TOOLS.into_iter())
                .map(|_| ())
                .unwrap_err()
                .to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
