//! Patterns of names: `*` is any run of characters, `?` is one.

/// Whether `name` as a whole fits `pattern`. The time is bounded by the product of both lengths: only the last `*` is ever
/// tried again.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    let (mut at, mut reached) = (0_usize, 0_usize);
    // Where the last `*` stands, and how far it reaches in the name.
    let mut star: Option<(usize, usize)> = None;
    while let Some(character) = name.get(reached) {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, reached));
                at += 1;
            }
            Some(wanted) if *wanted == '?' || wanted == character => {
                at += 1;
                reached += 1;
            }
            _ => {
                let Some((place, taken)) = star else { return false };
                star = Some((place, taken + 1));
                at = place + 1;
                reached = taken + 1;
            }
        }
    }
    pattern.iter().skip(at).all(|character| *character == '*')
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn a_pattern_is_of_the_whole_name() {
        for (pattern, name, expected) in [
            ("main", "main", true),
            ("main", "Main", false),
            ("main", "main2", false),
            ("release/*", "release/1.2", true),
            ("release/*", "release/", true),
            ("release/*", "a/release/1", false),
            ("prod-?", "prod-1", true),
            ("prod-?", "prod-", false),
            ("prod-?", "prod-12", false),
            ("*", "", true),
            ("*-eu-*", "prod-eu-1", true),
            ("*-eu-*", "prod-us-1", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-b-b-d", false),
            ("?", "é", true),
            ("**", "x", true),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }

    #[test]
    fn many_stars_take_no_time() {
        let pattern = "*a".repeat(120);
        let name = "a".repeat(256) + "b";
        assert!(!fits(&pattern, &name));
    }
}
