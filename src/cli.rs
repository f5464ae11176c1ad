//! What was typed, and what it means. Flags are defined once, in `FLAGS`; help is made from them.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

use lexopt::Arg;

use crate::limits::{ConnectionLimits, RequestLimits};
use crate::log::say;
use crate::server::{self, Address, Engine};

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Serve the site inside this executable.
    Serve(ServeOptions),
    /// List what is in the site.
    Ls {
        /// As JSON: the manifest.
        json: bool,
    },
    /// Write the content of a resource to standard output.
    Cat {
        /// Its path.
        path: String,
    },
    /// Write the site into a directory.
    Extract {
        /// Which does not exist, or is empty.
        directory: PathBuf,
    },
    /// Recompute every digest.
    Verify,
    /// Ask a running server whether it lives.
    Healthcheck {
        /// Where it is.
        target: String,
    },
    /// Say what this executable is.
    Version {
        /// As JSON.
        json: bool,
    },
    /// Say how to use it.
    Help(String),
}

/// Options of `serve`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServeOptions {
    /// Where to listen.
    pub listen: Address,
    /// What owns the sockets.
    pub engine: Engine,
    /// Whether each request is logged.
    pub access_log: bool,
    /// How many threads serve, on an engine that lets one choose.
    pub threads: usize,
    /// Bounds on requests.
    pub requests: RequestLimits,
    /// Bounds on connections, and how to end.
    pub server: server::Options,
}

/// Why nothing, or not everything, was done: one line on standard error, and an exit code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// 1: it ran and failed, or a check said no. 2: nothing was done.
    pub code: u8,
    /// The line.
    pub message: String,
}

impl Failure {
    /// Wrong usage or unusable input, before anything was done.
    pub fn unusable(message: impl fmt::Display) -> Failure {
        Failure {
            code: 2,
            message: message.to_string(),
        }
    }

    /// It ran and failed, or a check said no.
    pub fn failed(message: impl fmt::Display) -> Failure {
        Failure {
            code: 1,
            message: message.to_string(),
        }
    }

    /// Prints the line.
    #[must_use]
    pub fn report(&self) -> ExitCode {
        // Line breaks in what a caller typed or a system said would make it two lines.
        let message: String = self
            .message
            .chars()
            .map(|character| {
                if character.is_control() {
                    ' '
                } else {
                    character
                }
            })
            .collect();
        say(format_args!("{message}"));
        ExitCode::from(self.code)
    }
}

struct Flag {
    long: &'static str,
    short: Option<char>,
    value: Option<&'static str>,
    variable: &'static str,
    commands: &'static [&'static str],
    help: &'static str,
}

/// Flags of `serve`.
const SERVE: &[&str] = &["serve"];

