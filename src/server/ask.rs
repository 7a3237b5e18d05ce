//! Putting the guard's questions to a client's human, in both protocol eras.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use rmcp::RoleServer;
use rmcp::model::{
    BooleanSchema, CallToolRequestParams, ElicitRequest, ElicitRequestParams, ElicitResult, ElicitationAction,
    ElicitationSchema, InputRequest, InputRequiredResult, PrimitiveSchemaDefinition, StringSchema,
};
use rmcp::service::{Peer, RequestContext, ServiceError};
use serde_json::Value;

use crate::engine::{ApprovalMode, Ask, Returned};
use crate::guard::{APPROVE_FIELD, NAME_FIELD, Question, Reply};

/// The key of our one question among the input requests of a result.
const KEY: &str = "approval";

/// How a client's human can be asked: by what the client declares, never by its name.
pub(super) fn way(context: &RequestContext<RoleServer>, request: &CallToolRequestParams, modern: bool) -> ApprovalMode {
    let elicitation = context.client_capabilities().and_then(|client| client.elicitation);
    // Neither mode named means forms (2025-06-18, where there was nothing else).
    let forms = elicitation.is_some_and(|modes| modes.form.is_some() || modes.url.is_none());
    match (forms, modern) {
        (false, _) => ApprovalMode::OutOfBand,
        (true, true) => ApprovalMode::InReturn(request.request_state.clone().map(|seal| {
            Returned {
                seal,
                reply: request
                    .input_responses
                    .as_ref()
                    .and_then(|responses| responses.get(KEY))
                    .map(|response| match serde_json::from_value(response.clone()) {
                        Ok(result) => reply(result),
                        Err(error) => Reply::Malformed(error.to_string()),
                    }),
            }
        })),
        (true, false) => ApprovalMode::InCall(std::sync::Arc::new(Elicit(context.peer.clone()))),
    }
}

/// The result that asks, for 2026-07-28: the client puts the question to its human and repeats the call.
pub(super) fn input_required(question: &Question) -> InputRequiredResult {
    let request = InputRequest::Elicitation(ElicitRequest::new(form(question)));
    let requests = BTreeMap::from([(KEY.to_owned(), request)]);
    InputRequiredResult::new(Some(requests), Some(question.seal.clone()))
}

/// Asks through `elicitation/create`, for sessions up to 2025-11-25.
struct Elicit(Peer<RoleServer>);

impl std::fmt::Debug for Elicit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Elicit")
    }
}

impl Ask for Elicit {
    fn ask<'a>(&'a self, question: &'a Question) -> BoxFuture<'a, Reply> {
        async move {
            let limit: Duration = question.waits;
            match self
                .0
                .create_elicitation_with_timeout(form(question), Some(limit))
                .await
            {
                Ok(result) => reply(result),
                Err(ServiceError::Timeout { .. }) => Reply::Silence,
                Err(ServiceError::Cancelled { .. }) => Reply::Cancelled,
                Err(ServiceError::McpError(error)) => Reply::Malformed(format!(
                    "the client answered with error {}: {}",
                    error.code.0, error.message
                )),
                Err(error) => Reply::Malformed(error.to_string()),
            }
        }
        .boxed()
    }
}

/// The form: the name of what is lost, or a box to tick.
fn form(question: &Question) -> ElicitRequestParams {
    let (name, field) = match &question.type_name {
        Some(expected) => (
            NAME_FIELD,
            PrimitiveSchemaDefinition::String(
                StringSchema::new()
                    .title(format!("Type {}", expected.name))
                    .description(format!("The name of the {}: that approves it", expected.what)),
            ),
        ),
        None => (
            APPROVE_FIELD,
            PrimitiveSchemaDefinition::Boolean(
                BooleanSchema::new()
                    .title("Yes, do this")
                    .description("Accepting the form without this means no"),
            ),
        ),
    };
    let fields = BTreeMap::from([(name.to_owned(), field)]);
    ElicitRequestParams::FormElicitationParams {
        meta: None,
        message: question.text.clone(),
        requested_schema: ElicitationSchema::new(fields).with_required(vec![name.to_owned()]),
    }
}

fn reply(result: ElicitResult) -> Reply {
    match result.action {
        ElicitationAction::Accept => Reply::Accepted(result.content.unwrap_or(Value::Null)),
        ElicitationAction::Decline => Reply::Rejected,
        ElicitationAction::Cancel => Reply::Cancelled,
        // An action that this version doesn't know is no approval.
        other => Reply::Malformed(format!("{other:?} is no answer to a form")),
    }
}
