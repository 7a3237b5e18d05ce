//! Words of commands that people are told to type.

/// A word as a POSIX shell takes it: whatever stands in it, it stays one word and starts nothing.
///
/// ```
/// assert_eq!(local_files::in_a_shell("/plain/path-1"), "/plain/path-1");
/// assert_eq!(local_files::in_a_shell("x; touch /tmp/y"), "'x; touch /tmp/y'");
/// ```
#[must_use]
pub fn in_a_shell(word: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || "/._-+,:@%=".contains(char);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}