const FLAGS: [Flag; 15] = [
    Flag {
        long: "listen",
        short: None,
        value: Some("ADDR"),
        variable: "CHAPBOOK_LISTEN",
        commands: SERVE,
        help: "where to listen: 8080, :8080, 127.0.0.1:8080, [::1]:8080, unix:/path \
               [default: :8080, or :$PORT]",
    },
    Flag {
        long: "port",
        short: Some('p'),
        value: Some("PORT"),
        variable: "CHAPBOOK_PORT",
        commands: SERVE,
        help: "the same as --listen",
    },
    Flag {
        long: "engine",
        short: None,
        value: Some("ENGINE"),
        variable: "CHAPBOOK_ENGINE",
        commands: SERVE,
        help: "what owns the sockets: native or tiny_http, as far as they are built in",
    },
    Flag {
        long: "access-log",
        short: None,
        value: Some("on|off"),
        variable: "CHAPBOOK_ACCESS_LOG",
        commands: SERVE,
        help: "one line a request on standard output [default: on]",
    },
    Flag {
        long: "threads",
        short: None,
        value: Some("N"),
        variable: "CHAPBOOK_THREADS",
        commands: SERVE,
        help: "event loops of the native engine [default: the processors it may use]",
    },
    Flag {
        long: "drain-delay",
        short: None,
        value: Some("SECONDS"),
        variable: "CHAPBOOK_DRAIN_DELAY",
        commands: SERVE,
        help: "after SIGTERM, accept for so long while /-/ready says no [default: 0]",
    },
    Flag {
        long: "max-connections",
        short: None,
        value: Some("N"),
        variable: "CHAPBOOK_MAX_CONNECTIONS",
        commands: SERVE,
        help: "connections at once [default: 16384]",
    },
    Flag {
        long: "max-requests",
        short: None,
        value: Some("N"),
        variable: "CHAPBOOK_MAX_REQUESTS",
        commands: SERVE,
        help: "requests on one connection [default: 10000]",
    },
    Flag {
        long: "max-target",
        short: None,
        value: Some("BYTES"),
        variable: "CHAPBOOK_MAX_TARGET",
        commands: SERVE,
        help: "length of a request target [default: 8192]",
    },
    Flag {
        long: "max-fields",
        short: None,
        value: Some("N"),
        variable: "CHAPBOOK_MAX_FIELDS",
        commands: SERVE,
        help: "lines of a field section [default: 100]",
    },
    Flag {
        long: "max-field-bytes",
        short: None,
        value: Some("BYTES"),
        variable: "CHAPBOOK_MAX_FIELD_BYTES",
        commands: SERVE,
        help: "length of a field section [default: 32768]",
    },
    Flag {
        long: "request-timeout",
        short: None,
        value: Some("SECONDS"),
        variable: "CHAPBOOK_REQUEST_TIMEOUT",
        commands: SERVE,
        help: "for a whole request to arrive [default: 10]",
    },
    Flag {
        long: "idle-timeout",
        short: None,
        value: Some("SECONDS"),
        variable: "CHAPBOOK_IDLE_TIMEOUT",
        commands: SERVE,
        help: "between requests [default: 60]",
    },
    Flag {
        long: "write-timeout",
        short: None,
        value: Some("SECONDS"),
        variable: "CHAPBOOK_WRITE_TIMEOUT",
        commands: SERVE,
        help: "for a client to take 4 KiB of an answer [default: 10]",
    },
    Flag {
        long: "json",
        short: None,
        value: None,
        variable: "CHAPBOOK_JSON",
        commands: &["ls", "version"],
        help: "print JSON",
    },
];

struct Usage {
    name: &'static str,
    arguments: &'static str,
    help: &'static str,
}

const COMMANDS: [Usage; 7] = [
    Usage {
        name: "serve",
        arguments: "",
        help: "serve the site inside this executable (default)",
    },
    Usage {
        name: "ls",
        arguments: "",
        help: "list what is in the site",
    },
    Usage {
        name: "cat",
        arguments: "PATH",
        help: "print the content of a resource",
    },
    Usage {
        name: "extract",
        arguments: "DIR",
        help: "write the site into a new directory",
    },
    Usage {
        name: "verify",
        arguments: "",
        help: "check every byte of the site by its digest",
    },
    Usage {
        name: "healthcheck",
        arguments: "[URL]",
        help: "exit with 0 if a server answers there, else with 1",
    },
    Usage {
        name: "version",
        arguments: "",
        help: "say what this executable is",
    },
];

