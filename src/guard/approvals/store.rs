//! What waits and what was used, kept in a store that all processes of a directory share.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::people::{MAX_PERSON_BYTES, SignedInBefore};
use super::types::{
    Approval, ApprovalsError, DecideError, DecidedBy, Decider, Decision, MAX_OF_GROUP, MAX_OF_ONE, MAX_WAITING,
    MAX_WRONG, NewApproval, Standing, State,
};
use crate::guard::prepared::{MAX_FILE, Stored};
use crate::guard::principal::{Identity, Principal};
use crate::guard::state_dir::state_dir;
use crate::guard::store::{
    Caps, DirectoryStore, Full, MemoryStore, Nonces, Observed, Put, Record, Redeemed, Redemption, StateStore,
    StoreError, Taken,
};
#[cfg(feature = "http-server")]
use crate::guard::store::{RedisOptions, RedisStore};
use crate::text::is_hidden;
use chrono::{DateTime, TimeDelta, Utc};

/// The letters of codes: no vowels, so that no code is a word, and none that is taken for another.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

/// How many letters a code has: 34 bits, of which at most [`MAX_WAITING`] stand for something, for minutes.
const CODE_LENGTH: usize = 8;

/// The largest file that is read: a plan has some kilobytes.
const MAX_BYTES: u64 = 256 * 1024;

/// How many calls may wait, and whose.
const CAPS: Caps = Caps {
    all: MAX_WAITING,
    group: MAX_OF_GROUP,
    owner: MAX_OF_ONE,
    oldest_gives_way: true,
};

/// How many codes are tried for one that nothing has: there are 25 billion, and at most some hundred are in use.
const MAX_CODES: usize = 16;

/// What comes with a decision from the page.
#[derive(Clone, Copy)]
pub(in crate::guard) struct FromPage<'a> {
    /// Who decides.
    pub(in crate::guard) proof: Proof<'a>,
    /// Makes the server's seal on an approval by that one.
    pub(in crate::guard) seal: &'a dyn Fn(&Approval, Option<&DecidedBy>) -> String,
}

/// How whoever decides on the page shows that they may.
#[derive(Clone, Copy)]
pub(in crate::guard) enum Proof<'a> {
    /// The secret that was given out for it, as a keyed digest; and that of the one secret that decides all, where there is one now.
    Secret(&'a str, Option<&'a str>),
    /// They signed in, and stand so to the call.
    SignedIn(&'a DecidedBy, &'a dyn Fn(&Approval) -> Standing),
}

/// A path as one word of a shell: as it is where nothing in it is special, else in single quotes, and in the form `$'…'` where it
/// holds what can't be seen.
fn in_a_shell(path: &Path) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || "/._-+,:@%".contains(char);
    let seen = |char: char| !char.is_control() && !is_hidden(char);
    if let Some(text) = path.to_str().filter(|text| !text.is_empty()) {
        if text.chars().all(plain) {
            return text.to_owned();
        }
        // Several blanks in a row, or at an end, don't come through every way that a text is shown.
        if text.chars().all(seen) && !text.contains("  ") && text.trim() == text {
            return format!("'{}'", text.replace('\'', r"'\''"));
        }
    }
    // Byte by byte, so that the shell's locale doesn't matter.
    let mut quoted = String::from("$'");
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        for char in chunk.valid().chars() {
            if seen(char) && !char.is_whitespace() && !matches!(char, '\'' | '\\') {
                quoted.push(char);
            } else {
                let mut bytes = [0; 4];
                for byte in char.encode_utf8(&mut bytes).bytes() {
                    quoted.push_str(&format!("\\x{byte:02x}"));
                }
            }
        }
        for byte in chunk.invalid() {
            quoted.push_str(&format!("\\x{byte:02x}"));
        }
    }
    quoted.push('\'');
    quoted
}

/// The command for a code in a store of replicas. A password stands in no command: it comes from the variable that a server has it from.
#[cfg(feature = "http-server")]
fn in_redis(code: &str, store: &RedisStore, key: Option<&Path>) -> String {
    let address = store.address();
    let place = if address.has_password() {
        "\"$NEON_MCP_STORE\"".to_owned()
    } else {
        in_a_shell(Path::new(address.shown()))
    };
    let prefix = match store.prefix() {
        RedisOptions::PREFIX => String::new(),
        other => format!(" --store-prefix {}", in_a_shell(Path::new(other))),
    };
    let key = key.map_or_else(|| "\"$NEON_MCP_SEAL_KEY_FILE\"".to_owned(), in_a_shell);
    format!("neon-mcp approve {code} --store {place}{prefix} --seal-key-file {key}")
}

