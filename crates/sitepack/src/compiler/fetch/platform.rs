//! The platform whose image is taken, in the words that images use (Go's).

use remote::Lookup;

/// An operating system and an architecture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Platform {
    pub(super) system: String,
    pub(super) architecture: String,
}

impl Platform {
    /// The one that is compiled for, which Cargo tells build scripts; else this machine.
    pub(super) fn target(env: Lookup<'_>) -> Platform {
        let or = |name: &str, host: &str| env(name).unwrap_or_else(|| host.to_owned());
        let system = or("CARGO_CFG_TARGET_OS", std::env::consts::OS);
        let architecture = or("CARGO_CFG_TARGET_ARCH", std::env::consts::ARCH);
        let endian = env("CARGO_CFG_TARGET_ENDIAN").unwrap_or_default();
        let architecture = match (&*architecture, &*endian) {
            ("x86_64", _) => "amd64",
            ("x86", _) => "386",
            ("aarch64", _) => "arm64",
            ("loongarch64", _) => "loong64",
            ("powerpc64", "big") => "ppc64",
            ("powerpc64", _) => "ppc64le",
            (same, _) => same,
        };
        Platform {
            system: if system == "macos" {
                "darwin".to_owned()
            } else {
                system
            },
            architecture: architecture.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Platform;

    #[test]
    fn targets_have_the_names_that_images_use() {
        for (system, architecture, expected) in [
            ("linux", "x86_64", "linux/amd64"),
            ("linux", "aarch64", "linux/arm64"),
            ("macos", "aarch64", "darwin/arm64"),
            ("linux", "powerpc64", "linux/ppc64le"),
            ("linux", "s390x", "linux/s390x"),
        ] {
            let env = |name: &str| match name {
                "CARGO_CFG_TARGET_OS" => Some(system.to_owned()),
                "CARGO_CFG_TARGET_ARCH" => Some(architecture.to_owned()),
                _ => None,
            };
            let found = Platform::target(&env);
            assert_eq!(format!("{}/{}", found.system, found.architecture), expected);
        }
        assert!(!Platform::target(&|_| None).architecture.is_empty());
    }
}
