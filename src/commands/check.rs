//! `chapbook check SOURCE`: what of a site will break once it is served from one file, perhaps
//! without a network. `docs/check.md` explains the findings.

use serde_json::json;
use sitepack::compiler::{Compiled, Finding, FindingKind};

use super::{compile, print};
use crate::cli::{CheckOptions, Failure};
use crate::log::say;

pub(super) fn run(options: &CheckOptions) -> Result<(), Failure> {
    let compiled = compile::with_bar(|bar| compile::compiler(&options.site).check(bar))?;
    let text = if options.json {
        format!("{:#}\n", json!({ "findings": as_json(&compiled.findings) }))
    } else {
        let lines = compiled.findings.iter();
        let lines = lines.filter(|finding| !finding.kind.is_note());
        lines.map(|finding| format!("{finding}\n")).collect()
    };
    print(text.as_bytes())?;
    summarize(&compiled);
    let breaking = || {
        let kinds = FindingKind::ALL.into_iter();
        kinds.filter(|kind| kind.breaks()).collect()
    };
    let denied = options.site.deny.clone().unwrap_or_else(breaking);
    match compile::count(&compiled.findings, &denied) {
        0 => Ok(()),
        1 => Err(Failure::failed("there is 1 finding that has to be mended")),
        count => {
            let message = format!("there are {count} findings that have to be mended");
            Err(Failure::failed(message))
        }
    }
}

fn as_json(findings: &[Finding]) -> Vec<serde_json::Value> {
    let one = |finding: &Finding| {
        json!({
            "file": finding.file,
            "line": finding.line,
            "kind": finding.kind.name(),
            "text": finding.text,
        })
    };
    findings.iter().map(one).collect()
}

/// One line a kind, with its number.
fn summarize(compiled: &Compiled) {
    for kind in FindingKind::ALL {
        let count = compile::count(&compiled.findings, &[kind]);
        if count > 0 {
            say(format_args!("{count:>6} {kind}"));
        }
    }
    say(format_args!("{} files checked", compiled.files));
}
