//! The name that somebody probably meant.

/// The longest word that is looked for, in bytes.
const MAX_WORD: usize = 128;

/// The candidate nearest to `word`, if one is near enough to be worth naming.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // Nothing that there is has a name as long as that, and likeness takes time that grows with it.
    if word.len() > MAX_WORD {
        return None;
    }
    let word = word.to_lowercase().replace('-', "_");
    candidates
        .into_iter()
        .map(|candidate| {
            (
                strsim::jaro_winkler(&word, &candidate.to_lowercase().replace('-', "_")),
                candidate,
            )
        })
        .filter(|(likeness, _)| *likeness >= 0.78)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn a_slip_of_the_finger_finds_the_name_and_nonsense_finds_none() {
        let names = ["list_projects", "create_branch", "delete_branch"];
        assert_eq!(nearest("list_project", names), Some("list_projects"));
        assert_eq!(nearest("creat-branch", names), Some("create_branch"));
        assert_eq!(nearest("xyzzy", names), None);
        assert_eq!(nearest(&"list_project".repeat(20), names), None);
    }
}
