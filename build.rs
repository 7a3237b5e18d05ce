//! Says of which commit the program is: of the crate's own record in a package, of git in a checkout; nothing elsewhere.

use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=NEON_MCP_COMMIT");
    let of_release = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    let told = given().or_else(packaged).or_else(|| checked_out(of_release));
    println!("cargo::rustc-env=BUILT_FROM_COMMIT={}", told.unwrap_or_default());
}

/// What who packages the program says.
fn given() -> Option<String> {
    commit(&std::env::var("NEON_MCP_COMMIT").ok()?)
}

/// What `cargo package` wrote beside the manifest.
fn packaged() -> Option<String> {
    let record = std::fs::read_to_string(".cargo_vcs_info.json").ok()?;
    println!("cargo::rerun-if-changed=.cargo_vcs_info.json");
    let (_, rest) = record.split_once("\"sha1\"")?;
    commit(rest.split('"').nth(1)?)
}

/// What is checked out here: not what is checked out in a folder above, which is somebody else's.
fn checked_out(of_release: bool) -> Option<String> {
    let top = git(&["rev-parse", "--show-toplevel"])?;
    let here = std::env::var("CARGO_MANIFEST_DIR").ok()?;
    if std::fs::canonicalize(top).ok()? != std::fs::canonicalize(here).ok()? {
        return None;
    }
    let head = commit(&git(&["rev-parse", "HEAD"])?)?;
    if !of_release {
        // To follow each commit would build everything anew after each.
        return Some(format!("{head} or later, debug build"));
    }
    for name in ["HEAD", "logs/HEAD", "index"] {
        if let Some(path) = git(&["rev-parse", "--git-path", name])
            && Path::new(&path).exists()
        {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_none_or(|changes| !changes.is_empty());
    Some(if changed { format!("{head}, modified") } else { head })
}

/// The begin of a commit's name; nothing where it is none.
fn commit(text: &str) -> Option<String> {
    let text = text.trim();
    let right = (7..=64).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    right.then(|| text.chars().take(12).collect())
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
