//! Circles in small made-up crates.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;

use tempfile::TempDir;
use xtask::Known;
use xtask::circles::{Circle, Comparison, Crate, Kind, circles};

/// Writes a crate and finds its circles.
fn found(files: &[(&str, &str)]) -> Vec<Circle> {
    let dir = TempDir::new().unwrap();
    for (name, text) in files {
        let file = dir.path().join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }
    let root = dir
        .path()
        .join(files.first().map_or(Path::new("lib.rs"), |(name, _)| Path::new(name)));
    circles("made-up", &Crate::read(&root).unwrap().edges())
}

fn keys(circles: &[Circle]) -> Vec<String> {
    circles.iter().map(Circle::key).collect()
}

#[test]
fn two_files_that_use_each_other_are_a_circle() {
    let circles = found(&[
        ("lib.rs", "mod room;"),
        ("room/mod.rs", "mod one; mod two;"),
        ("room/one.rs", "use super::two::Two; pub struct One(Two);"),
        (
            "room/two.rs",
            "pub struct Two; impl Two { fn one(self) -> super::one::One { super::one::One(self) } }",
        ),
    ]);
    assert_eq!(keys(&circles), ["made-up files: room/one.rs room/two.rs"]);
    assert_eq!(circles[0].edges.len(), 2);
}

#[test]
fn two_rooms_that_use_each_other_through_different_files_are_a_circle_of_rooms() {
    let circles = found(&[
        ("lib.rs", "mod one; mod two;"),
        ("one/mod.rs", "mod needs; pub mod needed;"),
        ("one/needs.rs", "use crate::two::needed::B; pub fn b(_: B) {}"),
        ("one/needed.rs", "pub struct A;"),
        ("two/mod.rs", "mod needs; pub mod needed;"),
        ("two/needs.rs", "use crate::one::needed::A; pub fn a(_: A) {}"),
        ("two/needed.rs", "pub struct B;"),
    ]);
    assert_eq!(keys(&circles), ["made-up rooms: one two"]);
    assert_eq!(circles[0].kind, Kind::Rooms);
    let by = &circles[0].edges[&("one".to_owned(), "two".to_owned())];
    assert_eq!(by, &["one/needs.rs -> two/needed.rs"]);
}

#[test]
fn circle_through_re_exports_is_found() {
    let circles = found(&[
        ("lib.rs", "mod room;"),
        ("room/mod.rs", "mod one; mod two; pub use one::One; pub use two::*;"),
        ("room/one.rs", "use crate::room::Two; pub struct One(Two);"),
        ("room/two.rs", "pub struct Two; pub fn two(_: super::One) {}"),
    ]);
    assert_eq!(keys(&circles), ["made-up files: room/one.rs room/two.rs"]);
}

#[test]
fn import_through_the_face_of_a_room_is_no_circle() {
    let circles = found(&[
        ("lib.rs", "mod room; pub use room::Two;"),
        ("room/mod.rs", "mod one; mod two; pub use one::One; pub use two::Two;"),
        ("room/one.rs", "pub struct One;"),
        ("room/two.rs", "use super::One; pub struct Two(One);"),
    ]);
    assert_eq!(keys(&circles), [""; 0]);
}

#[test]
fn face_with_code_of_its_own_is_a_member() {
    let circles = found(&[
        ("lib.rs", "mod room;"),
        (
            "room/mod.rs",
            "mod one; pub struct Shared; pub fn all() { one::one(Shared) }",
        ),
        ("room/one.rs", "use super::Shared; pub fn one(_: Shared) {}"),
    ]);
    assert_eq!(keys(&circles), ["made-up files: room/mod.rs room/one.rs"]);
}

#[test]
fn test_modules_make_no_circle() {
    let circles = found(&[
        ("lib.rs", "mod one; mod two;"),
        ("one.rs", "use crate::two::Two; pub struct One(Two);"),
        (
            "two.rs",
            "pub struct Two; #[cfg(test)] mod tests { use crate::one::One; } #[cfg(test)] fn helper(_: crate::one::One) {}",
        ),
    ]);
    assert_eq!(keys(&circles), [""; 0]);
}

#[test]
fn paths_in_macros_in_attributes_and_behind_other_names_count() {
    for named in [
        "pub fn f() { println!(\"{}\", crate::one::NUMBER) }",
        "#[derive(Serialize)] pub struct S { #[serde(with = \"crate::one::number\")] n: u8 }",
        "use crate::one as renamed; pub fn f() -> u8 { renamed::NUMBER }",
        "pub fn f() -> u8 { use super::one::{self, NUMBER as N}; N }",
        "pub mod inner { pub fn f() -> u8 { super::super::one::NUMBER } }",
    ] {
        let two = format!("pub struct Two; {named}");
        let circles = found(&[
            ("lib.rs", "mod one; mod two;"),
            (
                "one.rs",
                "use crate::two::Two; pub const NUMBER: u8 = 1; pub fn number(_: Two) {}",
            ),
            ("two.rs", two.as_str()),
        ]);
        assert_eq!(
            keys(&circles),
            ["made-up rooms: one two", "made-up files: one.rs two.rs"],
            "{named}"
        );
    }
}

#[test]
fn file_beside_its_folder_is_the_same_room() {
    let circles = found(&[
        ("lib.rs", "mod http; mod other;"),
        ("http.rs", "mod auth; pub fn serve() { auth::check() } "),
        (
            "http/auth.rs",
            "pub fn check() {} pub fn other() { crate::other::other() }",
        ),
        ("other.rs", "pub fn other() {}"),
    ]);
    assert_eq!(keys(&circles), [""; 0]);
}

#[test]
fn list_of_known_circles_can_only_shrink() {
    let files = [
        ("lib.rs", "mod one; mod two;"),
        ("one.rs", "use crate::two::Two; pub struct One(Two);"),
        ("two.rs", "pub struct Two; pub fn two(_: crate::one::One) {}"),
    ];
    let both = "# Both go with the next change.\nmade-up rooms: one two\n\n# The same.\nmade-up files: one.rs two.rs\n";
    assert!(Comparison::new(found(&files), &Known::read(both).unwrap()).is_clean());

    let one = Comparison::new(found(&files), &Known::read("# Why.\nmade-up rooms: one two\n").unwrap());
    assert_eq!(keys(&one.new), ["made-up files: one.rs two.rs"]);
    assert!(!one.is_clean());

    let gone = Comparison::new(Vec::new(), &Known::read(both).unwrap());
    assert_eq!(gone.gone.len(), 2);
    assert!(!gone.is_clean());
}

#[test]
fn known_circle_without_a_reason_is_rejected() {
    assert!(Known::read("made-up rooms: one two\n").is_err());
    assert!(Known::read("#\nmade-up rooms: one two\n").is_err());
    assert!(Known::read("# Why.\nmade-up rooms: one two\nmade-up rooms: three two\n").is_err());
    assert!(Known::read("# Why.\na rooms: one two\n# Why.\na rooms: one two\n").is_err());
}
