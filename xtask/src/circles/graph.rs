//! Circles in a set of edges: components of which each member reaches each other.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use petgraph::algo::tarjan_scc;
use petgraph::graph::DiGraph;

/// What a circle is made of.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// Rooms of a package.
    Rooms,
    /// Files of a package.
    Files,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Rooms => "rooms",
            Self::Files => "files",
        })
    }
}

/// Members that each need each other, if only through others.
#[derive(Debug)]
pub struct Circle {
    /// The package.
    pub package: String,
    /// What its members are.
    pub kind: Kind,
    /// Its members, sorted.
    pub members: Vec<String>,
    /// The edges inside of it: who names whom, and, for rooms, the files by which.
    pub edges: BTreeMap<(String, String), Vec<String>>,
}

impl Circle {
    /// The circle as `circles.txt` names it.
    #[must_use]
    pub fn key(&self) -> String {
        format!("{} {}: {}", self.package, self.kind, self.members.join(" "))
    }
}

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.key())?;
        for ((from, to), by) in &self.edges {
            write!(f, "\n    {from} -> {to}")?;
            if self.kind == Kind::Rooms {
                write!(f, "  ({})", by.join(", "))?;
            }
        }
        Ok(())
    }
}

/// Finds the circles between rooms and between files.
#[must_use]
pub fn circles(package: &str, edges: &BTreeSet<(PathBuf, PathBuf)>) -> Vec<Circle> {
    let mut rooms = BTreeMap::<(String, String), Vec<String>>::new();
    let mut files = BTreeMap::<(String, String), Vec<String>>::new();
    for (from, to) in edges {
        let by = format!("{} -> {}", from.display(), to.display());
        if room(from) != room(to) {
            rooms.entry((room(from), room(to))).or_default().push(by);
        }
        files.insert((from.display().to_string(), to.display().to_string()), Vec::new());
    }
    let mut found = components(package, Kind::Rooms, &rooms);
    found.extend(components(package, Kind::Files, &files));
    found
}

/// The room of a file: the first part of its path, so that `http.rs` and `http/` are one.
fn room(file: &Path) -> String {
    let first = file.iter().next().map(Path::new);
    first
        .and_then(Path::file_stem)
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn components(package: &str, kind: Kind, edges: &BTreeMap<(String, String), Vec<String>>) -> Vec<Circle> {
    let mut graph = DiGraph::<String, ()>::new();
    let mut nodes = BTreeMap::new();
    for (from, to) in edges.keys() {
        let mut node = |name: &String| {
            *nodes
                .entry(name.clone())
                .or_insert_with(|| graph.add_node(name.clone()))
        };
        let ends = (node(from), node(to));
        graph.add_edge(ends.0, ends.1, ());
    }
    let mut found = Vec::new();
    for component in tarjan_scc(&graph) {
        if component.len() < 2 {
            continue;
        }
        let members: BTreeSet<String> = component
            .into_iter()
            .filter_map(|node| graph.node_weight(node).cloned())
            .collect();
        let inside = edges
            .iter()
            .filter(|((from, to), _)| members.contains(from) && members.contains(to));
        found.push(Circle {
            package: package.to_owned(),
            kind,
            edges: inside.map(|(edge, by)| (edge.clone(), by.clone())).collect(),
            members: members.into_iter().collect(),
        });
    }
    found.sort_by(|one, other| one.members.cmp(&other.members));
    found
}
