//! The tiers of `.config/nextest.toml` name the modules of `tests/it`, each once.

#![allow(clippy::expect_used)]

const MAIN: &str = include_str!("../../tests/it/main.rs");
const TIERS: &str = include_str!("../../.config/nextest.toml");

/// The modules that a filter like `test(/^(one|two)::/)` names, of all tiers.
fn named(tiers: &str) -> Vec<&str> {
    let lists = tiers.split("test(/^(").skip(1);
    let lists = lists.map(|rest| rest.split_once(')').expect("an end").0);
    lists.flat_map(|list| list.split('|')).collect()
}

/// The modules that hold tests.
fn modules(main: &str) -> Vec<&str> {
    let names = main
        .lines()
        .filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'));
    names.filter(|name| *name != "support").collect()
}

#[test]
fn each_module_of_the_black_box_is_in_one_tier() {
    let named = named(TIERS);
    let modules = modules(MAIN);
    assert!(modules.len() > 10, "{modules:?}");
    for module in &modules {
        let count = named.iter().filter(|name| *name == module).count();
        assert_eq!(count, 1, "{module} is in {count} tiers");
    }
    for name in named {
        assert!(modules.contains(&name), "no module of tests/it is {name}");
    }
}
