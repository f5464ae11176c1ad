//! The command line: what was typed (`typed`), the flags that there are (`flags`), and what they
//! mean (`options`).

mod flags;
mod logging;
mod options;
mod platform;
mod typed;

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::process::ExitCode;

#[cfg(feature = "pack")]
use sitepack::ContentCoding;
#[cfg(feature = "pack")]
use sitepack::compiler::{Csp, FindingKind, Source, Store};

use self::flags::{COMMANDS, help};
use self::typed::Typed;
use crate::cloud;
#[cfg(feature = "image")]
use crate::image::{Deployed, Labels, MediaTypes, Platform, Reference};
use crate::limits::RequestLimits;
use crate::log;
use crate::sandbox;
use crate::server::proxy::Versions;
use crate::server::{self, Address, Engine, Proxies};

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Serve the site inside this executable.
    Serve(Box<ServeOptions>),
    /// Say what of a site will break.
    #[cfg(feature = "pack")]
    Check(CheckOptions),
    /// Make another executable, with another site.
    #[cfg(feature = "pack")]
    Pack(PackOptions),
    /// Make a container image.
    #[cfg(feature = "image")]
    Image(ImageOptions),
    /// Write the deployment files.
    #[cfg(feature = "image")]
    Kit(KitOptions),
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
        /// The header of the PROXY protocol that it wants to see first.
        header: Option<Versions>,
    },
    /// Say what this executable is.
    Version {
        /// As JSON.
        json: bool,
    },
    /// Say what this executable is made of.
    #[cfg(feature = "image")]
    Sbom,
    /// Say how to use it.
    Help(String),
}

/// Options of `serve`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServeOptions {
    /// Where to listen; nowhere: on the sockets that were passed, or the usual port.
    pub listen: Vec<Address>,
    /// Where the operator listens; nowhere: the management pages are with the site.
    pub admin_listen: Vec<Address>,
    /// Whether there is what a demonstration needs.
    pub demo: bool,
    /// What owns the sockets.
    pub engine: Engine,
    /// What is logged, and where.
    pub log: log::Options,
    /// Where this runs, in the words of who deployed it.
    pub location: Option<String>,
    /// How long a start that fails takes at least, in seconds, where nobody is looking.
    pub respawn_seconds: u64,
    /// What it asks a cloud, and tells it.
    pub cloud: cloud::Options,
    /// Who speaks for clients.
    pub proxies: Proxies,
    /// How many threads serve, on an engine that lets one choose.
    pub threads: usize,
    /// Bounds on requests.
    pub requests: RequestLimits,
    /// Bounds on connections, and how to end.
    pub server: server::Options,
    /// How much it gives up before it serves.
    pub sandbox: sandbox::Mode,
    /// What is served in place of the site in this executable.
    #[cfg(feature = "pack")]
    pub source: Option<SiteOptions>,
    /// Whether that is a directory that is packed again when it changes.
    #[cfg(feature = "pack")]
    pub watch: bool,
}

/// Options of `check`.
#[cfg(feature = "pack")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckOptions {
    /// How the site would be compiled.
    pub site: SiteOptions,
    /// As JSON.
    pub json: bool,
}

/// Options of `pack`.
#[cfg(feature = "pack")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PackOptions {
    /// Where the new executable goes.
    pub output: PathBuf,
    /// The executable to copy; this one if none.
    pub base: Option<PathBuf>,
    /// How the site is compiled.
    pub site: SiteOptions,
}

/// Options of `image`.
#[cfg(feature = "image")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageOptions {
    /// Where the image goes.
    pub output: Output,
    /// The executable that it is made of; this one if none.
    pub base: Option<PathBuf>,
    /// Its name and tag.
    pub reference: Reference,
    /// What it is to be for, if that is said and not left to the executable.
    pub platform: Option<Platform>,
    /// Labels besides chapbook's own, and in their place.
    pub labels: Labels,
    /// Whose names its parts have.
    pub media_types: MediaTypes,
    /// Whether it may be of an executable that needs libraries.
    pub allow_dynamic: bool,
    /// When it is said to be made, in seconds since 1970.
    pub time: u64,
}

/// Options of `kit`.
#[cfg(feature = "image")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KitOptions {
    /// Which does not exist, or is empty.
    pub directory: PathBuf,
    /// What is deployed.
    pub image: Deployed,
    /// When an image of this executable is said to be made, in seconds since 1970.
    pub time: u64,
}

