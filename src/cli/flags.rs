//! Every command and every flag, once: the parser and the help are made from these tables.

use std::fmt::Write as _;

/// A flag, which every option of the program is.
pub(super) struct Flag {
    pub(super) long: &'static str,
    pub(super) short: Option<char>,
    pub(super) value: Option<&'static str>,
    pub(super) variable: &'static str,
    pub(super) commands: &'static [&'static str],
    pub(super) help: &'static str,
}

/// Flags of `serve`.
const SERVE: &[&str] = &["serve"];
/// Flags of whatever makes something of an executable.
#[cfg(any(feature = "image", feature = "pack"))]
const MADE: &[&str] = match (cfg!(feature = "image"), cfg!(feature = "pack")) {
    (true, true) => &["pack", "image"],
    (true, false) => &["image"],
    (false, _) => &["pack"],
};
/// Flags of `image`.
#[cfg(feature = "image")]
const IMAGE: &[&str] = &["image"];
/// Flags of whatever compiles a site.
#[cfg(feature = "pack")]
const SITE: &[&str] = &["serve", "pack", "check"];

/// Every flag.
pub(super) const FLAGS: &[Flag] = &[
    Flag {
        long: "listen",
        short: None,
        value: Some("ADDR"),
        variable: "CHAPBOOK_LISTEN",
        commands: SERVE,
        help: "where to listen: 8080, :8080, 127.0.0.1:8080, [::1]:8080, unix:/path, \
               unix:/path,mode=0660,owner=UID:GID; several with commas, or several times \
               [default: the sockets that systemd passes, :$PORT, :8080]",
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
        long: "admin-listen",
        short: None,
        value: Some("ADDR"),
        variable: "CHAPBOOK_ADMIN_LISTEN",
        commands: SERVE,
        help: "where the management pages are served, and no site; then only /-/health and \
               /-/ready are with the site [default: all with the site, /-/metrics for this \
               machine alone]",
    },
    Flag {
        long: "demo",
        short: None,
        value: None,
        variable: "CHAPBOOK_DEMO",
        commands: SERVE,
        help: "pages under /-/demo/ that are late, fail, and tell of requests and variables, and a \
               banner with version and $LOCATION on the index page",
    },
    Flag {
        long: "proxy-protocol",
        short: None,
        value: Some("v1|v2|any"),
        variable: "CHAPBOOK_PROXY_PROTOCOL",
        commands: &["serve", "healthcheck"],
        help: "every connection begins with a header of the PROXY protocol [default: none]",
    },
    Flag {
        long: "trusted-proxy",
        short: None,
        value: Some("CIDR|unix"),
        variable: "CHAPBOOK_TRUSTED_PROXY",
        commands: SERVE,
        help: "peers whose Forwarded and X-Forwarded-For are believed; several with commas, or \
               several times",
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
        long: "log-format",
        short: None,
        value: Some("text|json"),
        variable: "CHAPBOOK_LOG_FORMAT",
        commands: SERVE,
        help: "the form of log lines [default: text on a terminal, else json]",
    },
    Flag {
        long: "log-level",
        short: None,
        value: Some("LEVEL"),
        variable: "CHAPBOOK_LOG_LEVEL",
        commands: SERVE,
        help: "the least grave events that are told: error, warn, info, debug [default: info]",
    },
    Flag {
        long: "log-syslog",
        short: None,
        value: Some("ADDR"),
        variable: "CHAPBOOK_LOG_SYSLOG",
        commands: SERVE,
        help: "log to syslog: HOST:PORT, unix:/path, or local, the system's own log",
    },
    Flag {
        long: "log-syslog-proto",
        short: None,
        value: Some("udp|tcp"),
        variable: "CHAPBOOK_LOG_SYSLOG_PROTO",
        commands: SERVE,
        help: "how to reach HOST:PORT [default: udp]",
    },
    Flag {
        long: "log-syslog-format",
        short: None,
        value: Some("rfc5424|rfc3164"),
        variable: "CHAPBOOK_LOG_SYSLOG_FORMAT",
        commands: SERVE,
        help: "the form of messages [default: rfc5424; rfc3164 on a socket]",
    },
    Flag {
        long: "log-syslog-tag",
        short: None,
        value: Some("TAG"),
        variable: "CHAPBOOK_LOG_SYSLOG_TAG",
        commands: SERVE,
        help: "the name of the program there [default: chapbook]",
    },
    Flag {
        long: "log-syslog-facility",
        short: None,
        value: Some("NAME"),
        variable: "CHAPBOOK_LOG_SYSLOG_FACILITY",
        commands: SERVE,
        help: "user, daemon, local0 to local7, … [default: daemon]",
    },
    Flag {
        long: "log-no-local",
        short: None,
        value: None,
        variable: "CHAPBOOK_LOG_NO_LOCAL",
        commands: SERVE,
        help: "log to syslog alone, not to standard output and standard error",
    },
    Flag {
        long: "respawn-pause",
        short: None,
        value: Some("SECONDS"),
        variable: "CHAPBOOK_RESPAWN_PAUSE",
        commands: SERVE,
        help: "off a terminal, how long a start that fails takes at least; 0 to 2 [default: 2]",
    },
    Flag {
        long: "aws",
        short: None,
        value: None,
        variable: "CHAPBOOK_AWS",
        commands: SERVE,
        help: "the page /aws shows everybody what AWS says of this host; needs the feature aws",
    },
    Flag {
        long: "aws-metadata-url",
        short: None,
        value: Some("URL"),
        variable: "CHAPBOOK_AWS_METADATA_URL",
        commands: SERVE,
        help: "EC2's metadata service, for tests [default: http://169.254.169.254]",
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
        help: "a client that takes less than 64 KiB of an answer in so long is cut off; no bound \
               on the whole [default: 10]",
    },
    Flag {
        long: "poetry-dir",
        short: None,
        value: Some("DIR"),
        variable: "CHAPBOOK_POETRY_DIR",
        commands: SERVE,
        help: "serve the poems in DIR in place of the site inside, and read them anew at SIGHUP \
               [default: $POETRY_DIR]",
    },
    Flag {
        long: "sandbox",
        short: None,
        value: Some("MODE"),
        variable: "CHAPBOOK_SANDBOX",
        commands: SERVE,
        help: "strict, or it does not serve; best-effort: what the system permits; off \
               [default: best-effort]",
    },
    #[cfg(feature = "pack")]
    Flag {
        long: "watch",
        short: None,
        value: None,
        variable: "CHAPBOOK_WATCH",
        commands: SERVE,
        help: "pack SOURCE again when it changes, and have open pages reload themselves",
    },
    #[cfg(any(feature = "image", feature = "pack"))]
    Flag {
        long: "output",
        short: Some('o'),
        value: Some("FILE"),
        variable: "CHAPBOOK_OUTPUT",
        commands: MADE,
        help: "where the new executable, or the image, is written; image: - for standard output",
    },
    #[cfg(any(feature = "image", feature = "pack"))]
    Flag {
        long: "base",
        short: None,
        value: Some("FILE"),
        variable: "CHAPBOOK_BASE",
        commands: MADE,
        help: "the executable to copy, such as one for another processor [default: this one]",
    },
    #[cfg(feature = "image")]
    Flag {
        long: "image",
        short: None,
        value: Some("NAME[:TAG|@DIGEST]"),
        variable: "CHAPBOOK_IMAGE",
        commands: &["kit"],
        help: "what the files deploy; without tag and digest, that of the image that this \
               executable makes [default: localhost/chapbook]",
    },
    #[cfg(feature = "image")]
    Flag {
        long: "tag",
        short: None,
        value: Some("NAME:TAG"),
        variable: "CHAPBOOK_TAG",
        commands: IMAGE,
        help: "what the image is called [default: chapbook:latest]",
    },
    #[cfg(feature = "image")]
    Flag {
        long: "platform",
        short: None,
        value: Some("OS/ARCH[/VARIANT]"),
        variable: "CHAPBOOK_PLATFORM",
        commands: IMAGE,
        help: "what the image must be for [default: what its executable is for]",
    },
    #[cfg(feature = "image")]
    Flag {
        long: "label",
        short: None,
        value: Some("KEY=VALUE"),
        variable: "CHAPBOOK_LABEL",
        commands: IMAGE,
        help: "what else the image says of itself; many times; in the variable, one a line",
    },
    #[cfg(feature = "image")]
    Flag {
        long: "media-types",
        short: None,
        value: Some("oci|docker"),
        variable: "CHAPBOOK_MEDIA_TYPES",
        commands: IMAGE,
        help: "docker: for registries that take nothing newer, as Heroku's [default: oci]",
    },
    #[cfg(feature = "image")]
    Flag {
        long: "allow-dynamic",
        short: None,
        value: None,
        variable: "CHAPBOOK_ALLOW_DYNAMIC",
        commands: IMAGE,
        help: "also of an executable that needs libraries, which the image has not",
    },
    #[cfg(feature = "pack")]
    Flag {
        long: "root",
        short: None,
        value: Some("DIR"),
        variable: "CHAPBOOK_ROOT",
        commands: SITE,
        help: "the directory in SOURCE that counts [default: all of it]",
    },
    #[cfg(feature = "pack")]
    Flag {
        long: "base-path",
        short: None,
        value: Some("PATH"),
        variable: "CHAPBOOK_BASE_PATH",
        commands: SITE,
        help: "the prefix that the site stands under, such as /docs/ [default: /]",
    },
    #[cfg(feature = "pack")]
    Flag {
        long: "clean-urls",
        short: None,
        value: None,
        variable: "CHAPBOOK_CLEAN_URLS",
        commands: SITE,
        help: "/a for a.html, and a redirect from /a.html",
    },
    #[cfg(feature = "pack")]
    Flag {
        long: "spa",
        short: None,
        value: None,
        variable: "CHAPBOOK_SPA",
        commands: SITE,
        help: "index.html for every path that leads nowhere",
    },
    #[cfg(feature = "pack")]
    Flag {
        long: "csp",
        short: None,
        value: Some("off|report|enforce"),
        variable: "CHAPBOOK_CSP",
        commands: SITE,
        help: "a Content-Security-Policy made of each page [default: enforce]",
    },
    #[cfg(feature = "pack")]
    Flag {
        long: "deny",
        short: None,
        value: Some("KINDS|all"),
        variable: "CHAPBOOK_DENY",
        commands: SITE,
        help: "findings that are errors: dead-link,external-load,… (see chapbook check)",
    },
    #[cfg(feature = "pack")]
    Flag {
        long: "sha256",
        short: None,
        value: Some("HEX"),
        variable: "CHAPBOOK_SHA256",
        commands: SITE,
        help: "what a SOURCE of https://… must be",
    },
    #[cfg(feature = "pack")]
    Flag {
        long: "codings",
        short: None,
        value: Some("LIST"),
        variable: "CHAPBOOK_CODINGS",
        commands: SITE,
        help: "content codings to store: gzip,br,zstd [default: gzip,br]",
    },
    #[cfg(feature = "pack")]
    Flag {
        long: "store",
        short: None,
        value: Some("all|coded|small"),
        variable: "CHAPBOOK_STORE",
        commands: SITE,
        help: "plain contents and codings; codings only; one zstd frame a file [default: all]",
    },
    #[cfg(feature = "pack")]
    Flag {
        long: "cache",
        short: None,
        value: Some("DIR|off"),
        variable: "CHAPBOOK_CACHE",
        commands: SITE,
        help: "where coded contents are kept for the next time [default: the user's cache]",
    },
    Flag {
        long: "json",
        short: None,
        value: None,
        variable: "CHAPBOOK_JSON",
        commands: &["ls", "version", "check"],
        help: "print JSON",
    },
    #[cfg(feature = "image")]
    Flag {
        long: "sbom",
        short: None,
        value: None,
        variable: "CHAPBOOK_SBOM",
        commands: &["version"],
        help: "print what this executable is made of, as CycloneDX JSON",
    },
];

