//! What is built for whom.

/// A system that a release has a binary for.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Rust's name of it.
    pub rust: &'static str,
    /// Where it is built.
    pub runner: &'static str,
    /// `process.platform` of Node.
    pub os: &'static str,
    /// `process.arch` of Node.
    pub cpu: &'static str,
    /// How OCI calls its architecture, where there is an image of it.
    pub image: Option<&'static str>,
}

impl Target {
    /// The name of its npm package.
    #[must_use]
    pub fn npm(&self) -> String {
        format!("neon-mcp-{}-{}", self.os, self.cpu)
    }

    /// What the program is called there.
    #[must_use]
    pub fn binary(&self) -> &'static str {
        match self.os {
            "win32" => "neon-mcp.exe",
            _ => "neon-mcp",
        }
    }
}

/// All of them. Linux is static, so one binary serves every distribution.
pub const TARGETS: [Target; 5] = [
    Target {
        rust: "x86_64-unknown-linux-musl",
        runner: "ubuntu-24.04",
        os: "linux",
        cpu: "x64",
        image: Some("amd64"),
    },
    Target {
        rust: "aarch64-unknown-linux-musl",
        runner: "ubuntu-24.04-arm",
        os: "linux",
        cpu: "arm64",
        image: Some("arm64"),
    },
    Target {
        rust: "aarch64-apple-darwin",
        runner: "macos-latest",
        os: "darwin",
        cpu: "arm64",
        image: None,
    },
    Target {
        rust: "x86_64-apple-darwin",
        runner: "macos-latest",
        os: "darwin",
        cpu: "x64",
        image: None,
    },
    Target {
        rust: "x86_64-pc-windows-msvc",
        runner: "windows-latest",
        os: "win32",
        cpu: "x64",
        image: None,
    },
];