/// Where something is written.
#[cfg(feature = "image")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// To a file.
    File(PathBuf),
    /// To standard output.
    Standard,
}

#[cfg(feature = "image")]
impl fmt::Display for Output {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Output::File(path) => write!(formatter, "`{}`", path.display()),
            Output::Standard => formatter.write_str("standard output"),
        }
    }
}

/// How a site is compiled.
#[cfg(feature = "pack")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteOptions {
    /// What is compiled.
    pub source: Source,
    /// Whether that are poems, and no files.
    pub as_poems: bool,
    /// The directory in the source that counts, if not all of it.
    pub root: Option<String>,
    /// The path prefix that it stands under.
    pub base_path: String,
    /// `/a` for `a.html`.
    pub clean_urls: bool,
    /// The index page for every path that leads nowhere.
    pub single_page: bool,
    /// Whether browsers are told what pages may do.
    pub csp: Csp,
    /// What is stored of each file that compresses.
    pub store: Store,
    /// The content codings besides the identity, if not the usual ones.
    pub codings: Option<Vec<ContentCoding>>,
    /// Findings that are errors; none: as the command has it.
    pub deny: Option<Vec<FindingKind>>,
    /// Where to keep what was coded for the next time.
    pub cache: Cache,
}

/// Where coded contents are kept for the next time.
#[cfg(feature = "pack")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cache {
    /// Where programs keep such things, if there is such a place.
    Usual,
    /// In a directory.
    In(PathBuf),
    /// Nowhere.
    Off,
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
        log::last_word(format_args!("{}", self.line()));
        ExitCode::from(self.code)
    }

    /// The line. Line breaks in what a caller typed or a system said would make it two.
    pub(crate) fn line(&self) -> String {
        let characters = self.message.chars();
        characters
            .map(|character| {
                if character.is_control() {
                    ' '
                } else {
                    character
                }
            })
            .collect()
    }
}