/// Where the calls are kept that wait for a human's approval.
#[derive(Debug, Clone)]
pub struct Approvals {
    place: Place,
    calls: Arc<dyn StateStore<Approval>>,
    used: Arc<dyn Redeemed>,
}

/// Where that is.
#[derive(Debug, Clone)]
enum Place {
    Directory(PathBuf),
    Memory,
    /// With the file of the key, where there is one.
    #[cfg(feature = "http-server")]
    Redis(RedisStore, Option<PathBuf>),
}

impl Approvals {
    /// Calls in this directory, which is made when the first is put down.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        // The working directory may change later.
        let directory = std::path::absolute(&directory).unwrap_or(directory);
        let used = DirectoryStore::new(directory.join("used"), MAX_BYTES, false);
        Self {
            calls: Arc::new(Observed(DirectoryStore::new(directory.clone(), MAX_BYTES, false))),
            used: Arc::new(Observed(Nonces::lasting(used))),
            place: Place::Directory(directory),
        }
    }

    /// Calls in the memory of this process, with which they end.
    #[must_use]
    pub fn in_memory() -> Self {
        Self {
            calls: Arc::new(MemoryStore::default()),
            used: Arc::new(Nonces::beginning(MemoryStore::default())),
            place: Place::Memory,
        }
    }

    /// Calls in a store of replicas. `key` is the file of the key that they share, as the command for a terminal names it.
    #[cfg(feature = "http-server")]
    #[must_use]
    pub fn in_redis(store: RedisStore, key: Option<PathBuf>) -> Self {
        Self {
            calls: Arc::new(Observed(store.records("approvals", MAX_BYTES as usize, false))),
            used: store.redeemed(),
            place: Place::Redis(store, key),
        }
    }

    /// Whether other processes get at them: a terminal, or another replica.
    #[must_use]
    pub fn is_reached_by_others(&self) -> bool {
        !matches!(self.place, Place::Memory)
    }

    /// The directory, where it is one.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        match &self.place {
            Place::Directory(directory) => Some(directory),
            _ => None,
        }
    }

    /// The store of replicas, where it is one.
    #[cfg(feature = "http-server")]
    #[must_use]
    pub fn redis(&self) -> Option<&RedisStore> {
        match &self.place {
            Place::Redis(store, _) => Some(store),
            _ => None,
        }
    }

    /// Where they are, for people: without a password.
    #[must_use]
    pub fn place(&self) -> String {
        match &self.place {
            Place::Directory(directory) => directory.display().to_string(),
            Place::Memory => "the memory of this process".to_owned(),
            #[cfg(feature = "http-server")]
            Place::Redis(store, _) => format!("{}, below {}", store.address().shown(), store.prefix()),
        }
    }

    /// The command that decides about a code, for a terminal of whoever runs the server; nothing where no other process gets at it. It
    /// names the state directory where that isn't the one that the command finds by itself, and a store without its password.
    #[must_use]
    pub fn command(&self, code: &str) -> Option<String> {
        let directory = match &self.place {
            Place::Directory(directory) => directory,
            Place::Memory => return None,
            #[cfg(feature = "http-server")]
            Place::Redis(store, key) => return Some(in_redis(code, store, key.as_deref())),
        };
        // A variable that this process was given needn't be set in that terminal.
        let found = state_dir(|name| std::env::var_os(name).filter(|_| name != "NEON_MCP_STATE_DIR"));
        let state = match directory.file_name() {
            Some(name) if name == "approvals" => directory.parent(),
            _ => None,
        };
        Some(match state {
            _ if found.is_some_and(|found| found.join("approvals") == *directory) => {
                format!("neon-mcp approve {code}")
            }
            Some(state) => format!("neon-mcp approve {code} --state-dir {}", in_a_shell(state)),
            None => format!("neon-mcp approve {code} --dir {}", in_a_shell(directory)),
        })
    }

    /// Puts a call down. The same call with the same plan by the same session that waits already keeps its code: what comes
    /// back then is that one.
    ///
    /// Where no place is left, the oldest that waits for the same session makes room, and never another's.
    ///
    /// # Errors
    /// When the directory can't be used, or there is no place left and none of the session's own to give up.
    pub fn add(&self, new: NewApproval) -> Result<Approval, ApprovalsError> {
        let now = new.asked_at;
        let mut approval = Approval {
            code: random_code(),
            token: new.token,
            call: new.call,
            plan_digest: new.plan_digest,
            from: new.from,
            group: new.group,
            tool: new.tool,
            effect: new.effect,
            severe: new.severe,
            plan: new.plan,
            text: new.text,
            whole: new.whole,
            type_name: new.type_name,
            caller: new.caller,
            client: new.client,
            asked_at: new.asked_at,
            expires_at: new.expires_at,
            approval_seconds: new.approval_seconds,
            terminal: new.terminal,
            without_terminal: new.without_terminal,
            page_secret: new.page_secret,
            signs_in: new.signs_in,
            principal: new.principal,
            person: new.person,
            may: new.may,
            wrong: 0,
            state: State::Waiting,
        };
        for _ in 0..MAX_CODES {
            let id = canonical(&approval.code).unwrap_or_default();
            match self.calls.put(&id, approval.clone(), &CAPS, now)? {
                Put::Stored => return Ok(approval),
                Put::Known(known) => return Ok(known),
                Put::IdTaken => approval.code = random_code(),
                Put::Full(Full::Group) => return Err(ApprovalsError::FullOfGroup),
                Put::Full(Full::All | Full::Owner) => break,
            }
        }
        Err(ApprovalsError::Full)
    }

    /// What is known at this time, oldest first: what waits, and what was decided and not used yet.
    ///
    /// # Errors
    /// When the directory can't be read.
    pub fn list(&self, now: DateTime<Utc>) -> Result<Vec<Approval>, ApprovalsError> {
        let mut all: Vec<Approval> = self.calls.list()?.into_iter().map(|(_, call)| call).collect();
        all.retain(|approval| approval.ends_at() > now);
        all.sort_by(|one, other| (one.asked_at, &one.code).cmp(&(other.asked_at, &other.code)));
        Ok(all)
    }

    /// The call under a code, in whatever way a human writes it.
    ///
    /// # Errors
    /// When the directory can't be read.
    pub fn get(&self, code: &str, now: DateTime<Utc>) -> Result<Option<Approval>, ApprovalsError> {
        let Some(code) = canonical(code) else { return Ok(None) };
        let known = self.calls.get(&code)?.map(|(known, _)| known);
        Ok(known.filter(|approval| approval.ends_at() > now))
    }

    /// What is known of this call by this session, decided ones first.
    ///
    /// # Errors
    /// When the directory can't be read.
    pub fn find(&self, call: &str, now: DateTime<Utc>) -> Result<Vec<Approval>, ApprovalsError> {
        let found = self.calls.find(call)?.into_iter().map(|(_, call)| call);
        let mut found: Vec<Approval> = found.filter(|approval| approval.ends_at() > now).collect();
        found.sort_by(|one, other| {
            (one.waits(), one.asked_at, &one.code).cmp(&(other.waits(), other.asked_at, &other.code))
        });
        Ok(found)
    }

    /// Decides, in a terminal.
    ///
    /// # Errors
    /// When there is nothing to decide, or the name is wrong: after five wrong ones the call is refused.
    pub fn decide(&self, code: &str, decision: &Decision, now: DateTime<Utc>) -> Result<Approval, DecideError> {
        self.decided(code, decision, None, now)
    }

    /// Decides, on the approval page: its secret is wanted for either decision, or that who signed in may take it.
    ///
    /// # Errors
    /// As [`Self::decide`], and when the secret is wrong, or the call isn't theirs to decide.
    pub(in crate::guard) fn decide_from_page(
        &self,
        code: &str,
        decision: &Decision,
        page: FromPage<'_>,
        now: DateTime<Utc>,
    ) -> Result<Approval, DecideError> {
        self.decided(code, decision, Some(page), now)
    }

    fn decided(
        &self,
        code: &str,
        decision: &Decision,
        page: Option<FromPage<'_>>,
        now: DateTime<Utc>,
    ) -> Result<Approval, DecideError> {
        let code = canonical(code).ok_or(DecideError::Unknown)?;
        let mut decided = Err(DecideError::Unknown);
        self.calls.change(&code, &mut |approval| {
            if approval.ends_at() <= now {
                return false;
            }
            let before = approval.clone();
            decided = decide(approval, decision, page, now).map(|()| approval.clone());
            // A wrong name or secret counts as well.
            approval.state != before.state || approval.wrong != before.wrong
        })?;
        decided
    }

    /// Takes an approval: of many that ask at once, one gets it.
    ///
    /// # Errors
    /// When the directory can't be used.
    pub fn take(&self, code: &str, now: DateTime<Utc>) -> Result<Option<Approval>, ApprovalsError> {
        let Some(code) = canonical(code) else { return Ok(None) };
        let may = |known: &Approval| matches!(known.state, State::Approved { .. }) && known.ends_at() > now;
        match self.calls.take(&code, &may)? {
            Taken::Now(approval) => Ok(Some(approval)),
            Taken::Before | Taken::Nothing => Ok(None),
        }
    }

    /// What tells the store from what it was before it came back without what it had.
    pub(in crate::guard) fn mark(&self) -> Result<String, StoreError> {
        self.used.mark()
    }

    /// Uses a nonce up that was made now, for all who share the store: true for the first, false ever after. After `until` it may be
    /// forgotten.
    ///
    /// # Errors
    /// When that can't be recorded; then it doesn't count as used, and must not be honoured.
    pub fn redeem(&self, nonce: &str, until: DateTime<Utc>) -> Result<bool, ApprovalsError> {
        let redeemed = self.redeem_under(nonce, &self.mark()?, until)?;
        Ok(redeemed == Redemption::First)
    }

    /// Uses a nonce up that was made under a mark, for all who share the store: the first alone has it.
    pub(in crate::guard) fn redeem_under(
        &self,
        nonce: &str,
        mark: &str,
        until: DateTime<Utc>,
    ) -> Result<Redemption, StoreError> {
        self.used.redeem(nonce, mark, until)
    }

    /// Where is kept who signed in: under ids that no other process finds without the key.
    pub(in crate::guard) fn people(&self, key_is_shared: bool) -> Arc<dyn StateStore<SignedInBefore>> {
        self.beside(
            Records {
                name: "people",
                largest: MAX_PERSON_BYTES,
                remembers_taken: false,
            },
            key_is_shared,
        )
    }

    /// Where prepared work is kept: another process can open what lies in a directory only with a key that it has, too.
    pub(in crate::guard) fn preparations(&self, key_is_shared: bool) -> Arc<dyn StateStore<Stored>> {
        self.beside(
            Records {
                name: "prepared",
                largest: MAX_FILE,
                remembers_taken: true,
            },
            key_is_shared,
        )
    }

    /// Records of another kind in the same place: in a directory only where other processes have the key, too.
    fn beside<R: Record>(&self, records: Records, key_is_shared: bool) -> Arc<dyn StateStore<R>> {
        let Records {
            name,
            largest,
            remembers_taken,
        } = records;
        match &self.place {
            Place::Directory(directory) if key_is_shared => Arc::new(Observed(DirectoryStore::new(
                directory.with_file_name(name),
                largest,
                remembers_taken,
            ))),
            #[cfg(feature = "http-server")]
            Place::Redis(store, _) => Arc::new(Observed(store.records(name, largest as usize, remembers_taken))),
            Place::Directory(_) | Place::Memory => Arc::new(MemoryStore::default()),
        }
    }
}

