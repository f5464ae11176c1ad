//! A tag object, as git stores it: four lines, a message, a signature.

/// What is read of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Tag {
    pub(super) name: String,
    pub(super) commit: String,
    /// What the signature is of.
    pub(super) signed: Vec<u8>,
    pub(super) signature: Option<Signature>,
}

/// A signature in its armour.
type Signature = (Scheme, String);

/// With what it is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    OpenPgp,
    Ssh,
}

/// How a signature begins and ends.
const ARMOURS: [(Scheme, &str, &str); 2] = [
    (
        Scheme::OpenPgp,
        "-----BEGIN PGP SIGNATURE-----\n",
        "-----END PGP SIGNATURE-----",
    ),
    (
        Scheme::Ssh,
        "-----BEGIN SSH SIGNATURE-----\n",
        "-----END SSH SIGNATURE-----",
    ),
];

impl Tag {
    /// § git's fsck wants these lines in this order; a tool that took another line for the name or
    /// the object would check another tag than is used.
    pub(super) fn parse(bytes: &[u8]) -> Result<Tag, String> {
        let text = str::from_utf8(bytes).map_err(|_| "it is not UTF-8")?;
        if text.contains('\0') {
            return Err("it holds a null byte".to_owned());
        }
        let (text, signature) = split(text)?;
        let (head, _) = text.split_once("\n\n").unwrap_or((text, ""));
        // § A line ends with LF: `lines` would leave out a CR before it.
        let mut lines = head.split('\n');
        let mut field = |name: &str| {
            let line = lines.next().and_then(|line| line.strip_prefix(name));
            line.ok_or_else(|| format!("its line `{}` is missing", name.trim_end()))
        };
        let commit = field("object ")?.to_owned();
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if ![40, 64].contains(&commit.len()) || !commit.bytes().all(is_hex) {
            return Err("its line `object` names no object".to_owned());
        }
        let kind = field("type ")?;
        let name = field("tag ")?.to_owned();
        field("tagger ")?;
        if kind != "commit" {
            return Err("what it annotates is no commit".to_owned());
        }
        if lines.next().is_some() {
            return Err("it has a line that tags have not".to_owned());
        }
        Ok(Tag {
            name,
            commit,
            signed: text.as_bytes().to_vec(),
            signature,
        })
    }
}

/// What is signed, and what signs it: the last armour, at the very end.
fn split(text: &str) -> Result<(&str, Option<Signature>), String> {
    for (scheme, begin, end) in ARMOURS {
        let Some(at) = text.rfind(&format!("\n{begin}")) else {
            continue;
        };
        let (signed, signature) = text.split_at_checked(at + 1).unwrap_or((text, ""));
        let behind = signature.split_once(end).map(|(_, behind)| behind);
        if behind.is_none_or(|behind| !behind.trim().is_empty()) {
            return Err("something stands behind its signature".to_owned());
        }
        if ARMOURS.iter().any(|(_, begin, _)| signed.contains(begin)) {
            return Err("it has more than one signature".to_owned());
        }
        return Ok((signed, Some((scheme, signature.to_owned()))));
    }
    Ok((text, None))
}

#[cfg(test)]
mod tests {
    use super::{Scheme, Tag};

    const COMMIT: &str = "c0ffee0123456789c0ffee0123456789c0ffee01";
    const HEAD: &str = "object c0ffee0123456789c0ffee0123456789c0ffee01\ntype commit\n\
                        tag v1.0.0\ntagger A <a@a.example> 0 +0000\n";
    const SSH: &str = "-----BEGIN SSH SIGNATURE-----\nU1\n-----END SSH SIGNATURE-----\n";
    const PGP: &str = "-----BEGIN PGP SIGNATURE-----\n\niQ\n-----END PGP SIGNATURE-----\n";

    #[test]
    fn what_is_signed_is_all_before_the_signature() {
        for (signature, expected) in [
            ("", None),
            (SSH, Some((Scheme::Ssh, SSH.to_owned()))),
            (PGP, Some((Scheme::OpenPgp, PGP.to_owned()))),
        ] {
            let signed = format!("{HEAD}\nOne\n");
            let tag = Tag::parse(format!("{signed}{signature}").as_bytes()).unwrap();
            assert_eq!((tag.name.as_str(), tag.commit.as_str()), ("v1.0.0", COMMIT));
            assert_eq!(tag.signed, signed.as_bytes());
            assert_eq!(tag.signature, expected);
        }
    }

    #[test]
    fn a_name_is_all_of_its_line() {
        let odd = HEAD.replace("tag v1.0.0\n", "tag v1.0.0\r\n");
        let tag = Tag::parse(format!("{odd}\nOne\n").as_bytes()).unwrap();
        assert_eq!(tag.name, "v1.0.0\r");
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for (text, expected) in [
            (
                format!("{HEAD}tag v2.0.0\n\nOne\n"),
                "a line that tags have not",
            ),
            (HEAD.replace("type commit", "type tree"), "no commit"),
            (HEAD.replace("tag v1.0.0\n", ""), "`tag` is missing"),
            (HEAD.replace("c0ffee01\n", "c0ffee01\r\n"), "no object"),
            (HEAD.replace("object c0", "object -x"), "no object"),
            (format!("{HEAD}\nOne\n{SSH}More\n"), "behind its signature"),
            (
                format!("{HEAD}\nOne\n{SSH}More\n-----END SSH SIGNATURE-----\n"),
                "behind its signature",
            ),
            (
                format!("{HEAD}\nOne\n{SSH}{PGP}"),
                "more than one signature",
            ),
            (
                format!("{HEAD}\nOne\n{SSH}{SSH}"),
                "more than one signature",
            ),
            (format!("{HEAD}\nOne\0\n"), "null"),
        ] {
            let refused = Tag::parse(text.as_bytes()).unwrap_err();
            assert!(refused.contains(expected), "{refused}");
        }
    }
}