/// A command and how it is called.
pub(super) struct Usage {
    pub(super) name: &'static str,
    pub(super) arguments: &'static str,
    pub(super) help: &'static str,
}

/// Every command.
pub(super) const COMMANDS: &[Usage] = &[
    Usage {
        name: "serve",
        arguments: if cfg!(feature = "pack") {
            "[SOURCE]"
        } else {
            ""
        },
        help: "serve the site inside this executable, or SOURCE (default)",
    },
    #[cfg(feature = "pack")]
    Usage {
        name: "pack",
        arguments: "SOURCE -o FILE",
        help: "make a new executable that carries the site in SOURCE",
    },
    #[cfg(feature = "pack")]
    Usage {
        name: "check",
        arguments: "SOURCE",
        help: "say what of the site in SOURCE will break",
    },
    #[cfg(feature = "image")]
    Usage {
        name: "kit",
        arguments: "DIR",
        help: "write files that deploy it: Kubernetes, compose, systemd, Cloud Run",
    },
    #[cfg(feature = "image")]
    Usage {
        name: "image",
        arguments: "-o FILE.tar",
        help: "make a container image of this executable",
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

/// What `--help` prints, of one command or of all.
pub(super) fn help(command: Option<&str>) -> String {
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
    for flag in FLAGS {
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

#[cfg(all(test, feature = "pack"))]
mod tests {
    use super::FLAGS;
    use crate::cli::parse;

    /// What `deploy/env.sample` has to be: each variable of `serve`, switched off, at its default.
    fn sample() -> String {
        let mut text = String::from(
            "# The options of `chapbook serve` as variables, for systemd's EnvironmentFile and \
             Docker's\n# --env-file. What is set here, a flag on the command line overrides.\n",
        );
        for flag in FLAGS.iter().filter(|flag| flag.commands.contains(&"serve")) {
            let (help, default) = match flag.help.split_once(" [default: ") {
                Some((help, default)) => (help, default.trim_end_matches(']')),
                None => (flag.help, ""),
            };
            let is_value = !["", "none"].contains(&default) && !default.contains([' ', '$', '\'']);
            let told = match (default.is_empty(), is_value) {
                (false, false) => format!("{help} (default: {default})"),
                _ => help.to_owned(),
            };
            let value = if is_value { default } else { "" };
            text += &format!("\n# {told}\n#{}={value}\n", flag.variable);
        }
        text
    }

    #[test]
    fn the_sample_of_an_environment_has_every_option() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/env.sample");
        let there = std::fs::read_to_string(path).unwrap_or_default();
        assert_eq!(
            there,
            sample(),
            "deploy/env.sample should be as on the right"
        );
        // A default, switched on, changes nothing, unless it is a default of what is off.
        let lines = there.lines().filter_map(|line| line.strip_prefix('#'));
        let set = lines.filter_map(|line| line.split_once('='));
        let set: Vec<_> = set.filter(|(_, value)| !value.is_empty()).collect();
        assert!(set.len() > 20, "{set:?}");
        let usual = parse(std::iter::empty(), |_| None);
        for (name, value) in set {
            let one = |asked: &str| (asked == name).then(|| value.into());
            match parse(std::iter::empty(), one) {
                Err(failure)
                    if ["needs", "lacks"]
                        .iter()
                        .any(|word| failure.message.contains(word)) => {}
                read => assert_eq!(read, usual, "{name}"),
            }
        }
    }
}
