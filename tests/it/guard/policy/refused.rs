//! What is no policy: refused, with where and what instead.

use neon_mcp::guard::{Policy, policy_reference};

use super::{names, parse, policy};

#[test]
fn what_is_not_understood_is_refused_with_where_and_what_instead() {
    for (text, expected) in [
        (
            "reed_only = true",
            "line 1, column 1: there is no key `reed_only`: did you mean `read_only`?",
        ),
        (
            "\n[efects]\nread = \"deny\"",
            "line 2, column 2: there is no key `efects`: did you mean `effects`?",
        ),
        (
            "[effects]\nwrites = \"deny\"",
            "line 2, column 1: there is no key `effects.writes`: did you mean `effects.write`?",
        ),
        ("[caps]\ncompute = 2", "did you mean `caps.compute_cu`?"),
        ("compute_cu = 2", "did you mean `caps.compute_cu`?"),
        (
            "[caps]\nread_only = true",
            "did you mean `read_only`, which stands above the first `[table]`?",
        ),
        ("[approval]\nchanels = []", "did you mean `approval.channels`?"),
        ("[safety_copy]\nbefor = \"none\"", "did you mean `safety_copy.before`?"),
        ("xyzzy = 1", "`neon-mcp policy reference` lists the keys"),
        (
            "[tools]\n\n  delete_projct = \"deny\"",
            "line 3, column 3: there is no tool `delete_projct`: did you mean `delete_project`?",
        ),
        (
            "[tools]\nxyzzy = \"deny\"",
            "`neon-mcp tools --toolsets all` lists them",
        ),
        ("[effects]\nread = \"maybe\"", "`effects.read`"),
        (
            "[effects]\nread = \"Allow\"",
            "`effects.read`: \"Allow\" is none of `\"allow\"`, `\"require_approval\"`, `\"deny\"`",
        ),
        ("[tools]\ndelete_branch = true", "`tools.delete_branch`"),
        (
            "read_only = \"true\"",
            "`read_only`: \"true\" is not of type \"boolean\"",
        ),
        ("read_only = 1", "`read_only`"),
        ("dry_run = []", "`dry_run`"),
        ("freeze = \"\"", "`freeze`"),
        ("freeze = \" \\u0007 \"", "`freeze`"),
        ("freeze = true", "`freeze`"),
        ("freeze = 2026-07-01", "`freeze`"),
        ("allowed_projects = []", "`allowed_projects`"),
        ("allowed_projects = \"a\"", "`allowed_projects`"),
        ("allowed_projects = [\"\"]", "`allowed_projects.0`"),
        (
            "allowed_projects = [\"a\",\n \"A/b\"]",
            "line 2, column 2: `allowed_projects.1`",
        ),
        ("allowed_organizations = []", "`allowed_organizations`"),
        ("allowed_organizations = [1]", "`allowed_organizations.0`"),
        ("protected_branches = [\"\"]", "`protected_branches.0`"),
        ("protected_branches = [\" \"]", "empty pattern"),
        ("protected_branches = \"main\"", "`protected_branches`"),
        ("effects = 1", "`effects`"),
        ("tools = []", "`tools`"),
        ("caps = true", "`caps`"),
        ("[caps]\nthrowaway_lifetime_hours = 0", "less than the minimum of 1"),
        (
            "[caps]\nthrowaway_lifetime_hours = 721",
            "greater than the maximum of 720",
        ),
        (
            "[caps]\nthrowaway_lifetime_hours = 1.5",
            "`caps.throwaway_lifetime_hours`",
        ),
        ("[caps]\nbranches_per_project = 0", "`caps.branches_per_project`"),
        ("[caps]\nbranches_per_project = -1", "`caps.branches_per_project`"),
        ("[caps]\nbranches_per_project = \"9\"", "`caps.branches_per_project`"),
        ("[caps]\nbranches_per_project = 99999999999999999999", "line 2"),
        ("[caps]\ncompute_cu = 0.2", "`caps.compute_cu`"),
        ("[caps]\ncompute_cu = 56.1", "`caps.compute_cu`"),
        ("[caps]\ncompute_cu = nan", "`caps.compute_cu`"),
        ("[caps]\ncompute_cu = inf", "`caps.compute_cu`"),
        ("[caps]\ncompute_cu = \"2\"", "`caps.compute_cu`"),
        ("[caps]\nchanges_per_minute = 0", "`caps.changes_per_minute`"),
        ("[caps]\nchanges_per_minute = 601", "`caps.changes_per_minute`"),
        ("[approval]\nchannels = [\"mail\"]", "`approval.channels.0`"),
        ("[approval]\nchannels = \"client\"", "`approval.channels`"),
        ("[approval]\nquestion_seconds = 9", "`approval.question_seconds`"),
        ("[approval]\nquestion_seconds = 3601", "`approval.question_seconds`"),
        ("[approval]\napproval_seconds = 9", "`approval.approval_seconds`"),
        ("[approval]\napproval_seconds = \"60\"", "`approval.approval_seconds`"),
        ("[approval]\nwithout_terminal = \"yes\"", "`approval.without_terminal`"),
        ("[approval]\npage_secret_file = \"\"", "`approval.page_secret_file`"),
        ("[approval]\npage_secret_file = 1", "`approval.page_secret_file`"),
        ("[safety_copy]\nbefore = \"always\"", "`safety_copy.before`"),
        ("[safety_copy]\nbefore = true", "`safety_copy.before`"),
        ("read_only = true\nread_only = true", "line 2"),
        ("read_only", "line 1"),
        ("[caps", "line 1"),
    ] {
        let error = parse(text).expect_err(text);
        assert!(error.contains(expected), "{text}\n{error}");
        assert!(!error.contains('\n') && error.starts_with("the policy text"), "{error}");
    }
}

