//! The rules that the code has given itself, checked.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use chapbook::origin::Origin;
use chapbook::reason::Reason;
use chapbook::request::{Field, Fields, Request, Version};

use crate::exchange::NOW;

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

/// Every file below `directory` with this ending, relative to the root, sorted.
fn files(directory: &str, ending: &str) -> Vec<String> {
    fn walk(directory: &Path, found: &mut Vec<PathBuf>) {
        for entry in directory.read_dir().unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found)
            } else {
                found.push(path)
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(directory), &mut found);
    let mut names: Vec<String> = found
        .iter()
        .map(|path| {
            path.strip_prefix(root())
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned()
        })
        .filter(|name| name.ends_with(ending))
        .collect();
    names.sort();
    assert!(!names.is_empty(), "nothing in {directory}");
    names
}

/// All Rust of the product and its tests.
fn rust() -> Vec<String> {
    let rooms = [
        "src",
        "crates/registry/src",
        "crates/registry/tests",
        "crates/remote/src",
        "crates/sitepack/src",
        "tests",
        "xtask/src",
        "xtask/tests",
        "benches",
        "build",
    ];
    let mut all: Vec<String> = rooms.iter().flat_map(|room| files(room, ".rs")).collect();
    all.push("build.rs".to_owned());
    all.extend(files("fuzz/bodies", ".rs"));
    all.extend(files("fuzz/fuzz_targets", ".rs"));
    all
}

/// A file's code: without comments, and without the tests at its bottom.
fn code(path: &str) -> String {
    let text = read(path);
    let tests = ["\n#[cfg(test)]", "\n#[cfg(all(test, "];
    let end = tests.iter().filter_map(|start| text.find(start)).min();
    let product = &text[..end.unwrap_or(text.len())];
    let is_code = |line: &&str| !line.trim_start().starts_with("//");
    product
        .lines()
        .filter(is_code)
        .collect::<Vec<_>>()
        .join("\n")
}

/// No file below the rooms holds any of the words, save the exceptions.
fn absent(rooms: &[&str], words: &[&str], exceptions: &[&str]) {
    for room in rooms {
        let found = if room.ends_with(".rs") {
            vec![(*room).to_owned()]
        } else {
            files(room, ".rs")
        };
        for file in found
            .into_iter()
            .filter(|file| !exceptions.contains(&&**file))
        {
            let code = code(&file);
            for word in words {
                assert!(!code.contains(word), "{file} holds `{word}`");
            }
        }
    }
}

const CORE: [&str; 5] = [
    "src/origin.rs",
    "src/request.rs",
    "src/response.rs",
    "src/http",
    "src/pages",
];

#[test]
fn imports_only_point_downward() {
    absent(
        &["src/http", "src/request.rs"],
        &[
            "crate::origin",
            "crate::pages",
            "crate::server",
            "crate::log",
            "crate::cli",
            "crate::commands",
            "crate::embedded",
        ],
        &[],
    );
    absent(
        &CORE,
        &[
            "crate::server",
            "crate::log",
            "crate::cli",
            "crate::commands",
            "crate::embedded",
        ],
        &[],
    );
    absent(
        &["src/image"],
        &[
            "crate::cli",
            "crate::commands",
            "crate::server",
            "crate::log",
        ],
        &[],
    );
    absent(
        &["src/server", "src/log"],
        &["crate::cli", "crate::commands"],
        &[],
    );
    absent(
        &["src/sandbox"],
        &[
            "crate::server",
            "crate::cli",
            "crate::commands",
            "crate::origin",
        ],
        &[],
    );
}

