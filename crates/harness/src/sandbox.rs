//! A sandbox for a test.

use std::time::Duration;

use neon_sandbox::{Sandbox, SandboxOptions};

/// Starts a sandbox with these options, whose operations end at once, that doesn't limit requests, and whose folders are its own.
pub async fn start(options: SandboxOptions) -> Sandbox {
    // A second installation fails, and the first serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let options = SandboxOptions {
        operation_time: Duration::from_millis(1),
        rate_limits: false,
        temporary_dir: Some(crate::folder::of_a_sandbox()),
        ..options
    };
    Sandbox::start(options).await.expect("a sandbox")
}
