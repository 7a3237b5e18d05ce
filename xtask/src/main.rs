//! What maintainers run: `cargo xtask`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use neon_mcp::catalog::Catalog;
use neon_openapi::Document;
use xtask::Known;
use xtask::circles::{Comparison, Crate, circles, packages};
use xtask::drift::{Intended, changes, compare};
use xtask::{mutations, recording, release};

/// What maintainers of neon-mcp run.
#[derive(Debug, Parser)]
enum Command {
    /// Say what differs between our declarations and Neon's OpenAPI file, and isn't meant to; anything is a failure
    Drift(Drift),
    /// Find circles between the rooms of a package, and between its files; one that isn't known is a failure
    Circles,
    /// Print docs/errors.md
    Errors,
    /// Print docs/clients.md
    Clients,
    /// Print docs/metrics.md
    Metrics,
    /// Print docs/settings.md
    Settings,
    /// Write the files that a release is made of: manifests, packages, the plugin folder, the image, the workflow
    ReleaseFiles,
    /// Run the demo and draw docs/demo.svg of it
    Recording {
        /// The program whose demo it is
        #[arg(default_value = "target/debug/neon-mcp")]
        program: PathBuf,
    },
    /// Take the checks of the gate away, one at a time, in a copy of the tree: each must make a test fail
    Mutations(Mutations),
}

#[derive(Debug, clap::Args)]
struct Mutations {
    /// Those alone
    names: Vec<String>,
    /// Only find the checks in the sources: nothing is built
    #[arg(long)]
    check: bool,
    /// Don't run the tests without a mutation first: they are known to pass
    #[arg(long)]
    no_baseline: bool,
}

#[derive(Debug, clap::Args)]
struct Drift {
    /// Neon's OpenAPI file, YAML or JSON: `tests/openapi/fetch` prints where one is
    #[arg(env = "NEON_OPENAPI_FILE")]
    file: PathBuf,
    /// Print what changed from this older file to the other instead, descriptions and fields of answers among it
    #[arg(long, value_name = "OLDER_FILE")]
    since: Option<PathBuf>,
}

fn main() -> anyhow::Result<ExitCode> {
    match Command::parse() {
        Command::Drift(arguments) => drift(&arguments),
        Command::Circles => find_circles(),
        Command::Mutations(arguments) => mutate(&arguments),
        Command::Clients => {
            let page = neon_mcp::clients::clients_reference().map_err(anyhow::Error::msg)?;
            std::io::stdout().write_all(page.as_bytes())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Metrics => {
            std::io::stdout().write_all(neon_mcp::telemetry::metrics_reference().as_bytes())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Settings => {
            std::io::stdout().write_all(neon_mcp::cli::settings_reference().as_bytes())?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Recording { program } => {
            let lines = recording::chosen(&recording::record(&program)?)?;
            std::fs::write("docs/demo.svg", recording::svg(&lines))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::ReleaseFiles => {
            release::write(Path::new("."))?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Errors => {
            std::io::stdout().write_all(neon_mcp::engine::errors_reference().as_bytes())?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn drift(arguments: &Drift) -> anyhow::Result<ExitCode> {
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

fn find_circles() -> anyhow::Result<ExitCode> {
    let list = Path::new("xtask/circles.txt");
    let text = std::fs::read_to_string(list).with_context(|| list.display().to_string())?;
    let known = Known::read(&text).with_context(|| list.display().to_string())?;
    let mut found = Vec::new();
    for package in packages(Path::new("."))? {
        for root in &package.roots {
            found.extend(circles(&package.name, &Crate::read(root)?.edges()));
        }
    }
    let comparison = Comparison::new(found, &known);
    let mut out = std::io::stdout().lock();
    for circle in &comparison.known {
        writeln!(out, "known: {}", circle.key())?;
    }
    for circle in &comparison.new {
        writeln!(out, "new: {circle}")?;
    }
    for line in &comparison.gone {
        writeln!(out, "gone, so take it off {}: {line}", list.display())?;
    }
    writeln!(
        out,
        "{} circles known, {} new, {} gone",
        comparison.known.len(),
        comparison.new.len(),
        comparison.gone.len()
    )?;
    Ok(match comparison.is_clean() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn mutate(arguments: &Mutations) -> anyhow::Result<ExitCode> {
    let root = std::env::current_dir()?;
    let list = Path::new("xtask/mutations.yaml");
    let text = std::fs::read_to_string(list).with_context(|| list.display().to_string())?;
    let mut mutations = mutations::read(&text).with_context(|| list.display().to_string())?;
    let mut out = std::io::stdout().lock();
    let misplaced = mutations::misplaced(&root, &mutations);
    for line in &misplaced {
        writeln!(out, "{line}")?;
    }
    if !misplaced.is_empty() {
        return Ok(ExitCode::FAILURE);
    }
    if arguments.check {
        writeln!(out, "{} checks, each found once", mutations.len())?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(unknown) = arguments
        .names
        .iter()
        .find(|name| mutations.iter().all(|one| one.name != **name))
    {
        anyhow::bail!("no mutation is called {unknown}");
    }
    mutations.retain(|one| arguments.names.is_empty() || arguments.names.contains(&one.name));
    let copy = mutations::Copy::of(&root, Path::new("target/mutations"))?;
    copy.switched(&mutations)?;
    if !arguments.no_baseline {
        copy.baseline(&mutations)?;
    }
    let mut held = true;
    for mutation in &mutations {
        let fate = copy.run(mutation)?;
        held &= matches!(fate, mutations::Fate::Caught(_));
        writeln!(out, "{}: {fate}", mutation.name)?;
        out.flush()?;
    }
    Ok(match held {
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
