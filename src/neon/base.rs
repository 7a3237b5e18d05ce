//! Where the API is: chosen by the operator alone.

use crate::base_url::{BaseUrl, InvalidBaseUrl};

/// Neon's own API.
pub const DEFAULT_BASE: &str = "https://console.neon.tech/api/v2";

/// Reads the base of the API. A bare host (`console.neon.tech`, `localhost:8080`) gets a scheme and `/api/v2`; a URL whose path is
/// empty gets `/api/v2` too; any other path is kept.
///
/// # Errors
/// As [`BaseUrl::parse`].
pub fn api_base(text: &str) -> Result<BaseUrl, InvalidBaseUrl> {
    let text = text.trim();
    let base = if text.contains("://") {
        BaseUrl::parse(text)
    } else {
        BaseUrl::parse(&format!("https://{text}"))
    };
    Ok(base?.or_path("/api/v2"))
}