#[test]
fn only_packers_compile_and_only_readers_read() {
    let packers = [
        "src/cli/mod.rs",
        "src/cli/options.rs",
        "src/commands/check.rs",
        "src/commands/compile.rs",
        "src/commands/pack.rs",
        "src/commands/poems.rs",
        "src/commands/watch.rs",
    ];
    absent(&["src"], &["sitepack::compiler"], &packers);
    let reader = [
        "coding.rs",
        "appended.rs",
        "date.rs",
        "digest.rs",
        "error.rs",
        "made.rs",
        "made/gzip.rs",
        "path.rs",
        "reader.rs",
        "verify.rs",
    ];
    let reader = reader.map(|name| format!("crates/sitepack/src/{name}"));
    let reader: Vec<&str> = reader.iter().map(String::as_str).collect();
    absent(&reader, &["crate::compiler"], &[]);
}

#[test]
fn only_the_engine_names_tiny_http() {
    absent(&["src"], &["tiny_http::"], &["src/server/tiny.rs"]);
}

#[test]
fn the_core_has_no_sockets_no_clock_and_no_files() {
    absent(
        &CORE,
        &[
            "TcpStream",
            "TcpListener",
            "UdpSocket",
            "UnixStream",
            "socket2",
        ],
        &[],
    );
    let clock = ["SystemTime", "Instant"];
    absent(&CORE, &clock, &[]);
    // Times of files tell whether one has changed, and what of a cache is old. None of them is in a
    // packed site.
    let timed = [
        "crates/sitepack/src/compiler/cache.rs",
        "crates/sitepack/src/compiler/source.rs",
    ];
    absent(&["crates/sitepack/src"], &clock, &timed);
    absent(
        &["crates/sitepack/src"],
        &["modified()", "mtime"],
        &[
            "crates/sitepack/src/compiler/cache.rs",
            "crates/sitepack/src/compiler/codec.rs",
            "crates/sitepack/src/compiler/source.rs",
            "crates/sitepack/src/made.rs",
            "crates/sitepack/src/reader.rs",
            // An archive's times are a part of it, not of a checkout; only one that all agree on
            // counts.
            "crates/sitepack/src/tar/extension.rs",
            "crates/sitepack/src/compiler/archive/tar/tests.rs",
        ],
    );
    absent(
        &["src"],
        &["std::fs", " fs::", "(fs::", " File::", "(File::"],
        &[
            "src/commands/extract.rs",
            "src/commands/base.rs",
            "src/commands/image.rs",
            "src/commands/kit.rs",
            "src/commands/pack.rs",
            "src/commands/part.rs",
            "src/commands/serve.rs",
            "src/cloud/heroku/sample.rs",
            "src/cloud/metadata.rs",
            "src/commands/watch.rs",
            "src/embedded.rs",
            "src/resolve.rs",
            "src/server/process.rs",
            "src/sandbox/linux.rs",
            "src/server/socket_file.rs",
            "src/server/native/site_file.rs",
        ],
    );
}

/// A build asks no network, save for remote sources.
#[test]
fn only_fetch_asks_a_network() {
    let all = files("crates/sitepack/src", ".rs");
    let elsewhere = all.iter().map(String::as_str);
    let elsewhere: Vec<&str> = elsewhere.filter(|file| !file.contains("/fetch/")).collect();
    absent(&elsewhere, &["ureq", "std::net"], &[]);
}

/// The right to delete is never asked for.
#[test]
fn nothing_deletes_in_a_registry() {
    absent(
        &["crates/registry/src", "crates/remote/src"],
        &["DELETE", "delete"],
        &[],
    );
}

/// Of the server itself, only what a cloud is asked and told.
#[test]
fn only_the_cloud_is_asked() {
    absent(
        &["src"],
        &["ureq", "remote::"],
        &["src/cloud/client.rs", "src/cloud/heroku/mod.rs"],
    );
    absent(
        &["src/cloud"],
        &["crate::server", "crate::cli", "crate::commands"],
        &[],
    );
}

#[test]
fn unsafe_stands_in_one_file() {
    absent(
        &[
            "src",
            "crates/registry/src",
            "crates/remote/src",
            "crates/sitepack/src",
            "xtask/src",
        ],
        &["unsafe "],
        &["src/embedded.rs"],
    );
    let embedded = read("src/embedded.rs");
    assert!(embedded.matches("// SAFETY:").count() >= embedded.matches("unsafe {").count());
}

