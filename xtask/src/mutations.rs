//! Mutations of the gate: each takes one check away, and a test must fail. One that none fails for is a check that could be lost.
//!
//! A mutation replaces a text that stands once in a file. All are put into one copy of the tree, each behind a switch (`MUTANT` in its
//! replacement), and built once: the tests that a mutation names then run with its switch on, and with it alone.

use std::collections::BTreeMap;
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
    /// What stands there instead. `MUTANT` in it is true where the check is to be away, and false where all is as it was. Without it
    /// the check is a statement that is left out.
    #[serde(default)]
    pub replace: Option<String>,
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
}

impl fmt::Display for Fate {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Caught(tests) => write!(formatter, "caught by {}", tests.join(", ")),
            Self::Survived => formatter.write_str("SURVIVED: no test failed"),
        }
    }
}

/// What a replacement says where its check is to be away.
const SWITCH: &str = "MUTANT";

/// The module of the copy that says which check is away: a process reads its name once, from a file beside the copy's manifest.
const MODULE: &str = r#"
/// Which check is away.
#[doc(hidden)]
pub mod mutant {
    static NAME: std::sync::LazyLock<String> =
        std::sync::LazyLock::new(|| std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/MUTANT")).unwrap_or_default());

    /// Whether this one is.
    pub fn on(name: &str) -> bool {
        *NAME == name
    }
}
"#;

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
        if mutation.replace.as_ref().is_some_and(|text| !text.contains(SWITCH)) {
            bail!(
                "{} says nothing of {SWITCH}: its check would be away in every run",
                mutation.name
            );
        }
    }
    Ok(mutations)
}

impl Mutation {
    /// The file's text with the check behind its switch.
    ///
    /// # Errors
    /// When the check doesn't stand there, or more than once.
    pub fn mutate(&self, text: &str) -> anyhow::Result<String> {
        let find = self.find.trim_end_matches('\n');
        let replacement = match &self.replace {
            Some(replacement) => replacement.trim_end_matches('\n').to_owned(),
            None => format!("if !{SWITCH} {{ {find} }}"),
        };
        let replacement = replacement.replace(SWITCH, &format!("crate::mutant::on({:?})", self.name));
        match text.matches(find).count() {
            1 => Ok(text.replacen(find, &replacement, 1)),
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
        for (package, target) in places(mutations) {
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

    /// Puts all checks behind their switches, and builds the tests.
    ///
    /// # Errors
    /// When one isn't there, or what comes of it doesn't compile.
    pub fn switched(&self, mutations: &[Mutation]) -> anyhow::Result<()> {
        let mut texts: BTreeMap<PathBuf, String> = BTreeMap::new();
        let library = PathBuf::from("src/lib.rs");
        let mut change = |file: &Path, to: &dyn Fn(&str) -> anyhow::Result<String>| {
            let text = match texts.get(file) {
                Some(text) => text.clone(),
                None => {
                    let path = self.tree.join(file);
                    std::fs::read_to_string(&path).with_context(|| path.display().to_string())?
                }
            };
            texts.insert(file.to_owned(), to(&text)?);
            anyhow::Ok(())
        };
        change(&library, &|text| Ok(format!("{text}{MODULE}")))?;
        for mutation in mutations {
            change(&mutation.file, &|text| mutation.mutate(text))?;
        }
        for (file, text) in texts {
            std::fs::write(self.tree.join(file), text)?;
        }
        self.switch("")?;
        for (package, target) in places(mutations) {
            let built = self.cargo(package, target).arg("--no-run").output()?;
            if !built.status.success() {
                bail!(
                    "with the switches it doesn't compile:\n{}",
                    String::from_utf8_lossy(&built.stderr)
                );
            }
        }
        Ok(())
    }

    fn switch(&self, name: &str) -> anyhow::Result<()> {
        Ok(std::fs::write(self.tree.join(SWITCH), name)?)
    }

    /// Runs the tests with one check away.
    ///
    /// # Errors
    /// When the disk or cargo fails.
    pub fn run(&self, Mutation { name, tests, .. }: &Mutation) -> anyhow::Result<Fate> {
        self.switch(name)?;
        let ran = self
            .cargo(&tests.package, tests.target)
            .arg("--")
            .args(&tests.names)
            .output()?;
        self.switch("")?;
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

/// Where the tests of mutations are: packages, and what of them.
fn places(mutations: &[Mutation]) -> Vec<(&str, Target)> {
    let mut places: Vec<(&str, Target)> = Vec::new();
    for Mutation { tests, .. } in mutations {
        if !places.contains(&(&tests.package, tests.target)) {
            places.push((&tests.package, tests.target));
        }
    }
    places
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

    fn mutation(find: &str, replace: Option<&str>) -> Mutation {
        Mutation {
            name: "one".to_owned(),
            keeps: "It is kept.".to_owned(),
            file: "src/gate.rs".into(),
            find: find.to_owned(),
            replace: replace.map(str::to_owned),
            tests: Tests {
                package: product(),
                target: Target::It,
                names: vec!["gate".to_owned()],
            },
        }
    }

    #[test]
    fn check_that_stands_once_is_put_behind_its_switch() {
        let text = "a();\ncheck()?;\nb();\n";
        let switched = mutation("check()?;\n", None).mutate(text).unwrap();
        let lines: Vec<&str> = switched.lines().collect();
        assert_eq!((lines[0], lines[2], lines.len()), ("a();", "b();", 3));
        assert!(lines[1].starts_with("if !crate::mutant::on(\"one\")") && lines[1].contains("check()?;"));
        let switched = mutation("a()", Some("(MUTANT || a())")).mutate(text).unwrap();
        assert!(switched.starts_with("(crate::mutant::on(\"one\")||a());".replace("||", " || ").as_str()));
        assert!(mutation("other()?;", None).mutate(text).is_err());
        assert!(mutation("();", None).mutate(text).is_err());
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
        let always = "[{name: a, keeps: b, file: c, find: d, replace: e, tests: {names: [e]}}]";
        assert!(read(always).is_err());
    }
}
