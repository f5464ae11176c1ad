//! What was tried to get a tag past the check, and once did.

use std::fs;

use super::Place;
use crate::runnable::make_runnable;

/// The object of a tag, changed and stored, under a name.
fn put(place: &Place, text: &str, reference: &str) {
    let file = place.path("object");
    fs::write(&file, text).unwrap();
    let hashed = ["hash-object", "-t", "tag", "-w", "--literally"];
    let object = place.git(&[&hashed[..], &[file.to_str().unwrap()]].concat());
    place.git(&["update-ref", reference, &object]);
}

#[test]
fn names_that_lead_elsewhere() {
    let Some(place) = Place::new() else { return };
    let [good, evil] = ["good", "evil"].map(|name| place.ssh_key(name));
    place.commit(".github/allowed_signers", &format!("a@a.example {good}"));
    place.ssh_tag("good", "v1.0.0");
    place.ssh_tag("evil", "v6.6.6");
    place.accepts("v1.0.0");
    // A policy of the attacker's, in a branch that is named as the default one's reference is, and
    // in tags that are named as branches are.
    place.git(&["checkout", "-q", "-b", "evil"]);
    place.commit(".github/allowed_signers", &format!("e@e.example {evil}"));
    place.git(&["update-ref", "refs/remotes/origin/HEAD", "evil"]);
    for name in ["main", "heads/main", "refs/heads/main", "origin/main"] {
        place.git(&["tag", name]);
    }
    place.refuses("v6.6.6", "not one of .github/allowed_signers");
    place.accepts("v1.0.0");
    // Services ask by the full name, which a tag may have.
    place.git(&["tag", "refs/tags/v1.0.0"]);
    place.refuses("v1.0.0", "there is a tag named `refs/tags/v1.0.0`, too");
}

#[test]
fn objects_that_are_not_what_they_say() {
    let Some(place) = Place::new() else { return };
    let good = place.ssh_key("good");
    place.commit(".github/allowed_signers", &format!("a@a.example {good}"));
    place.ssh_tag("good", "v1.0.0");
    let text = place.git(&["cat-file", "tag", "v1.0.0"]) + "\n";
    // Behind the signature, before what ends one.
    let more = format!("{text}unsigned\n-----END SSH SIGNATURE-----\n");
    put(&place, &more, "refs/tags/v1.0.0");
    place.refuses("v1.0.0", "behind its signature");
    // A tag that says that another tag is a commit; a scratch tag needs no signature for it.
    let tag = place.git(&["rev-parse", "refs/tags/v1.0.0"]);
    let commit = place.git(&["rev-parse", "main"]);
    let unsigned = text.split("-----BEGIN").next().unwrap();
    let lie = unsigned.replace(&commit, &tag);
    let lie = lie.replace("tag v1.0.0", "tag wip/x");
    put(&place, &lie, "refs/tags/wip/x");
    place.refuses("wip/x", "no commit");
}

#[test]
fn a_policy_that_cannot_be_read_is_no_empty_one() {
    let Some(place) = Place::new() else { return };
    let good = place.ssh_key("good");
    place.commit(".github/allowed_signers", &format!("a@a.example {good}"));
    place.commit(".github/revoked_signers", &good);
    place.ssh_tag("good", "v1.0.0");
    place.refuses("v1.0.0", "has been revoked");
    // As in a partial clone whose remote is away.
    let blob = place.git(&["rev-parse", "main:.github/revoked_signers"]);
    let (room, name) = blob.split_at(2);
    let object = place.path(&format!("repository/.git/objects/{room}/{name}"));
    fs::remove_file(&object).unwrap();
    let (code, said) = place.verify(&["v1.0.0"]);
    assert_eq!(code, Some(2), "{said}");
}

#[cfg(unix)]
#[test]
fn a_policy_is_files() {
    let Some(place) = Place::new() else { return };
    place.ssh_key("good");
    let file = place.path("good.pub");
    fs::create_dir(place.path("repository/.github")).unwrap();
    let link = place.path("repository/.github/allowed_signers");
    std::os::unix::fs::symlink(file, link).unwrap();
    place.commit("two", "two");
    place.ssh_tag("good", "v1.0.0");
    place.refuses("v1.0.0", "`.github/allowed_signers` is no file");
}

#[test]
fn openpgp_signatures_of_another_kind() {
    let Some(place) = Place::new() else { return };
    let who = "rsa@a.example";
    let make = ["--batch", "--passphrase", "", "--quick-generate-key", who];
    place.run("gpg", &[&make[..], &["rsa2048", "sign", "never"]].concat());
    place.commit(".github/release-keys/rsa.asc", &place.gpg_export(who));
    for (tag, options, cause) in [
        ("v1.0.0", "", None),
        ("v1.0.1", "--digest-algo SHA1", Some("does not hold")),
        (
            "v1.0.2",
            "--faked-system-time 20990101T000000",
            Some("a time to come"),
        ),
        ("v1.0.3", "--textmode", Some("of a text")),
    ] {
        let program = place.path("signs");
        fs::write(&program, format!("#!/bin/sh\nexec gpg {options} \"$@\"\n")).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        }
        make_runnable(&program);
        let program = format!("gpg.program={}", program.display());
        place.git(&["-c", &program, "tag", "-u", who, "-m", "One", tag]);
        match cause {
            None => place.accepts(tag),
            Some(cause) => place.refuses(tag, cause),
        }
    }
}
