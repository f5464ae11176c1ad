//! No file, no TCP port, no signal but what is named: Landlock, landlock(7).
//!
//! A kernel knows a number of its rights, by the version of its interface. All that the kernel
//! knows is asked for; what it does not know is told.

use std::io::{Error, Result};
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, BitFlags, LandlockStatus, NetPort, PathBeneath, PathFd,
    RestrictionStatus, Ruleset, RulesetAttr, RulesetCreated, RulesetCreatedAttr, RulesetStatus,
    Scope, make_bitflags,
};

use super::{Hold, Needs};

/// The version that has everything named here: files, devices, TCP, signals, abstract sockets.
/// Linux 6.12. Later ones have UDP and Unix sockets by their paths, which need a socket to begin
/// with; `calls` has none.
const WANTED: ABI = ABI::V6;

const READ: BitFlags<AccessFs> = make_bitflags!(AccessFs::{ReadFile | ReadDir});

const WRITE: BitFlags<AccessFs> = make_bitflags!(AccessFs::{
    ReadFile | ReadDir | WriteFile | Truncate | MakeReg | MakeDir | RemoveFile | Refer
});

/// What the system said last. The crate's own errors say more, for 40 KB of texts.
fn why<E>(_: E) -> Error {
    Error::last_os_error()
}

/// Closes everything but what is needed.
pub(super) fn close(needs: &Needs) -> Hold {
    match restrict(needs) {
        Err(error) => Hold::Unavailable(error.to_string()),
        Ok(status) => match status.ruleset {
            RulesetStatus::FullyEnforced => Hold::On,
            RulesetStatus::PartiallyEnforced => Hold::Partly(what_there_is(&status)),
            RulesetStatus::NotEnforced => Hold::Unavailable(what_there_is(&status)),
        },
    }
}

fn restrict(needs: &Needs) -> Result<RestrictionStatus> {
    let mut rules = Ruleset::default()
        .handle_access(AccessFs::from_all(WANTED))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(WANTED)))
        .and_then(|rules| rules.scope(Scope::from_all(WANTED)))
        .and_then(Ruleset::create)
        .map_err(why)?;
    for port in &needs.connect {
        let rule = NetPort::new(*port, AccessNet::ConnectTcp);
        rules = rules.add_rule(rule).map_err(why)?;
    }
    for path in &needs.read {
        rules = permit(rules, path, READ)?;
    }
    for path in &needs.write {
        rules = permit(rules, path, WRITE)?;
    }
    for path in &needs.remove {
        rules = permit(rules, path, AccessFs::RemoveFile.into())?;
    }
    rules.restrict_self().map_err(why)
}

/// Permits this at a path and below it. Of a file only what a file has; what cannot be opened now
/// stays closed.
fn permit(
    rules: RulesetCreated,
    path: &Path,
    access: BitFlags<AccessFs>,
) -> Result<RulesetCreated> {
    let access = if path.is_dir() {
        access
    } else {
        access & AccessFs::from_file(WANTED)
    };
    match PathFd::new(path) {
        Ok(open) => rules.add_rule(PathBeneath::new(open, access)).map_err(why),
        Err(_) => Ok(rules),
    }
}

/// What of Landlock the kernel has.
fn what_there_is(status: &RestrictionStatus) -> String {
    match status.landlock {
        LandlockStatus::NotEnabled => "the kernel has it switched off".to_owned(),
        LandlockStatus::NotImplemented => "the kernel has none, or hides it".to_owned(),
        LandlockStatus::Available { effective_abi, .. } => {
            format!("ABI {} of {}", effective_abi as i32, WANTED as i32)
        }
    }
}
