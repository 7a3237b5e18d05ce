//! Mutations of the gate: each takes one check away, and a test must fail. One that none fails for is a check that could be lost.
//!
//! A mutation replaces a text that stands once in a file. The tests that it names run on a copy of the tree, which must compile: what
//! doesn't compile isn't held by a test.

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, bail};
use serde::Deserialize;

/// One check, and what takes it away.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutation {
    /// Its name, which `cargo xtask mutations NAME` takes.
    pub name: String,
    /// What the check keeps, in a sentence.
    pub keeps: String,
    /// The file, from the root of the workspace.
    pub file: PathBuf,
    /// The text of the check: it stands once in the file.
    pub find: String,
    /// What stands there instead; nothing takes the check out.
    #[serde(default)]
    pub replace: String,
    /// The tests that should fail.
    pub tests: Tests,
}

/// Tests of a package.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tests {
    /// The package; `neon-mcp` where it isn't given.
    #[serde(default = "product")]
    pub package: String,
    /// Its unit tests, or those of `tests/it`.
    #[serde(default)]
    pub target: Target,
    /// Parts of their names.
    pub names: Vec<String>,
}

/// What holds the tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The library.
    Lib,
    /// `tests/it`.
    #[default]
    It,
}

fn product() -> String {
    "neon-mcp".to_owned()
}

/// What became of a mutation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// These tests failed.
    Caught(Vec<String>),
    /// All tests passed: nothing holds the check.
    Survived,
    /// The tree with it doesn't compile.
    Broken(String),
}

impl fmt::Display for Fate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Caught(tests) => write!(formatter, "caught by {}", tests.join(", ")),
            Self::Survived => formatter.write_str("SURVIVED: no test failed"),
            Self::Broken(why) => write!(formatter, "BROKEN: it doesn't compile: {why}"),
        }
    }
}

/// Reads the list.
///
/// # Errors
/// When it is no list of mutations, or two have one name.
pub fn read(text: &str) -> anyhow::Result<Vec<Mutation>> {
    let mutations: Vec<Mutation> = yaml_serde::from_str(text)?;
    for (index, mutation) in mutations.iter().enumerate() {
        if mutations
            .iter()
            .skip(index + 1)
            .any(|other| other.name == mutation.name)
        {
            bail!("two mutations are called {}", mutation.name);
        }
        if mutation.tests.names.iter().all(|name| name.trim().is_empty()) {
            bail!("{} names no test", mutation.name);
        }
    }
    Ok(mutations)
}

impl Mutation {
    /// The file's text with the check taken away.
    ///
    /// # Errors
    /// When the check doesn't stand there, or more than once.
    pub fn mutate(&self, text: &str) -> anyhow::Result<String> {
        let find = self.find.trim_end_matches('\n');
        match text.matches(find).count() {
            1 => Ok(text.replacen(find, self.replace.trim_end_matches('\n'), 1)),
            count => bail!(
                "{}: its text stands {count} times in {}",
                self.name,
                self.file.display()
            ),
        }
    }
}

/// What is wrong with the list: a check that isn't where it says.
#[must_use]
pub fn misplaced(root: &Path, mutations: &[Mutation]) -> Vec<String> {
    let wrong = |mutation: &Mutation| {
        let path = root.join(&mutation.file);
        let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string());
        text.and_then(|text| mutation.mutate(&text)).err()
    };
    mutations
        .iter()
        .filter_map(|mutation| wrong(mutation).map(|error| format!("{error:#}")))
        .collect()
}

/// A copy of the tree, in which checks are taken away, built beside the tree's own.
#[derive(Debug)]
pub struct Copy {
    tree: PathBuf,
    target: PathBuf,
}

impl Copy {
    /// Copies what git knows into `folder/tree`. What stands there unchanged keeps its time, so that it isn't built again.
    ///
    /// # Errors
    /// When git or the disk fails.
    pub fn of(root: &Path, folder: &Path) -> anyhow::Result<Self> {
        let folder = root.join(folder);
        let tree = folder.join("tree");
        let listed = output(Command::new("git").arg("-C").arg(root).args(["ls-files", "-z"]))?;
        for file in listed.split('\0').filter(|file| !file.is_empty()) {
            let (from, to) = (root.join(file), tree.join(file));
            // Deleted, and not yet committed.
            let Ok(now) = std::fs::read(&from) else { continue };
            if std::fs::read(&to).is_ok_and(|there| there == now) {
                continue;
            }
            if let Some(parent) = to.parent() {
                std::fs::create_dir_all(parent)?;
            }
            std::fs::copy(&from, &to).with_context(|| to.display().to_string())?;
        }
        Ok(Self {
            tree,
            target: folder.join("target"),
        })
    }

