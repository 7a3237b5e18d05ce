//! Neon Auth: what the schema `neon_auth` of a branch holds, users and settings alike. It is part of the branch's
//! contents, so that branches, restores and snapshots carry it as they carry data.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{clock::Timestamp, ids};

/// Who signs users in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Provider {
    Mock,
    Stack,
    BetterAuth,
}

impl Provider {
    /// Its name in answers.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Mock => "mock",
            Self::Stack => "stack",
            Self::BetterAuth => "better_auth",
        }
    }
}

/// A secret. It never shows in debug output.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Secret(pub(crate) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(hidden)")
    }
}

/// The keys that apps talk to the provider with.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ProviderKeys {
    pub(crate) public: String,
    pub(crate) server: Secret,
}

impl ProviderKeys {
    /// New random ones.
    pub(crate) fn random() -> Self {
        Self {
            public: format!("pck_{}", ids::secret_key()),
            server: Secret(format!("ssk_{}", ids::secret_key())),
        }
    }
}

/// The schema `neon_auth` of a branch.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Auth {
    /// The database that it is in.
    pub(crate) database: String,
    pub(crate) users: Vec<User>,
    /// `None` after Neon Auth was turned off and its data kept.
    pub(crate) integration: Option<Integration>,
}

/// Somebody who can sign in to an app.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct User {
    pub(crate) id: String,
    pub(crate) email: String,
    pub(crate) name: Option<String>,
    pub(crate) roles: Vec<String>,
}

/// Neon Auth where it is on.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Integration {
    pub(crate) provider: Provider,
    /// The provider's own project.
    pub(crate) provider_project: String,
    pub(crate) keys: ProviderKeys,
    pub(crate) created_at: Timestamp,
    /// Whether a transfer of the provider's project was begun.
    pub(crate) transfer_begun: bool,
    /// The app's name in mails.
    pub(crate) app_name: String,
    pub(crate) domains: Vec<String>,
    pub(crate) oauth_providers: Vec<OauthProvider>,
    pub(crate) allow_localhost: bool,
    pub(crate) email_and_password: EmailAndPassword,
    pub(crate) email_provider: EmailProvider,
    pub(crate) organization: OrganizationPlugin,
    pub(crate) magic_link: MagicLinkPlugin,
    pub(crate) phone_number: PhoneNumberPlugin,
    pub(crate) webhook: Webhook,
}

impl Integration {
    /// Neon Auth as it is when it is turned on.
    pub(crate) fn new(provider: Provider, provider_project: String, app_name: String, now: Timestamp) -> Self {
        Self {
            provider,
            provider_project,
            keys: ProviderKeys::random(),
            created_at: now,
            transfer_begun: false,
            app_name,
            domains: Vec::new(),
            oauth_providers: vec![OauthProvider::shared(OauthId::Google)],
            allow_localhost: true,
            email_and_password: EmailAndPassword::default(),
            email_provider: EmailProvider::Shared(SharedServer::default()),
            organization: OrganizationPlugin::default(),
            magic_link: MagicLinkPlugin::default(),
            phone_number: PhoneNumberPlugin::default(),
            webhook: Webhook::default(),
        }
    }
}

/// A way to sign in with an account elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OauthId {
    Google,
    Github,
    Microsoft,
    Vercel,
}

/// Whose client signs in with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OauthType {
    /// The app's own.
    Standard,
    /// Neon's.
    Shared,
}

/// A way to sign in with an account elsewhere, set up.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OauthProvider {
    pub(crate) id: OauthId,
    #[serde(rename = "type")]
    pub(crate) kind: OauthType,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_secret: Option<Secret>,
    /// Neon takes it and doesn't show it.
    #[serde(skip_serializing)]
    pub(crate) microsoft_tenant_id: Option<String>,
}

impl OauthProvider {
    /// With Neon's client.
    pub(crate) fn shared(id: OauthId) -> Self {
        Self {
            id,
            kind: OauthType::Shared,
            client_id: None,
            client_secret: None,
            microsoft_tenant_id: None,
        }
    }
}

