//! What the approval page shows: what would be lost first, then who asks and how it is undone, and the rest folded.
//!
//! It needs no JavaScript, and its policy allows none. Its times are those of this machine's zone, which is the reader's, as the page is
//! served on loopback alone; the countdown is drawn by its style. What it shows may have lain in a file: all of it is escaped.

use axum::http::StatusCode;
use axum::http::header::{CONTENT_SECURITY_POLICY, HeaderValue};
use axum::response::{Html, IntoResponse as _, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Local, TimeDelta, Utc};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::guard::{Approval, DecideError, PageAsks, State};
use crate::text::escaped;

/// How it looks. The policy of the page allows this text as its style, with the countdown of this one answer, and nothing else at all.
const STYLE: &str = include_str!("style.css");

/// How long a list is shown before it is looked at again, in seconds.
const LIST_SECONDS: i64 = 30;

/// What a plan tells of its target that nobody has to weigh before a decision: it is folded, and whatever else a plan tells isn't.
const CIRCUMSTANCES: [&str; 17] = [
    "branches",
    "children",
    "computes",
    "created",
    "databases",
    "default",
    "expires",
    "last active",
    "organization",
    "parent",
    "project",
    "protected",
    "region",
    "size",
    "snapshots",
    "storage",
    "branch",
];

/// What the form is about, beside the call itself.
pub(super) struct Asking<'a> {
    pub(super) approval: &'a Approval,
    /// It is the sandbox, not Neon.
    pub(super) sandbox: bool,
    /// What the page asks for, of whoever didn't sign in.
    pub(super) asks: Option<PageAsks>,
    /// Who signed in, where approvers do: no secret is asked for then.
    pub(super) signed_in: Option<SignedInAs<'a>>,
    /// What was wrong with an answer that came before.
    pub(super) wrong: Option<&'a DecideError>,
}

/// An approver who signed in.
pub(super) struct SignedInAs<'a> {
    /// What people call them.
    pub(super) name: &'a str,
    /// What the form brings back.
    pub(super) form: String,
    /// Whether their approval would count. A rejection does.
    pub(super) may_approve: bool,
}

