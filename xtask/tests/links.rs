//! Links of the documentation lead somewhere: each relative one to a file that there is, each anchor to a heading of it.

#![allow(clippy::expect_used, clippy::indexing_slicing)]

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

fn root() -> PathBuf {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .canonicalize()
        .expect("a root")
}

/// All pages below a folder, those of builds and of packages left out.
fn pages(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = entry.path();
        if path.is_dir() {
            if !matches!(name.as_str(), "target" | "node_modules" | ".git") {
                pages(&path, found);
            }
        } else if name.ends_with(".md") {
            found.push(path);
        }
    }
}

/// Lines outside of code blocks.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut in_code = false;
    text.lines().filter(move |line| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        !in_code && !fence
    })
}

/// What links and pictures lead to.
fn targets(text: &str) -> Vec<String> {
    let mut targets = Vec::new();
    for line in prose(text) {
        // Code spans hold no links.
        let line: String = line.split('`').step_by(2).collect::<Vec<_>>().join(" ");
        for rest in line.split("](").skip(1) {
            targets.extend(rest.split_once(')').map(|(target, _)| target.to_owned()));
        }
    }
    targets
}

/// The anchors that GitHub gives the headings of a page.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for line in prose(text) {
        let Some(heading) = line.strip_prefix('#').map(|rest| rest.trim_start_matches('#')) else {
            continue;
        };
        let anchor: String = heading
            .trim()
            .to_lowercase()
            .chars()
            .filter(|char| char.is_alphanumeric() || matches!(char, ' ' | '-' | '_'))
            .map(|char| if char == ' ' { '-' } else { char })
            .collect();
        let mut name = anchor.clone();
        let mut number = 0;
        while !anchors.insert(name.clone()) {
            number += 1;
            name = format!("{anchor}-{number}");
        }
    }
    anchors
}

/// A path without `..`, which may lead to nothing.
fn normal(path: &Path) -> PathBuf {
    let mut normal = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                normal.pop();
            }
            part => normal.push(part),
        }
    }
    normal
}

/// What is wrong with the links of a page.
fn broken(root: &Path, page: &Path, text: &str) -> Vec<String> {
    let is_elsewhere = |target: &str| {
        ["https://", "http://", "mailto:"]
            .iter()
            .any(|begins| target.starts_with(begins))
    };
    let mut broken = Vec::new();
    for target in targets(text).into_iter().filter(|target| !is_elsewhere(target)) {
        let (file, anchor) = target
            .split_once('#')
            .map_or((target.as_str(), None), |(file, anchor)| (file, Some(anchor)));
        let path = match file {
            "" => page.to_owned(),
            file => normal(&page.parent().expect("a folder").join(file)),
        };
        let problem = if !path.starts_with(root) {
            Some("leads out of the repository")
        } else if !path.exists() {
            Some("there is no such file")
        } else {
            let read = || anchors(&std::fs::read_to_string(&path).unwrap_or_default());
            anchor
                .filter(|anchor| !read().contains(*anchor))
                .map(|_| "it has no such heading")
        };
        broken.extend(problem.map(|problem| format!("{}: {target}: {problem}", page.display())));
    }
    broken
}

#[test]
fn links_of_every_page_lead_somewhere() {
    let root = root();
    let mut all = Vec::new();
    pages(&root, &mut all);
    assert!(all.len() > 10, "{all:?}");
    let broken: Vec<String> = all
        .iter()
        .flat_map(|page| broken(&root, page, &std::fs::read_to_string(page).expect("a page")))
        .collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_page_of_the_documentation_is_linked_from_the_readme() {
    let root = root();
    let readme = std::fs::read_to_string(root.join("README.md")).expect("a README");
    let linked = targets(&readme);
    for page in std::fs::read_dir(root.join("docs")).expect("a folder").flatten() {
        let name = format!("docs/{}", page.file_name().to_string_lossy());
        let is_linked = linked.iter().any(|target| target.split('#').next() == Some(&name));
        assert!(is_linked, "README.md doesn't lead to {name}");
    }
}

#[test]
fn link_that_leads_nowhere_is_found() {
    let place = tempfile::tempdir().expect("a directory");
    let root = place.path();
    let page = root.join("page.md");
    let text =
        "# One page\n[a](other.md) [b](#one-page) [c](#none) [d](../../etc) `[e](code.md)`\n```\n[f](block.md)\n```\n";
    std::fs::write(&page, text).expect("a file");
    let found = broken(root, &page, text);
    let named: Vec<&str> = ["other.md", "#none", "../../etc"].into_iter().collect();
    assert_eq!(found.len(), named.len(), "{found:?}");
    for (found, name) in found.iter().zip(named) {
        assert!(found.contains(name), "{found}");
    }
}
