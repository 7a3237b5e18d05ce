//! Whether the caller and who approves are one human, and what to set up where nobody can tell.

use unicode_normalization::UnicodeNormalization as _;

use crate::guard::approvals::{DecidedBy, PersonDigest};
use crate::guard::policy::Whose;
use crate::guard::principal::{Identity, Person, Principal};
use crate::guard::seal::Sealer;
use crate::text::is_unseen;

/// Whether a subject that differs from the caller's is another human's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Telling {
    /// The caller's is known to be the name that its issuer gives that human at a sign-in.
    Sure,
    /// It may be another name of one human.
    Unsure(Why),
}

/// What would have to be so for a subject to be sure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// Access tokens and identities often have different subjects of one human (Okta's default, Entra's pairwise ones): the operator
    /// says which claim is the same in both.
    ClaimUnsaid,
    /// The operator wrote the name by hand, and the issuer never named anybody so.
    NeverSignedIn,
}

/// Whose a caller's call is to who signed in to approve it. Persons of one issuer can be compared, and nothing else: two names of two
/// kinds may be one human's, and so are no proof that there are two.
pub(super) fn whose(caller: &Principal, telling: Telling, who: &DecidedBy) -> Whose {
    if who.id == caller.id() {
        return Whose::Own;
    }
    match (caller.person(), &who.person) {
        (Some(caller), Some(who)) if caller.is_of(&who.issuer) => of_subjects(
            caller.subject == who.subject,
            folded(&caller.subject) == folded(&who.subject),
            telling == Telling::Sure,
        ),
        _ => Whose::Unknown,
    }
}

/// The same, of a caller and an approver that are known by digests alone.
pub(super) fn whose_of_digests(caller: &PersonDigest, who: &PersonDigest) -> Whose {
    match caller.issuer == who.issuer {
        true => of_subjects(
            caller.person == who.person,
            caller.folded == who.folded,
            caller.tells_others,
        ),
        false => Whose::Unknown,
    }
}

fn of_subjects(are_same: bool, are_alike: bool, tells_others: bool) -> Whose {
    match () {
        () if are_same => Whose::Own,
        // Issuers and directories write one human's name in several ways.
        () if are_alike || !tells_others => Whose::Unknown,
        () => Whose::Others,
    }
}

/// What is kept of a person with a call that waits, whom the claim names. Two claims of one issuer are as two issuers: no name by the one
/// tells anything of a name by the other.
pub(super) fn digests(sealer: &Sealer, claim: &str, person: &Person, telling: Telling) -> PersonDigest {
    PersonDigest {
        issuer: sealer.digest("issuer", &[person.place(), claim]),
        person: person_digest(sealer, claim, person),
        folded: sealer.digest("folded person", &[person.place(), claim, &folded(&person.subject)]),
        tells_others: telling == Telling::Sure,
    }
}

/// A keyed digest of a person, whom the claim names: what they are kept by.
pub(super) fn person_digest(sealer: &Sealer, claim: &str, person: &Person) -> String {
    sealer.digest("person", &[person.place(), claim, &person.subject])
}

/// A subject without what people and directories write in several ways: case, blanks, what isn't seen, and forms of one letter.
fn folded(subject: &str) -> String {
    let seen = subject
        .nfkc()
        .filter(|letter| !letter.is_whitespace() && !is_unseen(*letter));
    // Both ways, since some letters have one of both alone.
    seen.flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
        .nfkc()
        .collect()
}

/// Whose a caller's call is to whoever decides in a terminal.
///
/// A terminal proves one thing: that it belongs to the account which the server runs as, for nobody else reaches what waits. Over stdio,
/// and where one token in a file of that account lets in, the caller comes from the same account, and most likely from the same human:
/// nobody can tell. A caller that shows a token of its own, an issuer's or its own Neon key comes over the network as itself, and the
/// account is the operator's. An operator who also calls so could approve that, but loses nothing to a rule: the account reads the
/// policy, the key of Neon and the key of the seals, and can do by hand what the rule would have another approve.
pub(super) fn at_terminal(caller: &Principal) -> Whose {
    match caller.identity() {
        Identity::Cli => Whose::Own,
        Identity::Stdio | Identity::Http(_) => Whose::Unknown,
        Identity::Token { .. } | Identity::Subject { .. } | Identity::NeonKey(_) => Whose::Others,
    }
}

/// What the operator is to set for a caller to be told from who approves, on the page of that issuer's people where it may be there.
pub(super) fn how_to_tell(caller: &Principal, telling: Telling, takes_page: bool, issuer: Option<&str>) -> String {
    let signs_in = issuer.is_some() || !takes_page;
    let sign_in =
        "has approvers sign in on the approval page (`neon-mcp http` with --oauth-issuer and --oauth-client-id)";
    let is_comparable = |person: Person| issuer.is_none_or(|issuer| person.is_of(issuer));
    let callers = match caller.identity() {
        _ if caller.person().is_some_and(is_comparable) => match telling {
            Telling::Sure => None,
            Telling::Unsure(Why::ClaimUnsaid) => Some(
                "says which claim has one name for a human in access tokens and at sign-ins alike (`--oauth-subject-claim`, `sub` where \
                 that is so)",
            ),
            Telling::Unsure(Why::NeverSignedIn) => Some(
                "has the person whom this caller's token names sign in once on the server's page `/approve`: nobody did by that name",
            ),
        },
        Identity::Token { .. } => Some(
            "makes this caller a token that names its person at their issuer (`neon-mcp token create NAME --person SUBJECT`)",
        ),
        _ => Some(
            "has callers show who they are: `--auth oauth` with the issuer of the approvers, or `--auth bearer` with tokens that name \
             their persons (`neon-mcp token create NAME --person SUBJECT`)",
        ),
    };
    let steps: Vec<&str> = [(!signs_in).then_some(sign_in), callers]
        .into_iter()
        .flatten()
        .collect();
    match steps.is_empty() {
        true => "the operator names approvers of the page in the policy".to_owned(),
        false => format!("the operator {}", steps.join(", and ")),
    }
}