impl Asking<'_> {
    /// The page that asks. When its time is over it is looked at again by itself, and then says so.
    pub(super) fn page(&self, status: StatusCode) -> Response {
        let left = (self.approval.expires_at - Utc::now()).num_seconds().clamp(0, 86_400);
        page(status, "Approve?", self.body(), Some(left))
    }

    /// The plan, and the form below it. It is the browser's to fill nothing in, and Enter's to send nothing: approving or rejecting is a
    /// button that was meant.
    fn body(&self) -> Markup {
        let approval = self.approval;
        let mut lines = approval.text.split('\n');
        let headline = lines.next().unwrap_or_default();
        let lines: Vec<&str> = lines.collect();
        let starting = |start: &str| {
            lines
                .iter()
                .copied()
                .filter(|line| line.starts_with(start))
                .collect::<Vec<_>>()
        };
        html! {
            @if let Some(wrong) = self.wrong { p.wrong role="alert" { "Not decided: " (wrong) "." } }
            @if self.sandbox { p.sandbox { "Sandbox: nothing here is real, and Neon isn't asked." } }
            p.asks { "Do you approve this call?" }
            div.severe[approval.severe] {
                h1 { (escaped(headline)) }
                @for line in starting("Effect:") { p { (escaped(line)) } }
            }
            p { "It is " (approval.asker()) " that wants to call " strong { (escaped(&approval.tool)) } "." }
            (self.weighed(&starting("Sends ")))
            @for line in starting("First:") { p { (escaped(line)) } }
            h2 { "Undo" }
            (undo(&approval.plan, &starting("Way back:")))
            details {
                summary { "All details, as the terminal shows them" }
                pre { @for line in approval.text.split('\n') { (escaped(line)) "\n" } }
            }
            @if let Some(whole) = &approval.whole {
                details {
                    summary { "All statements, as they run; secrets are masked" }
                    pre { @for line in whole.split('\n') { (escaped(line)) "\n" } }
                }
            }
            (self.form())
        }
    }

    /// What has to be weighed before a decision, and isn't in the headline: what is sent, and what statements would do.
    fn weighed(&self, sends: &[&str]) -> Markup {
        let target = self.approval.plan.get("target").and_then(Value::as_object);
        let told: Vec<(&String, &str)> = target
            .into_iter()
            .flatten()
            .filter(|(label, _)| !CIRCUMSTANCES.contains(&label.as_str()))
            .filter_map(|(label, value)| Some((label, value.as_str()?)))
            // What isn't there needn't be weighed.
            .filter(|(_, value)| *value != "none" && !value.starts_with("none: "))
            .collect();
        html! {
            @if !sends.is_empty() || !told.is_empty() {
                ul {
                    @for line in sends { li { (escaped(line)) } }
                    @for (label, value) in told { li { (escaped(label)) ": " (escaped(value)) } }
                }
            }
        }
    }

    fn form(&self) -> Markup {
        let approval = self.approval;
        let wrong_name = matches!(self.wrong, Some(DecideError::WrongName { .. })).then_some("true");
        let wrong_secret = matches!(self.wrong, Some(DecideError::WrongSecret { .. })).then_some("true");
        html! {
            p.timer {
                "It waits until " (time(approval.expires_at)) ". "
                // Told by the style, second for second; who listens to the page has the time above.
                span aria-hidden="true" { "Time left: " span.left {} }
            }
            form method="post" autocomplete="off" {
                button type="submit" disabled hidden {}
                @if let Some(name) = &approval.type_name {
                    label {
                        "To approve, type the name of the " (escaped(&name.what)) " exactly as it is shown above, without the quotes"
                        input type="text" name="name" autocomplete="off" autocapitalize="off" spellcheck="false" aria-invalid=[wrong_name];
                    }
                }
                @if let Some(signed_in) = &self.signed_in {
                    input type="hidden" name="form" value=(signed_in.form);
                    p.hint { "You are signed in as " (escaped(signed_in.name)) "." }
                    @if !signed_in.may_approve {
                        p.wrong { "It is your own call: the operator's policy has another approve it. You may reject it." }
                    }
                } @else {
                    (self.secret(wrong_secret))
                }
                div.choice {
                    button.reject type="submit" name="decision" value="reject" { "Reject" }
                    @if self.signed_in.as_ref().is_none_or(|signed_in| signed_in.may_approve) {
                        button.approve.danger[approval.severe] type="submit" name="decision" value="approve" { "Approve" }
                    }
                }
            }
        }
    }

    fn secret(&self, wrong_secret: Option<&str>) -> Markup {
        let approval = self.approval;
        let own_secret = self.asks == Some(PageAsks::OperatorsSecret);
        html! {
                label for="secret" {
                    @if own_secret { "The operator's secret" }
                    @else { "The secret for " (approval.code) }
                }
                input #secret type="password" name="secret" required autocomplete="off" aria-invalid=[wrong_secret] aria-describedby="where";
                p.hint #where {
                    @if own_secret {
                        "It stands in the file that the policy of this server names as page_secret_file. Whoever runs the server can tell you."
                    } @else if self.asks == (Some(PageAsks::SecretOfLog { is_anothers: true })) {
                        "Whoever runs the server has it, and decides whom they tell: the last line of its log with "
                        (approval.code) " ends with \"one-time secret\" and this secret. The agent isn't shown it."
                    } @else {
                        "Look into the window where \"neon-mcp http\" runs, or into the file where its output goes: the last line with "
                        (approval.code) " ends with \"one-time secret\" and this secret. The agent isn't shown it, so only you can decide."
                    }
                }
        }
    }
}

/// How a change is undone, and until when.
fn undo(plan: &Value, told: &[&str]) -> Markup {
    let undo = plan.get("undo");
    let text = |name: &str| undo.and_then(|undo| undo.get(name)).and_then(Value::as_str);
    let told = told
        .first()
        .and_then(|line| line.strip_prefix("Way back:"))
        .unwrap_or(" none")
        .trim();
    let until = text("until").and_then(|until| DateTime::parse_from_rfc3339(until).ok());
    html! {
        @match (text("tool"), until) {
            (Some(tool), Some(until)) => {
                p { "By " strong { (escaped(tool)) } ", until " (time(until.to_utc())) "." }
                @if let Some(note) = text("note") { p.hint { (escaped(note)) } }
            }
            (Some(tool), None) => {
                p { "By " strong { (escaped(tool)) } "." }
                @if let Some(note) = text("note") { p.hint { (escaped(note)) } }
            }
            (None, _) if told.starts_with("none") => p.never { strong { "It can't be undone. " } (escaped(told)) }
            (None, _) => p { (escaped(told)) }
        }
    }
}

