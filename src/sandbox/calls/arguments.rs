//! Calls that are permitted with certain arguments only.

use std::collections::BTreeMap;

use libc::{
    AF_INET, AF_INET6, AF_UNIX, CLONE_THREAD, F_DUPFD_CLOEXEC, F_GETFD, F_GETFL, F_SETFD, F_SETFL,
    FIONBIO, FIONREAD, IPPROTO_TCP, PR_GET_NAME, PR_SET_NAME, PR_SET_VMA, PROT_EXEC, SO_KEEPALIVE,
    SO_LINGER, SO_RCVTIMEO, SO_SNDTIMEO, SOL_SOCKET, TCGETS, TCP_CORK, TCP_KEEPCNT, TCP_KEEPIDLE,
    TCP_KEEPINTVL, TCP_NODELAY, TCP_NOTSENT_LOWAT, TCP_USER_TIMEOUT, c_int, c_long,
};
use seccompiler::SeccompCmpArgLen::Dword;
use seccompiler::SeccompCmpOp::{Eq, MaskedEq};
use seccompiler::{BackendError, SeccompCondition, SeccompRule};

use crate::sandbox::Needs;

/// By the number of a call, the arguments with which it is permitted; none: with any.
pub(super) type Rules = BTreeMap<c_long, Vec<SeccompRule>>;

/// What serving does, by arguments, which are counted from 0.
pub(super) fn with_arguments() -> Result<Rules, BackendError> {
    let itself = i32::try_from(std::process::id()).unwrap_or_default();
    let no_code = || Ok(vec![rule(&[(2, Test::Without(PROT_EXEC))])?]);
    Ok(Rules::from([
        // A thread, not a process.
        (
            libc::SYS_clone,
            vec![rule(&[(0, Test::With(CLONE_THREAD))])?],
        ),
        // No memory becomes code.
        (libc::SYS_mmap, no_code()?),
        (libc::SYS_mprotect, no_code()?),
        // No signal for others; an abort sends one to itself.
        (libc::SYS_tgkill, one_of(0, &[itself])?),
        // Its own limits: of descriptors, once. 0 is itself.
        (libc::SYS_prlimit64, one_of(0, &[0])?),
        // Names of threads, and of memory.
        (
            libc::SYS_prctl,
            one_of(0, &[PR_SET_NAME, PR_GET_NAME, PR_SET_VMA])?,
        ),
        (
            libc::SYS_fcntl,
            one_of(1, &[F_DUPFD_CLOEXEC, F_GETFD, F_GETFL, F_SETFD, F_SETFL])?,
        ),
        // Whether it blocks, what is there to read, whether it is a terminal.
        (libc::SYS_ioctl, {
            let [nonblocking, readable, terminal] = [FIONBIO, FIONREAD, TCGETS];
            let known = [nonblocking as c_int, readable as c_int, terminal as c_int];
            one_of(1, &known)?
        }),
        (libc::SYS_setsockopt, options()?),
    ]))
}

/// Options of a connection.
fn options() -> Result<Vec<SeccompRule>, BackendError> {
    let tcp = [
        TCP_CORK,
        TCP_KEEPCNT,
        TCP_KEEPIDLE,
        TCP_KEEPINTVL,
        TCP_NODELAY,
        TCP_NOTSENT_LOWAT,
        TCP_USER_TIMEOUT,
    ];
    let all = [SO_KEEPALIVE, SO_LINGER, SO_RCVTIMEO, SO_SNDTIMEO];
    let tcp = tcp.iter().map(|option| (IPPROTO_TCP, *option));
    let all = all.iter().map(|option| (SOL_SOCKET, *option));
    let options = tcp.chain(all);
    options
        .map(|(level, option)| rule(&[(1, Test::Is(level)), (2, Test::Is(option))]))
        .collect()
}

/// Sockets of the kinds that it connects, if any.
pub(super) fn connecting(needs: &Needs) -> Result<Rules, BackendError> {
    let tcp: &[c_int] = match &*needs.connect {
        [] => &[],
        [..] => &[AF_INET, AF_INET6],
    };
    let unix: &[c_int] = match &*needs.unix {
        [] => &[],
        [..] => &[AF_UNIX],
    };
    let families = [tcp, unix].concat();
    if families.is_empty() {
        return Ok(Rules::new());
    }
    // Flags stand beside the type. Datagrams would get past Landlock's rules for TCP.
    let kind = 0xf;
    let stream = |family: &c_int| {
        let is_stream = Test::Masked(kind, libc::SOCK_STREAM);
        rule(&[(0, Test::Is(*family)), (1, is_stream)])
    };
    let sockets: Result<_, _> = families.iter().map(stream).collect();
    Ok(Rules::from([
        (libc::SYS_socket, sockets?),
        (libc::SYS_connect, Vec::new()),
    ]))
}

/// What is asked of an argument: of its lower 32 bits, which is all that the kernel looks at
/// in these calls.
#[derive(Clone, Copy)]
enum Test {
    Is(c_int),
    /// Has these bits.
    With(c_int),
    /// Has none of these bits.
    Without(c_int),
    /// Of these bits, has those.
    Masked(c_int, c_int),
}

fn one_of(argument: u8, values: &[c_int]) -> Result<Vec<SeccompRule>, BackendError> {
    let rules = values.iter();
    rules
        .map(|value| rule(&[(argument, Test::Is(*value))]))
        .collect()
}

fn rule(tests: &[(u8, Test)]) -> Result<SeccompRule, BackendError> {
    let bits = |value: c_int| u64::from(value.cast_unsigned());
    let conditions = tests.iter().map(|(argument, test)| {
        let (how, value) = match *test {
            Test::Is(value) => (Eq, value),
            Test::With(set) => (MaskedEq(bits(set)), set),
            Test::Without(mask) => (MaskedEq(bits(mask)), 0),
            Test::Masked(mask, set) => (MaskedEq(bits(mask)), set),
        };
        SeccompCondition::new(*argument, Dword, how, bits(value))
    });
    SeccompRule::new(conditions.collect::<Result<_, _>>()?)
}
