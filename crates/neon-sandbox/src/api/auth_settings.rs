//! Settings of Neon Auth: ways to sign in, plugins, the mail server, localhost, the webhook.

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::{
    Route,
    auth::{check_email, check_uri, edit, read},
};
use crate::{
    call::{Call, Reply},
    error::ApiError,
    state::{
        State,
        auth::{EmailProvider, Integration, Provider, Secret, SharedServer, SmtpServer, Webhook},
    },
};

pub(crate) fn routes() -> Vec<Route> {
    const PASSWORD: &str = "/projects/{project_id}/branches/{branch_id}/auth/email_and_password";
    const MAIL: &str = "/projects/{project_id}/branches/{branch_id}/auth/email_provider";
    const LOCALHOST: &str = "/projects/{project_id}/branches/{branch_id}/auth/allow_localhost";
    const PHONE: &str = "/projects/{project_id}/branches/{branch_id}/auth/plugins/phone-number";
    const WEBHOOK: &str = "/projects/{project_id}/branches/{branch_id}/auth/webhooks";
    vec![
        Route::get("getNeonAuthEmailAndPasswordConfig", PASSWORD, |call, state| {
            Reply::ok(&read(call, state)?.email_and_password)
        }),
        Route::patch("updateNeonAuthEmailAndPasswordConfig", PASSWORD, |call, state| {
            patch(call, state, |on| &mut on.email_and_password, |_| Ok(()))
        }),
        Route::get("getNeonAuthEmailProvider", MAIL, |call, state| {
            Reply::ok(&read(call, state)?.email_provider)
        }),
        Route::patch("updateNeonAuthEmailProvider", MAIL, set_mail_server),
        Route::post(
            "sendNeonAuthEmailProviderTest",
            "/projects/{project_id}/branches/{branch_id}/auth/email_provider/test",
            send_test_mail,
        ),
        Route::get("getNeonAuthAllowLocalhost", LOCALHOST, get_localhost),
        Route::patch("updateNeonAuthAllowLocalhost", LOCALHOST, set_localhost),
        Route::get(
            "getNeonAuthPluginConfigs",
            "/projects/{project_id}/branches/{branch_id}/auth/plugins",
            all,
        ),
        Route::patch(
            "updateNeonAuthOrganizationPlugin",
            "/projects/{project_id}/branches/{branch_id}/auth/plugins/organization",
            |call, state| {
                patch(
                    call,
                    state,
                    |on| &mut on.organization,
                    |plugin| {
                        check_range("organization_limit", plugin.organization_limit, 1, i32::MAX)?;
                        check_range("membership_limit", plugin.membership_limit, 1, i32::MAX)
                    },
                )
            },
        ),
        Route::patch(
            "updateNeonAuthMagicLinkPlugin",
            "/projects/{project_id}/branches/{branch_id}/auth/plugins/magic-link",
            |call, state| {
                patch(
                    call,
                    state,
                    |on| &mut on.magic_link,
                    |plugin| check_range("expires_in", plugin.expires_in, 5, 1440),
                )
            },
        ),
        Route::get("getNeonAuthPhoneNumberPlugin", PHONE, |call, state| {
            Reply::ok(&read(call, state)?.phone_number)
        }),
        Route::patch("updateNeonAuthPhoneNumberPlugin", PHONE, |call, state| {
            patch(
                call,
                state,
                |on| &mut on.phone_number,
                |plugin| check_range("otp_expires_in", plugin.otp_expires_in, 60, 600),
            )
        }),
        Route::get("getNeonAuthWebhookConfig", WEBHOOK, |call, state| {
            Reply::ok(&read(call, state)?.webhook)
        }),
        Route::put("updateNeonAuthWebhookConfig", WEBHOOK, set_webhook),
    ]
}

/// Puts the fields of the request's body in place of the settings' own, and answers with all of them.
fn patch<T: Clone + Serialize + DeserializeOwned>(
    call: &Call,
    state: &mut State,
    settings: fn(&mut Integration) -> &mut T,
    check: fn(&T) -> Result<(), ApiError>,
) -> Result<Reply, ApiError> {
    let changes: Map<String, Value> = call.json()?;
    let answer = edit(call, state, |on| {
        let settings = settings(on);
        let new: T = overlaid(settings, changes)?;
        check(&new)?;
        *settings = new.clone();
        Ok(new)
    })?;
    Reply::ok(answer)
}

/// The settings with the changes in place of their fields. Nulls and fields that the settings don't have count as absent.
fn overlaid<T: Serialize + DeserializeOwned>(settings: &T, changes: Map<String, Value>) -> Result<T, ApiError> {
    let wrong = |error: serde_json::Error| ApiError::bad_request(format!("the request body is wrong: {error}"));
    let mut value = serde_json::to_value(settings).map_err(wrong)?;
    if let Value::Object(fields) = &mut value {
        for (name, change) in changes {
            if let Some(field) = fields.get_mut(&name).filter(|_| !change.is_null()) {
                *field = change;
            }
        }
    }
    serde_json::from_value(value).map_err(wrong)
}