/// What was decided.
pub(super) fn decided(status: StatusCode, approval: &Approval) -> Response {
    let what = escaped(approval.text.lines().next().unwrap_or_default());
    let (title, body) = match approval.state {
        State::Approved { until, .. } => (
            "Approved",
            html! {
                p { "It counts until " (time(until)) ", for one call." }
                p { "Tell the agent to repeat the call." }
            },
        ),
        State::Rejected { .. } => ("Rejected", html! { p { "Nothing was sent to Neon." } }),
        State::Waiting => ("It waits", html! {}),
    };
    told(
        status,
        title,
        html! { p { strong { (escaped(&approval.tool)) } ": " (what) } (body) },
    )
}

/// A page that says one thing.
pub(super) fn told(status: StatusCode, title: &str, body: Markup) -> Response {
    page(status, title, html! { h1 { (title) } (body) }, None)
}

/// A page with a list, which is looked at again by itself.
pub(super) fn listed(status: StatusCode, body: Markup) -> Response {
    page(status, "Waiting", body, Some(LIST_SECONDS))
}

/// A time as this machine's clocks show it, with the day where that isn't today.
pub(super) fn time(at: DateTime<Utc>) -> Markup {
    let (local, now) = (at.with_timezone(&Local), Local::now());
    let is_soon = local.date_naive() == now.date_naive() || (at - now.to_utc()).abs() < TimeDelta::hours(1);
    let shown = local.format(if is_soon {
        "%H:%M:%S (UTC%:z)"
    } else {
        "%-d %B %Y, %H:%M (UTC%:z)"
    });
    html! { time datetime=(at.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)) { (shown.to_string()) } }
}

/// A page, with the policy that allows its own style alone. With a number of seconds left, it counts them down and then looks again.
fn page(status: StatusCode, title: &str, body: Markup, left: Option<i64>) -> Response {
    let mut style = STYLE.to_owned();
    if let Some(left) = left {
        style.push_str(&format!(
            "@keyframes left{{from{{--left:{left}}}to{{--left:0}}}}.left{{animation-duration:{left}s}}"
        ));
    }
    let html = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="robots" content="noindex";
                @if let Some(left) = left { meta http-equiv="refresh" content=(left + 1); }
                title { "neon-mcp: " (title) }
                style { (PreEscaped(&style)) }
            }
            body { main { (body) } }
        }
    };
    let digest = STANDARD.encode(Sha256::digest(style.as_bytes()));
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{digest}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    );
    let mut response = (status, Html(html.into_string())).into_response();
    let policy = HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"));
    response.headers_mut().insert(CONTENT_SECURITY_POLICY, policy);
    response
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn undo_says_until_when_or_that_there_is_none() {
        let shown = |undo: Value, told: &[&str]| super::undo(&json!({ "undo": undo }), told).into_string();
        let until = "2031-05-01T10:00:00Z";
        let text = shown(json!({"tool": "recover_project", "arguments": {}, "until": until}), &[]);
        assert!(
            text.contains("recover_project") && text.contains(until) && text.contains("2031"),
            "{text}"
        );
        let text = shown(json!("none: gone"), &["Way back: none: gone"]);
        assert!(
            text.contains("class=\"never\"") && text.contains("none: gone"),
            "{text}"
        );
        // What lies in the file is input.
        for odd in [
            json!(null),
            json!([1]),
            json!({"tool": 1, "until": 2}),
            json!({"tool": "<b>", "until": "<i>"}),
        ] {
            let text = shown(odd, &[]);
            assert!(!text.contains("<b>") && !text.contains("<i>"), "{text}");
        }
    }

    #[test]
    fn countdown_is_the_style_that_its_policy_allows() {
        for left in [None, Some(0), Some(299)] {
            let response = page(StatusCode::OK, "t", html! {}, left);
            let policy = response.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap().to_owned();
            let style = match left {
                None => STYLE.to_owned(),
                Some(left) => format!(
                    "{STYLE}@keyframes left{{from{{--left:{left}}}to{{--left:0}}}}.left{{animation-duration:{left}s}}"
                ),
            };
            assert!(
                policy.contains(&STANDARD.encode(Sha256::digest(style.as_bytes()))),
                "{policy}"
            );
            assert!(!policy.contains("unsafe") && !policy.contains("script"), "{policy}");
        }
    }
}
