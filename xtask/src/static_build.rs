//! `cargo xtask static`: the static executable, its image and the digest of that, in one directory.
//!
//! `build/static.sh` compiles; the executable then proves that it runs here and that its site is
//! whole, and writes its own image. So a target is built on a machine of its kind, natively.

use std::path::Path;
use std::process::Command;

use crate::ci::{host, root};
use crate::{Done, Ended};

const USAGE: &str = "usage: cargo xtask static [--target TRIPLE] DIR

  --target TRIPLE   what to compile for (CHAPBOOK_TARGET; this machine): for musl too, with
                    rustup target add TRIPLE and apt-get install musl-tools
";

/// Does what the words behind `static` say.
pub(crate) fn main(words: &[&str]) -> Ended {
    let (target, words) = match *words {
        ["--target", target, ref words @ ..] => (Some(target.to_owned()), words),
        _ => (std::env::var("CHAPBOOK_TARGET").ok(), words),
    };
    match *words {
        ["--help" | "-h"] => Ended::Help(USAGE),
        [option, ..] if option.starts_with('-') => Ended::wrong(option, USAGE),
        [directory] if !directory.is_empty() => Ended::Done(build(target, directory)),
        _ => Ended::Wrong("it wants one DIR".to_owned(), USAGE),
    }
}

fn build(target: Option<String>, directory: &str) -> Done {
    let target = match target.filter(|target| !target.is_empty()) {
        Some(target) => target,
        None => host()?,
    };
    let compiled = root().join("target/static");
    let mut script = Command::new(root().join("build/static.sh"));
    script.env("CARGO_TARGET_DIR", &compiled);
    if target.ends_with("-musl") && host()? != target {
        // zstd is C, and has to be compiled against musl's headers; Debian's wrapper sees to that.
        let compiler = format!("CC_{}", target.replace('-', "_"));
        if std::env::var_os(&compiler).is_none() {
            script.env(compiler, "musl-gcc");
        }
    }
    succeed(script.env("CHAPBOOK_TARGET", &target))?;
    let executable = Path::new(directory).join("chapbook");
    let failed = |error| format!("failed to write `{}`: {error}", executable.display());
    std::fs::create_dir_all(directory).map_err(failed)?;
    let made = compiled.join(&target).join("release/chapbook");
    std::fs::copy(made, &executable).map_err(failed)?;
    succeed(Command::new(&executable).arg("verify"))?;
    let image = Path::new(directory).join("image.tar");
    succeed(Command::new(&executable).args(["image", "-o"]).arg(&image))?;
    let digest = Path::new(directory).join("digest");
    let failed = |error| format!("failed to write `{}`: {error}", digest.display());
    std::fs::write(&digest, digest_of(&image)? + "\n").map_err(failed)
}

/// § OCI's layout has one descriptor in its index: the digest that a registry will give the image.
pub(crate) fn digest_of(image: &Path) -> Result<String, String> {
    let failed = |cause: String| format!("failed to read `{}`: {cause}", image.display());
    let mut tar = Command::new("tar");
    let told = tar.arg("-xOf").arg(image).arg("index.json").output();
    let told = told.map_err(|error| failed(format!("tar: {error}")))?;
    let index = String::from_utf8_lossy(&told.stdout).into_owned();
    the_digest(&index).ok_or_else(|| failed("its index names not one image".to_owned()))
}

fn the_digest(index: &str) -> Option<String> {
    let mut named = index.split("\"sha256:").skip(1);
    let digits = named.next()?.split('"').next()?;
    let is_digest = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    (is_digest && named.next().is_none()).then(|| format!("sha256:{digits}"))
}

fn succeed(command: &mut Command) -> Done {
    let program = command.get_program().display().to_string();
    let status = command.status();
    let status = status.map_err(|error| format!("failed to run `{program}`: {error}"))?;
    match status.success() {
        true => Ok(()),
        false => Err(format!("`{program}` ended with {status}")),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn an_index_names_one_image() {
        let digits = "0123456789abcdef".repeat(4);
        let one = format!(r#"{{"digest":"sha256:{digits}"}}"#);
        assert_eq!(super::the_digest(&one), Some(format!("sha256:{digits}")));
        let cut = one.replace("abcdef", "");
        for wrong in ["", "{}", &format!("{one}{one}"), &cut] {
            assert_eq!(super::the_digest(wrong), None, "{wrong}");
        }
    }
}