/// Answering copies no content: what is sent lies in the packed site itself.
#[test]
fn contents_are_sent_from_where_they_lie() {
    let site = chapbook::embedded::bytes().unwrap();
    let inside = site.as_ptr_range();
    let origin = Origin::new(crate::sites::poems());
    for entry in crate::sites::poems().entries() {
        let sitepack::Entry::Resource(resource) = entry.unwrap() else {
            continue;
        };
        for accepted in ["identity", "gzip", "br"] {
            let fields = [
                Field {
                    name: b"Host",
                    value: b"a",
                },
                Field {
                    name: b"Accept-Encoding",
                    value: accepted.as_bytes(),
                },
            ];
            let version = Version { major: 1, minor: 1 };
            let target = resource.path.as_bytes();
            let request = Request {
                method: b"GET",
                target,
                version,
                fields: Fields(&fields),
            };
            let response = origin.respond(&request, NOW);
            for slice in response.content.slices().filter(|slice| !slice.is_empty()) {
                assert!(
                    inside.contains(&slice.as_ptr()),
                    "{} is a copy",
                    resource.path
                );
            }
        }
    }
}

#[test]
fn lines_functions_and_files_keep_their_lengths() {
    for file in rust() {
        let text = read(&file);
        let mut function: Option<(usize, usize)> = None;
        for (number, line) in (1..).zip(text.lines()) {
            assert!(
                line.chars().count() <= 100,
                "{file}:{number} is longer than 100 columns"
            );
            let indent = line.len() - line.trim_start().len();
            let words = line.trim_start();
            let begins = [
                "fn ",
                "pub fn ",
                "pub(crate) fn ",
                "pub(super) fn ",
                "pub const fn ",
            ];
            if begins.iter().any(|begin| words.starts_with(begin)) && !words.ends_with(';') {
                function = Some((indent, number));
            }
            if let Some((start, first)) = function.filter(|_| words == "}")
                && indent == start
            {
                assert!(
                    number - first < 70,
                    "{file}:{first} is a function of over 70 lines"
                );
                function = None;
            }
        }
    }
    for (file, lines) in [("src/main.rs", 40), ("build.rs", 90)] {
        assert!(
            read(file).lines().count() <= lines,
            "{file} has over {lines} lines"
        );
    }
    for file in files("fuzz/fuzz_targets", ".rs") {
        assert!(read(&file).lines().count() <= 40, "{file}");
    }
}

#[test]
fn every_file_begins_with_what_it_is() {
    for file in rust() {
        if !file.starts_with("fuzz/fuzz_targets") {
            assert!(read(&file).starts_with("//!"), "{file} has no essay");
        }
    }
}

#[test]
fn every_limit_names_its_unit_and_its_reason() {
    let text = read("src/limits.rs");
    let lines: Vec<&str> = text.lines().collect();
    let mut limits = 0;
    for (index, line) in lines.iter().enumerate() {
        let Some(rest) = line.strip_prefix("pub const ") else {
            continue;
        };
        let name = rest.split(':').next().unwrap();
        let units = [
            "BYTES",
            "SECONDS",
            "MILLISECONDS",
            "LINES",
            "MEMBERS",
            "PARTS",
            "WORKERS",
            "CONNECTIONS",
            "DESCRIPTORS",
            "EVENTS",
            "REQUESTS",
            "SITES",
            "LISTENERS",
            "HOPS",
            "NETWORKS",
        ];
        assert!(
            units
                .iter()
                .any(|unit| name.split('_').any(|word| word == *unit)),
            "{name}"
        );
        assert!(lines[index - 1].starts_with("///"), "{name} has no reason");
        limits += 1;
    }
    assert!(limits > 10);
}

