//! Who the process is, and what it may do that others may not: capabilities(7).
//!
//! rustix calls the kernel itself, for one thread; the C library would tell all threads, of which
//! there is one.

use std::path::{Path, PathBuf};

use rustix::fs::{Access, Gid, Uid, access};
use rustix::io::Result;
use rustix::process::{geteuid, getuid};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, capability_is_in_bounding_set,
    clear_ambient_capability_set, no_new_privs, remove_capability_from_bounding_set,
    set_capabilities, set_no_new_privs, set_thread_groups, set_thread_res_gid, set_thread_res_uid,
};

use super::{Hold, Needs};

/// The user and group that root becomes: `nonroot` of the usual base images, and that of our own.
const NOBODY: u32 = 65_532;

/// No program that is run gains privileges: prctl(2), `PR_SET_NO_NEW_PRIVS`.
pub(super) fn forgo_new() -> Hold {
    match set_no_new_privs(true) {
        Ok(()) => Hold::On,
        Err(error) => Hold::Unavailable(error.to_string()),
    }
}

/// Empties the bounding set, as far as it may, and the ambient one. [`drop_all`] tells what came
/// of it; here it is early enough, since it takes a capability.
pub(super) fn drop_bounds() {
    for one in bounding() {
        let _ = remove_capability_from_bounding_set(one);
    }
    let _ = clear_ambient_capability_set();
}

/// Of root makes 65532, if that user may do what is needed.
pub(super) fn leave_root(needs: &Needs) -> Hold {
    if !is_root() {
        return Hold::On;
    }
    match try_to_leave(needs) {
        Ok(None) if !is_root() => Hold::On,
        Ok(None) => Hold::Unavailable("still root".to_owned()),
        Ok(Some(closed)) => {
            let path = closed.display();
            Hold::Partly(format!("still root: `{path}` is closed to {NOBODY}"))
        }
        Err(error) => Hold::Unavailable(format!("still root: {error}")),
    }
}

/// The path that keeps it from leaving, if one does. access(2) asks for the real user, so that one
/// is changed first, and back if need be.
fn try_to_leave(needs: &Needs) -> Result<Option<PathBuf>> {
    let (uid, gid) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    set_thread_groups(&[])?;
    set_thread_res_gid(gid, None, None)?;
    set_thread_res_uid(uid, None, None)?;
    if let Some(closed) = closed(needs) {
        set_thread_res_uid(Uid::ROOT, None, None)?;
        set_thread_res_gid(Gid::ROOT, None, None)?;
        return Ok(Some(closed.to_owned()));
    }
    set_thread_res_gid(gid, gid, gid)?;
    set_thread_res_uid(uid, uid, uid)?;
    Ok(None)
}

/// The first of the paths that the real user cannot use as it is needed.
fn closed(needs: &Needs) -> Option<&Path> {
    let both = Access::WRITE_OK | Access::EXEC_OK;
    let write = needs.write.iter().map(|path| (path, both));
    let remove = needs.remove.iter().map(|path| (path, both));
    let read = needs.read.iter().map(|path| (path, Access::READ_OK));
    let unix = needs.unix.iter().map(|path| (path, Access::WRITE_OK));
    let mut all = write.chain(remove).chain(read).chain(unix);
    let found = all.find(|(path, how)| access(path.as_path(), *how).is_err());
    found.map(|(path, _)| path.as_path())
}

/// Drops the effective, permitted and inheritable capabilities, and looks what is left of all.
pub(super) fn drop_all() -> Hold {
    match left() {
        Ok(0) => Hold::On,
        Ok(count) => Hold::Partly(format!("{count} left")),
        Err(error) => Hold::Unavailable(error.to_string()),
    }
}

/// How many capabilities are left. The bounding set says what a program that is run could gain:
/// only who has a certain capability may empty it, and where nothing can be gained, nobody has to.
fn left() -> Result<usize> {
    let none = CapabilitySet::empty();
    let sets = CapabilitySets {
        effective: none,
        permitted: none,
        inheritable: none,
    };
    // Where the call is refused, as a service manager's filter does, what is held is what counts.
    let _ = set_capabilities(None, sets);
    let held = capabilities(None)?;
    // The ambient set is a part of these.
    let held = held.effective | held.permitted | held.inheritable;
    let bounding = if no_new_privs()? && !is_root() {
        0
    } else {
        bounding().count()
    };
    Ok(bounding + usize::try_from(held.bits().count_ones()).unwrap_or(usize::MAX))
}

/// The bounding set, one by one; the kernel says which numbers there are.
fn bounding() -> impl Iterator<Item = CapabilitySet> {
    let all = (0..u64::BITS).map(|number| CapabilitySet::from_bits_retain(1 << number));
    let known = all.map_while(|one| capability_is_in_bounding_set(one).ok().map(|is| (one, is)));
    known.filter_map(|(one, is)| is.then_some(one))
}

/// A group of the number 0 alone is not root: some platforms give it to everybody.
fn is_root() -> bool {
    getuid().is_root() || geteuid().is_root()
}
