//! What was typed, and what stands in the environment, not yet understood: a command, its
//! arguments, and values of flags.

use std::ffi::OsString;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use lexopt::Arg;

use super::Failure;
use super::flags::{COMMANDS, FLAGS};

/// The arguments as they were typed, and the environment.
pub(super) struct Typed<E> {
    pub(super) command: Option<String>,
    pub(super) arguments: Vec<String>,
    /// Flags by their long names.
    pub(super) flags: Vec<(&'static str, String)>,
    pub(super) help: bool,
    pub(super) version: bool,
    environment: E,
}

/// A value, and what to call the place where it was found.
pub(super) struct Found {
    pub(super) name: String,
    pub(super) value: String,
}

impl Found {
    /// This value is not what it should be.
    pub(super) fn wrong(&self, cause: impl fmt::Display) -> Failure {
        Failure::unusable(format!("{} `{}`: {cause}", self.name, self.value))
    }
}

impl<E: Fn(&str) -> Option<OsString>> Typed<E> {
    pub(super) fn read(
        arguments: impl Iterator<Item = OsString>,
        environment: E,
    ) -> Result<Self, Failure> {
        let mut typed = Typed {
            command: None,
            arguments: Vec::new(),
            flags: Vec::new(),
            help: false,
            version: false,
            environment,
        };
        let mut parser = lexopt::Parser::from_args(arguments);
        while let Some(argument) = parser.next().map_err(Failure::unusable)? {
            match argument {
                Arg::Short('h') | Arg::Long("help") => typed.help = true,
                Arg::Short('V') | Arg::Long("version") => typed.version = true,
                Arg::Value(value) => {
                    let text = utf8("argument", value)?;
                    if typed.command.is_none() {
                        typed.command = Some(text);
                    } else {
                        typed.arguments.push(text);
                    }
                }
                Arg::Short(_) | Arg::Long(_) => {
                    let known = FLAGS.iter().find(|flag| match argument {
                        Arg::Short(letter) => flag.short == Some(letter),
                        Arg::Long(name) => flag.long == name,
                        Arg::Value(_) => false,
                    });
                    let Some(flag) = known else {
                        let message = format!("{}; see chapbook --help", argument.unexpected());
                        return Err(Failure::unusable(message));
                    };
                    let value = match flag.value {
                        Some(_) => utf8(flag.long, parser.value().map_err(Failure::unusable)?)?,
                        None => "true".to_owned(),
                    };
                    typed.flags.push((flag.long, value));
                }
            }
        }
        typed.check_flags()?;
        Ok(typed)
    }

    /// Every flag belongs to the command.
    fn check_flags(&self) -> Result<(), Failure> {
        let command = self.command.as_deref().unwrap_or("serve");
        for flag in FLAGS {
            let typed = self.flags.iter().any(|(name, _)| *name == flag.long);
            let fits = flag.commands.contains(&command)
                || (self.version && flag.commands.contains(&"version"));
            if typed && !fits {
                let message = format!("--{} does not go with `{command}`", flag.long);
                return Err(Failure::unusable(message));
            }
        }
        Ok(())
    }