/// How an address is verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum VerificationMethod {
    Link,
    #[default]
    Otp,
}

/// Sign-in with e-mail and password.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EmailAndPassword {
    pub(crate) enabled: bool,
    pub(crate) email_verification_method: VerificationMethod,
    pub(crate) require_email_verification: bool,
    pub(crate) auto_sign_in_after_verification: bool,
    pub(crate) send_verification_email_on_sign_up: bool,
    pub(crate) send_verification_email_on_sign_in: bool,
    pub(crate) disable_sign_up: bool,
}

impl Default for EmailAndPassword {
    fn default() -> Self {
        Self {
            enabled: true,
            email_verification_method: VerificationMethod::default(),
            require_email_verification: false,
            auto_sign_in_after_verification: true,
            send_verification_email_on_sign_up: false,
            send_verification_email_on_sign_in: false,
            disable_sign_up: false,
        }
    }
}

/// The server that sends the mails.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(crate) enum EmailProvider {
    /// The app's own.
    Standard(SmtpServer),
    /// Neon's.
    Shared(SharedServer),
}

/// An SMTP server of the app's own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct SmtpServer {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) username: String,
    pub(crate) password: Secret,
    pub(crate) sender_email: String,
    pub(crate) sender_name: String,
}

/// What can be said about Neon's server.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct SharedServer {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sender_email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) sender_name: Option<String>,
}

/// The role of who makes an organization.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum CreatorRole {
    Admin,
    Owner,
}

/// Organizations of the app's users.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct OrganizationPlugin {
    pub(crate) enabled: bool,
    pub(crate) organization_limit: i32,
    pub(crate) membership_limit: i32,
    pub(crate) creator_role: CreatorRole,
    pub(crate) send_invitation_email: bool,
}

impl Default for OrganizationPlugin {
    fn default() -> Self {
        Self {
            enabled: true,
            organization_limit: 10,
            membership_limit: 100,
            creator_role: CreatorRole::Owner,
            send_invitation_email: false,
        }
    }
}

/// Sign-in by a mailed link.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct MagicLinkPlugin {
    pub(crate) enabled: bool,
    /// Minutes.
    pub(crate) expires_in: i32,
    pub(crate) disable_sign_up: bool,
}

impl Default for MagicLinkPlugin {
    fn default() -> Self {
        Self {
            enabled: false,
            expires_in: 5,
            disable_sign_up: false,
        }
    }
}

/// Sign-in by a code to a phone number.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PhoneNumberPlugin {
    pub(crate) enabled: bool,
    /// Seconds.
    pub(crate) otp_expires_in: i64,
}

impl Default for PhoneNumberPlugin {
    fn default() -> Self {
        Self {
            enabled: false,
            otp_expires_in: 300,
        }
    }
}

/// What a webhook is called for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Event {
    #[serde(rename = "user.before_create")]
    UserBeforeCreate,
    #[serde(rename = "user.created")]
    UserCreated,
    #[serde(rename = "send.otp")]
    SendOtp,
    #[serde(rename = "send.magic_link")]
    SendMagicLink,
    #[serde(rename = "organization.invitation.created")]
    InvitationCreated,
    #[serde(rename = "organization.invitation.accepted")]
    InvitationAccepted,
    #[serde(rename = "phone_number.verified")]
    PhoneNumberVerified,
}

/// A URL that is called on events.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Webhook {
    pub(crate) enabled: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) webhook_url: Option<String>,
    #[serde(default)]
    pub(crate) enabled_events: Vec<Event>,
    #[serde(default = "default_timeout")]
    pub(crate) timeout_seconds: i64,
}

fn default_timeout() -> i64 {
    5
}

impl Default for Webhook {
    fn default() -> Self {
        Self {
            enabled: false,
            webhook_url: None,
            enabled_events: Vec::new(),
            timeout_seconds: default_timeout(),
        }
    }
}