#[test]
fn log_document_and_reasons_agree() {
    let document = read("docs/log.md");
    let documented: BTreeSet<String> = document
        .lines()
        .filter_map(|line| line.strip_prefix("| `"))
        .filter_map(|line| line.split('`').next())
        .map(str::to_owned)
        .collect();
    let known: BTreeSet<String> = Reason::ALL
        .iter()
        .map(|reason| format!("{reason:?}"))
        .collect();
    assert_eq!(documented, known);
    for reason in Reason::ALL {
        let row = format!("| `{reason:?}` | {} |", reason.status().code());
        assert!(document.contains(&row), "docs/log.md lacks {row}");
    }
}

/// Each field of each line is told, in its order, and no other.
#[test]
fn log_document_and_fields_agree() {
    let document = read("docs/log.md");
    let told = |head: &str| -> Vec<String> {
        let table = document
            .split(head)
            .nth(1)
            .unwrap_or_else(|| panic!("no {head}"));
        let rows = table.lines().skip(2).take_while(|row| row.starts_with('|'));
        let name = |row: &str| row.split('|').nth(1).unwrap().trim().to_owned();
        rows.map(name).collect()
    };
    assert_eq!(told("| field in JSON |"), chapbook::log::ACCESS_FIELDS);
    assert_eq!(told("| field |"), chapbook::log::EVENT_FIELDS);
    assert_eq!(told("| field of the first event |"), chapbook::START_FIELDS);
}

/// Each option about logging and each variable is told to operators, and no other.
#[test]
fn operations_document_and_flags_agree() {
    let document = read("docs/operations.md");
    let flags = read("src/cli/flags.rs");
    const TOLD: [&str; 3] = ["admin-listen", "demo", "respawn-pause"];
    let (mut long, mut found) = ("", 0);
    for line in flags.lines().map(str::trim) {
        let quoted = || line.split('"').nth(1).unwrap();
        if line.starts_with("long: ") {
            long = quoted();
        } else if line.starts_with("variable: ") && (long.contains("log") || TOLD.contains(&long)) {
            let rows = document
                .lines()
                .filter(|row| row.starts_with(&format!("| `--{long}")));
            let variable = format!(" | `{}` | ", quoted());
            assert!(rows.clone().any(|row| row.contains(&variable)), "--{long}");
            found += 1;
        }
    }
    let rows = document.lines().filter(|row| row.starts_with("| `--"));
    let known = ["LOG", "RESPAWN", "ADMIN", "DEMO"];
    let section = rows.filter(|row| known.iter().any(|word| row.contains(word)));
    assert_eq!(section.count(), found);
    assert!(found >= 10, "{found}");
}

/// Each metric has its row with type and labels, in their order, and no other has.
#[test]
fn operations_document_tells_all_metrics() {
    let document = read("docs/operations.md");
    let is_metric = |row: &&str| row.starts_with("| `chapbook_") || row.starts_with("| `process_");
    let first = |row: &str| -> Vec<String> {
        let cells = row.split('|').skip(1).take(3);
        cells.map(|cell| cell.trim().to_owned()).collect()
    };
    let told: Vec<Vec<String>> = document.lines().filter(is_metric).map(first).collect();
    let quoted = |label: &str| format!("`{label}`");
    let known = chapbook::server::METRICS.iter().map(|metric| {
        let labels = metric.labels.split(", ").filter(|label| !label.is_empty());
        let labels: Vec<String> = labels.map(quoted).collect();
        let kind = metric.kind.name().to_owned();
        vec![quoted(metric.name), kind, labels.join(", ")]
    });
    assert_eq!(told, known.collect::<Vec<_>>());
    for name in chapbook::pages::demo::VARIABLES {
        assert!(document.contains(&quoted(name)), "{name}");
    }
}

