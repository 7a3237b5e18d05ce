//! The API base: https, or this machine; nothing that leaks or misleads.

use neon_mcp::base_url::InvalidBaseUrl;
use neon_mcp::neon::{DEFAULT_BASE, api_base};

#[test]
fn bases_that_are_taken() {
    for (text, base, loopback) in [
        (DEFAULT_BASE, DEFAULT_BASE, false),
        ("console.neon.tech", DEFAULT_BASE, false),
        ("  https://console.neon.tech/  ", DEFAULT_BASE, false),
        ("https://console.neon.tech/api/v2/", DEFAULT_BASE, false),
        ("https://CONSOLE.neon.tech:443", DEFAULT_BASE, false),
        ("https://host:8443/x", "https://host:8443/x", false),
        ("host:8443", "https://host:8443/api/v2", false),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080/api/v2", true),
        ("http://127.9.8.7/api/v2", "http://127.9.8.7/api/v2", true),
        ("http://[::1]:9/api/v2", "http://[::1]:9/api/v2", true),
        ("http://localhost:1/api/v2", "http://localhost:1/api/v2", true),
        ("https://localhost", "https://localhost/api/v2", true),
    ] {
        let parsed = api_base(text).unwrap();
        assert_eq!(parsed.as_str(), base, "{text}");
        assert_eq!(parsed.is_loopback(), loopback, "{text}");
    }
}

#[test]
fn bases_that_are_refused() {
    for (text, why) in [
        ("http://console.neon.tech/api/v2", InvalidBaseUrl::NotEncrypted),
        ("http://127.0.0.1.evil.example", InvalidBaseUrl::NotEncrypted),
        ("http://localhost.evil.example", InvalidBaseUrl::NotEncrypted),
        ("http://128.0.0.1", InvalidBaseUrl::NotEncrypted),
        ("http://[::2]", InvalidBaseUrl::NotEncrypted),
        ("http://0.0.0.0", InvalidBaseUrl::NotEncrypted),
        ("http://[::ffff:127.0.0.1]", InvalidBaseUrl::NotEncrypted),
        ("ftp://console.neon.tech", InvalidBaseUrl::NotEncrypted),
        ("https://user@host", InvalidBaseUrl::UserInfo),
        ("https://user:pass@host", InvalidBaseUrl::UserInfo),
        ("https://@host", InvalidBaseUrl::UserInfo),
        ("user:pass@host", InvalidBaseUrl::UserInfo),
        ("http://localhost@evil.example", InvalidBaseUrl::NotEncrypted),
        ("https://host?x", InvalidBaseUrl::QueryOrFragment),
        ("https://host/#x", InvalidBaseUrl::QueryOrFragment),
        ("https://ho st", InvalidBaseUrl::Characters),
        ("https://host\n.evil", InvalidBaseUrl::Characters),
        ("https:\\\\host", InvalidBaseUrl::Characters),
    ] {
        assert_eq!(api_base(text), Err(why), "{text}");
    }
    for text in ["", "https://", "://", "https://:80"] {
        assert!(api_base(text).is_err(), "{text}");
    }
}

#[test]
fn refusals_never_repeat_a_password() {
    for text in ["https://user:hunter2@host", "hunter2 @", "ftp://hunter2"] {
        let error = api_base(text).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
