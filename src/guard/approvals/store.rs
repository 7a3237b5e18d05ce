//! The directory: one file for each call that waits, changed only under a lock, and one for each confirmation that was used.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use chrono::{DateTime, TimeDelta, Utc};

use super::types::{
    Approval, ApprovalsError, DecideError, Decider, Decision, MAX_OF_GROUP, MAX_OF_ONE, MAX_WAITING, MAX_WRONG,
    NewApproval, State,
};
use crate::guard::files::{FileError, Held, close_directory, create_private, lock, make_directory, read_private};
use crate::guard::state_dir::state_dir;
use crate::text::is_hidden;

/// The letters of codes: no vowels, so that no code is a word, and none that is taken for another.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

/// How many letters a code has: 34 bits, of which at most [`MAX_WAITING`] stand for something, for minutes.
const CODE_LENGTH: usize = 8;

/// The largest file that is read: a plan has some kilobytes.
const MAX_BYTES: u64 = 256 * 1024;

/// What comes with a decision from the page: the secret's digest, and what seals a yes.
type FromPage<'a> = (&'a str, &'a dyn Fn(&Approval) -> String);

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

/// Where the calls are kept that wait for a human's yes.
#[derive(Debug, Clone)]
pub struct Approvals {
    directory: PathBuf,
}

impl Approvals {
    /// Calls in this directory, which is made when the first is put down.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        // The working directory may change later.
        let directory = std::path::absolute(&directory).unwrap_or(directory);
        Self { directory }
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The command that decides about a code, for a terminal of whoever runs the server. It names the state directory where that
    /// isn't the one that the command finds by itself.
    #[must_use]
    pub fn command(&self, code: &str) -> String {
        // A variable that this process was given needn't be set in that terminal.
        let found = state_dir(|name| std::env::var_os(name).filter(|_| name != "NEON_MCP_STATE_DIR"));
        let state = match self.directory.file_name() {
            Some(name) if name == "approvals" => self.directory.parent(),
            _ => None,
        };
        match state {
            _ if found.is_some_and(|found| found.join("approvals") == self.directory) => {
                format!("neon-mcp approve {code}")
            }
            Some(state) => format!("neon-mcp approve {code} --state-dir {}", in_a_shell(state)),
            None => format!("neon-mcp approve {code} --dir {}", in_a_shell(&self.directory)),
        }
    }

    /// Puts a call down. The same call with the same plan by the same session that waits already keeps its code: what comes
    /// back then is that one.
    ///
    /// Where no place is left, the oldest that waits for the same session makes room, and never another's.
    ///
    /// # Errors
    /// When the directory can't be used, or there is no place left and none of the session's own to give up.
    pub fn add(&self, new: NewApproval) -> Result<Approval, ApprovalsError> {
        let held = self.hold()?;
        let known = self.sweep(&held, new.asked_at)?;
        let same = |known: &&Approval| known.waits() && known.call == new.call && known.plan_digest == new.plan_digest;
        if let Some(known) = known.iter().find(same) {
            return Ok(known.clone());
        }
        let waiting = |of: &dyn Fn(&Approval) -> bool| known.iter().filter(|known| known.waits() && of(known)).count();
        let full = if waiting(&|_| true) >= MAX_WAITING {
            Some(ApprovalsError::Full)
        } else if waiting(&|known| known.group == new.group) >= MAX_OF_GROUP {
            Some(ApprovalsError::FullOfGroup)
        } else {
            None
        };
        if full.is_some() || waiting(&|known| known.from == new.from) >= MAX_OF_ONE {
            let own = known.iter().filter(|known| known.waits() && known.from == new.from);
            match (own.min_by_key(|known| known.asked_at), full) {
                (Some(oldest), _) => self.remove(&held, oldest)?,
                (None, Some(full)) => return Err(full),
                (None, None) => {}
            }
        }
        let approval = Approval {
            code: free_code(&known),
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
            terminal_yes: new.terminal_yes,
            page_secret: new.page_secret,
            wrong: 0,
            state: State::Waiting,
        };
        self.store(&held, &approval)?;
        Ok(approval)
    }

    /// What is known at this time, oldest first: what waits, and what was decided and not used yet.
    ///
    /// # Errors
    /// When the directory can't be read.
    pub fn list(&self, now: DateTime<Utc>) -> Result<Vec<Approval>, ApprovalsError> {
        let mut all = self.read_all()?;
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
        Ok(self.read(&code)?.filter(|approval| approval.ends_at() > now))
    }

    /// What is known of this call by this session, decided ones first.
    ///
    /// # Errors
    /// When the directory can't be read.
    pub fn find(&self, call: &str, now: DateTime<Utc>) -> Result<Vec<Approval>, ApprovalsError> {
        let mut found = self.list(now)?;
        found.retain(|approval| approval.call == call);
        found.sort_by_key(Approval::waits);
        Ok(found)
    }

