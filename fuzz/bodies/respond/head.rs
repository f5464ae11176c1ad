//! The head of a response, read as a client reads it.

#[derive(Debug, PartialEq, Eq)]
pub(in super::super) struct Head {
    pub(in super::super) status: u16,
    /// Names in lower case, sorted; each once.
    fields: Vec<(String, String)>,
}

impl Head {
    pub(in super::super) fn read(bytes: &[u8]) -> Head {
        let text = std::str::from_utf8(bytes).unwrap();
        let mut lines = text.strip_suffix("\r\n\r\n").unwrap().split("\r\n");
        let status_line = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 "));
        let (status, phrase) = status_line.unwrap().split_once(' ').unwrap();
        assert!(status.len() == 3 && !phrase.contains(char::is_control));
        let mut fields: Vec<_> = lines.map(field).collect();
        fields.sort();
        let many = fields.len();
        fields.dedup_by(|next, field| next.0 == field.0);
        assert_eq!(fields.len(), many, "a field twice: {text}");
        let status = status.parse().unwrap();
        Head { status, fields }
    }

    pub(in super::super) fn get(&self, name: &str) -> Option<&str> {
        let field = self.fields.iter().find(|field| field.0 == name)?;
        Some(&field.1)
    }
}

fn field(line: &str) -> (String, String) {
    let (name, value) = line.split_once(": ").unwrap();
    let is_token = |c: char| c.is_ascii_alphanumeric() || c == '-';
    assert!(!name.is_empty() && name.chars().all(is_token), "{line:?}");
    let is_whole = !value.contains(char::is_control) && value.trim() == value;
    assert!(is_whole && !value.is_empty(), "{line:?}");
    (name.to_ascii_lowercase(), value.to_owned())
}
