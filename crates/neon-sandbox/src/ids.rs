//! Ids in Neon's forms, each marked `sandbox`. The seed decides them; secrets are never seeded.

use rand::{RngExt, SeedableRng, rngs::StdRng};
use uuid::Uuid;

/// The word in the middle of an id.
const WORDS: [&str; 48] = [
    "amber", "anchor", "aspen", "basin", "birch", "bluff", "breeze", "brook", "canyon", "cedar", "cinder", "cliff",
    "clover", "coral", "cove", "delta", "dune", "ember", "fern", "fjord", "frost", "glade", "grove", "harbor", "hazel",
    "heath", "iris", "ivory", "juniper", "lagoon", "larch", "maple", "marsh", "meadow", "mesa", "moss", "oasis",
    "opal", "pebble", "pine", "quartz", "reef", "ridge", "river", "sage", "spruce", "tundra", "willow",
];

/// What a short random part is made of.
const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// Makes ids, one after the other.
#[derive(Debug)]
pub(crate) struct Ids {
    random: StdRng,
}

impl Ids {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            random: StdRng::seed_from_u64(seed),
        }
    }

    /// Ids of a later start with the same seed: others than before.
    pub(crate) fn later(seed: u64, starts: u64) -> Self {
        // An odd constant: no two starts of any seed share a sequence soon.
        Self::new(seed.wrapping_add(starts.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
    }

    /// `sandbox-word-12345678`
    pub(crate) fn project(&mut self) -> String {
        format!("sandbox-{}-{}", self.word(), self.digits())
    }

    /// `org-sandbox-word-12345678`
    pub(crate) fn organization(&mut self) -> String {
        format!("org-sandbox-{}-{}", self.word(), self.digits())
    }

    /// `br-sandbox-word-xxxxxxxx`
    pub(crate) fn branch(&mut self) -> String {
        format!("br-sandbox-{}-{}", self.word(), self.letters())
    }

    /// `ep-sandbox-word-xxxxxxxx`
    pub(crate) fn endpoint(&mut self) -> String {
        format!("ep-sandbox-{}-{}", self.word(), self.letters())
    }

    /// `snap-sandbox-word-xxxxxxxx`
    pub(crate) fn snapshot(&mut self) -> String {
        format!("snap-sandbox-{}-{}", self.word(), self.letters())
    }

    /// `tok-sandbox-word-xxxxxxxx`
    pub(crate) fn credential(&mut self) -> String {
        format!("tok-sandbox-{}-{}", self.word(), self.letters())
    }

    /// A UUID of version 4.
    pub(crate) fn uuid(&mut self) -> String {
        uuid::Builder::from_random_bytes(self.random.random())
            .into_uuid()
            .to_string()
    }

    /// How far the write-ahead log moves with one change: a plausible number of bytes.
    pub(crate) fn log_step(&mut self) -> u64 {
        self.random.random_range(0x40..0x4000) * 8
    }

    fn word(&mut self) -> &'static str {
        let index = self.random.random_range(0..WORDS.len());
        WORDS.get(index).copied().unwrap_or("river")
    }

    fn digits(&mut self) -> u32 {
        self.random.random_range(10_000_000..100_000_000)
    }

    fn letters(&mut self) -> String {
        letters(&mut self.random, 8)
    }
}

/// A new random API key.
pub(crate) fn secret_key() -> String {
    format!("sandbox_{}", letters(&mut rand::rng(), 40))
}

/// A new random password.
pub(crate) fn password() -> String {
    format!("npg_sandbox_{}", letters(&mut rand::rng(), 16))
}

/// A new random secret of a branch credential.
pub(crate) fn credential_secret(kind: &str) -> String {
    format!("{kind}_sandbox_{}", letters(&mut rand::rng(), 40))
}

/// A new random request id.
pub(crate) fn request_id() -> String {
    Uuid::new_v4().to_string()
}

fn letters(random: &mut impl rand::Rng, count: usize) -> String {
    (0..count)
        .filter_map(|_| ALPHABET.get(random.random_range(0..ALPHABET.len())))
        .map(|letter| char::from(*letter))
        .collect()
}
