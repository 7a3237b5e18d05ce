//! Where waiting calls are kept: for whom, how many, and who takes them.

use harness::assert_worded;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use chrono::{DateTime, TimeDelta, Utc};
use neon_mcp::guard::{
    Approval, Approvals, ApprovalsError, DecideError, Decider, Decision, MAX_OF_GROUP, MAX_OF_ONE, MAX_WAITING,
    MayApprove, NewApproval, State, TypedName,
};
use serde_json::json;

fn now() -> DateTime<Utc> {
    Utc::now()
}

fn token_of(call: &str) -> String {
    format!("token of {call}")
}

fn new(call: &str) -> NewApproval {
    NewApproval {
        token: token_of(call),
        call: call.to_owned(),
        plan_digest: "digest".to_owned(),
        from: call.to_owned(),
        group: call.to_owned(),
        tool: "delete_branch".to_owned(),
        effect: "destructive".to_owned(),
        severe: false,
        plan: json!({"summary": "Delete the branch"}),
        text: "Delete the branch.".to_owned(),
        whole: None,
        type_name: None,
        caller: "stdio".to_owned(),
        client: Some("test".to_owned()),
        asked_at: now(),
        expires_at: now() + TimeDelta::seconds(300),
        approval_seconds: 300,
        terminal: true,
        without_terminal: false,
        page_secret: Some("the digest of a secret".to_owned()),
        signs_in: false,
        principal: String::new(),
        person: None,
        may: MayApprove::default(),
    }
}

fn severe(call: &str) -> NewApproval {
    NewApproval {
        severe: true,
        type_name: Some(TypedName {
            what: "branch".to_owned(),
            name: "Main".to_owned(),
        }),
        ..new(call)
    }
}

fn approve(typed: Option<&str>) -> Decision {
    Decision::Approve {
        typed: typed.map(str::to_owned),
    }
}

fn store() -> (tempfile::TempDir, Approvals) {
    let home = tempfile::tempdir().expect("a directory");
    let approvals = Approvals::new(home.path().join("state/approvals"));
    (home, approvals)
}

fn add(approvals: &Approvals, call: &str) -> Approval {
    approvals.add(new(call)).expect("put down")
}

#[test]
fn a_code_is_two_times_four_letters_that_make_no_word() {
    let (_home, approvals) = store();
    let code = add(&approvals, "a").code;
    let (one, two) = code.split_once('-').expect("a dash");
    assert!(one.len() == 4 && two.len() == 4, "{code}");
    assert!(
        code.chars()
            .all(|letter| letter == '-' || "BCDFGHJKLMNPQRSTVWXZ".contains(letter)),
        "{code}"
    );
    for written in [
        code.clone(),
        code.to_lowercase(),
        code.replace('-', ""),
        format!(" {code} "),
    ] {
        let found = approvals.get(&written, now()).expect("readable").expect("known");
        assert_eq!(found.code, code, "{written}");
    }
}

#[test]
fn the_same_call_keeps_its_code_and_another_gets_its_own() {
    let (_home, approvals) = store();
    let one = add(&approvals, "a");
    assert_eq!(add(&approvals, "a").code, one.code);
    assert_ne!(add(&approvals, "b").code, one.code);
    let other_plan = approvals
        .add(NewApproval {
            plan_digest: "another digest".to_owned(),
            ..new("a")
        })
        .expect("put down");
    assert_ne!(other_plan.code, one.code);
    assert_eq!(approvals.list(now()).expect("a list").len(), 3);
}

#[test]
fn no_more_than_a_hundred_wait_and_what_runs_out_makes_room() {
    let (_home, approvals) = store();
    for number in 0..MAX_WAITING {
        add(&approvals, &number.to_string());
    }
    let full = approvals.add(new("one more"));
    assert!(matches!(full, Err(ApprovalsError::Full)), "{full:?}");
    assert!(approvals.add(new("0")).is_ok(), "what waits already does");
    // Whoever has one there gives up that one, and nobody else's.
    let own = NewApproval {
        from: "1".to_owned(),
        ..new("one more of 1")
    };
    let own = approvals.add(own).expect("put down");
    let known = approvals.list(now()).expect("a list");
    assert_eq!(known.len(), MAX_WAITING);
    assert!(known.iter().any(|known| known.code == own.code));
    assert!(known.iter().all(|known| known.token != token_of("1")));
    let later = NewApproval {
        asked_at: now() + TimeDelta::seconds(301),
        ..new("one more")
    };
    assert!(approvals.add(later).is_ok());
}

