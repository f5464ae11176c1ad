//! `cargo xtask verify-tag` in throw-away repositories, with keys made for the test.

mod attacks;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::runnable::make_runnable;
use crate::{said, tool};

const PROGRAM: &str = env!("CARGO_BIN_EXE_xtask");

/// A repository, and people with keys.
struct Place {
    directory: tempfile::TempDir,
}

impl Place {
    /// None where a tool is missing.
    fn new() -> Option<Place> {
        for name in ["git", "ssh-keygen", "gpg"] {
            tool(name)?;
        }
        let directory = tempfile::Builder::new().prefix("tag").tempdir().unwrap();
        let place = Place { directory };
        for room in ["repository", "gnupg"] {
            fs::create_dir(place.path(room)).unwrap();
        }
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            let private = fs::Permissions::from_mode(0o700);
            fs::set_permissions(place.path("gnupg"), private).unwrap();
        }
        place.git(&["init", "-q", "-b", "main"]);
        place.commit("readme", "one");
        Some(place)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn run(&self, program: &str, words: &[&str]) -> String {
        let mut command = Command::new(program);
        command.args(words).current_dir(self.path("repository"));
        command.env("GIT_CONFIG_GLOBAL", "/dev/null");
        command.env("GIT_CONFIG_SYSTEM", "/dev/null");
        command.env("GNUPGHOME", self.path("gnupg"));
        for who in ["AUTHOR", "COMMITTER"] {
            command.env(format!("GIT_{who}_NAME"), "A");
            command.env(format!("GIT_{who}_EMAIL"), "a@a.example");
        }
        let done = command.output().unwrap();
        assert!(
            done.status.success(),
            "{program} {words:?}: {}",
            said(&done)
        );
        String::from_utf8(done.stdout).unwrap().trim().to_owned()
    }

    fn git(&self, words: &[&str]) -> String {
        self.run("git", words)
    }

    fn commit(&self, name: &str, content: &str) {
        let path = self.path("repository").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", name]);
    }

