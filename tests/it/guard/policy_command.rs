//! `neon-mcp policy`, as operators run it.

use harness::{assert_worded, wording::line_with};
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::support::policy::write_policy;

fn run(arguments: &[&str]) -> Output {
    let mut command = Command::new(crate::support::program());
    command.arg("policy").args(arguments).env_clear().output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Writes a policy, checks it with more arguments, and returns the exit code and what was printed.
fn check(policy: &str, more: &[&str]) -> (i32, String) {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("policy.toml");
    write_policy(&path, policy);
    let output = run(&[&["check", path.to_str().unwrap()], more].concat());
    let printed = text(&output.stdout) + &text(&output.stderr);
    (output.status.code().unwrap(), printed)
}

#[test]
fn a_file_is_said_in_plain_words() {
    let (code, printed) = check("", &[]);
    assert_eq!(code, 0);
    assert_eq!(
        printed,
        "Nothing is written that differs from the defaults.\nThe policy is valid.\n"
    );
    let (code, printed) = check(
        "freeze = \"launch day\"\nprotected_branches = [\"prod-?\"]\n[effects]\ndestructive = \"deny\"\n[tools]\ndelete_branch = \"allow\"\n[caps]\ncompute_cu = 2\n[approval]\nchannels = []\nwithout_terminal = true",
        &[],
    );
    assert_eq!(code, 0, "{printed}");
    let hidden = line_with(&printed, "hidden");
    assert!(hidden.contains(" delete_project,"), "{hidden}");
    assert_worded!(
        "policy_check",
        "policy that says something",
        printed.replace(hidden, "[what is hidden]")
    );
}

#[test]
fn a_file_that_is_no_policy_says_where_and_fails() {
    let (code, printed) = check("\nreed_only = true", &[]);
    assert_eq!(code, 1);
    for part in ["policy.toml,", "line 2,", "column 1:", "`reed_only`", "`read_only`"] {
        assert!(printed.contains(part), "{part}: {printed}");
    }
    let problem = &printed[printed.find("line 2,").expect("the place")..];
    assert_worded!("policy_check", "key that there is not", problem);
    assert_eq!(run(&["check", "no/such/file"]).status.code(), Some(1));
}

#[test]
fn nothing_starts_with_a_policy_that_is_not_understood() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("policy.toml");
    for (policy, good) in [
        ("read_only = true", true),
        ("read_only = 1", false),
        ("[tools]\nx = \"deny\"", false),
        // As one is whose writing broke off.
        ("\n", false),
    ] {
        std::fs::write(&path, policy).unwrap();
        let mut command = Command::new(crate::support::program());
        command
            .args(["--sandbox", "--policy"])
            .arg(&path)
            .env_clear()
            .env("NEON_MCP_SANDBOX_POSTGRES", "off")
            .stdin(std::process::Stdio::null());
        let output = command.output().unwrap();
        assert_eq!(output.status.success(), good, "{policy} {}", text(&output.stderr));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn a_copy_that_could_never_be_made_is_said() {
    let (code, printed) = check(
        "[effects]\nwrite = \"require_approval\"\n[safety_copy]\nbefore = \"destructive\"",
        &[],
    );
    assert_eq!(code, 0);
    assert_worded!(
        "policy_check",
        "copy that could never be made",
        line_with(&printed, "warning: safety_copy")
    );
}

#[test]
fn a_call_is_explained_in_every_case_and_the_strictest_is_the_exit_code() {
    let branch = |name: &str| json!({"project_id": "quiet-sun-12345678", "branch_id": name}).to_string();
    let delete = |policy: &str, name: &str| check(policy, &["delete_branch", &branch(name)]);
    let (code, printed) = delete("", "dev");
    assert_eq!(code, 2, "{printed}");
    assert_worded!("policy_check", "deletion of a branch", printed);
    let (code, printed) = delete("protected_branches = [\"release/*\"]", "name:release/1");
    assert_eq!(code, 2);
    assert_worded!("policy_check", "deletion of a branch that the policy protects", printed);
    assert!(!printed.contains("throwaway branch:"), "{printed}");
    assert_eq!(delete("[tools]\ndelete_branch = \"allow\"", "dev").0, 0);
    let (code, printed) = delete("[effects]\ndestructive = \"deny\"", "dev");
    assert_eq!(code, 1);
    assert_worded!("policy_check", "deletion that is denied", printed);
    let (code, printed) = delete("[approval]\nchannels = []", "dev");
    assert_eq!(code, 1);
    assert_worded!("policy_check", "deletion that nobody may approve", printed);
    let (_, printed) = delete("dry_run = true", "dev");
    assert!(printed.contains("(dry_run)"), "{printed}");
    assert_worded!("policy_check", "deletion of which nothing is sent", printed);
    let (code, printed) = check(
        "allowed_organizations = [\"org-a\"]",
        &["list_branches", "{\"project_id\": \"p\"}"],
    );
    assert_eq!(code, 0);
    assert_worded!("policy_check", "read in an organization that may be allowed", printed);
}

#[test]
fn lowering_is_a_case_of_its_own() {
    let arguments = json!({"project_id": "quiet-sun-12345678", "history_retention_seconds": 3600}).to_string();
    let (code, printed) = check("", &["update_project", &arguments]);
    assert_eq!(code, 2, "{printed}");
    assert_worded!("policy_check", "value that may be lowered", printed);
}

#[test]
fn a_call_that_could_never_be_made_is_an_error() {
    for (tool, arguments, expected) in [
        ("delete_branhc", "{}", "did you mean `delete_branch`?"),
        ("list_branches", "{}", "project_id: is required"),
        (
            "list_branches",
            "{\"project_id\": \"p\", \"serch\": \"x\"}",
            "did you mean `search`?",
        ),
        ("list_branches", "{\"project_id\": \"../x\"}", "project_id: "),
        ("list_branches", "[]", "no JSON object"),
        ("list_branches", "{", "no JSON"),
    ] {
        let (code, printed) = check("", &[tool, arguments]);
        assert_eq!(code, 1, "{tool} {arguments} {printed}");
        assert!(printed.contains(expected), "{printed}");
    }
}

#[test]
fn the_schema_knows_what_the_reader_knows() {
    let output = run(&["schema"]);
    assert!(output.status.success());
    let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
    let validator = jsonschema::draft202012::new(&schema).unwrap();
    assert!(validator.is_valid(&json!({"read_only": true, "caps": {"compute_cu": 2}})));
    for wrong in [
        json!({"reed_only": true}),
        json!({"caps": {"compute_cu": 57}}),
        json!({"tools": {"delete_branch": "maybe"}}),
    ] {
        assert!(!validator.is_valid(&wrong), "{wrong}");
    }
}

#[test]
fn the_reference_in_docs_is_what_the_program_prints() {
    let output = run(&["reference"]);
    assert!(output.status.success());
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/policy.md");
    let kept = std::fs::read_to_string(path).unwrap();
    assert!(
        kept == text(&output.stdout),
        "make it anew: cargo run -- policy reference > docs/policy.md"
    );
}

#[test]
fn sql_is_judged_by_its_text_as_the_call_itself_is() {
    let of = |tool: &str, sql: &str| {
        let arguments =
            json!({"project_id": "quiet-sun-12345678", "branch_id": "br-cool-sun-a1b2c3d4", "sql": sql}).to_string();
        check("", &[tool, &arguments])
    };
    let (code, printed) = of("run_sql", "SELECT 1");
    assert_eq!(code, 0, "a plain read runs: {printed}");
    assert!(
        printed.contains("effect read") && !printed.contains("asks a human"),
        "{printed}"
    );
    let (code, printed) = of("run_sql", "DROP TABLE orders");
    assert_eq!(code, 2, "{printed}");
    assert!(printed.contains("destructive"), "{printed}");
    let (code, printed) = of("run_sql", "INSERT INTO t VALUES (1)");
    assert!(
        code != 1 && printed.contains("measured when the call is made"),
        "{printed}"
    );
    // What can't be told from its text runs in none, and is refused first.
    let (code, printed) = check(
        "read_only = true",
        &[
            "run_sql",
            &json!({"project_id": "quiet-sun-12345678", "branch_id": "main", "sql": "DELETE FROM t"}).to_string(),
        ],
    );
    assert_eq!(code, 1, "{printed}");
    assert!(
        printed.lines().next().is_some_and(|line| line.contains("refused")),
        "{printed}"
    );
}
