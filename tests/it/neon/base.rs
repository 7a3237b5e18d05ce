//! The API base: https, or this machine; nothing that leaks or misleads.

use neon_mcp::neon::{ApiBase, DEFAULT_BASE, InvalidBase};

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
        let parsed = ApiBase::parse(text).unwrap();
        assert_eq!(parsed.as_str(), base, "{text}");
        assert_eq!(parsed.is_loopback(), loopback, "{text}");
    }
}

#[test]
fn bases_that_are_refused() {
    for (text, why) in [
        ("http://console.neon.tech/api/v2", InvalidBase::NotEncrypted),
        ("http://127.0.0.1.evil.example", InvalidBase::NotEncrypted),
        ("http://localhost.evil.example", InvalidBase::NotEncrypted),
        ("http://128.0.0.1", InvalidBase::NotEncrypted),
        ("http://[::2]", InvalidBase::NotEncrypted),
        ("http://0.0.0.0", InvalidBase::NotEncrypted),
        ("http://[::ffff:127.0.0.1]", InvalidBase::NotEncrypted),
        ("ftp://console.neon.tech", InvalidBase::NotEncrypted),
        ("https://user@host", InvalidBase::UserInfo),
        ("https://user:pass@host", InvalidBase::UserInfo),
        ("https://@host", InvalidBase::UserInfo),
        ("user:pass@host", InvalidBase::UserInfo),
        ("http://localhost@evil.example", InvalidBase::NotEncrypted),
        ("https://host?x", InvalidBase::QueryOrFragment),
        ("https://host/#x", InvalidBase::QueryOrFragment),
        ("https://ho st", InvalidBase::Characters),
        ("https://host\n.evil", InvalidBase::Characters),
        ("https:\\\\host", InvalidBase::Characters),
    ] {
        assert_eq!(ApiBase::parse(text), Err(why), "{text}");
    }
    for text in ["", "https://", "://", "https://:80"] {
        assert!(ApiBase::parse(text).is_err(), "{text}");
    }
}

#[test]
fn refusals_never_repeat_a_password() {
    for text in ["https://user:hunter2@host", "hunter2 @", "ftp://hunter2"] {
        let error = ApiBase::parse(text).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"));
    }
}
