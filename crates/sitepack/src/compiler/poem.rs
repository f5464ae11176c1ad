//! A poem: what a text file of verse says about itself, and its lines.
//!
//! 1. Front matter, if the first line is `---`: `key: value` lines up to the next `---`.
//! 2. The title: from the front matter; else a short first line that an empty one follows; else
//!    made from the file's name.
//! 3. The attribution: the last lines, from the first that begins with `-- `, indented lines
//!    below it included.
//! 4. The rest is verse: stanzas between empty lines, each line's indent kept.

use std::path::Path;

use super::error::Error;
use crate::date::parse_date;

/// A first line that is longer, in characters, is verse and not a title.
const TITLE_CHARS_MAX: usize = 60;
/// A front matter value that is longer, in bytes, is a mistake.
const VALUE_BYTES_MAX: usize = 300;

/// A poem, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Poem {
    pub(crate) title: String,
    pub(crate) author: Option<String>,
    pub(crate) year: Option<u16>,
    /// Seconds since 1970: the day on which the author last changed it, if told.
    pub(crate) date: Option<u64>,
    pub(crate) stanzas: Vec<Vec<String>>,
    pub(crate) attribution: Vec<String>,
}

impl Poem {
    /// Reads the text of `file`; `name` is the title of last resort.
    pub(crate) fn parse(file: &Path, name: &str, content: &[u8]) -> Result<Poem, Error> {
        let text = std::str::from_utf8(content).map_err(|e| {
            let valid = content.get(..e.valid_up_to()).unwrap_or_default();
            let line = valid.iter().filter(|byte| **byte == b'\n').count() + 1;
            Error::at_line(file, line, "the poem is not UTF-8 text")
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        for (number, line) in (1..).zip(&lines) {
            if line
                .chars()
                .any(|character| character.is_control() && character != '\t')
            {
                return Err(Error::at_line(
                    file,
                    number,
                    "a control character in the text",
                ));
            }
        }
        let mut poem = Poem::default();
        let mut verse = poem.take_front_matter(file, &lines)?;
        while let Some(("", rest)) = verse.split_first().map(|(line, rest)| (*line, rest)) {
            verse = rest;
        }
        if poem.title.is_empty() {
            verse = poem.take_title(name, verse);
        }
        let verse = poem.take_attribution(verse);
        poem.stanzas = verse
            .split(|line| line.is_empty())
            .filter(|stanza| !stanza.is_empty())
            .map(|stanza| stanza.iter().map(|line| (*line).to_owned()).collect())
            .collect();
        if poem.stanzas.is_empty() {
            return Err(Error::at_line(
                file,
                lines.len().max(1),
                "there is no verse in it",
            ));
        }
        Ok(poem)
    }

    /// The first line of verse, without its indent.
    pub(crate) fn first_line(&self) -> &str {
        self.stanzas
            .first()
            .and_then(|stanza| stanza.first())
            .map_or("", |line| line.trim())
    }

    /// "Author, Year", as far as they are known.
    pub(crate) fn byline(&self) -> String {
        let year = self.year.map(|year| year.to_string());
        let parts: Vec<&str> = [self.author.as_deref(), year.as_deref()]
            .into_iter()
            .flatten()
            .collect();
        parts.join(", ")
    }

    fn take_front_matter<'a, 'b>(
        &mut self,
        file: &Path,
        lines: &'b [&'a str],
    ) -> Result<&'b [&'a str], Error> {
        let Some((&"---", body)) = lines.split_first() else {
            return Ok(lines);
        };
        let Some(end) = body.iter().position(|line| *line == "---") else {
            return Err(Error::at_line(
                file,
                1,
                "the front matter has no closing `---`",
            ));
        };
        let (matter, rest) = body.split_at(end);
        let mut seen: Vec<&str> = Vec::new();
        for (number, line) in (2..).zip(matter) {
            let failed = |cause: String| Error::at_line(file, number, cause);
            if line.is_empty() {
                continue;
            }
            let (key, value) = line
                .split_once(':')
                .map(|(key, value)| (key.trim(), value.trim()))
                .ok_or_else(|| failed(format!("front matter needs `key: value`, not `{line}`")))?;
            if seen.contains(&key) {
                return Err(failed(format!("front matter says `{key}` twice")));
            }
            seen.push(key);
            if value.is_empty() || value.len() > VALUE_BYTES_MAX {
                let cause = format!("`{key}` needs a value of 1 to {VALUE_BYTES_MAX} bytes");
                return Err(failed(cause));
            }
            self.set(key, value).map_err(failed)?;
        }
        Ok(rest
            .split_first()
            .map_or(&[][..], |(_closing, verse)| verse))
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            "title" => value.clone_into(&mut self.title),
            "author" => self.author = Some(value.to_owned()),
            "year" => {
                let year = value.parse().ok().filter(|year| (1..=9999).contains(year));
                self.year = Some(year.ok_or(format!("`{value}` is not a year from 1 to 9999"))?);
            }
            "date" => {
                let date = parse_date(value);
                self.date = Some(date.ok_or(format!("`{value}` is not a date like 2026-11-22"))?);
            }
            _ => {
                return Err(format!(
                    "unknown key `{key}`: there are title, author, year and date"
                ));
            }
        }
        Ok(())
    }

    fn take_title<'a, 'b>(&mut self, name: &str, lines: &'b [&'a str]) -> &'b [&'a str] {
        match lines {
            [title, "", verse @ ..]
                if title.chars().count() <= TITLE_CHARS_MAX
                    && !title.starts_with([' ', '\t'])
                    && verse
                        .iter()
                        .any(|line| !line.is_empty() && !line.starts_with("-- ")) =>
            {
                (*title).clone_into(&mut self.title);
                verse
            }
            _ => {
                self.title = title_from_name(name);
                lines
            }
        }
    }

    fn take_attribution<'a, 'b>(&mut self, lines: &'b [&'a str]) -> &'b [&'a str] {
        let end = lines
            .iter()
            .rposition(|line| !line.is_empty())
            .map_or(0, |last| last + 1);
        let (lines, _) = lines.split_at(end);
        let mut start = end;
        for (index, line) in lines.iter().enumerate().rev() {
            if line.starts_with("-- ") {
                start = index;
            } else if !line.starts_with([' ', '\t']) {
                break;
            }
        }
        let (verse, attribution) = lines.split_at(start);
        self.attribution = attribution
            .iter()
            .map(|line| line.strip_prefix("-- ").unwrap_or(line).trim().to_owned())
            .collect();
        verse
    }
}