#[test]
fn names_of_earlier_versions_are_rejected_with_their_new_ones() {
    for (text, line, old, new) in [
        ("\n[confirm]\nchannels = []", "line 2,", "`confirm`", "`approval`"),
        (
            "[approval]\nterminal_yes = true",
            "line 2,",
            "`approval.terminal_yes`",
            "`approval.without_terminal`",
        ),
        (
            "[effects]\nread = \"allow\"\ndestructive = \"confirm\"",
            "line 3,",
            "\"confirm\"",
            "`\"require_approval\"`",
        ),
    ] {
        let error = parse(text).expect_err(text);
        for part in [line, old, new] {
            assert!(error.contains(part), "{text}\n{error}");
        }
        // The new name alone, and not what else could be written.
        assert!(!error.contains("\"allow\""), "{text}\n{error}");
    }
}

#[test]
fn a_file_is_read_whole_or_not_at_all() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("policy.toml");
    let read = || Policy::read(&path, names());
    let missing = read().unwrap_err();
    assert!(missing.to_string().contains("policy.toml"), "{missing}");
    std::fs::write(&path, "[approval]\npage_secret_file = \"secret\"").unwrap();
    let policy = read().unwrap();
    assert_eq!(
        policy.approval().page_secret_file.as_deref(),
        Some(&*place.path().join("secret"))
    );
    std::fs::write(&path, b"read_only = true\n# \xff").unwrap();
    let error = read().unwrap_err().to_string();
    for part in ["line 2", "column 3", "UTF-8"] {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert!(Policy::read(place.path(), names()).is_err());
}

#[cfg(unix)]
#[test]
fn a_file_that_others_can_change_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("policy.toml");
    std::fs::write(&path, "# nothing\n").unwrap();
    for (mode, good) in [
        (0o600, true),
        (0o644, true),
        (0o444, true),
        (0o664, false),
        (0o646, false),
        (0o666, false),
    ] {
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        match Policy::read(&path, names()) {
            Ok(_) => assert!(good, "{mode:o}"),
            Err(error) => assert!(!good && error.to_string().contains("chmod go-w"), "{mode:o} {error}"),
        }
    }
}

#[test]
fn the_examples_of_the_reference_are_policies() {
    let reference = policy_reference();
    let examples: Vec<&str> = reference
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert_eq!(examples.len(), 6);
    for example in examples {
        policy(example);
    }
}

#[test]
fn deep_nesting_is_refused_without_a_crash() {
    for (open, close) in [("[", "]"), ("{a=", "}")] {
        let text = format!("protected_branches = {}{}", open.repeat(50_000), close.repeat(50_000));
        assert!(parse(&text).is_err());
    }
    assert!(parse(&format!("{} = 1", vec!["a"; 20_000].join("."))).is_err());
}