fn check_range<T: PartialOrd + std::fmt::Display>(name: &str, value: T, least: T, most: T) -> Result<(), ApiError> {
    if value >= least && value <= most {
        Ok(())
    } else {
        Err(ApiError::bad_request(format!(
            "{name} must lie between {least} and {most}"
        )))
    }
}

#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum MailServerBody {
    Standard(Box<SmtpBody>),
    Shared(SharedServer),
}

#[derive(Deserialize)]
struct SmtpBody {
    host: Option<String>,
    port: Option<u16>,
    username: Option<String>,
    password: Option<Secret>,
    sender_email: Option<String>,
    sender_name: Option<String>,
}

impl SmtpBody {
    /// The server that it describes. What it leaves out is the present server's, if there is one.
    fn over(self, present: Option<&SmtpServer>) -> Option<SmtpServer> {
        Some(SmtpServer {
            host: self.host.or_else(|| present.map(|server| server.host.clone()))?,
            port: self.port.or_else(|| present.map(|server| server.port))?,
            username: self
                .username
                .or_else(|| present.map(|server| server.username.clone()))?,
            password: self
                .password
                .or_else(|| present.map(|server| server.password.clone()))?,
            sender_email: self
                .sender_email
                .or_else(|| present.map(|server| server.sender_email.clone()))?,
            sender_name: self
                .sender_name
                .or_else(|| present.map(|server| server.sender_name.clone()))?,
        })
    }
}

/// The answer never has the password.
fn set_mail_server(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let input: MailServerBody = call.json()?;
    let answer = edit(call, state, |on| {
        on.email_provider = match input {
            MailServerBody::Shared(server) => EmailProvider::Shared(server),
            MailServerBody::Standard(body) => {
                let present = match &on.email_provider {
                    EmailProvider::Standard(server) if on.provider == Provider::BetterAuth => Some(server),
                    _ => None,
                };
                let server = body.over(present).ok_or_else(|| {
                    ApiError::bad_request(
                        "a standard email provider needs host, port, username, password, sender_email and sender_name",
                    )
                })?;
                EmailProvider::Standard(server)
            }
        };
        let mut shown = on.email_provider.clone();
        if let EmailProvider::Standard(server) = &mut shown {
            server.password = Secret(String::new());
        }
        Ok(shown)
    })?;
    Reply::ok(answer)
}

#[derive(Deserialize)]
struct TestBody {
    recipient_email: String,
}

/// No mail leaves the sandbox. A host below `.invalid` is one that can't be reached.
fn send_test_mail(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let input: TestBody = call.json()?;
    check_email("recipient_email", &input.recipient_email)?;
    let on = read(call, state)?;
    let EmailProvider::Standard(server) = &on.email_provider else {
        return Err(ApiError::bad_request(
            "a test email needs a custom email provider: the shared one isn't tested",
        ));
    };
    if on.provider != Provider::BetterAuth {
        return Err(ApiError::bad_request(format!(
            "integrations with {} send no test email",
            on.provider.name()
        )));
    }
    if server.host.ends_with(".invalid") {
        return Reply::ok(json!({
            "success": false,
            "error_message": format!("the host {} can't be found", server.host),
        }));
    }
    Reply::ok(json!({ "success": true }))
}

fn get_localhost(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    Reply::ok(json!({ "allow_localhost": read(call, state)?.allow_localhost }))
}

#[derive(Deserialize)]
struct LocalhostBody {
    allow_localhost: bool,
}

fn set_localhost(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let input: LocalhostBody = call.json()?;
    edit(call, state, |on| {
        on.allow_localhost = input.allow_localhost;
        Ok(())
    })?;
    Reply::ok(json!({ "allow_localhost": input.allow_localhost }))
}

fn all(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let on = read(call, state)?;
    Reply::ok(json!({
        "organization": on.organization,
        "magic_link": on.magic_link,
        "phone_number": on.phone_number,
        "email_provider": on.email_provider,
        "email_and_password": on.email_and_password,
        "oauth_providers": on.oauth_providers,
        "allow_localhost": on.allow_localhost,
    }))
}

fn set_webhook(call: &Call, state: &mut State) -> Result<Reply, ApiError> {
    let webhook: Webhook = call.json()?;
    check_range("timeout_seconds", webhook.timeout_seconds, 1, 10)?;
    match &webhook.webhook_url {
        Some(url) => check_uri("webhook_url", url)?,
        None if webhook.enabled => {
            return Err(ApiError::bad_request("a webhook that is enabled needs webhook_url"));
        }
        None => {}
    }
    let answer = webhook.clone();
    edit(call, state, |on| {
        on.webhook = webhook;
        Ok(())
    })?;
    Reply::ok(answer)
}
