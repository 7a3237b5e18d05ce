//! The variables to which entries refer.

/// The variable that holds a key of Neon's.
pub const KEY_VARIABLE: &str = "NEON_API_KEY";

/// The variable that holds the bearer token of `neon-mcp http`, for clients. Not one of the server's own settings.
pub const TOKEN_VARIABLE: &str = "NEON_HTTP_TOKEN";
