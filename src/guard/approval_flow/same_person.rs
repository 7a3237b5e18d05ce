//! Whether the caller and who approves are one human, and what to set up where nobody can tell.

use crate::guard::approvals::DecidedBy;
use crate::guard::policy::Whose;
use crate::guard::principal::{Identity, Person, Principal};

/// Whose a caller's call is to who signed in to approve it. Persons of one issuer can be compared, and nothing else: two names of two
/// kinds may be one human's, and so are no proof that there are two.
pub(super) fn whose(caller: &Principal, who: &DecidedBy) -> Whose {
    if who.id == caller.id() {
        return Whose::Own;
    }
    match (caller.person(), &who.person) {
        (Some(caller), Some(who)) if caller.is_of(&who.issuer) => match caller.subject == who.subject {
            true => Whose::Own,
            false => Whose::Others,
        },
        _ => Whose::Unknown,
    }
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
pub(super) fn how_to_tell(caller: &Principal, takes_page: bool, issuer: Option<&str>) -> String {
    let signs_in = issuer.is_some() || !takes_page;
    let sign_in =
        "has approvers sign in on the approval page (`neon-mcp http` with --oauth-issuer and --oauth-client-id)";
    let is_comparable = |person: Person| issuer.is_none_or(|issuer| person.is_of(issuer));
    let callers = match caller.identity() {
        _ if caller.person().is_some_and(is_comparable) => None,
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
            whose(&token, &alice),
            Whose::Unknown,
            "the names of tokens are no subjects"
        );
        for (known, expected) in [
            (person("https://id.example", "alice"), Whose::Own),
            (person("https://id.example/", "alice"), Whose::Own),
            (person("https://id.example", "bob"), Whose::Others),
            (person("https://other.example", "bob"), Whose::Unknown),
        ] {
            assert_eq!(whose(&token.of_person(known.clone()), &alice), expected, "{known:?}");
        }
        let bob = signed_in("https://id.example", "bob");
        let caller = Principal::new(Identity::Subject {
            issuer: "https://id.example".to_owned(),
            subject: "alice".to_owned(),
        });
        assert_eq!(
            (whose(&caller, &alice), whose(&caller, &bob)),
            (Whose::Own, Whose::Others)
        );
        // What the operator says of a caller doesn't replace what its issuer says.
        let renamed = caller.of_person(person("https://id.example", "bob"));
        assert_eq!(whose(&renamed, &alice), Whose::Own);
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
