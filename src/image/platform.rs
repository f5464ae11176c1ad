//! What an image is made for: `linux/amd64`, `linux/arm64/v8`.

use std::fmt;
use std::str::FromStr;

/// The one system. An executable for another would need layers of that system's own.
const SYSTEM: &str = "linux";
/// The longest name of a processor, in bytes.
const NAME_BYTES_MAX: usize = 16;

/// A processor, and the version of it, on Linux.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Platform {
    /// In Go's words, which are those of images: `amd64`, not `x86_64`.
    pub architecture: String,
    /// Which version of the processor it needs, if there are several.
    pub variant: Option<String>,
}

impl Platform {
    /// The name of the system.
    #[must_use]
    pub fn system(&self) -> &'static str {
        SYSTEM
    }

    /// What the executable says, with the variant that was asked for, of which it says less.
    ///
    /// # Errors
    /// When another processor was asked for.
    pub fn agreed(found: Platform, asked: Option<&Platform>) -> Result<Platform, String> {
        match asked {
            None => Ok(found),
            Some(asked) if asked.architecture == found.architecture => Ok(Platform {
                architecture: found.architecture,
                variant: asked.variant.clone().or(found.variant),
            }),
            Some(asked) => Err(format!("it is for {found}, not for {asked}")),
        }
    }
}

impl FromStr for Platform {
    type Err = String;

    fn from_str(text: &str) -> Result<Platform, String> {
        let mut parts = text.split('/');
        let (system, architecture) = (parts.next(), parts.next());
        let (variant, more) = (parts.next(), parts.next());
        if system != Some(SYSTEM) {
            return Err("images are for Linux: linux/amd64, linux/arm64".to_owned());
        }
        let is_name = |name: &&str| {
            let fits = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
            (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(fits)
        };
        let is_variant = |name: &str| {
            let number = name.strip_prefix('v').unwrap_or_default();
            let fits = |byte: u8| byte.is_ascii_digit() || byte == b'.';
            (1..=NAME_BYTES_MAX).contains(&number.len()) && number.bytes().all(fits)
        };
        match architecture.filter(is_name) {
            Some(architecture) if variant.is_none_or(is_variant) && more.is_none() => {
                Ok(Platform {
                    architecture: architecture.to_owned(),
                    variant: variant.map(str::to_owned),
                })
            }
            Some(_) | None => Err("it is no platform such as linux/amd64, linux/arm/v7".to_owned()),
        }
    }
}

impl fmt::Display for Platform {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{SYSTEM}/{}", self.architecture)?;
        let mut variant = self.variant.iter();
        variant.try_for_each(|variant| write!(formatter, "/{variant}"))
    }
}

#[cfg(test)]
mod tests {
    use super::Platform;

    #[test]
    fn platforms_are_read_as_they_are_written() {
        for text in [
            "linux/amd64",
            "linux/arm64/v8",
            "linux/arm/v7",
            "linux/amd64/v3",
        ] {
            let platform: Platform = text.parse().unwrap();
            assert_eq!(platform.to_string(), text);
        }
        for text in [
            "",
            "linux",
            "linux/",
            "amd64",
            "windows/amd64",
            "linux/AMD64",
            "linux/amd64/",
            "linux/amd64/3",
            "linux/arm/v7/x",
            "linux/arm/v",
            "linux/x86_64",
            " linux/amd64",
        ] {
            assert!(text.parse::<Platform>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_variant_is_taken_and_another_processor_refused() {
        let agreed = |found: &str, asked: &str| {
            let asked: Platform = asked.parse().unwrap();
            let agreed = Platform::agreed(found.parse().unwrap(), Some(&asked));
            agreed.map(|platform| platform.to_string())
        };
        assert_eq!(
            agreed("linux/arm", "linux/arm/v7"),
            Ok("linux/arm/v7".into())
        );
        assert_eq!(
            agreed("linux/arm64/v8", "linux/arm64"),
            Ok("linux/arm64/v8".into())
        );
        assert_eq!(
            agreed("linux/amd64", "linux/arm64"),
            Err("it is for linux/amd64, not for linux/arm64".into())
        );
    }
}