    /// The last value typed for one of the flags; else that of the first environment variable
    /// of theirs.
    pub(super) fn value_of(&self, longs: &[&str]) -> Result<Option<Found>, Failure> {
        let typed = self.flags.iter().rfind(|(name, _)| longs.contains(name));
        if let Some((name, value)) = typed {
            return Ok(Some(Found {
                name: format!("--{name}"),
                value: value.clone(),
            }));
        }
        for long in longs {
            let variable = FLAGS.iter().find(|flag| flag.long == *long);
            if let Some(flag) = variable
                && let Some(found) = self.variable(flag.variable)?
            {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// All values typed for one of the flags; else that of the first environment variable of
    /// theirs.
    pub(super) fn values_of(&self, longs: &[&str]) -> Result<Vec<Found>, Failure> {
        let typed = self.flags.iter();
        let typed = typed.filter(|(name, _)| longs.contains(name));
        let all: Vec<Found> = typed
            .map(|(name, value)| Found {
                name: format!("--{name}"),
                value: value.clone(),
            })
            .collect();
        if all.is_empty() {
            return Ok(self.value_of(longs)?.into_iter().collect());
        }
        Ok(all)
    }

    /// The value of one flag.
    pub(super) fn value(&self, long: &str) -> Result<Option<Found>, Failure> {
        self.value_of(&[long])
    }

    /// All values that were typed for a flag; else the lines of its variable.
    #[cfg(feature = "image")]
    pub(super) fn values(&self, long: &str) -> Result<Vec<Found>, Failure> {
        let name = format!("--{long}");
        let typed = self.flags.iter().filter(|(name, _)| *name == long);
        let named = |name: &str, value: &str| Found {
            name: name.to_owned(),
            value: value.to_owned(),
        };
        let typed: Vec<Found> = typed.map(|(_, value)| named(&name, value)).collect();
        if !typed.is_empty() {
            return Ok(typed);
        }
        let found = self.value(long)?;
        let lines = found.iter().flat_map(|found| {
            let lines = found.value.lines().filter(|line| !line.is_empty());
            lines.map(|line| named(&found.name, line))
        });
        Ok(lines.collect())
    }

    /// A variable, if it is set and not empty. Kubernetes sets `CHAPBOOK_PORT=tcp://…` beside a
    /// service of the name chapbook; that is no word to this program.
    pub(super) fn variable(&self, name: &str) -> Result<Option<Found>, Failure> {
        match (self.environment)(name) {
            None => Ok(None),
            Some(value) if value.is_empty() => Ok(None),
            Some(value) if is_of_kubernetes(name, &value) => Ok(None),
            Some(value) => Ok(Some(Found {
                name: format!("${name}"),
                value: utf8(name, value)?,
            })),
        }
    }

    /// The value of a flag, as something that reads itself.
    pub(super) fn parsed<T>(&self, long: &str) -> Result<Option<T>, Failure>
    where
        T: FromStr,
        T::Err: fmt::Display,
    {
        let Some(found) = self.value(long)? else {
            return Ok(None);
        };
        found.value.parse().map(Some).map_err(|e| found.wrong(e))
    }

    /// The one of several that a flag names.
    pub(super) fn choice<T: Copy>(
        &self,
        long: &str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, Failure> {
        let Some(found) = self.value(long)? else {
            return Ok(None);
        };
        let chosen = choices.iter().find(|(name, _)| *name == found.value);
        chosen.map(|(_, choice)| Some(*choice)).ok_or_else(|| {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            found.wrong(format!("it is either {}", names.join(" or ")))
        })
    }

    /// Whether a flag without a value is given.
    pub(super) fn switch(&self, long: &str) -> Result<bool, Failure> {
        let chosen = self.choice(long, &[("true", true), ("false", false)])?;
        Ok(chosen.unwrap_or(false))
    }

    /// The number that a flag gives, within bounds.
    pub(super) fn number<N>(
        &self,
        long: &str,
        bounds: RangeInclusive<N>,
    ) -> Result<Option<N>, Failure>
    where
        N: FromStr + PartialOrd + fmt::Display,
    {
        let Some(found) = self.value(long)? else {
            return Ok(None);
        };
        let number = found.value.parse().ok();
        let number = number.filter(|number| bounds.contains(number));
        number.map(Some).ok_or_else(|| {
            let (least, most) = (bounds.start(), bounds.end());
            found.wrong(format!("it is no number from {least} to {most}"))
        })
    }

    pub(super) fn no_argument(&self) -> Result<(), Failure> {
        match &*self.arguments {
            [] => Ok(()),
            [first, ..] => Err(Failure::unusable(format!("unexpected argument `{first}`"))),
        }
    }

    pub(super) fn one_argument(&self) -> Result<String, Failure> {
        let command = self.command.as_deref().unwrap_or_default();
        match &*self.arguments {
            [argument] if !argument.is_empty() => Ok(argument.clone()),
            _ => {
                let usage = COMMANDS.iter().find(|usage| usage.name == command);
                let wanted = usage.map_or("", |usage| usage.arguments);
                let wanted = wanted.split(' ').next().unwrap_or(wanted);
                let found = match self.arguments.len() {
                    1 => "and not an empty one".to_owned(),
                    found => format!("not {found}"),
                };
                let message = format!("{command} takes one argument, {wanted}, {found}");
                Err(Failure::unusable(message))
            }
        }
    }
}

fn is_of_kubernetes(name: &str, value: &OsString) -> bool {
    name == "CHAPBOOK_PORT" && value.to_string_lossy().starts_with("tcp://")
}

fn utf8(name: &str, value: OsString) -> Result<String, Failure> {
    value.into_string().map_err(|value| {
        let value = value.to_string_lossy();
        Failure::unusable(format!("{name} `{value}` is not UTF-8"))
    })
}
