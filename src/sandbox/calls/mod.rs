//! The system calls that are left: seccomp(2).
//!
//! Two filters, and the stricter answer counts:
//!
//! 1. What is on the list of what serving does is permitted, some of it only with certain
//!    arguments. Anything else is answered as by a kernel that has no such call, ENOSYS: a C
//!    library that tries something newer first falls back to what it did before, and one of
//!    another version goes on. (EPERM would be taken for an answer.)
//! 2. What nothing in a server does by mistake, such as running a program, ends the process: who
//!    tries has taken it over, and should not try again.
//!
//! The first is checked by the kernel without running the filter where no argument matters, which
//! is so for every call that an answer takes. Threads begin with `clone`; `clone3`, whose arguments
//! a filter cannot see, is unknown here, so that what begins is seen to be a thread, not a process.
//!
//! The lists (`lists`, `arguments`) are for x86-64 and aarch64: another processor has other
//! numbers, and some calls under other names.

mod arguments;
mod lists;

use seccompiler::{BpfProgram, Error, SeccompAction, SeccompFilter, TargetArch, apply_filter};

use self::arguments::{Rules, connecting, with_arguments};
use self::lists::{LOOKING, NEVER, READING, REMOVING, SERVING, WRITING};
use super::{Hold, Needs};

/// Closes all calls but those that are needed.
pub(super) fn close(needs: &Needs) -> Hold {
    // The list comes last: it has no call to add a filter.
    let closed = never()
        .and_then(|filter| apply_filter(&filter))
        .and_then(|()| apply_filter(&permitted(needs)?));
    match closed {
        Ok(()) => Hold::On,
        Err(Error::Prctl(error) | Error::Seccomp(error)) => Hold::Unavailable(error.to_string()),
        Err(Error::Backend(_) | Error::EmptyFilter | Error::ThreadSync(_)) => {
            Hold::Unavailable("the filter cannot be made".to_owned())
        }
    }
}

fn never() -> seccompiler::Result<BpfProgram> {
    let rules = NEVER.iter().map(|call| (*call, Vec::new())).collect();
    filter(rules, SeccompAction::Allow, SeccompAction::KillProcess)
}

fn permitted(needs: &Needs) -> seccompiler::Result<BpfProgram> {
    let mut calls = vec![SERVING];
    let removes = !needs.remove.is_empty() || !needs.write.is_empty();
    let reads = !needs.read.is_empty() || !needs.write.is_empty();
    if reads || removes {
        calls.push(LOOKING);
    }
    if reads {
        calls.push(READING);
    }
    if !needs.write.is_empty() {
        calls.push(WRITING);
    }
    if removes {
        calls.push(REMOVING);
    }
    let calls = calls.into_iter().flatten();
    let mut rules: Rules = calls.map(|call| (*call, Vec::new())).collect();
    rules.extend(with_arguments()?);
    rules.extend(connecting(needs)?);
    let unknown = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    filter(rules, unknown, SeccompAction::Allow)
}

fn filter(
    rules: Rules,
    otherwise: SeccompAction,
    listed: SeccompAction,
) -> seccompiler::Result<BpfProgram> {
    let arch = TargetArch::try_from(std::env::consts::ARCH)?;
    let filter = SeccompFilter::new(rules, otherwise, listed, arch)?;
    Ok(filter.try_into()?)
}

#[cfg(test)]
mod tests {
    use super::{never, permitted};
    use crate::sandbox::Needs;

    /// The kernel takes 4096 instructions.
    #[test]
    fn the_filters_can_be_made() {
        assert!(never().unwrap().len() < 4096);
        let all = Needs {
            connect: vec![443],
            unix: vec!["/".into()],
            read: vec!["/".into()],
            write: vec!["/".into()],
            remove: vec!["/".into()],
        };
        let few = permitted(&Needs::default()).unwrap().len();
        let many = permitted(&all).unwrap().len();
        assert!(few < many && many < 4096, "{few}, {many}");
    }
}