/// Reads the arguments, without the program's name, and the environment.
///
/// # Errors
/// A [`Failure`] with code 2 that says what is wrong and what would be right.
pub fn parse(
    arguments: impl Iterator<Item = OsString>,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Result<Command, Failure> {
    let typed = Typed::read(arguments)?;
    if typed.help {
        let known = |name: &&str| COMMANDS.iter().any(|usage| usage.name == *name);
        return Ok(Command::Help(help(typed.command.as_deref().filter(known))));
    }
    if typed.version {
        return Ok(Command::Version {
            json: typed.json(&environment)?,
        });
    }
    match typed.command.as_deref().unwrap_or("serve") {
        "serve" => Ok(Command::Serve(typed.serve(&environment)?)),
        "ls" => Ok(Command::Ls {
            json: typed.json(&environment)?,
        }),
        "cat" => Ok(Command::Cat {
            path: typed.one_argument()?,
        }),
        "extract" => Ok(Command::Extract {
            directory: typed.one_argument()?.into(),
        }),
        "verify" => typed.no_argument().map(|()| Command::Verify),
        "healthcheck" => Ok(Command::Healthcheck {
            target: typed.healthcheck(&environment)?,
        }),
        "version" => Ok(Command::Version {
            json: typed.json(&environment)?,
        }),
        "help" => Ok(Command::Help(help(None))),
        other => {
            let names = COMMANDS.map(|usage| usage.name).join(", ");
            Err(Failure::unusable(format!(
                "there is no command `{other}`; there are {names}"
            )))
        }
    }
}

/// The arguments as they were typed.
#[derive(Debug, Default)]
struct Typed {
    command: Option<String>,
    arguments: Vec<String>,
    flags: Vec<(&'static str, String)>,
    help: bool,
    version: bool,
}

impl Typed {
    fn read(arguments: impl Iterator<Item = OsString>) -> Result<Typed, Failure> {
        let mut typed = Typed::default();
        let mut parser = lexopt::Parser::from_args(arguments);
        while let Some(argument) = parser.next().map_err(Failure::unusable)? {
            match argument {
                Arg::Short('h') | Arg::Long("help") => typed.help = true,
                Arg::Short('V') | Arg::Long("version") => typed.version = true,
                Arg::Value(value) => {
                    let text = utf8(value)?;
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
                        Some(_) => utf8(parser.value().map_err(Failure::unusable)?)?,
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
        for flag in &FLAGS {
            let typed = self.flags.iter().any(|(name, _)| *name == flag.long);
            let fits = flag.commands.contains(&command) || (self.version && flag.long == "json");
            if typed && !fits {
                let message = format!("--{} does not go with `{command}`", flag.long);
                return Err(Failure::unusable(message));
            }
        }
        Ok(())
    }

    /// The last value typed for a flag, else that of its environment variable, and what to call
    /// it in a message.
    fn value(
        &self,
        long: &str,
        environment: &impl Fn(&str) -> Option<OsString>,
    ) -> Result<Option<(String, String)>, Failure> {
        let typed = self.flags.iter().rfind(|(name, _)| *name == long);
        if let Some((name, value)) = typed {
            return Ok(Some((format!("--{name}"), value.clone())));
        }
        let variable = FLAGS
            .iter()
            .find(|flag| flag.long == long)
            .map(|flag| flag.variable);
        variable.map_or(Ok(None), |variable| from_environment(variable, environment))
    }

    fn serve(
        &self,
        environment: &impl Fn(&str) -> Option<OsString>,
    ) -> Result<ServeOptions, Failure> {
        self.no_argument()?;
        let engine = match self.value("engine", environment)? {
            Some((name, value)) => value
                .parse()
                .map_err(|e| Failure::unusable(format!("{name} `{value}`: {e}")))?,
            None => Engine::default(),
        };
        let access_log = match self.value("access-log", environment)? {
            Some((name, value)) => match &*value {
                "on" => true,
                "off" => false,
                _ => {
                    let message = format!("{name} `{value}`: it is either on or off");
                    return Err(Failure::unusable(message));
                }
            },
            None => true,
        };
        let listen = self.listen(environment)?;
        let (requests, server) = self.limits(environment)?;
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = self
            .number("threads", 1..=1024, environment)?
            .unwrap_or(processors);
        Ok(ServeOptions {
            listen,
            engine,
            access_log,
            threads,
            requests,
            server,
        })
    }

    fn limits(
        &self,
        environment: &impl Fn(&str) -> Option<OsString>,
    ) -> Result<(RequestLimits, server::Options), Failure> {
        const DAY: u64 = 86_400;
        const MIB: usize = 1 << 20;
        let number = |long, bounds, default| {
            Ok::<_, Failure>(self.number(long, bounds, environment)?.unwrap_or(default))
        };
        let seconds = |long, least, default| {
            Ok::<_, Failure>(
                self.number(long, least..=DAY, environment)?
                    .unwrap_or(default),
            )
        };
        let requests = RequestLimits::default();
        let connections = ConnectionLimits::default();
        let most = self.number("max-requests", 1..=u32::MAX, environment)?;
        let requests = RequestLimits {
            target_bytes: number("max-target", 64..=MIB, requests.target_bytes)?,
            field_section_bytes: number("max-field-bytes", 64..=MIB, requests.field_section_bytes)?,
            field_lines: number("max-fields", 1..=10_000, requests.field_lines)?,
        };
        let connections = ConnectionLimits {
            connections: number("max-connections", 1..=MIB, connections.connections)?,
            requests: most.unwrap_or(connections.requests),
            request_seconds: seconds("request-timeout", 1, connections.request_seconds)?,
            idle_seconds: seconds("idle-timeout", 1, connections.idle_seconds)?,
            write_seconds: seconds("write-timeout", 1, connections.write_seconds)?,
        };
        let drain_delay_seconds = seconds("drain-delay", 0, 0)?;
        Ok((
            requests,
            server::Options {
                connections,
                drain_delay_seconds,
            },
        ))
    }

    /// The number that a flag gives, within bounds.
    fn number<N>(
        &self,
        long: &str,
        bounds: std::ops::RangeInclusive<N>,
        environment: &impl Fn(&str) -> Option<OsString>,
    ) -> Result<Option<N>, Failure>
    where
        N: std::str::FromStr + PartialOrd + fmt::Display,
    {
        let Some((name, value)) = self.value(long, environment)? else {
            return Ok(None);
        };
        let number = value.parse().ok().filter(|number| bounds.contains(number));
        number.map(Some).ok_or_else(|| {
            let (least, most) = (bounds.start(), bounds.end());
            let message = format!("{name} `{value}`: it is no number from {least} to {most}");
            Failure::unusable(message)
        })
    }

    fn listen(&self, environment: &impl Fn(&str) -> Option<OsString>) -> Result<Address, Failure> {
        let typed = self
            .flags
            .iter()
            .rfind(|(name, _)| matches!(*name, "listen" | "port"));
        let chosen = match typed {
            Some((name, value)) => Some((format!("--{name}"), value.clone())),
            None => self.value("listen", environment)?.map_or_else(
                || self.value("port", environment),
                |listen| Ok(Some(listen)),
            )?,
        };
        // What Heroku and Cloud Run set.
        let chosen = match chosen {
            Some(chosen) => Some(chosen),
            None => from_environment("PORT", environment)?,
        };
        chosen.map_or(Ok(Address::default()), |(name, value)| {
            value
                .parse()
                .map_err(|e| Failure::unusable(format!("{name} `{value}`: {e}")))
        })
    }

    fn healthcheck(
        &self,
        environment: &impl Fn(&str) -> Option<OsString>,
    ) -> Result<String, Failure> {
        match &*self.arguments {
            [] => Ok(self.listen(environment)?.health_url()),
            [target] => Ok(target.clone()),
            _ => Err(Failure::unusable("healthcheck takes one URL or none")),
        }
    }

    fn json(&self, environment: &impl Fn(&str) -> Option<OsString>) -> Result<bool, Failure> {
        self.no_argument()?;
        match self.value("json", environment)? {
            None => Ok(false),
            Some((_, value)) if value == "true" => Ok(true),
            Some((_, value)) if value == "false" => Ok(false),
            Some((name, value)) => Err(Failure::unusable(format!(
                "{name} `{value}`: it is either true or false"
            ))),
        }
    }

    fn no_argument(&self) -> Result<(), Failure> {
        match &*self.arguments {
            [] => Ok(()),
            [first, ..] => Err(Failure::unusable(format!("unexpected argument `{first}`"))),
        }
    }

    fn one_argument(&self) -> Result<String, Failure> {
        let command = self.command.as_deref().unwrap_or_default();
        match &*self.arguments {
            [argument] if !argument.is_empty() => Ok(argument.clone()),
            _ => {
                let usage = COMMANDS.iter().find(|usage| usage.name == command);
                let wanted = usage.map_or("", |usage| usage.arguments);
                let found = self.arguments.len();
                let message = format!("{command} takes one argument, {wanted}, not {found}");
                Err(Failure::unusable(message))
            }
        }
    }
}

/// A variable, if it is set and not empty. Kubernetes sets `CHAPBOOK_PORT=tcp://…` beside a
/// service of the name chapbook; that is no word to this program.
fn from_environment(
    name: &str,
    environment: &impl Fn(&str) -> Option<OsString>,
) -> Result<Option<(String, String)>, Failure> {
    match environment(name) {
        None => Ok(None),
        Some(value) if value.is_empty() => Ok(None),
        Some(value) if value.to_string_lossy().starts_with("tcp://") => Ok(None),
        Some(value) => Ok(Some((format!("${name}"), utf8(value)?))),
    }
}

fn utf8(value: OsString) -> Result<String, Failure> {
    value
        .into_string()
        .map_err(|value| Failure::unusable(format!("`{}` is not UTF-8", value.to_string_lossy())))
}

fn help(command: Option<&str>) -> String {
    use fmt::Write as _;
    let mut text = String::from(
        "chapbook: a static web site inside the executable that serves it\n\nusage:\n",
    );
    // Writing to a String cannot fail.
    let usages = COMMANDS
        .iter()
        .filter(|usage| command.is_none_or(|name| name == usage.name));
    for usage in usages {
        let line = format!("chapbook {} {}", usage.name, usage.arguments);
        let _ = writeln!(text, "  {:<30} {}", line.trim_end(), usage.help);
    }
    text.push_str("\noptions:\n");
    for flag in &FLAGS {
        if command.is_some_and(|name| !flag.commands.contains(&name)) {
            continue;
        }
        let short = flag
            .short
            .map_or("    ".to_owned(), |letter| format!("-{letter}, "));
        let value = flag
            .value
            .map_or(String::new(), |value| format!(" {value}"));
        let left = format!("{short}--{}{value}", flag.long);
        let commands = flag.commands.join(", ");
        let _ = writeln!(
            text,
            "  {left:<30} {} ({commands}) [${}]",
            flag.help, flag.variable
        );
    }
    text.push_str("  -h, --help                     print this\n");
    text.push_str("  -V, --version                  the same as `chapbook version`\n");
    text.push_str(
        "\nA flag stands above its variable. Exit codes: 0 fine; 1 it failed or a check said \
         no;\n2 wrong usage or unusable input, before anything was done.\n",
    );
    text
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::{COMMANDS, Command, FLAGS, parse};

    fn read(arguments: &str, environment: &[(&str, &str)]) -> Result<Command, String> {
        let arguments = arguments.split_whitespace().map(OsString::from);
        let lookup = |name: &str| {
            environment
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| value.into())
        };
        parse(arguments, lookup).map_err(|failure| {
            assert_eq!(failure.code, 2);
            failure.message
        })
    }

    fn listens(arguments: &str, environment: &[(&str, &str)]) -> String {
        match read(arguments, environment) {
            Ok(Command::Serve(options)) => options.listen.to_string(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn addresses_come_from_flags_then_variables_then_port() {
        assert_eq!(listens("", &[]), "[::]:8080");
        assert_eq!(listens("serve", &[]), "[::]:8080");
        assert_eq!(listens("-p 9000", &[("PORT", "1")]), "[::]:9000");
        assert_eq!(listens("--port=:9000", &[]), "[::]:9000");
        assert_eq!(listens("--listen 127.0.0.1:1 -p 9000", &[]), "[::]:9000");
        assert_eq!(listens("", &[("PORT", "5000")]), "[::]:5000");
        let both = [("PORT", "5000"), ("CHAPBOOK_LISTEN", "127.0.0.1:6000")];
        assert_eq!(listens("", &both), "127.0.0.1:6000");
        assert_eq!(listens("serve --listen unix:/tmp/x", &[]), "unix:/tmp/x");
        assert_eq!(
            listens("", &[("CHAPBOOK_PORT", "tcp://10.0.0.1:80")]),
            "[::]:8080"
        );
    }

    #[test]
    fn commands_are_read() {
        assert_eq!(read("ls --json", &[]), Ok(Command::Ls { json: true }));
        assert_eq!(read("cat /a", &[]), Ok(Command::Cat { path: "/a".into() }));
        assert_eq!(read("verify", &[]), Ok(Command::Verify));
        assert_eq!(read("-V", &[]), Ok(Command::Version { json: false }));
        assert_eq!(
            read("--version --json", &[]),
            Ok(Command::Version { json: true })
        );
        let url = "http://127.0.0.1:8080/-/health".to_owned();
        assert_eq!(
            read("healthcheck", &[]),
            Ok(Command::Healthcheck { target: url })
        );
        assert!(matches!(read("--help", &[]), Ok(Command::Help(_))));
        assert!(matches!(read("serve -h", &[]), Ok(Command::Help(_))));
    }

    #[test]
    fn wrong_usage_is_named() {
        for (arguments, environment, message) in [
            ("frobnicate", &[][..], "there is no command `frobnicate`"),
            ("--frob", &[], "--frob"),
            ("-x", &[], "-x"),
            ("--listen", &[], "--listen"),
            ("-p http", &[], "--port `http`"),
            ("-p 65536", &[], "--port `65536`"),
            ("--listen 1.2.3:80", &[], "--listen `1.2.3:80`"),
            ("--engine apache", &[], "--engine `apache`"),
            ("--access-log maybe", &[], "--access-log `maybe`"),
            ("", &[("PORT", "x")], "$PORT `x`"),
            ("", &[("CHAPBOOK_ENGINE", "x")], "$CHAPBOOK_ENGINE `x`"),
            ("--threads 0", &[], "--threads `0`"),
            (
                "--max-target 1",
                &[],
                "--max-target `1`: it is no number from 64 to 1048576",
            ),
            ("--idle-timeout soon", &[], "--idle-timeout `soon`"),
            (
                "",
                &[("CHAPBOOK_MAX_FIELDS", "-1")],
                "$CHAPBOOK_MAX_FIELDS `-1`",
            ),
            ("verify --json", &[], "--json does not go with `verify`"),
            ("ls -p 1", &[], "--port does not go with `ls`"),
            ("cat", &[], "cat takes one argument, PATH, not 0"),
            ("cat a b", &[], "cat takes one argument, PATH, not 2"),
            ("verify x", &[], "unexpected argument `x`"),
            ("serve x", &[], "unexpected argument `x`"),
            ("healthcheck a b", &[], "healthcheck takes one URL or none"),
        ] {
            let found = read(arguments, environment).unwrap_err();
            assert!(found.contains(message), "{arguments:?}: {found}");
        }
    }

    #[test]
    fn help_names_every_command_flag_and_variable() {
        let Ok(Command::Help(text)) = read("--help", &[]) else {
            panic!("no help")
        };
        for usage in &COMMANDS {
            assert!(
                text.contains(&format!("chapbook {}", usage.name)),
                "{}",
                usage.name
            );
        }
        for flag in &FLAGS {
            assert!(text.contains(&format!("--{}", flag.long)), "{}", flag.long);
            assert!(text.contains(flag.variable), "{}", flag.variable);
        }
    }
}
