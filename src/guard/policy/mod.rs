//! The operator's policy: a TOML file that bounds what agents may do, read at start.
//!
//! A call passes [`Policy::offers`] (may calls of this tool run at all?), [`Policy::admits`] (does this one stay in
//! bounds?) and [`Policy::rule`] (does it run, ask, or neither?). Each answers for the file and for everything that narrows
//! it; the strictest answer counts.

mod approvers;
mod branches;
mod evaluate;
mod explain;
mod file;
mod parse;
mod pattern;
mod reference;
mod rule;
mod scope;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::catalog::Effect;
use crate::catalog::{Allowed, Named, Pins, Tool};
use crate::guard::scopes::Scopes;
use crate::neon::{OrganizationId, ProjectId};

use approvers::Approvers;
pub use approvers::{AskedCall, MayApprove, Whose, projects_of};
pub use branches::{BranchSeen, NewBranch};
pub use explain::PolicyExplanation;
pub use file::Channel;
use file::{Action, CopiedBefore, PolicyFile};
pub use parse::PolicyError;
pub use reference::{policy_reference, policy_schema};
pub use rule::{Cause, Denied, Occasion, Rule};

/// How long Neon lets a branch with an expiry live.
const NEONS_LIFETIME_HOURS: u64 = 720;

/// How many rows of a table SQL may delete or change unasked, where the policy doesn't say it.
const UNASKED_ROWS: u64 = 100;

/// How long a question and an approval wait, where the policy doesn't say it.
const WAITS_SECONDS: u64 = 300;

/// How long a call waits for an approver who isn't the caller's own human, where the policy doesn't say it: they must hear of it first.
const APPROVER_SECONDS: u64 = 1_800;

/// How a human is asked.
#[derive(Debug, Clone)]
pub struct ApprovalRules {
    /// Where approvals may come from. Empty: from nowhere, and what asks never runs.
    pub channels: Vec<Channel>,
    /// How long a question waits, in seconds.
    pub question_seconds: u64,
    /// How long a call waits for an approver who isn't the caller's own human, in seconds.
    pub approver_seconds: u64,
    /// How long an approval that was given elsewhere waits for its call, in seconds.
    pub approval_seconds: u64,
    /// Whether `neon-mcp approve --yes` may approve without a terminal.
    pub without_terminal: bool,
    /// The file with the secret of the approval page.
    pub page_secret_file: Option<PathBuf>,
    /// Who may approve which calls.
    pub(in crate::guard) approvers: Approvers,
}

/// What the operator allows: a file, and what narrows it.
#[derive(Debug, Clone, Default)]
pub struct Policy {
    /// The operator's file: the only one whose allowances lift a question.
    base: PolicyFile,
    /// What narrows it: these only take away.
    narrowing: Vec<PolicyFile>,
    /// What the caller's token lets it do at most.
    scopes: Scopes,
    /// The scopes of the caller's token, of which the operator may leave fewer.
    issued: Scopes,
    approval: ApprovalRules,
    /// The text of its file, with which that is compared when it is read again.
    text: Option<Arc<str>>,
}

impl Default for ApprovalRules {
    fn default() -> Self {
        Self::of(&PolicyFile::default())
    }
}

impl ApprovalRules {
    fn of(file: &PolicyFile) -> Self {
        let approval = &file.approval;
        Self {
            channels: approval.channels.clone().unwrap_or_else(|| Channel::ALL.to_vec()),
            question_seconds: approval.question_seconds.unwrap_or(WAITS_SECONDS),
            approver_seconds: approval
                .approver_seconds
                .or(approval.question_seconds)
                .unwrap_or(APPROVER_SECONDS),
            approval_seconds: approval.approval_seconds.unwrap_or(WAITS_SECONDS),
            without_terminal: approval.without_terminal,
            page_secret_file: approval.page_secret_file.clone(),
            approvers: Approvers::of(approval),
        }
    }

    /// Who may approve a call.
    #[must_use]
    pub fn may_approve(&self, call: AskedCall<'_>) -> MayApprove {
        self.approvers.of_call(call)
    }

    /// Who may approve any call at all.
    pub(in crate::guard) fn may_approve_some(&self) -> MayApprove {
        self.approvers.of_some_call()
    }

    /// What both allow. The secret stays this one's: whoever narrows must not choose it.
    fn narrowed_by(self, other: &Self) -> Self {
        let mut channels = self.channels;
        channels.retain(|channel| other.channels.contains(channel));
        Self {
            channels,
            question_seconds: self.question_seconds.min(other.question_seconds),
            approver_seconds: self.approver_seconds.min(other.approver_seconds),
            approval_seconds: self.approval_seconds.min(other.approval_seconds),
            without_terminal: self.without_terminal && other.without_terminal,
            page_secret_file: self.page_secret_file,
            approvers: self.approvers.and(other.approvers.clone()),
        }
    }
}