/// Records that are kept beside the approvals.
struct Records {
    /// Its folder, or its keys.
    name: &'static str,
    /// The largest, in bytes.
    largest: u64,
    /// Whether an id that was taken is remembered, so that it isn't taken twice.
    remembers_taken: bool,
}

impl Record for Approval {
    fn is_id(id: &str) -> bool {
        canonical(id).as_deref() == Some(id)
    }

    fn is_of(&self, id: &str) -> bool {
        canonical(&self.code).as_deref() == Some(id)
    }

    fn ends_at(&self) -> DateTime<Utc> {
        Self::ends_at(self)
    }

    fn owner(&self) -> &str {
        &self.from
    }

    fn group(&self) -> &str {
        &self.group
    }

    fn waits(&self) -> bool {
        Self::waits(self)
    }

    fn since(&self) -> DateTime<Utc> {
        self.asked_at
    }

    fn same(&self) -> Option<String> {
        Some(format!("{} {}", self.call, self.plan_digest))
    }

    fn found_by(&self) -> &str {
        &self.call
    }
}

/// Decides about a call that has not ended.
fn decide(
    approval: &mut Approval,
    decision: &Decision,
    page: Option<FromPage<'_>>,
    now: DateTime<Utc>,
) -> Result<(), DecideError> {
    let by = if page.is_some() {
        Decider::Page
    } else {
        Decider::Terminal
    };
    let mut who = None;
    match page.map(|page| page.proof) {
        None => who = Some(DecidedBy::from(&Principal::new(Identity::Cli))),
        // Of a keyed digest, a comparison that ends early tells nothing that helps to guess the secret.
        Some(Proof::Secret(secret, of_all)) => match &approval.page_secret {
            None => return Err(DecideError::NotHere(by)),
            // What was in force when it was put down may be another by now.
            Some(expected) if of_all.unwrap_or(expected) != secret => {
                let (left, refused) = wrong(approval, by, now);
                return Err(DecideError::WrongSecret { left, refused });
            }
            Some(_) => {}
        },
        Some(Proof::SignedIn(approver, standing)) => {
            match standing(approval) {
                Standing::Stranger => return Err(DecideError::Unknown),
                _ if !approval.signs_in => return Err(DecideError::NotHere(by)),
                Standing::Caller if *decision != Decision::Reject && approval.waits() => {
                    return Err(DecideError::OwnCall);
                }
                Standing::Caller | Standing::Approver => {}
            }
            who = Some(approver.clone());
        }
    }
    if !approval.waits() {
        return Err(DecideError::Decided(Box::new(approval.state.clone())));
    }
    // A no counts wherever it comes from.
    if by == Decider::Terminal && !approval.terminal && *decision != Decision::Reject {
        return Err(DecideError::NotHere(by));
    }
    approval.state = match decision {
        Decision::Reject => State::Rejected {
            at: now,
            by,
            who,
            by_wrong_tries: false,
        },
        Decision::Approve { typed } => {
            let is_wrong = match &approval.type_name {
                Some(name) => !name.matches(typed.as_deref().unwrap_or_default()),
                // Whoever must type a name and has none to type can't approve.
                None => approval.severe,
            };
            if is_wrong {
                let what = approval.type_name.as_ref().map_or("target", |name| &name.what);
                let what = what.to_owned();
                let (left, refused) = wrong(approval, by, now);
                return Err(DecideError::WrongName { what, left, refused });
            }
            let lasts = TimeDelta::seconds(i64::try_from(approval.approval_seconds).unwrap_or(300).min(86_400));
            State::Approved {
                at: now,
                by,
                until: now + lasts,
                seal: page.map(|page| (page.seal)(approval, who.as_ref())),
                who,
            }
        }
    };
    Ok(())
}