/// Reads the arguments, without the program's name, and the environment.
///
/// # Errors
/// A [`Failure`] with code 2 that says what is wrong and what would be right.
pub fn parse(
    arguments: impl Iterator<Item = OsString>,
    environment: impl Fn(&str) -> Option<OsString>,
) -> Result<Command, Failure> {
    let typed = Typed::read(arguments, environment)?;
    if typed.help {
        let known = |name: &&str| COMMANDS.iter().any(|usage| usage.name == *name);
        return Ok(Command::Help(help(typed.command.as_deref().filter(known))));
    }
    if typed.version {
        return typed.version();
    }
    match typed.command.as_deref().unwrap_or("serve") {
        "serve" => Ok(Command::Serve(Box::new(typed.serve()?))),
        #[cfg(feature = "pack")]
        "check" => typed.check().map(Command::Check),
        #[cfg(feature = "pack")]
        "pack" => typed.pack().map(Command::Pack),
        #[cfg(feature = "image")]
        "image" => typed.image().map(Command::Image),
        #[cfg(feature = "image")]
        "kit" => typed.kit().map(Command::Kit),
        "ls" => Ok(Command::Ls {
            json: typed.json()?,
        }),
        "cat" => Ok(Command::Cat {
            path: typed.one_argument()?,
        }),
        "extract" => Ok(Command::Extract {
            directory: typed.one_argument()?.into(),
        }),
        "verify" => typed.no_argument().map(|()| Command::Verify),
        "healthcheck" => typed.healthcheck(),
        "version" => typed.version(),
        "help" => Ok(Command::Help(help(None))),
        other => {
            let names: Vec<&str> = COMMANDS.iter().map(|usage| usage.name).collect();
            Err(Failure::unusable(format!(
                "there is no command `{other}`; there are {}",
                names.join(", ")
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::flags::{COMMANDS, FLAGS};
    use super::{Command, Versions, parse};

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
            Ok(Command::Serve(options)) => {
                let addresses: Vec<String> = options.listen.iter().map(|a| a.to_string()).collect();
                addresses.join(" ")
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn addresses_come_from_flags_then_variables_then_port() {
        assert_eq!(listens("", &[]), "");
        assert_eq!(listens("serve", &[]), "");
        assert_eq!(listens("-p 9000", &[("PORT", "1")]), "[::]:9000");
        assert_eq!(listens("--port=:9000", &[]), "[::]:9000");
        let both = "127.0.0.1:1 [::]:9000";
        assert_eq!(listens("--listen 127.0.0.1:1 -p 9000", &[]), both);
        assert_eq!(listens("--listen 127.0.0.1:1,:9000", &[]), both);
        let list = [("CHAPBOOK_LISTEN", "127.0.0.1:1, 9000"), ("PORT", "1")];
        assert_eq!(listens("", &list), both);
        let sockets = "--listen unix:/a,mode=0660,owner=:1,unix:/b,mode=0600,1";
        assert_eq!(listens(sockets, &[]), "unix:/a unix:/b [::]:1");
        assert_eq!(listens("", &[("PORT", "5000")]), "[::]:5000");
        let both = [("PORT", "5000"), ("CHAPBOOK_LISTEN", "127.0.0.1:6000")];
        assert_eq!(listens("", &both), "127.0.0.1:6000");
        assert_eq!(listens("serve --listen unix:/tmp/x", &[]), "unix:/tmp/x");
        assert_eq!(listens("", &[("CHAPBOOK_PORT", "tcp://10.0.0.1:80")]), "");
    }

    #[cfg(feature = "image")]
    #[test]
    fn versions_and_packages() {
        for (typed, expected) in [
            ("version --sbom", Ok(Command::Sbom)),
            ("-V --sbom", Ok(Command::Sbom)),
            ("version --sbom --json", Ok(Command::Sbom)),
            ("ls --sbom", Err("--sbom does not go with `ls`".to_owned())),
        ] {
            assert_eq!(read(typed, &[]), expected, "{typed}");
        }
        let by_variable = read("version", &[("CHAPBOOK_SBOM", "true")]);
        assert_eq!(by_variable, Ok(Command::Sbom));
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
            Ok(Command::Healthcheck {
                target: url,
                header: None
            })
        );
        let behind = [
            ("CHAPBOOK_LISTEN", "unix:/a,2"),
            ("CHAPBOOK_PROXY_PROTOCOL", "any"),
        ];
        assert_eq!(
            read("healthcheck", &behind),
            Ok(Command::Healthcheck {
                target: "unix:/a".to_owned(),
                header: Some(Versions::Any)
            })
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
            ("--listen 1,,2", &[], "--listen `1,,2`"),
            ("--listen unix:/a,mode=9", &[], "--listen `unix:/a,mode=9`"),
            ("", &[("CHAPBOOK_LISTEN", "1,x")], "$CHAPBOOK_LISTEN `1,x`"),
            ("--proxy-protocol v3", &[], "--proxy-protocol `v3`"),
            (
                "--trusted-proxy 10.0.0.1/8",
                &[],
                "--trusted-proxy `10.0.0.1/8`: 10.0.0.1 has",
            ),
            (
                "",
                &[("CHAPBOOK_TRUSTED_PROXY", "unix,proxy.example")],
                "$CHAPBOOK_TRUSTED_PROXY `unix,proxy.example`",
            ),
            ("--threads 0", &[], "--threads `0`"),
            (
                "--max-target 1",
                &[],
                "--max-target `1`: it is no number from 64 to 1048576",
            ),
            ("--idle-timeout soon", &[], "--idle-timeout `soon`"),
            (
                "--sandbox full",
                &[],
                "--sandbox `full`: it is either strict or best-effort or off",
            ),
            ("ls --sandbox off", &[], "--sandbox does not go with `ls`"),
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
            ("healthcheck a b", &[], "healthcheck takes one URL or none"),
        ] {
            let found = read(arguments, environment).unwrap_err();
            assert!(found.contains(message), "{arguments:?}: {found}");
        }
    }

    #[cfg(feature = "pack")]
    #[test]
    fn wrong_usage_of_the_packer_is_named() {
        for (arguments, environment, message) in [
            ("serve x y", &[][..], "serve takes one directory or none"),
            (
                "serve x --poetry-dir y",
                &[],
                "--poetry-dir does not go with a SOURCE",
            ),
            (
                "serve x",
                &[("POETRY_DIR", "y")],
                "$POETRY_DIR does not go with a SOURCE",
            ),
            (
                "--poetry-dir y --spa",
                &[],
                "poems have neither --clean-urls nor --spa",
            ),
            ("--poetry-dir y --watch", &[], "--watch needs a SOURCE"),
            (
                "--watch",
                &[],
                "--watch needs a SOURCE, the directory to watch",
            ),
            ("", &[("CHAPBOOK_WATCH", "true")], "--watch needs a SOURCE"),
            (
                "pack x -o y --watch",
                &[],
                "--watch does not go with `pack`",
            ),
            ("check", &[], "check takes one argument, SOURCE, not 0"),
            (
                "check x --deny rain",
                &[],
                "--deny `rain`: there is no finding `rain`",
            ),
            (
                "pack https://a.example/x.zip -o y",
                &[],
                "a remote source needs its sha256",
            ),
            ("pack x", &[], "pack needs -o FILE"),
            ("pack -o x", &[], "pack takes one argument, SOURCE, not 0"),
            (
                "pack x -o y --store half",
                &[],
                "--store `half`: it is either all or coded or small",
            ),
            ("ls --store all", &[], "--store does not go with `ls`"),
        ] {
            let found = read(arguments, environment).unwrap_err();
            assert!(found.contains(message), "{arguments:?}: {found}");
        }
    }

    #[cfg(feature = "image")]
    #[test]
    fn images_are_read() {
        let image = |arguments: &str, environment: &[(&str, &str)]| match read(
            &format!("image {arguments}"),
            environment,
        ) {
            Ok(Command::Image(options)) => options,
            other => panic!("{other:?}"),
        };
        let plain = image("-o a.tar", &[]);
        assert_eq!(plain.output, super::Output::File("a.tar".into()));
        assert_eq!(
            (plain.reference.short(), plain.time),
            ("chapbook:latest".to_owned(), 0)
        );
        assert_eq!(image("-o -", &[]).output, super::Output::Standard);
        let variables = [
            ("CHAPBOOK_OUTPUT", "b.tar"),
            ("CHAPBOOK_TAG", "b:1"),
            ("CHAPBOOK_LABEL", "a=1\nb=2 3"),
            ("CHAPBOOK_PLATFORM", "linux/arm/v7"),
            ("CHAPBOOK_MEDIA_TYPES", "docker"),
            ("CHAPBOOK_ALLOW_DYNAMIC", "true"),
            ("CHAPBOOK_BASE", "other"),
            ("SOURCE_DATE_EPOCH", "784111777"),
        ];
        let found = image("", &variables);
        assert_eq!(found.reference.short(), "b:1");
        let labels: Vec<_> = found.labels.iter().collect();
        assert_eq!(labels, [("a", "1"), ("b", "2 3")]);
        assert_eq!(found.platform.unwrap().to_string(), "linux/arm/v7");
        assert_eq!(found.media_types, crate::image::MediaTypes::Docker);
        assert_eq!(found.base, Some("other".into()));
        assert_eq!((found.allow_dynamic, found.time), (true, 784_111_777));
        let typed = image("--label c=1 --tag c --label c=2", &variables);
        assert_eq!(typed.labels.iter().collect::<Vec<_>>(), [("c", "2")]);
        assert_eq!(typed.reference.short(), "c:latest");
    }

    #[cfg(feature = "image")]
    #[test]
    fn wrong_usage_of_images_is_named() {
        for (arguments, environment, message) in [
            ("image", &[][..], "image needs -o FILE.tar"),
            ("image x -o y", &[], "unexpected argument `x`"),
            ("image -o y --tag A", &[], "--tag `A`: a name is"),
            ("image -o y --tag a:+", &[], "--tag `a:+`: a tag is"),
            (
                "image -o y --label a",
                &[],
                "--label `a`: a label is KEY=VALUE",
            ),
            ("image -o y --label a=1 --label =", &[], "--label `=`: "),
            ("image -o y --platform amd64", &[], "--platform `amd64`: "),
            (
                "image -o y --media-types zip",
                &[],
                "--media-types `zip`: it is either",
            ),
            ("image -o y --spa", &[], "--spa"),
            ("ls --tag a", &[], "--tag does not go with `ls`"),
            (
                "image -o y",
                &[("SOURCE_DATE_EPOCH", "-1")],
                "$SOURCE_DATE_EPOCH `-1`",
            ),
            (
                "image -o y",
                &[("CHAPBOOK_LABEL", "a=1\nb")],
                "$CHAPBOOK_LABEL `b`",
            ),
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
        for usage in COMMANDS {
            assert!(
                text.contains(&format!("chapbook {}", usage.name)),
                "{}",
                usage.name
            );
        }
        for flag in FLAGS {
            assert!(text.contains(&format!("--{}", flag.long)), "{}", flag.long);
            assert!(text.contains(flag.variable), "{}", flag.variable);
        }
    }
}
