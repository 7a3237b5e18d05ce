//! From an assessment to a permit: the operator's policy decides first, then, where it must, a human.

use std::sync::LazyLock;

use thiserror::Error;

use super::assess::Assessment;
use super::policy::{Channel, Denied, Occasion, Policy, Rule};
use crate::neon::sql::Statements;
use crate::neon::{Method, Request};
use crate::permit::{Issuer, Permitted};

/// What the policy decides about an assessment.
#[derive(Debug)]
pub enum PolicyDecision {
    /// It may run.
    Allow(AllowedCall),
    /// A human must approve it first.
    RequireApproval(AwaitingApproval),
    /// It doesn't run, whoever approves it.
    Deny(Denied),
}

/// A call that waits for a human's approval. Only [`crate::guard::ApprovalFlow`] makes a [`AllowedCall`] of it.
#[derive(Debug)]
pub struct AwaitingApproval {
    assessment: Assessment,
}

/// A call that may run: the policy let it, or a human approved it.
#[derive(Debug)]
pub struct AllowedCall {
    assessment: Assessment,
    approver: Approver,
    /// The human's name, where it is known.
    approved_by: Option<String>,
}

/// Who let a call run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Approver {
    /// Nobody had to: the call is harmless enough.
    Nobody,
    /// The operator's policy, where a human would have been asked otherwise.
    Policy,
    /// A human, through the MCP client.
    Client,
    /// A human, in a terminal.
    Terminal,
    /// A human, on the approval page.
    Page,
}

impl From<Channel> for Approver {
    fn from(channel: Channel) -> Self {
        match channel {
            Channel::Client => Self::Client,
            Channel::Terminal => Self::Terminal,
            Channel::Page => Self::Page,
        }
    }
}

impl Approver {
    /// The name in results and in the audit log; nothing when nobody had to.
    #[must_use]
    pub fn name(self) -> Option<&'static str> {
        match self {
            Self::Nobody => None,
            Self::Policy => Some("policy"),
            Self::Client => Some("client"),
            Self::Terminal => Some("terminal"),
            Self::Page => Some("page"),
        }
    }
}

/// No permit: the request isn't the one that was judged. A defect of whoever put it together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the request isn't the one that was judged")]
pub struct NotJudged;

/// The right to issue permits, which is the guard's.
fn issuer() -> Result<&'static Issuer, NotJudged> {
    static ISSUER: LazyLock<Option<Issuer>> = LazyLock::new(Issuer::take);
    ISSUER.as_ref().ok_or(NotJudged)
}

impl Assessment {
    /// What the policy makes of it.
    #[must_use]
    pub fn under(self, policy: &Policy) -> PolicyDecision {
        let occasion = Occasion {
            tool: self.tool(),
            effect: self.effect(),
            severe: self.severe(),
            causes: self.causes(),
        };
        match policy.rule(&occasion) {
            Rule::Allow => {
                let approver = if self.asks() {
                    Approver::Policy
                } else {
                    Approver::Nobody
                };
                PolicyDecision::Allow(AllowedCall {
                    assessment: self,
                    approver,
                    approved_by: None,
                })
            }
            Rule::RequireApproval => PolicyDecision::RequireApproval(AwaitingApproval { assessment: self }),
            Rule::Deny(denied) => PolicyDecision::Deny(denied),
        }
    }
}

impl AwaitingApproval {
    /// What was judged.
    #[must_use]
    pub fn assessment(&self) -> &Assessment {
        &self.assessment
    }

    /// A human approved it, of that name where it is known, and everything about that approval was checked.
    pub(in crate::guard) fn approved(self, approver: Approver, approved_by: Option<String>) -> AllowedCall {
        AllowedCall {
            assessment: self.assessment,
            approver,
            approved_by,
        }
    }
}

impl Approver {
    /// Whether a human approved the call.
    #[must_use]
    pub fn is_human(self) -> bool {
        matches!(self, Self::Client | Self::Terminal | Self::Page)
    }
}

impl AllowedCall {
    /// What was judged.
    #[must_use]
    pub fn assessment(&self) -> &Assessment {
        &self.assessment
    }

    /// Who let it run.
    #[must_use]
    pub fn approver(&self) -> Approver {
        self.approver
    }

    /// The name of the human who approved it, where one did and is known.
    #[must_use]
    pub fn approved_by(&self) -> Option<&str> {
        self.approved_by.as_deref()
    }

    /// The permit for the call's request, which uses the allowed call up: one approval, one request.
    ///
    /// # Errors
    /// When the request has another method or route than the declaration that was judged.
    pub fn permit(self, request: Request) -> Result<Permitted<Request>, NotJudged> {
        self.check(&request)?;
        Ok(Permitted::issue(issuer()?, request, self.assessment.effect()))
    }

    /// The permit for one page of a list, of which a call may send several: a GET, or a query that is declared to read.
    ///
    /// # Errors
    /// As [`Self::permit`], and when the call was judged to change something.
    pub fn permit_page(&self, request: Request) -> Result<Permitted<Request>, NotJudged> {
        self.check(&request)?;
        if request.method() != Method::Get && self.assessment.changes() {
            return Err(NotJudged);
        }
        Ok(Permitted::issue(issuer()?, request, self.assessment.effect()))
    }

    /// The allowed call of a workflow's step that would need an approval by itself: the approval of the workflow's call covers it
    /// where the workflow declares the step, and the step does no more than what was approved. `None`: it doesn't.
    #[must_use]
    pub fn step(&self, asking: AwaitingApproval) -> Option<Self> {
        let declaration = &self.assessment.tool().declaration;
        let step = asking.assessment();
        let declared = declaration.covers(step.tool().name());
        let covered = step.effect() <= self.assessment.effect() && (!step.severe() || self.assessment.severe());
        (declared && covered).then_some(Self {
            assessment: asking.assessment,
            approver: self.approver,
            approved_by: self.approved_by.clone(),
        })
    }

