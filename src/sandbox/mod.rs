//! What the process gives up before it reads a client's first byte.
//!
//! A server whose site is in its own executable needs no file, no program, no user and hardly any
//! system call. So it gives them back, for good: whoever takes it over finds that it can answer
//! requests, and little else. In this order, since each step needs what a later one takes away:
//!
//! 1. **No new privileges**: no program that it might run gains any.
//! 2. **Landlock**: no file, and no TCP port to listen on or to connect to, but what [`Needs`]
//!    names; no signal to, and no abstract socket of, anybody else.
//! 3. **User**: root becomes 65532, without supplementary groups; unless what is named is closed to
//!    that user.
//! 4. **Capabilities**: none, in any of the five sets.
//! 5. **seccomp**: only the system calls that serving makes: `calls`.
//!
//! All of them belong to a thread, and threads inherit them from the one that starts them. So
//! [`enter`] is called when everything is open and only one thread runs; it looks. What was opened
//! before stays open: listeners, and the executable, from which large contents are sent.
//!
//! `docs/operations.md` tells an operator what each part stops.

#[cfg(all(
    target_os = "linux",
    feature = "sandbox",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod calls;
#[cfg(all(target_os = "linux", feature = "sandbox"))]
mod files;
#[cfg(all(target_os = "linux", feature = "sandbox"))]
mod linux;
#[cfg(all(target_os = "linux", feature = "sandbox"))]
mod privileges;

use std::fmt;
use std::path::PathBuf;

use serde_json::{Value, json};

/// How much is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// All of it, or no server.
    Strict,
    /// What the system permits.
    #[default]
    BestEffort,
    /// Nothing.
    Off,
}

impl Mode {
    /// All of them.
    pub const ALL: [Mode; 3] = [Mode::Strict, Mode::BestEffort, Mode::Off];

    /// Its name, as `--sandbox` takes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Mode::Strict => "strict",
            Mode::BestEffort => "best-effort",
            Mode::Off => "off",
        }
    }
}

/// What a server still has to do from inside; by default nothing. Files and sockets that are
/// already open need not be named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// TCP ports that it connects to, on any host: Landlock does not tell hosts apart.
    pub connect: Vec<u16>,
    /// Unix sockets that it connects to. Landlock does not tell them apart; who has left root may
    /// be kept from them.
    pub unix: Vec<PathBuf>,
    /// Files and directories that it reads, with all that is below.
    pub read: Vec<PathBuf>,
    /// Directories in which it makes, renames and removes files, with all that is below.
    pub write: Vec<PathBuf>,
    /// Directories from which it removes files: those of its Unix sockets.
    pub remove: Vec<PathBuf>,
}

/// A part of the sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// No program that it runs gains privileges.
    NoNewPrivileges,
    /// Files, TCP, signals.
    Landlock,
    /// Not root.
    User,
    /// None.
    Capabilities,
    /// System calls.
    Seccomp,
}

impl Part {
    /// All of them, in the order in which they are put up.
    pub const ALL: [Part; 5] = [
        Part::NoNewPrivileges,
        Part::Landlock,
        Part::User,
        Part::Capabilities,
        Part::Seccomp,
    ];

    /// Its name, in the log and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Part::NoNewPrivileges => "no-new-privileges",
            Part::Landlock => "landlock",
            Part::User => "user",
            Part::Capabilities => "capabilities",
            Part::Seccomp => "seccomp",
        }
    }
}

/// How much of a part there is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hold {
    /// All that this version knows.
    On,
    /// Some, and why not more.
    Partly(String),
    /// Nothing, and why.
    Unavailable(String),
}

impl fmt::Display for Hold {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Hold::On => formatter.write_str("on"),
            Hold::Partly(why) => write!(formatter, "partly ({why})"),
            Hold::Unavailable(why) => write!(formatter, "unavailable ({why})"),
        }
    }
}

/// What there is of the sandbox. Its `Display` is short: `on`, `off`, or what is not on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sandbox {
    mode: Mode,
    /// In the order of [`Part::ALL`].
    holds: [Hold; Part::ALL.len()],
}

impl Default for Sandbox {
    fn default() -> Sandbox {
        Sandbox {
            mode: Mode::Off,
            holds: Part::ALL.map(|_| Hold::Unavailable("not asked for".to_owned())),
        }
    }
}

impl Sandbox {
    /// What was asked for.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// What there is of each part.
    pub fn parts(&self) -> impl Iterator<Item = (Part, &Hold)> {
        Part::ALL.into_iter().zip(&self.holds)
    }

    /// For `/-/version`: the mode, and of each part what there is.
    #[must_use]
    pub fn json(&self) -> Value {
        let parts = self.parts();
        let parts: serde_json::Map<String, Value> = parts
            .map(|(part, hold)| (part.name().to_owned(), Value::String(hold.to_string())))
            .collect();
        json!({ "mode": self.mode.name(), "parts": parts })
    }

    /// What is not wholly on, in words; nothing if everything is.
    fn lack(&self) -> Option<String> {
        let lacking = self.parts().filter(|(_, hold)| **hold != Hold::On);
        let lacking: Vec<String> = lacking
            .map(|(part, hold)| format!("{} {hold}", part.name()))
            .collect();
        (!lacking.is_empty()).then(|| lacking.join(", "))
    }
}

impl fmt::Display for Sandbox {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.mode == Mode::Off {
            return formatter.write_str("off");
        }
        match self.lack() {
            None => formatter.write_str("on"),
            Some(lack) => write!(formatter, "on, but {lack}"),
        }
    }
}

/// Puts the sandbox up around this thread, and so around all that it starts from now on. There is
/// no way back.
///
/// # Errors
/// In strict mode, what is not wholly there, in one line; the process should end then.
pub fn enter(mode: Mode, needs: &Needs) -> Result<Sandbox, String> {
    if mode == Mode::Off {
        return Ok(Sandbox::default());
    }
    let holds = put_up(needs);
    let sandbox = Sandbox { mode, holds };
    match sandbox.lack() {
        Some(lack) if mode == Mode::Strict => Err(lack),
        _ => Ok(sandbox),
    }
}

#[cfg(all(target_os = "linux", feature = "sandbox"))]
use linux::put_up;

/// Where there is no such thing.
#[cfg(not(all(target_os = "linux", feature = "sandbox")))]
fn put_up(_needs: &Needs) -> [Hold; Part::ALL.len()] {
    let why = if cfg!(target_os = "linux") {
        "not built in"
    } else {
        "not on this system"
    };
    Part::ALL.map(|_| Hold::Unavailable(why.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::{Hold, Mode, Part, Sandbox};

    #[test]
    fn its_state_is_short_when_all_is_well_and_exact_when_not() {
        let mut sandbox = Sandbox {
            mode: Mode::BestEffort,
            holds: Part::ALL.map(|_| Hold::On),
        };
        assert_eq!(sandbox.to_string(), "on");
        assert_eq!(Sandbox::default().to_string(), "off");
        sandbox.holds[1] = Hold::Partly("ABI 3 of 6".to_owned());
        sandbox.holds[4] = Hold::Unavailable("no list".to_owned());
        let told = "on, but landlock partly (ABI 3 of 6), seccomp unavailable (no list)";
        assert_eq!(sandbox.to_string(), told);
        let json = sandbox.json();
        assert_eq!(json["mode"], "best-effort");
        assert_eq!(json["parts"]["landlock"], "partly (ABI 3 of 6)");
        assert_eq!(json["parts"]["user"], "on");
        assert_eq!(json["parts"].as_object().unwrap().len(), Part::ALL.len());
    }
}
