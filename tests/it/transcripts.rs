//! Transcripts: `transcripts/NAME.http`, where the name is the case. Run on the core and on every
//! engine.
//!
//! Lines: `# …` says why; `> …` is sent, request line first; `< 200` is the status, `< Name: value`
//! a field with this value, `< Name` a field with any, `< !Name` one that must not be there;
//! `= …` a line of the content, if any are given all of it. `{etag CODING TARGET}` stands for the
//! entity-tag of what a GET of that target gets under that coding. Several exchanges in a file are
//! parted by empty lines.

use std::path::{Path, PathBuf};

use crate::exchange::{Answer, Exchange};

#[test]
fn transcripts() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/transcripts");
    let mut files: Vec<PathBuf> = directory
        .read_dir()
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(files.len() >= 12, "only {} transcripts", files.len());
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let blocks: Vec<&str> = text
            .split("\n\n")
            .filter(|block| block.contains("> "))
            .collect();
        assert!(!blocks.is_empty(), "{} is empty", file.display());
        for block in blocks {
            run(&file.display().to_string(), block);
        }
    }
}

fn run(name: &str, block: &str) {
    let lines = |mark: &str| -> Vec<String> {
        block
            .lines()
            .filter_map(|line| line.strip_prefix(mark))
            .map(str::to_owned)
            .collect()
    };
    let sent = lines("> ");
    let [method, target, version] = sent[0]
        .split(' ')
        .collect::<Vec<_>>()
        .try_into()
        .unwrap_or_else(|_| panic!("{name}"));
    let mut exchange = Exchange::new(method, target)
        .version(version)
        .without_host();
    for line in &sent[1..] {
        let (field, value) = line
            .split_once(": ")
            .unwrap_or_else(|| panic!("{name}: {line}"));
        exchange = exchange.field(field, &with_etags(value));
    }
    let expected = lines("< ");
    let answer = exchange.expect(expected[0].parse().unwrap()).run();
    for line in &expected[1..] {
        check(name, line, &answer);
    }
    let content = lines("= ");
    if !content.is_empty() {
        assert_eq!(answer.text().lines().collect::<Vec<_>>(), content, "{name}");
    }
}

fn check(name: &str, line: &str, answer: &Answer) {
    match (line.strip_prefix('!'), line.split_once(": ")) {
        (Some(absent), _) => assert_eq!(answer.field(absent), None, "{name}: {absent}"),
        (None, Some((field, value))) => {
            assert_eq!(
                answer.field(field),
                Some(&*with_etags(value)),
                "{name}: {field}"
            );
        }
        (None, None) => assert!(answer.field(line).is_some(), "{name}: {line} in {answer}"),
    }
}

fn with_etags(value: &str) -> String {
    let Some((before, rest)) = value.split_once("{etag ") else {
        return value.to_owned();
    };
    let (asked, after) = rest.split_once('}').unwrap();
    let (coding, target) = asked.split_once(' ').unwrap();
    let answer = Exchange::get(target)
        .field("Accept-Encoding", coding)
        .expect(200)
        .run();
    format!(
        "{before}{}{}",
        answer.field("ETag").unwrap(),
        with_etags(after)
    )
}