    /// Runs the tests that mutations name, with no check taken away.
    ///
    /// # Errors
    /// When one fails, or a name fits none.
    pub fn baseline(&self, mutations: &[Mutation]) -> anyhow::Result<()> {
        let mut places: Vec<(&str, Target)> = Vec::new();
        for Mutation { tests, .. } in mutations {
            if !places.contains(&(&tests.package, tests.target)) {
                places.push((&tests.package, tests.target));
            }
        }
        for (package, target) in places {
            let mut names: Vec<&String> = Vec::new();
            for Mutation { tests, .. } in mutations {
                if tests.package == package && tests.target == target {
                    names.extend(tests.names.iter());
                }
            }
            names.sort_unstable();
            names.dedup();
            let list = self
                .cargo(package, target)
                .arg("--")
                .args(&names)
                .arg("--list")
                .output()?;
            let list = String::from_utf8_lossy(&list.stdout).into_owned();
            for name in &names {
                if !list.lines().any(|line| line.contains(name.as_str())) {
                    bail!("no test of {package} is called {name}");
                }
            }
            let ran = self.cargo(package, target).arg("--").args(&names).output()?;
            if !ran.status.success() {
                bail!("without any mutation:\n{}", String::from_utf8_lossy(&ran.stdout));
            }
        }
        Ok(())
    }

    /// Takes the check away, runs the tests, and puts it back.
    ///
    /// # Errors
    /// When the check isn't there, or the disk or cargo fails.
    pub fn run(&self, mutation: &Mutation) -> anyhow::Result<Fate> {
        let path = self.tree.join(&mutation.file);
        let whole = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
        std::fs::write(&path, mutation.mutate(&whole)?)?;
        let fate = self.fate(&mutation.tests);
        std::fs::write(&path, whole)?;
        fate
    }

    fn fate(&self, tests: &Tests) -> anyhow::Result<Fate> {
        let built = self.cargo(&tests.package, tests.target).arg("--no-run").output()?;
        if !built.status.success() {
            let text = String::from_utf8_lossy(&built.stderr).into_owned();
            let first = text.lines().find(|line| line.starts_with("error"));
            return Ok(Fate::Broken(first.unwrap_or("cargo failed").to_owned()));
        }
        let ran = self
            .cargo(&tests.package, tests.target)
            .arg("--")
            .args(&tests.names)
            .output()?;
        Ok(match ran.status.success() {
            true => Fate::Survived,
            false => Fate::Caught(failed(&ran)),
        })
    }

    fn cargo(&self, package: &str, target: Target) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command
            .current_dir(&self.tree)
            .env("CARGO_TARGET_DIR", &self.target)
            .args(["test", "--locked", "-p", package]);
        match target {
            Target::Lib => command.arg("--lib"),
            Target::It => command.args(["--test", "it"]),
        };
        command
    }
}

/// The names of the tests that failed: of a test that ends the whole process there is none.
fn failed(ran: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&ran.stdout);
    let names: Vec<String> = text
        .lines()
        .filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... FAILED"))
        .map(str::to_owned)
        .collect();
    match names.is_empty() {
        true => vec!["a test that ended the run".to_owned()],
        false => names,
    }
}

fn output(command: &mut Command) -> anyhow::Result<String> {
    let output = command.output()?;
    if !output.status.success() {
        bail!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8(output.stdout)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mutation(find: &str, replace: &str) -> Mutation {
        Mutation {
            name: "one".to_owned(),
            keeps: "It is kept.".to_owned(),
            file: "src/gate.rs".into(),
            find: find.to_owned(),
            replace: replace.to_owned(),
            tests: Tests {
                package: product(),
                target: Target::It,
                names: vec!["gate".to_owned()],
            },
        }
    }

    #[test]
    fn check_that_stands_once_is_taken_away() {
        let text = "a();\ncheck()?;\nb();\n";
        assert_eq!(mutation("check()?;\n", "").mutate(text).unwrap(), "a();\n\nb();\n");
        assert!(mutation("other()?;", "").mutate(text).is_err());
        assert!(mutation("();", "").mutate(text).is_err());
    }

    #[test]
    fn list_of_the_project_finds_each_check() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let text = std::fs::read_to_string(root.join("xtask/mutations.yaml")).unwrap();
        let mutations = read(&text).unwrap();
        assert!(mutations.len() > 30, "{}", mutations.len());
        assert_eq!(misplaced(root, &mutations), Vec::<String>::new());
    }

    #[test]
    fn list_with_a_name_twice_or_without_a_test_is_refused() {
        let one = "{name: a, keeps: b, file: c, find: d, tests: {names: [e]}}";
        assert_eq!(read(&format!("[{one}]")).unwrap().len(), 1);
        assert!(read(&format!("[{one}, {one}]")).is_err());
        assert!(read("[{name: a, keeps: b, file: c, find: d, tests: {names: []}}]").is_err());
    }
}