#[test]
fn operations_document_tells_all_of_the_sandbox() {
    use chapbook::sandbox::{Mode, Part};
    let document = read("docs/operations.md");
    let modes = Mode::ALL.iter().map(|mode| mode.name());
    for name in modes.chain(Part::ALL.iter().map(|part| part.name())) {
        let row = format!("| `{name}` |");
        assert!(document.contains(&row), "docs/operations.md lacks {row}");
    }
}

/// Each row of docs/http.md ends with tests; they exist, and so do the files.
#[test]
fn http_document_names_files_and_tests_that_exist() {
    let document = read("docs/http.md");
    let tests: String = rust().iter().map(|file| read(file)).collect();
    let transcripts = files("tests/it/transcripts", ".http");
    let mut rows = 0;
    for row in document
        .lines()
        .filter(|line| line.starts_with("| §") || line.starts_with("| 3986"))
    {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        assert_eq!(cells.len(), 4, "{row}");
        let quoted = |cell: &str| -> Vec<String> {
            cell.split('`')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect()
        };
        for file in quoted(cells[2]) {
            let found = ["src", "src/http", "src/server", "crates/sitepack/src", "."]
                .iter()
                .any(|room| root().join(room).join(&file).exists());
            assert!(found, "docs/http.md names {file}");
        }
        let named = quoted(cells[3]);
        assert!(!named.is_empty(), "no test in {row}");
        for test in named {
            let exists = tests.contains(&format!("fn {test}()"))
                || transcripts
                    .iter()
                    .any(|file| file.ends_with(&format!("/{test}")));
            assert!(exists, "docs/http.md names the test {test}");
        }
        rows += 1;
    }
    assert!(rows > 40, "{rows} rows");
}

#[test]
fn the_readme_and_ci_run_the_same_commands() {
    let (readme, ci) = (read("README.md"), read("xtask/src/ci/steps.rs"));
    assert!(read(".ci/run").ends_with("\ncargo xtask ci\n"));
    for command in ["cargo run --release", "cargo test --workspace"] {
        assert!(readme.contains(command), "README.md: {command}");
    }
    for command in [
        "cargo test --workspace",
        "cargo fmt --all --check",
        "cargo clippy --workspace --all-targets -- -D warnings",
    ] {
        assert!(
            ci.contains(&format!("\"{command}\"")),
            "xtask ci: {command}"
        );
    }
}

/// The tree speaks of no machine.
#[test]
fn no_path_of_a_machine_is_in_the_tree() {
    let mut all = rust();
    all.extend(files("docs", ".md"));
    for file in [
        "README.md",
        "ARCHITECTURE.md",
        "Cargo.toml",
        "Dockerfile",
        ".ci/run",
        ".ci/requirements.txt",
        ".circleci/config.yml",
        ".github/workflows/ci.yml",
        ".github/workflows/release.yml",
        ".github/workflows/tags.yml",
    ] {
        all.push(file.to_owned());
    }
    let words = ["/work/", "/root/", "/home/"];
    for file in all.into_iter().filter(|file| !file.ends_with("tidy.rs")) {
        let text = read(&file);
        for word in words {
            assert!(!text.contains(word), "{file} holds {word}");
        }
    }
}

/// Each dependency says why it is there.
#[test]
fn every_dependency_has_its_reason() {
    for manifest in [
        "Cargo.toml",
        "crates/registry/Cargo.toml",
        "crates/remote/Cargo.toml",
        "crates/sitepack/Cargo.toml",
        "xtask/Cargo.toml",
    ] {
        let text = read(manifest);
        let mut section = "";
        let mut reasoned = false;
        for line in text.lines() {
            if line.starts_with('[') {
                (section, reasoned) = (line, false);
            } else if line.starts_with('#') {
                reasoned = true;
            } else if line.is_empty() {
                reasoned = false;
            } else if section.ends_with("dependencies]") && section != "[workspace.dependencies]" {
                let inherited = line.contains("workspace = true");
                assert!(reasoned || inherited, "{manifest}: {line}");
            }
        }
    }
}