    /// The permit for statements of a workflow that was judged to change something. A workflow may send several.
    ///
    /// # Errors
    /// When the tool is no workflow, the call was judged to change nothing, or a statement isn't, byte for byte, one that was judged.
    pub fn permit_statements(&self, statements: Statements) -> Result<Permitted<Statements>, NotJudged> {
        let texts = self.assessment.texts();
        let judged = statements.texts().all(|text| texts.contains(text));
        if self.assessment.tool().declaration.workflow.is_none() || !self.assessment.changes() || !judged {
            return Err(NotJudged);
        }
        Ok(Permitted::issue_texts(
            issuer()?,
            statements,
            self.assessment.effect(),
            texts.clone(),
        ))
    }

    fn check(&self, request: &Request) -> Result<(), NotJudged> {
        let declaration = &self.assessment.tool().declaration;
        let judged = declaration.workflow.is_none()
            && request.method() == declaration.request.method
            && **request.route() == *declaration.request.path;
        if judged { Ok(()) } else { Err(NotJudged) }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::{Map, Value, json};

    use super::*;
    use crate::catalog::{Catalog, Tool};
    use crate::guard::{RiskAssessment, StatementRisk};
    use crate::neon::PathSegment;
    use crate::neon::sql::{Isolation, Query};
    use crate::permit::{Effect, JudgedTexts};

    fn tool(name: &str) -> Arc<Tool> {
        Catalog::embedded().unwrap().tool(name).unwrap().clone()
    }

    fn judged(tool: &Arc<Tool>, arguments: &Value, risk: Option<StatementRisk>) -> Assessment {
        let arguments: Map<String, Value> = arguments.as_object().unwrap().clone();
        match RiskAssessment::begin_assessed(tool, &arguments, risk) {
            RiskAssessment::Done(assessment) => assessment,
            RiskAssessment::Looks(pending) => pending.with(&Default::default()),
        }
    }

    fn asking(tool: &Arc<Tool>, arguments: &Value) -> AwaitingApproval {
        match judged(tool, arguments, None).under(&Policy::default()) {
            PolicyDecision::RequireApproval(asking) => asking,
            other => panic!("{} asks: {other:?}", tool.name()),
        }
    }

    fn revoke(path: &'static str, method: Method) -> Request {
        Request::new(method, path, &[("key_id", PathSegment::integer(5))]).unwrap()
    }

    #[test]
    fn permit_is_for_the_method_and_the_route_that_were_judged() {
        let given = json!({"key_id": 5});
        let allowed = || asking(&tool("revoke_api_key"), &given).approved(Approver::Client, None);
        let route = "/api_keys/{key_id}";
        assert!(allowed().permit(revoke(route, Method::Delete)).is_ok());
        assert!(allowed().permit(revoke(route, Method::Post)).is_err());
        assert!(allowed().permit(revoke("/projects/{key_id}", Method::Delete)).is_err());
        assert!(allowed().permit_page(revoke(route, Method::Delete)).is_err());
    }

    #[test]
    fn approval_of_a_workflow_covers_the_steps_that_it_declares_and_no_more_than_was_approved() {
        let branch = json!({"project_id": "p", "branch_id": "br-a"});
        let restore = json!({"project_id": "p", "branch_id": "br-a", "source_branch_id": "br-b"});
        let (reset, restoring) = (tool("reset_from_parent"), tool("restore_branch"));
        let approved = asking(&reset, &branch).approved(Approver::Client, None);
        assert!(approved.step(asking(&restoring, &restore)).is_some());
        let other = json!({"project_id": "p", "endpoint_id": "ep-a"});
        assert!(approved.step(asking(&tool("delete_compute"), &other)).is_none());
        // What was approved as a write covers nothing that destroys.
        let PolicyDecision::Allow(written) =
            judged(&tool("create_throwaway_branch"), &branch, None).under(&Policy::default())
        else {
            panic!("it runs unasked");
        };
        let mut weaker = asking(&reset, &branch).approved(Approver::Client, None);
        weaker.assessment = judged(&reset, &branch, None).lightened();
        let severe = asking(&restoring, &restore);
        assert!(severe.assessment().severe());
        assert!(weaker.step(severe).is_none());
        assert!(written.step(asking(&restoring, &restore)).is_none());
    }

    #[test]
    fn permit_for_statements_is_for_the_texts_that_were_judged() {
        let risk = StatementRisk {
            effect: Effect::Destructive,
            leaves: false,
            reasons: vec!["deletes".to_owned()],
            texts: JudgedTexts::new(["DELETE FROM t"].into_iter()),
            deletes: true,
            measurable: false,
            rebuilds_indexes: false,
        };
        let given = json!({"project_id": "p", "branch_id": "br-a", "sql": "DELETE FROM t"});
        let allowed = match judged(&tool("run_sql"), &given, Some(risk)).under(&Policy::default()) {
            PolicyDecision::RequireApproval(asking) => asking.approved(Approver::Client, None),
            other => panic!("it asks: {other:?}"),
        };
        let statements =
            |text: &str| Statements::together(vec![Query::plain(text.to_owned())], Isolation::ReadCommitted);
        assert!(allowed.permit_statements(statements("DELETE FROM t")).is_ok());
        for other in ["DELETE FROM t ", "DELETE FROM u", "delete from t"] {
            assert!(allowed.permit_statements(statements(other)).is_err(), "{other}");
        }
    }
}
