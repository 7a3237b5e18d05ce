//! How many files and connections this process may have open, and how many of them are left for connections.
//!
//! Whoever reaches the port can open connections, and each takes a descriptor. Without one left nothing can be read: not the file that a
//! token was just taken out of, nor can Neon or the issuer be asked. So the bound that the system sets is raised as far as it goes, and
//! connections end below it.

use super::limits::HttpLimits;

/// What is kept for files, the store, the log, and whoever scrapes metrics.
const RESERVE: usize = 128;

/// How far the bound is raised where connections want no more: some systems allow a billion, which programs that are started from here
/// would go over one by one.
#[cfg(unix)]
const ENOUGH: u64 = 65_536;

/// Raises the bound of this process, and gives the limits within it.
pub(super) fn within(limits: HttpLimits) -> HttpLimits {
    let wanted = limits.connections.saturating_add(reserve(&limits));
    let Some(most) = raised(wanted) else { return limits };
    let connections = left(most, &limits);
    if connections < limits.connections {
        tracing::warn!(
            "this process may have {most} files open (`ulimit -n`, `LimitNOFILE`), so no more than {connections} connections are taken; \
             --max-connections says {}, for which it would have to be {wanted}",
            limits.connections
        );
    }
    HttpLimits { connections, ..limits }
}

/// What isn't for connections: a call that runs asks Neon.
fn reserve(limits: &HttpLimits) -> usize {
    limits.calls.saturating_add(RESERVE)
}

/// How many connections are taken where so many descriptors are to be had: half of them where there are few.
fn left(most: usize, limits: &HttpLimits) -> usize {
    let reserve = reserve(limits).min(most / 2);
    limits.connections.min(most.saturating_sub(reserve)).max(1)
}

/// How many descriptors there may be, after that was raised; nothing where there is no bound.
#[cfg(unix)]
fn raised(wanted: usize) -> Option<usize> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let bound = getrlimit(Resource::Nofile);
    let wanted = (wanted as u64).max(ENOUGH);
    let now = bound.current?;
    let most = bound.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    if most > now {
        let raised = Rlimit {
            current: Some(most),
            maximum: bound.maximum,
        };
        if let Err(error) = setrlimit(Resource::Nofile, raised) {
            tracing::debug!("the bound of open files stays at {now}: {error}");
        }
    }
    let now = getrlimit(Resource::Nofile).current?;
    Some(usize::try_from(now).unwrap_or(usize::MAX))
}

#[cfg(not(unix))]
fn raised(_: usize) -> Option<usize> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connections_leave_descriptors_for_what_says_who_may_call() {
        let limits = HttpLimits::default();
        assert_eq!((limits.connections, limits.calls), (1_500, 256));
        for (most, connections) in [(65_536, 1_500), (1_884, 1_500), (1_024, 640), (256, 128), (1, 1)] {
            assert_eq!(left(most, &limits), connections, "{most}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn bound_of_the_system_is_raised_to_what_it_allows() {
        use rustix::process::{Resource, getrlimit};
        let before = getrlimit(Resource::Nofile);
        let limits = within(HttpLimits::default());
        let after = getrlimit(Resource::Nofile);
        assert_eq!(after.maximum, before.maximum);
        let most = before.maximum.unwrap_or(u64::MAX).min(ENOUGH);
        assert!(after.current.is_none_or(|current| current >= most), "{after:?}");
        assert!(limits.connections <= HttpLimits::default().connections);
    }
}