impl Person {
    /// Whether this issuer names them.
    pub(super) fn is_of(&self, issuer: &str) -> bool {
        self.place() == issuer.trim_end_matches('/')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn person(issuer: &str, subject: &str) -> Option<Person> {
        Some(Person {
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
        })
    }

    #[test]
    fn only_persons_of_one_issuer_are_compared() {
        let token = Principal::new(Identity::token("alice"));
        let signed_in = |issuer: &str, subject: &str| {
            let (issuer, subject) = (issuer.to_owned(), subject.to_owned());
            DecidedBy::from(&Principal::new(Identity::Subject { issuer, subject }))
        };
        let alice = signed_in("https://id.example", "alice");
        assert_eq!(
            whose(&token, Telling::Sure, &alice),
            Whose::Unknown,
            "the names of tokens are no subjects"
        );
        for (known, expected) in [
            (person("https://id.example", "alice"), Whose::Own),
            (person("https://id.example/", "alice"), Whose::Own),
            (person("https://id.example", "bob"), Whose::Others),
            (person("https://other.example", "bob"), Whose::Unknown),
        ] {
            assert_eq!(
                whose(&token.of_person(known.clone()), Telling::Sure, &alice),
                expected,
                "{known:?}"
            );
        }
        let bob = signed_in("https://id.example", "bob");
        let caller = Principal::new(Identity::Subject {
            issuer: "https://id.example".to_owned(),
            subject: "alice".to_owned(),
        });
        assert_eq!(
            (
                whose(&caller, Telling::Sure, &alice),
                whose(&caller, Telling::Sure, &bob)
            ),
            (Whose::Own, Whose::Others)
        );
        // What the operator says of a caller doesn't replace what its issuer says.
        let renamed = caller.of_person(person("https://id.example", "bob"));
        assert_eq!(whose(&renamed, Telling::Sure, &alice), Whose::Own);
    }

    #[test]
    fn names_that_may_be_one_humans_tell_nobody_apart() {
        let of = |subject: &str| Identity::Subject {
            issuer: "https://id.example".to_owned(),
            subject: subject.to_owned(),
        };
        let unsure = Telling::Unsure(Why::ClaimUnsaid);
        for (caller, who, telling, expected) in [
            ("alice", "bob", Telling::Sure, Whose::Others),
            ("alice", "bob", unsure, Whose::Unknown),
            ("alice", "alice", unsure, Whose::Own),
            ("Alice", "alice", Telling::Sure, Whose::Unknown),
            ("alice", " alice\u{a0}", Telling::Sure, Whose::Unknown),
            ("ali\u{200b}ce", "alice", Telling::Sure, Whose::Unknown),
            ("jose\u{301}", "JOS\u{c9}", Telling::Sure, Whose::Unknown),
            ("stra\u{df}e", "STRASSE", Telling::Sure, Whose::Unknown),
            ("\u{ff41}lice", "alice", Telling::Sure, Whose::Unknown),
            ("alice1", "alice2", Telling::Sure, Whose::Others),
        ] {
            let (caller, who) = (Principal::new(of(caller)), Principal::new(of(who)));
            let decided = DecidedBy::from(&who);
            assert_eq!(whose(&caller, telling, &decided), expected, "{caller:?} {who:?}");
            let sealer = Sealer::random();
            let kept = |principal: &Principal, telling| digests(&sealer, "sub", &principal.person().unwrap(), telling);
            let of_digests = whose_of_digests(&kept(&caller, telling), &kept(&who, Telling::Sure));
            assert_eq!(of_digests, expected, "{caller:?} {who:?}");
            let by_another = digests(&sealer, "email", &who.person().unwrap(), Telling::Sure);
            let of_two_claims = whose_of_digests(&kept(&caller, telling), &by_another);
            assert_eq!(of_two_claims, Whose::Unknown, "{caller:?} {who:?}");
        }
    }

    #[test]
    fn terminal_is_anothers_only_to_callers_that_come_as_themselves() {
        let at = |identity| at_terminal(&Principal::new(identity));
        assert_eq!(at(Identity::Cli), Whose::Own);
        for identity in [
            Identity::Stdio,
            Identity::Http(None),
            Identity::Http(Some("d".to_owned())),
        ] {
            assert_eq!(at(identity), Whose::Unknown);
        }
        for identity in [Identity::token("a"), Identity::NeonKey("d".to_owned())] {
            assert_eq!(at(identity), Whose::Others);
        }
    }
}
