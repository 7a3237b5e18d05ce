//! A sandbox for a test.

use std::time::Duration;

use neon_sandbox::{Postgres, Sandbox, SandboxOptions};

/// Starts a sandbox with these options, whose operations end at once if they say nothing else of it, that doesn't limit requests, and whose folders are its own.
pub async fn start(options: SandboxOptions) -> Sandbox {
    // A second installation fails, and the first serves as well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let usual = SandboxOptions::default().operation_time;
    let required = options.postgres == Postgres::Required;
    let postgres_bin = options.postgres_bin.clone();
    let options = SandboxOptions {
        operation_time: match options.operation_time {
            time if time == usual => Duration::from_millis(1),
            time => time,
        },
        rate_limits: false,
        postgres_bin: postgres_bin.or_else(|| required.then(crate::postgres::programs)),
        temporary_dir: Some(crate::folder::of_a_sandbox()),
        ..options
    };
    Sandbox::start(options).await.expect("a sandbox")
}