#[test]
fn a_decision_counts_once_and_is_taken_once() {
    let (_home, approvals) = store();
    let code = add(&approvals, "a").code;
    assert!(
        approvals.take(&code, now()).expect("usable").is_none(),
        "nobody approved"
    );
    let approved = approvals.decide(&code, &approve(None), now()).expect("decided");
    assert!(matches!(
        approved.state,
        State::Approved {
            by: Decider::Terminal,
            ..
        }
    ));
    let again = approvals.decide(&code, &Decision::Reject, now());
    assert!(
        matches!(&again, Err(DecideError::Decided(state)) if matches!(**state, State::Approved { .. })),
        "{again:?}"
    );
    let taken = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| approvals.take(&code, now()).expect("usable")))
            .collect();
        tries
            .into_iter()
            .filter_map(|one| one.join().expect("ends"))
            .collect::<Vec<_>>()
    });
    assert_eq!(taken.len(), 1);
    assert_eq!(taken[0].token, token_of("a"));
    assert!(approvals.get(&code, now()).expect("readable").is_none());
}

#[test]
fn waiting_and_approval_run_out() {
    let (_home, approvals) = store();
    let code = add(&approvals, "a").code;
    let late = now() + TimeDelta::seconds(301);
    assert!(matches!(
        approvals.decide(&code, &approve(None), late),
        Err(DecideError::Unknown)
    ));
    approvals
        .decide(&code, &approve(None), now() + TimeDelta::seconds(200))
        .expect("decided");
    assert!(
        approvals
            .take(&code, now() + TimeDelta::seconds(501))
            .expect("usable")
            .is_none()
    );
    assert!(
        approvals
            .take(&code, now() + TimeDelta::seconds(499))
            .expect("usable")
            .is_some()
    );
}

#[test]
fn five_wrong_names_refuse() {
    let (_home, approvals) = store();
    let code = approvals.add(severe("a")).expect("put down").code;
    for (tries, typed) in [None, Some(""), Some("main"), Some("Main!")].into_iter().enumerate() {
        match approvals.decide(&code, &approve(typed), now()) {
            Err(DecideError::WrongName { left, .. }) => assert_eq!(left as usize, 4 - tries),
            other => panic!("{other:?}"),
        }
    }
    let fifth = approvals.decide(&code, &approve(Some("MAIN")), now());
    assert!(
        matches!(fifth, Err(DecideError::WrongName { left: 0, .. })),
        "{fifth:?}"
    );
    let right = approvals.decide(&code, &approve(Some("Main")), now());
    assert!(
        matches!(&right, Err(DecideError::Decided(state)) if matches!(**state, State::Rejected { .. })),
        "{right:?}"
    );
    let code = approvals.add(severe("b")).expect("put down").code;
    approvals
        .decide(&code, &approve(Some(" Main ")), now())
        .expect("the right name");
    let nameless = NewApproval {
        type_name: None,
        ..severe("c")
    };
    let code = approvals.add(nameless).expect("put down").code;
    assert!(matches!(
        approvals.decide(&code, &approve(None), now()),
        Err(DecideError::WrongName { .. })
    ));
}

#[test]
fn one_session_takes_its_share_and_its_oldest_makes_room() {
    let (_home, approvals) = store();
    let of = |call: usize, from: &str, group: &str| NewApproval {
        from: from.to_owned(),
        group: group.to_owned(),
        asked_at: now() + TimeDelta::milliseconds(i64::try_from(call).expect("a small number")),
        ..new(&call.to_string())
    };
    let others = approvals.add(of(10_000, "other", "them")).expect("put down");
    let mut codes = Vec::new();
    for call in 0..MAX_OF_ONE {
        codes.push(approvals.add(of(call, "one", "them")).expect("put down").code);
    }
    let next = approvals.add(of(1_000, "one", "them")).expect("put down").code;
    let known: Vec<String> = approvals
        .list(now())
        .expect("a list")
        .into_iter()
        .map(|known| known.code)
        .collect();
    assert_eq!(known.len(), MAX_OF_ONE + 1);
    assert!(known.contains(&next) && known.contains(&others.code) && !known.contains(&codes[0]));
    assert!(codes[1..].iter().all(|code| known.contains(code)));
    // What was decided isn't given up.
    approvals.decide(&codes[1], &approve(None), now()).expect("decided");
    approvals.add(of(1_001, "one", "them")).expect("put down");
    approvals.add(of(1_002, "one", "them")).expect("put down");
    assert!(approvals.take(&codes[1], now()).expect("usable").is_some());
}

#[test]
fn sessions_of_one_credential_leave_room_for_others() {
    let (_home, approvals) = store();
    let of = |session: usize, group: &str| NewApproval {
        from: format!("{group} {session}"),
        group: group.to_owned(),
        ..new(&format!("{group} {session}"))
    };
    for session in 0..MAX_OF_GROUP {
        approvals.add(of(session, "http")).expect("put down");
    }
    let full = approvals.add(of(1_000, "http"));
    assert!(matches!(full, Err(ApprovalsError::FullOfGroup)), "{full:?}");
    assert_worded!(
        "approvals",
        "waiting room full of other sessions",
        full.expect_err("full").to_string()
    );
    assert_eq!(approvals.list(now()).expect("a list").len(), MAX_OF_GROUP);
    assert!(approvals.add(of(0, "stdio")).is_ok());
}

