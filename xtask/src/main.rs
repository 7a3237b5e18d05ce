//! Compares the declarations in `tools/` with Neon's OpenAPI file, for maintainers: see docs/following-neon.md.
//!
//! An example, so that no user's binary carries a YAML parser and a comparison that only maintainers need.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use neon_mcp::catalog::Catalog;
use neon_openapi::Document;
use xtask::drift::{Intended, changes, compare};

/// What differs between our declarations and Neon's OpenAPI file, and isn't meant to. Anything is a failure.
#[derive(Debug, Parser)]
struct Arguments {
    /// Neon's OpenAPI file, YAML or JSON: `tests/openapi/fetch` prints where one is
    #[arg(env = "NEON_OPENAPI_FILE")]
    file: PathBuf,
    /// Print what changed from this older file to the other instead, descriptions and fields of answers among it
    #[arg(long, value_name = "OLDER_FILE")]
    since: Option<PathBuf>,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let document = read(&arguments.file)?;
    let mut out = std::io::stdout().lock();
    if let Some(older) = &arguments.since {
        for line in changes(&read(older)?, &document) {
            writeln!(out, "{line}")?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let intended = Intended::embedded().context("tools/drift.json")?;
    let report = compare(&Catalog::embedded()?, &document, &intended);
    writeln!(out, "{report}")?;
    Ok(match report.findings.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

/// Reads a file; JSON is YAML too.
fn read(path: &Path) -> anyhow::Result<Document> {
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let value: serde_json::Value = yaml_serde::from_str(&text).with_context(|| path.display().to_string())?;
    Document::read(&value).with_context(|| path.display().to_string())
}