    /// Decides, in a terminal.
    ///
    /// # Errors
    /// When there is nothing to decide, or the name is wrong: after five wrong ones the call is refused.
    pub fn decide(&self, code: &str, decision: &Decision, now: DateTime<Utc>) -> Result<Approval, DecideError> {
        self.decided(code, decision, None, now)
    }

    /// Decides, on the approval page: its secret is wanted for either decision, as the keyed digest that was put down.
    /// `seal` makes the server's seal on a yes.
    ///
    /// # Errors
    /// As [`Self::decide`], and when the secret is wrong.
    pub(in crate::guard) fn decide_from_page(
        &self,
        code: &str,
        secret: &str,
        decision: &Decision,
        seal: impl Fn(&Approval) -> String,
        now: DateTime<Utc>,
    ) -> Result<Approval, DecideError> {
        self.decided(code, decision, Some((secret, &seal)), now)
    }

    fn decided(
        &self,
        code: &str,
        decision: &Decision,
        page: Option<FromPage<'_>>,
        now: DateTime<Utc>,
    ) -> Result<Approval, DecideError> {
        let by = if page.is_some() {
            Decider::Page
        } else {
            Decider::Terminal
        };
        let code = canonical(code).ok_or(DecideError::Unknown)?;
        let held = self.hold()?;
        let known = self.read(&code)?.filter(|approval| approval.ends_at() > now);
        let mut approval = known.ok_or(DecideError::Unknown)?;
        if let Some((secret, _)) = page {
            // Of a keyed digest, a comparison that ends early tells nothing that helps to guess the secret.
            match &approval.page_secret {
                None => return Err(DecideError::NotHere(by)),
                Some(expected) if expected != secret => {
                    let left = self.wrong(&held, &mut approval, by, now)?;
                    return Err(DecideError::WrongSecret { left });
                }
                Some(_) => {}
            }
        }
        if !approval.waits() {
            return Err(DecideError::Decided(approval.state));
        }
        // A no counts wherever it comes from.
        if by == Decider::Terminal && !approval.terminal && *decision != Decision::Reject {
            return Err(DecideError::NotHere(by));
        }
        approval.state = match decision {
            Decision::Reject => State::Rejected { at: now, by },
            Decision::Approve { typed } => {
                let wrong = match &approval.type_name {
                    Some(name) => !name.matches(typed.as_deref().unwrap_or_default()),
                    // Whoever must type a name and has none to type can't say yes.
                    None => approval.severe,
                };
                if wrong {
                    let what = approval
                        .type_name
                        .as_ref()
                        .map_or("target", |name| &name.what)
                        .to_owned();
                    let left = self.wrong(&held, &mut approval, by, now)?;
                    return Err(DecideError::WrongName { what, left });
                }
                let lasts = TimeDelta::seconds(i64::try_from(approval.approval_seconds).unwrap_or(300).min(86_400));
                State::Approved {
                    at: now,
                    by,
                    until: now + lasts,
                    seal: page.map(|(_, seal)| seal(&approval)),
                }
            }
        };
        self.store(&held, &approval)?;
        Ok(approval)
    }

    /// Takes an approval: of many that ask at once, one gets it.
    ///
    /// # Errors
    /// When the directory can't be used.
    pub fn take(&self, code: &str, now: DateTime<Utc>) -> Result<Option<Approval>, ApprovalsError> {
        let Some(code) = canonical(code) else { return Ok(None) };
        let _held = self.hold()?;
        let Some(approval) = self.read(&code)? else {
            return Ok(None);
        };
        if !matches!(approval.state, State::Approved { .. }) || approval.ends_at() <= now {
            return Ok(None);
        }
        // What can't be removed could be taken twice.
        let path = self.path(&code);
        fs::remove_file(&path).map_err(FileError::io("remove", path))?;
        Ok(Some(approval))
    }