impl Policy {
    fn new(base: PolicyFile) -> Self {
        Self {
            approval: ApprovalRules::of(&base),
            base,
            narrowing: Vec::new(),
            scopes: Scopes::ALL,
            issued: Scopes::ALL,
            text: None,
        }
    }

    fn of_file((base, text): (PolicyFile, String)) -> Self {
        Self {
            text: Some(text.into()),
            ..Self::new(base)
        }
    }

    /// The text of the file that it was read from.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.text.as_deref()
    }

    /// Parses a policy. `tool_names` are the tools that it may speak of.
    ///
    /// # Errors
    /// When anything in it isn't understood.
    pub fn parse<'a>(text: &str, tool_names: impl Iterator<Item = &'a str>) -> Result<Self, PolicyError> {
        let tools: Vec<&str> = tool_names.collect();
        parse::parse(text, "text", &tools).map(Self::new)
    }

    /// Reads a policy file. `tool_names` are the tools that it may speak of.
    ///
    /// # Errors
    /// When it can't be read whole, anything in it isn't understood, or (on unix) others than its owner can change it.
    pub fn read<'a>(path: &Path, tool_names: impl Iterator<Item = &'a str>) -> Result<Self, PolicyError> {
        let tools: Vec<&str> = tool_names.collect();
        parse::read(path, &tools, parse::Of::Server).map(Self::of_file)
    }

    /// Reads the policy file of some callers, which is read again whenever it changes: it must say that it is whole.
    ///
    /// # Errors
    /// As [`Self::read`], and when it lacks its last line.
    pub fn read_of_callers<'a>(path: &Path, tool_names: impl Iterator<Item = &'a str>) -> Result<Self, PolicyError> {
        let tools: Vec<&str> = tool_names.collect();
        parse::read(path, &tools, parse::Of::Callers).map(Self::of_file)
    }

    /// This policy, narrowed by another: what either denies is denied, what either's rules send to a human asks, bounds are
    /// the tighter ones. An allowance in `other` lifts nothing, and what `other` says nothing about stays as it is here: it
    /// asks for nothing only because its own default would.
    #[must_use]
    pub fn narrowed_by(mut self, other: Self) -> Self {
        self.approval = self.approval.narrowed_by(&other.approval);
        self.narrowing.push(other.base);
        self.narrowing.extend(other.narrowing);
        self.scopes = self.scopes.and(other.scopes);
        self.issued = self.issued.and(other.issued);
        self
    }

    /// Narrowed to what a caller's scopes allow: what is left of those that its token was issued with. They lift no question.
    #[must_use]
    pub fn with_scopes(mut self, scopes: Scopes, issued: Scopes) -> Self {
        self.scopes = self.scopes.and(scopes);
        self.issued = self.issued.and(issued);
        self
    }

    /// Narrowed to tools that only read, if so asked.
    #[must_use]
    pub fn with_read_only(mut self, read_only: bool) -> Self {
        self.base.read_only |= read_only;
        self
    }

    /// Narrowed to what the operator's flags fix.
    #[must_use]
    pub fn with_pins(mut self, pins: Pins) -> Self {
        self.base.pins = pins;
        self
    }

    /// Narrowed to what a request asks for, as far as the operator's flags fix nothing: they stay.
    #[must_use]
    pub fn for_request(mut self, read_only: bool, pins: &Pins) -> Self {
        self.base.read_only |= read_only;
        self.base.pins = self.base.pins.or(pins);
        self
    }

    /// What is fixed, by the operator's flags or by a request.
    #[must_use]
    pub fn pins(&self) -> &Pins {
        &self.base.pins
    }

    /// Whether it matters which branches a call reaches.
    #[must_use]
    pub fn bounds_branches(&self) -> bool {
        self.layers().any(PolicyFile::bounds_branches)
    }

    /// Whether it matters which role SQL runs as.
    #[must_use]
    pub fn bounds_roles(&self) -> bool {
        self.layers().any(PolicyFile::bounds_roles)
    }

    /// Whether the branch is none of those that no call may reach.
    ///
    /// # Errors
    /// The denial.
    pub fn spares_branch(&self, branch: &BranchSeen) -> Result<(), Denied> {
        self.layers().try_for_each(|layer| layer.spares_branch(branch))
    }

    /// Whether the branch is one of those that calls may reach.
    ///
    /// # Errors
    /// The denial.
    pub fn allows_branch(&self, branch: &BranchSeen) -> Result<(), Denied> {
        self.layers().try_for_each(|layer| layer.allows_branch(branch))
    }

    /// Whether a branch may be made under that name.
    ///
    /// # Errors
    /// The denial.
    pub fn admits_new_branch(&self, name: Option<&str>, end: NewBranch) -> Result<(), Denied> {
        self.layers().try_for_each(|layer| layer.admits_new_branch(name, end))
    }

    /// The denial of a call that reaches every branch of a project, where that matters.
    ///
    /// # Errors
    /// The denial.
    pub fn admits_every_branch(&self) -> Result<(), Denied> {
        match self.layers().find(|layer| layer.bounds_branches()) {
            Some(layer) => Err(layer.beyond_branches()),
            None => Ok(()),
        }
    }

    /// Whether a role or database is in bounds.
    ///
    /// # Errors
    /// The denial.
    pub fn admits_name(&self, named: Named, name: &str) -> Result<(), Denied> {
        self.layers().try_for_each(|layer| layer.admits_name(named, name))
    }

    /// The denial of SQL that takes another role, may do so unseen, or changes roles, where roles are bounded.
    ///
    /// # Errors
    /// The denial.
    pub fn admits_roles_in_sql(&self, kind: &str) -> Result<(), Denied> {
        match self.layers().find(|layer| layer.bounds_roles()) {
            Some(layer) => Err(layer.beyond(Named::Role, &format!("{kind} can act for another or change one"))),
            None => Ok(()),
        }
    }

    /// Whether calls that do more than read are denied.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.layers().any(|layer| layer.read_only)
    }

    fn layers(&self) -> impl Iterator<Item = &PolicyFile> {
        std::iter::once(&self.base).chain(&self.narrowing)
    }

    /// Whether the tool is listed: it isn't when no call of it could ever run. A freeze hides nothing.
    #[must_use]
    pub fn lists(&self, tool: &Tool) -> bool {
        self.offers(tool).is_ok()
    }

    /// Whether the policy names the tool, and allows no call of it.
    #[must_use]
    pub fn denies_by_name(&self, tool: &Tool) -> bool {
        self.layers().any(|layer| layer.denies_by_name(tool))
    }

    /// Whether calls of the tool can run at all, which its declaration decides.
    ///
    /// # Errors
    /// The denial.
    pub fn offers(&self, tool: &Tool) -> Result<(), Denied> {
        self.layers().try_for_each(|layer| layer.offers(tool))?;
        self.has_scopes(Scopes::needed_by(tool))
    }

    /// Whether the caller's token has these scopes.
    fn has_scopes(&self, needed: Scopes) -> Result<(), Denied> {
        match self.scopes.lacks(needed) {
            Scopes::NONE => Ok(()),
            lacking => Err(Denied::scope(lacking, self.issued.lacks(lacking).is_empty())),
        }
    }

    /// The scopes that no call of the tool could do without and that the caller lacks, and whose they are to give, in words.
    fn lacks_scopes(&self, tool: &Tool) -> Option<String> {
        let lacking = self.scopes.lacks(Scopes::needed_by(tool));
        (!lacking.is_empty()).then(|| Denied::lacking(lacking, self.issued.lacks(lacking).is_empty()))
    }

    /// Whether a call with these arguments, of that effect, stays in bounds.
    ///
    /// # Errors
    /// The denial.
    pub fn admits(
        &self,
        tool: &Tool,
        arguments: &Map<String, Value>,
        effect: Effect,
        now: DateTime<Utc>,
    ) -> Result<(), Denied> {
        self.layers()
            .try_for_each(|layer| layer.admits(tool, arguments, effect, now))?;
        self.has_scopes(Scopes::needed_by_call(tool, effect))
    }

    /// Rules over a call: a rule that denies wins over one that asks, and that over one that allows. Where no rule is
    /// written, what has a cause asks.
    #[must_use]
    pub fn rule(&self, occasion: &Occasion<'_>) -> Rule {
        if let Some(denied) = self.layers().find_map(|layer| layer.written(occasion).denied(occasion)) {
            return Rule::Deny(denied);
        }
        let mut needed = Scopes::needed_by_call(occasion.tool, occasion.effect);
        if occasion.causes.contains(&Cause::Reveals) {
            needed = needed.or(Scopes::for_effect(Effect::Access));
        }
        if let Err(denied) = self.has_scopes(needed) {
            return Rule::Deny(denied);
        }
        let asks = |layer: &PolicyFile| layer.written(occasion).strictest() == Some(Action::RequireApproval);
        let base = self.base.written(occasion);
        let stays = |cause: &Cause| !base.lifts(occasion, *cause);
        if self.layers().any(asks) || occasion.causes.iter().any(stays) {
            Rule::RequireApproval
        } else {
            Rule::Allow
        }
    }

    /// How a human is asked.
    #[must_use]
    pub fn approval(&self) -> &ApprovalRules {
        &self.approval
    }

    /// Whether a branch of that name counts as protected.
    #[must_use]
    pub fn protects(&self, branch: &str) -> bool {
        self.layers().any(|layer| layer.protects(branch))
    }

    /// The most branches of a project.
    #[must_use]
    pub fn branch_limit(&self) -> Option<u64> {
        self.layers().filter_map(|layer| layer.caps.branches_per_project).min()
    }

    /// Whether a project with that many branches may get one more.
    ///
    /// # Errors
    /// The denial.
    pub fn check_branches(&self, present: u64) -> Result<(), Denied> {
        match self.branch_limit() {
            Some(most) if present >= most => Err(Denied::new(
                "caps.branches_per_project",
                &format!("a project has at most {most} branches, and this one has {present}"),
                "Delete a branch that is no longer needed, or tell the user: only the operator can change the policy.",
            )),
            _ => Ok(()),
        }
    }

    /// Whether the organization of a project matters: [`Self::check_organization`] checks it.
    #[must_use]
    pub fn wants_organization(&self) -> bool {
        self.layers().any(|layer| layer.allowed_organizations.is_some())
    }

    /// Whether a call may be about a project of this organization; nothing when Neon doesn't tell which it is.
    ///
    /// # Errors
    /// The denial.
    pub fn check_organization(&self, organization: Option<&OrganizationId>) -> Result<(), Denied> {
        self.layers()
            .try_for_each(|layer| scope::check_organization(layer, organization))
    }

    /// Whether calls may be about the project, and lists show it. What has no id that can be told is none of the allowed ones.
    #[must_use]
    pub fn admits_project(&self, id: Option<&ProjectId>) -> bool {
        self.layers()
            .filter_map(|layer| layer.allowed_projects.as_ref())
            .all(|allowed| id.is_some_and(|id| allowed.iter().any(|one| one == id.as_str())))
    }

    /// Whether calls may be about some projects alone.
    #[must_use]
    pub fn bounds_projects(&self) -> bool {
        self.layers().any(|layer| layer.allowed_projects.is_some())
    }

    /// Whether calls that would change something answer with what they would send.
    #[must_use]
    pub fn dry_run(&self) -> bool {
        self.layers().any(|layer| layer.dry_run)
    }

    /// Why nothing may change at present.
    #[must_use]
    pub fn frozen(&self) -> Option<&str> {
        self.layers().find_map(|layer| layer.freeze.as_deref())
    }

    /// How many rows of a table SQL may delete or change unasked: the base's number, and no more than what narrows it says.
    #[must_use]
    pub fn unasked_rows(&self) -> u64 {
        let base = self.base.sql.unasked_rows.unwrap_or(UNASKED_ROWS);
        let narrower = self.narrowing.iter().filter_map(|layer| layer.sql.unasked_rows).min();
        narrower.map_or(base, |narrower| base.min(narrower))
    }

    /// Whether what a destructive call destroys is copied first.
    #[must_use]
    pub fn safety_copy(&self) -> bool {
        self.layers()
            .any(|layer| layer.safety_copy.before == CopiedBefore::Destructive)
    }

    /// The most changes in a minute.
    #[must_use]
    pub fn changes_per_minute(&self) -> Option<u32> {
        self.layers().filter_map(|layer| layer.caps.changes_per_minute).min()
    }

    /// How far away the expiry of a new branch may be.
    #[must_use]
    pub fn throwaway_lifetime(&self) -> Duration {
        let hours = self
            .layers()
            .filter_map(|layer| layer.caps.throwaway_lifetime_hours)
            .min();
        Duration::from_secs(hours.unwrap_or(NEONS_LIFETIME_HOURS).saturating_mul(60 * 60))
    }
}

impl Allowed for Policy {
    fn denies_by_name(&self, tool: &Tool) -> bool {
        Self::denies_by_name(self, tool)
    }

    fn lists(&self, tool: &Tool) -> bool {
        Self::lists(self, tool)
    }

    fn is_read_only(&self) -> bool {
        Self::is_read_only(self)
    }

    fn lacks_scopes(&self, tool: &Tool) -> Option<String> {
        Self::lacks_scopes(self, tool)
    }
}