#[test]
fn where_no_terminal_counts_only_a_no_comes_from_one() {
    let (_home, approvals) = store();
    let terminalless = NewApproval {
        terminal: false,
        ..new("d")
    };
    let code = approvals.add(terminalless).expect("put down").code;
    let decided = approvals.decide(&code, &approve(None), now());
    assert!(
        matches!(decided, Err(DecideError::NotHere(Decider::Terminal))),
        "{decided:?}"
    );
    approvals
        .decide(&code, &Decision::Reject, now())
        .expect("a no counts from anywhere");
}

#[test]
fn only_its_owner_can_read_it() {
    let (_home, approvals) = store();
    add(&approvals, "a");
    approvals.redeem("0123", now()).expect("recorded");
    let mode = |path: &Path| path.metadata().expect("there").permissions().mode() & 0o777;
    assert_eq!(mode(approvals.directory().expect("a directory")), 0o700);
    for entry in walk(approvals.directory().expect("a directory")) {
        let expected = if entry.is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&entry), expected, "{}", entry.display());
    }
    std::fs::set_permissions(
        approvals.directory().expect("a directory"),
        std::fs::Permissions::from_mode(0o755),
    )
    .expect("opened");
    add(&approvals, "b");
    assert_eq!(mode(approvals.directory().expect("a directory")), 0o700, "closed again");
}

fn walk(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(walk(&path));
        }
        found.push(path);
    }
    found
}

#[test]
fn a_hostile_code_reaches_no_file() {
    let (home, approvals) = store();
    add(&approvals, "a");
    std::fs::write(home.path().join("state/BCDFGHJK.json"), "{}").expect("written");
    for code in [
        "../BCDFGHJK",
        "..",
        "",
        "/",
        "lock",
        "BCDFGHJ",
        "BCDFGHJKL",
        "BCDF\0GHJ",
        "AEIOUAEI",
        "ＢＣＤＦＧＨＪＫ",
    ] {
        assert!(approvals.get(code, now()).expect("readable").is_none(), "{code}");
        assert!(
            matches!(approvals.decide(code, &approve(None), now()), Err(DecideError::Unknown)),
            "{code}"
        );
        assert!(approvals.take(code, now()).expect("usable").is_none(), "{code}");
    }
}

#[test]
fn what_is_no_call_is_passed_over() {
    let (_home, approvals) = store();
    let code = add(&approvals, "a").code;
    let file = |code: &str| approvals.directory().expect("a directory").join(format!("{code}.json"));
    std::fs::write(file("BBBBBBBB"), "not JSON").expect("written");
    std::fs::write(file("CCCCCCCC"), vec![b'x'; 1_000_000]).expect("written");
    std::fs::create_dir(file("DDDDDDDD")).expect("made");
    std::os::unix::fs::symlink("/etc/passwd", file("FFFFFFFF")).expect("linked");
    // Under another code than its own.
    std::fs::copy(file(&code.replace('-', "")), file("GGGGGGGG")).expect("copied");
    let known: Vec<String> = approvals
        .list(now())
        .expect("a list")
        .into_iter()
        .map(|known| known.code)
        .collect();
    assert_eq!(known, [code]);
}

#[test]
fn a_nonce_is_used_once_among_many() {
    let (_home, approvals) = store();
    let until = now() + TimeDelta::seconds(60);
    let firsts = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..8)
            .map(|_| scope.spawn(|| approvals.redeem("abc", until).expect("recorded")))
            .collect();
        tries
            .into_iter()
            .filter(|_| true)
            .map(|one| one.join().expect("ends"))
            .filter(|first| *first)
            .count()
    });
    assert_eq!(firsts, 1);
    assert!(!approvals.redeem("abc", until).expect("recorded"));
    assert!(approvals.redeem("abd", until).expect("recorded"));
}

#[test]
fn a_directory_of_someone_elses_making_is_not_used() {
    let home = tempfile::tempdir().expect("a directory");
    let elsewhere = tempfile::tempdir().expect("a directory");
    let link = home.path().join("approvals");
    std::os::unix::fs::symlink(elsewhere.path(), &link).expect("linked");
    let approvals = Approvals::new(link);
    assert!(matches!(approvals.add(new("a")), Err(ApprovalsError::Store(_))));
    std::fs::write(home.path().join("file"), "").expect("written");
    let approvals = Approvals::new(home.path().join("file"));
    assert!(matches!(approvals.add(new("a")), Err(ApprovalsError::Store(_))));
}