/// Counts a wrong name or secret: how many are left, and the call, where this one refuses it.
fn wrong(approval: &mut Approval, by: Decider, now: DateTime<Utc>) -> (u32, Option<Box<Approval>>) {
    approval.wrong += 1;
    let left = MAX_WRONG.saturating_sub(approval.wrong);
    let refuses = left == 0 && approval.waits();
    if refuses {
        approval.state = State::Rejected {
            at: now,
            by,
            who: None,
            by_wrong_tries: true,
        };
    }
    (left, refuses.then(|| Box::new(approval.clone())))
}

impl Approval {
    /// The digest of the plan that was put down.
    pub(in crate::guard) fn plan_digest(&self) -> &str {
        &self.plan_digest
    }

    /// Whether it is this plan that was put down.
    pub(in crate::guard) fn shows(&self, plan_digest: &str) -> bool {
        self.plan_digest == plan_digest
    }
}

/// The letters of a code, without what people put between them; nothing when it is none.
fn canonical(code: &str) -> Option<String> {
    let letters: String = code
        .chars()
        .filter(|letter| !matches!(letter, '-' | ' '))
        .take(CODE_LENGTH + 1)
        .map(|letter| letter.to_ascii_uppercase())
        .collect();
    let is_code = letters.len() == CODE_LENGTH && letters.bytes().all(|letter| LETTERS.contains(&letter));
    is_code.then_some(letters)
}

/// A code by chance.
fn random_code() -> String {
    let letters: [usize; CODE_LENGTH] = std::array::from_fn(|_| rand::random_range(0..LETTERS.len()));
    let mut code = String::with_capacity(CODE_LENGTH + 1);
    for (index, letter) in letters.into_iter().enumerate() {
        if index == CODE_LENGTH / 2 {
            code.push('-');
        }
        code.extend(LETTERS.get(letter).map(|letter| char::from(*letter)));
    }
    code
}