fn title_from_name(name: &str) -> String {
    let words = name
        .rsplit('/')
        .next()
        .unwrap_or(name)
        .replace(['-', '_'], " ");
    let mut characters = words.chars();
    characters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(characters).collect()
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Poem;

    fn parse(text: &str) -> Poem {
        Poem::parse(Path::new("a-poem.txt"), "a-poem", text.as_bytes()).unwrap()
    }

    fn refusal(text: &[u8]) -> String {
        Poem::parse(Path::new("a-poem.txt"), "a-poem", text)
            .unwrap_err()
            .to_string()
    }

    #[test]
    fn front_matter_is_read() {
        let poem = parse(
            "---\ntitle: On: Colons\nauthor: A. N. Other\nyear: 1890\n\n\
             date: 2026-11-22\n---\n\none\n",
        );
        assert_eq!(poem.title, "On: Colons");
        assert_eq!(poem.byline(), "A. N. Other, 1890");
        assert_eq!(poem.date, Some(1_795_305_600));
        assert_eq!(poem.stanzas, [["one"]]);
    }

    #[test]
    fn titles_come_from_a_short_first_line_or_from_the_name() {
        assert_eq!(parse("Dusk\n\nThe lamp.\n").title, "Dusk");
        assert_eq!(parse("The lamp\nis lit.\n").title, "A poem");
        assert_eq!(parse("    indented\n\nThe lamp.\n").title, "A poem");
        assert_eq!(
            parse(&format!("{}\n\nThe lamp.\n", "long ".repeat(20))).title,
            "A poem"
        );
        let epigram = parse("Brevity.\n\n-- a wit\n");
        assert_eq!(
            (&*epigram.title, epigram.first_line()),
            ("A poem", "Brevity.")
        );
    }

    #[test]
    fn the_attribution_ends_the_poem_and_keeps_its_indented_lines() {
        let poem = parse("a\n  b\n\n-- (from a book)\n   A Choice of Verse (1943)\n\n");
        assert_eq!(
            poem.attribution,
            ["(from a book)", "A Choice of Verse (1943)"]
        );
        assert_eq!(poem.stanzas, [["a", "  b"]]);
        let dashes = parse("a\n-- b\nc\n");
        assert_eq!((dashes.attribution.len(), dashes.stanzas[0].len()), (0, 3));
        assert!(parse("a\n    indented end\n").attribution.is_empty());
    }

    #[test]
    fn stanzas_and_indents_are_kept_and_line_ends_forgiven() {
        let poem = parse("\u{feff}\r\none\r\n    two  \r\n\r\n\r\nthree");
        assert_eq!(poem.stanzas, [vec!["one", "    two"], vec!["three"]]);
    }

    #[test]
    fn faults_name_file_and_line() {
        for (text, message) in [
            (
                &b"---\ntitle: x\nno end\n"[..],
                "a-poem.txt:1: the front matter has no closing",
            ),
            (
                b"---\ntitle: x\ntitel: y\n---\nv\n",
                "a-poem.txt:3: unknown key `titel`",
            ),
            (
                b"---\ntitle\n---\nv\n",
                "a-poem.txt:2: front matter needs `key: value`",
            ),
            (
                b"---\ntitle:\n---\nv\n",
                "a-poem.txt:2: `title` needs a value",
            ),
            (
                b"---\nyear: 1\nyear: 2\n---\nv\n",
                "a-poem.txt:3: front matter says `year` twice",
            ),
            (
                b"---\nyear: MCM\n---\nv\n",
                "a-poem.txt:2: `MCM` is not a year",
            ),
            (
                b"---\ndate: 2026-02-30\n---\nv\n",
                "a-poem.txt:2: `2026-02-30` is not a date",
            ),
            (b"one\ntwo \xff\n", "a-poem.txt:2: the poem is not UTF-8"),
            (b"one\n\x1b[2J\n", "a-poem.txt:2: a control character"),
            (b"\n\n", "a-poem.txt:2: there is no verse"),
            (b"", "a-poem.txt:1: there is no verse"),
            (b"-- only me\n", "a-poem.txt:1: there is no verse"),
        ] {
            assert!(refusal(text).starts_with(message), "{}", refusal(text));
        }
    }
}