    /// Uses a nonce up, for all processes that share the directory: true for the first, false ever after.
    /// After `until` it may be forgotten.
    ///
    /// # Errors
    /// When that can't be recorded; then it doesn't count as used, and must not be honoured.
    pub fn redeem(&self, nonce: &str, until: DateTime<Utc>) -> Result<bool, ApprovalsError> {
        let used = self.directory.join("used");
        make_directory(&used)?;
        close_directory(&used)?;
        forget(&used, Utc::now());
        let name: String = nonce.chars().filter(char::is_ascii_alphanumeric).take(64).collect();
        match create_private(&used.join(format!("{}.{name}", until.timestamp()))) {
            Ok(_) => Ok(true),
            Err(FileError::Io { source, .. }) if source.kind() == ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn hold(&self) -> Result<Held, FileError> {
        make_directory(&self.directory)?;
        close_directory(&self.directory)?;
        lock(&self.directory.join("lock"))
    }

    fn path(&self, code: &str) -> PathBuf {
        self.directory.join(format!("{code}.json"))
    }

    /// Counts a wrong name or secret; the last one refuses the call.
    fn wrong(
        &self,
        held: &Held,
        approval: &mut Approval,
        by: Decider,
        now: DateTime<Utc>,
    ) -> Result<u32, ApprovalsError> {
        approval.wrong += 1;
        let left = MAX_WRONG.saturating_sub(approval.wrong);
        if left == 0 && approval.waits() {
            approval.state = State::Rejected { at: now, by };
        }
        self.store(held, approval)?;
        Ok(left)
    }

    /// Removes a call that waits, so that nothing can be decided about it any more.
    fn remove(&self, _held: &Held, approval: &Approval) -> Result<(), FileError> {
        let path = self.path(&canonical(&approval.code).unwrap_or_default());
        fs::remove_file(&path).map_err(FileError::io("remove", path))
    }

    /// Writes a call: whoever reads it sees the old one or the new one.
    fn store(&self, _held: &Held, approval: &Approval) -> Result<(), FileError> {
        let path = self.path(&canonical(&approval.code).unwrap_or_default());
        let draft = path.with_extension("new");
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(FileError::io("remove", draft)(error)),
            _ => {}
        }
        let bytes = serde_json::to_vec_pretty(approval).map_err(std::io::Error::other);
        // What couldn't be read whole again would wait for ever.
        let bytes = bytes.and_then(|bytes| match bytes.len() as u64 {
            size if size >= MAX_BYTES => Err(std::io::Error::new(
                ErrorKind::FileTooLarge,
                format!("it has {size} bytes, and fewer than {MAX_BYTES} are read"),
            )),
            _ => Ok(bytes),
        });
        let bytes = bytes.map_err(FileError::io("write", &path))?;
        let mut file = create_private(&draft)?;
        file.write_all(&bytes)
            .and_then(|()| fs::rename(&draft, &path))
            .map_err(FileError::io("write", path))
    }

    fn read(&self, code: &str) -> Result<Option<Approval>, FileError> {
        let path = self.path(code);
        let bytes = match read_private(&path, MAX_BYTES) {
            Ok(Some(bytes)) => bytes,
            // It was taken at this moment.
            Ok(None) => return Ok(None),
            // Nobody who may put an approval here leaves anything else.
            Err(error @ (FileError::NotAFile { .. } | FileError::NotOurs { .. })) => {
                tracing::warn!("{error}: it is left alone");
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        match serde_json::from_slice::<Approval>(&bytes) {
            Ok(approval) if canonical(&approval.code).as_deref() == Some(code) => Ok(Some(approval)),
            _ => {
                tracing::warn!("{} holds no call that waits, and is left alone", path.display());
                Ok(None)
            }
        }
    }

    fn read_all(&self) -> Result<Vec<Approval>, FileError> {
        let entries = match fs::read_dir(&self.directory) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(FileError::io("read", &self.directory))?,
        };
        let mut all = Vec::new();
        for entry in entries {
            let name = entry.map_err(FileError::io("read", &self.directory))?.file_name();
            let code = name
                .to_str()
                .and_then(|name| name.strip_suffix(".json"))
                .and_then(canonical);
            if let Some(code) = code {
                all.extend(self.read(&code)?);
            }
        }
        Ok(all)
    }

    /// Removes what has run out, and returns the rest.
    fn sweep(&self, _held: &Held, now: DateTime<Utc>) -> Result<Vec<Approval>, FileError> {
        let (rest, over): (Vec<_>, Vec<_>) = self.read_all()?.into_iter().partition(|known| known.ends_at() > now);
        for approval in over {
            let _ = fs::remove_file(self.path(&canonical(&approval.code).unwrap_or_default()));
        }
        // Under the lock nobody else writes: what a process that was killed had begun is nobody's.
        for entry in fs::read_dir(&self.directory).into_iter().flatten().flatten() {
            let path = entry.path();
            let draft = path.extension().is_some_and(|ends| ends == "new");
            let code = path.file_stem().and_then(|name| name.to_str()).and_then(canonical);
            if draft && code.is_some() {
                let _ = fs::remove_file(path);
            }
        }
        Ok(rest)
    }
}

impl Approval {
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

/// A code that no known call has.
fn free_code(known: &[Approval]) -> String {
    loop {
        let letters: [usize; CODE_LENGTH] = std::array::from_fn(|_| rand::random_range(0..LETTERS.len()));
        let mut code = String::with_capacity(CODE_LENGTH + 1);
        for (index, letter) in letters.into_iter().enumerate() {
            if index == CODE_LENGTH / 2 {
                code.push('-');
            }
            code.extend(LETTERS.get(letter).map(|letter| char::from(*letter)));
        }
        if known.iter().all(|known| known.code != code) {
            return code;
        }
    }
}

/// Removes the nonces that no seal can bring any more.
fn forget(used: &Path, now: DateTime<Utc>) {
    for entry in fs::read_dir(used).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let until = name
            .to_str()
            .and_then(|name| name.split_once('.'))
            .and_then(|(until, _)| until.parse::<i64>().ok());
        // A minute later than needed: clocks differ.
        if until.is_some_and(|until| until + 60 < now.timestamp()) {
            let _ = fs::remove_file(entry.path());
        }
    }
}