    /// Makes an SSH key; its public part.
    fn ssh_key(&self, name: &str) -> String {
        let path = self.path(name);
        let path = path.to_str().unwrap();
        self.run(
            "ssh-keygen",
            &["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path],
        );
        fs::read_to_string(format!("{path}.pub")).unwrap()
    }

    fn ssh_tag(&self, key: &str, tag: &str) {
        let key = format!("user.signingKey={}", self.path(key).display());
        let words = [
            "-c",
            "gpg.format=ssh",
            "-c",
            &key,
            "tag",
            "-s",
            "-m",
            "One",
            tag,
        ];
        self.git(&words);
    }

    /// Makes an OpenPGP key, which expires at `until`; its fingerprint.
    fn gpg_key(&self, who: &str, until: &str, more: &[&str]) -> String {
        let make = ["--batch", "--passphrase", "", "--quick-generate-key", who];
        let kind = ["ed25519", "sign", until];
        self.run("gpg", &[more, &make[..], &kind[..]].concat());
        let listed = self.run("gpg", &["--with-colons", "--list-keys", who]);
        let line = listed
            .lines()
            .find(|line| line.starts_with("fpr:"))
            .unwrap();
        line.split(':').nth(9).unwrap().to_owned()
    }

    fn gpg_tag(&self, key: &str, tag: &str) {
        self.git(&["tag", "-u", key, "-m", "One", tag]);
    }

    fn gpg_export(&self, key: &str) -> String {
        self.run("gpg", &["--armor", "--export", key])
    }

    /// What is said of a tag, and the exit code.
    fn verify(&self, words: &[&str]) -> (Option<i32>, String) {
        let mut command = Command::new(PROGRAM);
        command.arg("verify-tag").args(words);
        command.current_dir(self.path("repository"));
        // Nothing of whoever runs it may count.
        command.env("GNUPGHOME", self.path("nowhere"));
        command.env("HOME", self.path("nowhere"));
        for name in ["CHAPBOOK_POLICY_FROM", "CHAPBOOK_COMMIT"] {
            command.env_remove(name);
        }
        let done = command.output().unwrap();
        (done.status.code(), said(&done))
    }

    #[track_caller]
    fn accepts(&self, tag: &str) {
        let (code, said) = self.verify(&[tag]);
        assert_eq!(code, Some(0), "{tag}: {said}");
        let commit = self.git(&["rev-parse", &format!("refs/tags/{tag}^{{commit}}")]);
        assert!(said.starts_with(&format!("{commit}\n")), "{said}");
    }

    #[track_caller]
    fn refuses(&self, tag: &str, cause: &str) {
        let (code, said) = self.verify(&[tag]);
        assert_eq!(code, Some(1), "{tag}: {said}");
        assert!(said.contains(cause), "{tag}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

/// gpg's agent is this directory's alone, and goes with it.
impl Drop for Place {
    fn drop(&mut self) {
        let mut end = Command::new("gpgconf");
        end.args(["--kill", "all"])
            .env("GNUPGHOME", self.path("gnupg"));
        let _ = end.output();
    }
}

#[test]
fn names_and_kinds() {
    let Some(place) = Place::new() else { return };
    place.git(&["tag", "wip/a"]);
    place.git(&["tag", "exp/v1.0.0"]);
    place.git(&["tag", "v1.0.0"]);
    place.git(&["tag", "latest"]);
    place.git(&["tag", "-a", "-m", "One", "1.0.0"]);
    place.git(&["tag", "-a", "-m", "One", "wip/annotated"]);
    place.git(&["tag", "-a", "-m", "One", "v1.0"]);
    let tree = place.git(&["rev-parse", "HEAD^{tree}"]);
    place.git(&["tag", "wip/tree", &tree]);
    for fine in ["wip/a", "exp/v1.0.0", "wip/annotated", "refs/tags/wip/a"] {
        place.accepts(fine.trim_start_matches("refs/tags/"));
    }
    for (tag, cause) in [
        ("v1.0.0", "annotated and signed: git tag -s"),
        ("latest", "no version, nor under wip/ or exp/"),
        ("1.0.0", "begins with `v`"),
        ("v1.0", "v1.2.3 is one"),
        ("wip/tree", "neither a commit"),
    ] {
        place.refuses(tag, cause);
    }
    for (words, cause) in [
        (&["v9.9.9"][..], "there is no such tag here"),
        (&["a..b"], "it is no name of a tag"),
        (&[], "it is not said which TAG\nusage:"),
        (&["--wrong", "wip/a"], "there is no `--wrong`\nusage:"),
        (&["--policy-from"], "`--policy-from` wants a value\nusage:"),
    ] {
        let (code, said) = place.verify(words);
        assert_eq!(code, Some(2), "{words:?}: {said}");
        assert!(said.contains(cause), "{words:?}: {said}");
    }
    let (code, said) = place.verify(&["--help"]);
    assert!(code == Some(0) && said.starts_with("usage:"), "{said}");
    // Without git nothing is known of a name.
    let mut alone = Command::new(PROGRAM);
    let alone = alone
        .args(["verify-tag", "v1.0.0"])
        .env("PATH", "/nowhere")
        .output();
    let said = crate::said(&alone.unwrap());
    assert!(said.contains("(apt-get install git)"), "{said}");
}

#[test]
fn ssh_signatures() {
    let Some(place) = Place::new() else { return };
    let [good, wrong, revoked] = ["good", "wrong", "revoked"].map(|name| place.ssh_key(name));
    let [expired, other] = ["expired", "other"].map(|name| place.ssh_key(name));
    place.ssh_tag("good", "v0.9.0");
    place.commit(".github/allowed_signers", "# Nobody yet.\n");
    place.refuses(
        "v0.9.0",
        "add a signer to .github/allowed_signers of the default branch",
    );
    let allowed = format!(
        "# Who may sign.\na@a.example {good}b@a.example {revoked}c@a.example \
         valid-before=\"20200101\" {expired}d@a.example namespaces=\"file\" {other}"
    );
    place.commit(".github/allowed_signers", &allowed);
    place.commit(".github/revoked_signers", &revoked);
    place.accepts("v0.9.0");

    for (key, tag) in [
        ("good", "v1.0.0"),
        ("good", "v1.0.0-rc1"),
        ("wrong", "v1.0.1"),
        ("wrong", "v1.0.1-rc1"),
        ("revoked", "v1.0.2"),
        ("expired", "v1.0.3"),
        ("other", "v1.0.4"),
        ("good", "1.0.0"),
    ] {
        place.ssh_tag(key, tag);
    }
    place.git(&["tag", "-a", "-m", "One", "v2.0.0"]);
    place.git(&["tag", "-a", "-m", "One", "v2.0.0-rc1"]);
    place.accepts("v1.0.0");
    place.accepts("v1.0.0-rc1");
    for (tag, cause) in [
        ("v1.0.1", "not one of .github/allowed_signers"),
        ("v1.0.1-rc1", "not one of .github/allowed_signers"),
        ("v1.0.2", "has been revoked, by .github/revoked_signers"),
        ("v1.0.3", ".github/allowed_signers:4: key has expired"),
        ("v1.0.4", "does not hold"),
        ("v2.0.0", "it is not signed"),
        ("v2.0.0-rc1", "it is not signed"),
        ("1.0.0", "begins with `v`"),
    ] {
        place.refuses(tag, cause);
    }
    // A signed tag under another name, and one that was changed after it had been signed.
    let object = place.git(&["rev-parse", "refs/tags/v1.0.0"]);
    place.git(&["update-ref", "refs/tags/v3.0.0", &object]);
    place.refuses("v3.0.0", "the tag `v1.0.0` under another name");
    let text = place
        .git(&["cat-file", "tag", "v1.0.0"])
        .replace("One", "Two");
    let file = place.path("changed");
    fs::write(&file, text + "\n").unwrap();
    let hashed = ["hash-object", "-t", "tag", "-w", file.to_str().unwrap()];
    let changed = place.git(&hashed);
    place.git(&["update-ref", "refs/tags/v1.0.0", &changed]);
    place.refuses("v1.0.0", "does not hold");
    // Another commit than the one that is built.
    let wrong_commit = ["--commit", &"0".repeat(40), "v1.0.0-rc1"];
    let (code, said) = place.verify(&wrong_commit);
    assert!(
        code == Some(1) && said.contains("and --commit wants `0000"),
        "{said}"
    );
    assert!(!wrong.is_empty());
}

/// It is the list that is at fault, and is named.
#[test]
fn lists_that_ssh_keygen_cannot_read() {
    let Some(place) = Place::new() else { return };
    let good = place.ssh_key("good");
    place.ssh_tag("good", "v1.0.0");
    let spaced = format!("a@a.example namespaces=\"git\" valid-before=\"20991231\" {good}");
    place.commit(".github/allowed_signers", &spaced);
    place.refuses("v1.0.0", ".github/allowed_signers:1: invalid key");
    let spaced = spaced.replace("\" valid", "\",valid");
    place.commit(".github/allowed_signers", &spaced);
    place.accepts("v1.0.0");
    place.commit(".github/revoked_signers", "ssh-ed25519 nokey\n");
    place.refuses(
        "v1.0.0",
        ".github/revoked_signers revokes it, or cannot be read",
    );
}

#[test]
fn openpgp_signatures() {
    let Some(place) = Place::new() else { return };
    let good = place.gpg_key("good@a.example", "never", &[]);
    let wrong = place.gpg_key("wrong@a.example", "never", &[]);
    let revoked = place.gpg_key("revoked@a.example", "never", &[]);
    // Made, and expired, long ago.
    let then = ["--faked-system-time", "20200101T000000"];
    let expired = place.gpg_key("expired@a.example", "1d", &then);
    place.gpg_tag(&good, "v0.9.0");
    place.refuses(
        "v0.9.0",
        "add a signer to .github/release-keys of the default branch",
    );
    place.gpg_tag(&revoked, "v1.0.2");
    let signs = place.path("gpg-then");
    fs::write(
        &signs,
        "#!/bin/sh\nexec gpg --faked-system-time 20200101T010000 \"$@\"\n",
    )
    .unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(&signs, fs::Permissions::from_mode(0o755)).unwrap();
    }
    make_runnable(&signs);
    let program = format!("gpg.program={}", signs.display());
    let tag = ["tag", "-u", &expired, "-m", "One", "v1.0.3"];
    place.git(&[&["-c", &program][..], &tag].concat());
    // The revocation that gpg makes with each key, without the colon that guards it.
    let file = format!("gnupg/openpgp-revocs.d/{revoked}.rev");
    let text = fs::read_to_string(place.path(&file)).unwrap();
    let revocation = place.path("revocation");
    fs::write(&revocation, text.replace("\n:-----", "\n-----")).unwrap();
    place.run(
        "gpg",
        &["--batch", "--import", revocation.to_str().unwrap()],
    );
    for (name, key) in [
        ("good", &good),
        ("revoked", &revoked),
        ("expired", &expired),
    ] {
        place.commit(
            &format!(".github/release-keys/{name}.asc"),
            &place.gpg_export(key),
        );
    }
    place.gpg_tag(&good, "v1.0.0");
    place.gpg_tag(&good, "v1.0.0-rc1");
    place.gpg_tag(&wrong, "v1.0.1");
    for tag in ["v0.9.0", "v1.0.0", "v1.0.0-rc1"] {
        place.accepts(tag);
    }
    for (tag, cause) in [
        ("v1.0.1", "not in .github/release-keys"),
        ("v1.0.2", "has been revoked"),
        ("v1.0.3", "has expired"),
    ] {
        place.refuses(tag, cause);
    }
}

/// Whoever may push a tag brings along no policy.
#[test]
fn the_policy_is_the_default_branchs() {
    let Some(place) = Place::new() else { return };
    let [good, wrong] = ["good", "wrong"].map(|name| place.ssh_key(name));
    place.commit(".github/allowed_signers", &format!("a@a.example {good}"));
    place.git(&["switch", "-q", "-c", "theirs"]);
    place.commit(".github/allowed_signers", &format!("b@a.example {wrong}"));
    place.ssh_tag("wrong", "v1.0.0");
    place.refuses("v1.0.0", "not one of .github/allowed_signers");
    // A tag that is named as the branch is what `git rev-parse` would take.
    for name in ["main", "origin/main", "refs/heads/main"] {
        place.git(&["update-ref", &format!("refs/tags/{name}"), "HEAD"]);
    }
    place.refuses("v1.0.0", "not one of .github/allowed_signers");
    let from = |from| place.verify(&["--policy-from", from, "v1.0.0"]);
    for name in ["main", "refs/heads/main"] {
        let (code, said) = from(name);
        assert_eq!(code, Some(1), "{name}: {said}");
    }
    for name in ["refs/tags/main", "nothing", "origin/main"] {
        let (code, said) = from(name);
        assert!(
            code == Some(2) && said.contains("no branch to read"),
            "{name}: {said}"
        );
    }
    // Where origin's branch is known it counts, and not what is checked out.
    let theirs = Path::new("refs/remotes/origin/main").to_str().unwrap();
    place.git(&["update-ref", theirs, "refs/heads/theirs"]);
    place.accepts("v1.0.0");
    assert_eq!(from("origin/main").0, Some(0));
    assert_eq!(from("main").0, Some(1));
}
