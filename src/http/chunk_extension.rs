//! The extensions of a chunk: RFC 9112 §7.1.1. None is known here, so all are ignored, but only
//! what is one: a size line that two readers could end at different places is no size line.

use super::is_token_byte;

/// Where in the extensions of a chunk a reader is, behind what it has read:
/// `*( BWS ";" BWS name [ BWS "=" BWS ( token / quoted-string ) ] )`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extensions(State);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Behind the size, or behind the white space that follows it or a value.
    #[default]
    Between,
    /// Behind a semicolon.
    Semicolon,
    /// In a name.
    Name,
    /// In the white space behind a name.
    BehindName,
    /// Behind an equals sign.
    Equals,
    /// In a value that is a token.
    Token,
    /// In a value in quotes.
    Quoted,
    /// Behind a backslash in there.
    Escaped,
    /// Behind the closing quote.
    Closed,
}

impl Extensions {
    /// Reads another byte; none if it cannot stand there.
    #[must_use]
    pub fn step(self, byte: u8) -> Option<Extensions> {
        use State::{BehindName, Between, Closed, Equals, Escaped, Name, Quoted, Semicolon, Token};
        let is_token = is_token_byte(byte);
        let is_text = byte == b'\t' || !byte.is_ascii_control();
        let state = match (self.0, byte) {
            (Quoted, b'"') => Closed,
            (Quoted, b'\\') => Escaped,
            (Quoted | Escaped, _) => is_text.then_some(Quoted)?,
            (Between | Name | BehindName | Token | Closed, b';') => Semicolon,
            (Name | BehindName, b'=') => Equals,
            (Semicolon | Name, _) if is_token => Name,
            (Equals | Token, _) if is_token => Token,
            (Equals, b'"') => Quoted,
            (Semicolon, b' ' | b'\t') => Semicolon,
            (Name | BehindName, b' ' | b'\t') => BehindName,
            (Equals, b' ' | b'\t') => Equals,
            (Between | Token | Closed, b' ' | b'\t') => Between,
            (Between | Semicolon | Name | BehindName | Equals | Token | Closed, _) => return None,
        };
        Some(Extensions(state))
    }

    /// Whether the line may end here; not in white space, behind which more has to come.
    #[must_use]
    pub fn may_end(self) -> bool {
        match self.0 {
            State::Name | State::Token | State::Closed => true,
            State::Between
            | State::Semicolon
            | State::BehindName
            | State::Equals
            | State::Quoted
            | State::Escaped => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Extensions;

    #[test]
    fn the_grammar_of_section_7_1_1() {
        for (text, expected) in [
            (&b";a"[..], true),
            (b";a=b", true),
            (b" ;\ta = b ; c", true),
            (b";a=\"\"", true),
            (b";a=\"b;c=d \\\" \\\\\xff\";e", true),
            (b" ", false),
            (b";", false),
            (b";;a", false),
            (b"a", false),
            (b" a", false),
            (b"=a", false),
            (b";=a", false),
            (b";a=", false),
            (b";a==b", false),
            (b";a b", false),
            (b";a ", false),
            (b";a=b ", false),
            (b";a=b c", false),
            (b";a=b=c", false),
            (b";\"a\"", false),
            (b";a=\"b", false),
            (b";a=\"b\\\"", false),
            (b";a=\"b\"c", false),
            (b";a=\"\0\"", false),
            (b";a=\"\n\"", false),
            (b";a,b", false),
            (b";\xff", false),
        ] {
            let begin = Some(Extensions::default());
            let end = text
                .iter()
                .fold(begin, |extensions, byte| extensions?.step(*byte));
            let found = end.is_some_and(Extensions::may_end);
            assert_eq!(found, expected, "{:?}", String::from_utf8_lossy(text));
        }
    }
}
