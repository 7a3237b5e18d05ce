//! Where a fetched PostgreSQL is kept: below the cache folder of the user, where whoever runs the server can reach it and nobody
//! else can put programs.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use local_files::{in_a_shell, leftover};

use crate::{LocalPostgresError, Owner};

/// Where root keeps what the user of the servers must reach, which is seldom below root's home directory.
const OF_THE_MACHINE: &str = "/var/cache";

/// The folder that this program keeps in a cache.
const NAME: &str = "neon-mcp";

/// The folder below which fetched packages are kept.
///
/// # Errors
/// When the environment names no cache folder, or none that the user of the servers can reach.
pub(crate) fn folder(owner: Option<Owner>) -> Result<PathBuf, LocalPostgresError> {
    let of_the_user = env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .filter(|path| path.is_absolute())
        .or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    choose(of_the_user, owner)
}

fn choose(of_the_user: Option<PathBuf>, owner: Option<Owner>) -> Result<PathBuf, LocalPostgresError> {
    let Some(owner) = owner else {
        let base = of_the_user.filter(|path| path.is_absolute());
        return base.map(|base| base.join(NAME)).ok_or_else(|| {
            LocalPostgresError::new(
                "there is no cache folder to keep a fetched PostgreSQL in: set HOME or XDG_CACHE_HOME",
            )
        });
    };
    let places = of_the_user.into_iter().chain([PathBuf::from(OF_THE_MACHINE)]);
    places
        .map(|base| base.join(NAME))
        .find(|place| can_pass(place, owner))
        .ok_or_else(|| {
            LocalPostgresError::new(format!(
                "PostgreSQL runs as another user than root, who can reach no cache folder: chmod o+x the folders above one, \
                 and name it in XDG_CACHE_HOME (also tried: {OF_THE_MACHINE})"
            ))
        })
}

/// Whether that user can pass through all folders above and at this path, those that aren't there yet left out.
fn can_pass(path: &Path, owner: Owner) -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        path.ancestors().all(|above| match fs::metadata(above) {
            Ok(metadata) => {
                metadata.mode() & 0o001 != 0
                    || (metadata.uid() == owner.uid && metadata.mode() & 0o100 != 0)
                    || (metadata.gid() == owner.gid && metadata.mode() & 0o010 != 0)
            }
            Err(error) => error.kind() == std::io::ErrorKind::NotFound,
        })
    }
    #[cfg(not(unix))]
    {
        let _ = (path, owner);
        true
    }
}

/// Makes the folder, which others can pass through and can't write to.
pub(crate) fn make(folder: &Path) -> Result<(), LocalPostgresError> {
    fs::create_dir_all(folder).map_err(|error| LocalPostgresError::io("make", folder, &error))?;
    check(folder)
}

/// Rejects a folder that somebody else owns, or could put programs into.
pub(crate) fn check(folder: &Path) -> Result<(), LocalPostgresError> {
    let metadata = fs::symlink_metadata(folder).map_err(|error| LocalPostgresError::io("look at", folder, &error))?;
    if !metadata.is_dir() || !leftover::is_ours(&metadata) {
        return Err(LocalPostgresError::new(format!(
            "{} is no folder of this user's own, so no programs in it are run: remove it",
            folder.display()
        )));
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        if metadata.permissions().mode() & 0o022 != 0 {
            return Err(LocalPostgresError::new(format!(
                "others can write to {}, so no programs in it are run: chmod go-w {}",
                folder.display(),
                in_a_shell(&folder.to_string_lossy())
            )));
        }
    }
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn cache_that_others_can_write_to_is_rejected() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join(NAME);
        make(&folder).unwrap();
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(check(&folder).unwrap_err().to_string().contains("chmod go-w"));
    }

    #[test]
    fn cache_behind_a_link_is_rejected() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("there");
        fs::create_dir(&folder).unwrap();
        let link = place.path().join("link");
        std::os::unix::fs::symlink(&folder, &link).unwrap();
        check(&folder).unwrap();
        assert!(check(&link).is_err());
    }

    #[test]
    fn cache_of_root_is_one_that_the_servers_user_can_reach() {
        let place = tempfile::tempdir().unwrap();
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let owner = Some(Owner {
            uid: 4_000_000,
            gid: 4_000_000,
        });
        // The directory is its maker's alone, so root's servers get the machine's.
        let chosen = choose(Some(place.path().to_owned()), owner);
        assert_ne!(chosen.ok(), Some(place.path().join(NAME)));
        assert_eq!(
            choose(Some(place.path().to_owned()), None).unwrap(),
            place.path().join(NAME)
        );
        assert!(choose(None, None).is_err());
    }
}
