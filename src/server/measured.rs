//! What the server tells of itself on `/-/metrics` and `/-/version`.
//!
//! Values of labels are closed lists (classes of statuses, codings, reasons, bounds of durations),
//! or one at a time (the build, the site): what clients send makes no series. What an engine does
//! not know is left out, rather than told as zero.

use std::sync::{Arc, Weak};

use serde_json::Value;
use sitepack::{ContentCoding, Site};

use super::{Bound, Context, Engine, Role};
use crate::about;
use crate::log::{self, DURATIONS, Ended, Sums};
use crate::pages::Told;
use crate::pages::exposition::{Decimal, Exposition, Kind, Metric, Number};
use crate::reason::Reason;

/// Has the pages of a server tell of it.
pub(super) fn begin(engine: Engine, bound: &[Bound], context: &Arc<Context>) {
    let apart = bound.iter().any(|bound| bound.role == Role::Admin);
    let context_told = Arc::downgrade(context);
    let told = Box::new(Measured {
        engine,
        context: context_told,
    });
    context.served.manner().pages().begin(told, apart);
}

/// Every metric, in the order in which they are told; `docs/operations.md` lists the same.
pub const METRICS: [Metric; 22] = [
    metric(
        "chapbook_build_info",
        Kind::Gauge,
        "version, build, rustc, target, engine",
        "What runs; always 1.",
    ),
    metric(
        "chapbook_site_info",
        Kind::Gauge,
        "sha256",
        "Which site is served; always 1.",
    ),
    metric(
        "chapbook_site_paths",
        Kind::Gauge,
        "",
        "Paths that the site answers for.",
    ),
    metric(
        "chapbook_sites",
        Kind::Gauge,
        "",
        "Sites that are answered from: the one that is served, and those of before.",
    ),
    metric(
        "chapbook_ready",
        Kind::Gauge,
        "",
        "Whether requests are wanted, as /-/ready tells.",
    ),
    metric(
        "chapbook_http_requests_total",
        Kind::Counter,
        "status, coding",
        "Requests answered, by class of status and by content coding.",
    ),
    metric(
        "chapbook_http_responses_total",
        Kind::Counter,
        "reason",
        "The same by reason, as in the access log.",
    ),
    metric(
        "chapbook_http_content_bytes_total",
        Kind::Counter,
        "",
        "Content that was sent, without field sections.",
    ),
    metric(
        "chapbook_http_request_duration_seconds",
        Kind::Histogram,
        "le",
        "From when a request was all there to the last byte handed to the system.",
    ),
    metric(
        "chapbook_connections",
        Kind::Gauge,
        "",
        "Connections that are open.",
    ),
    metric(
        "chapbook_connections_accepted_total",
        Kind::Counter,
        "",
        "Connections that were accepted.",
    ),
    metric(
        "chapbook_connections_ended_total",
        Kind::Counter,
        "cause",
        "Connections that ended before their time.",
    ),
    metric(
        "chapbook_accept_errors_total",
        Kind::Counter,
        "",
        "Attempts to accept a connection that failed.",
    ),
    metric(
        "chapbook_log_lines_dropped_total",
        Kind::Counter,
        "log",
        "Lines of a log that nobody took in time.",
    ),
    metric(
        "chapbook_makers_bytes",
        Kind::Gauge,
        "",
        "Memory of contents that are being made.",
    ),
    metric(
        "process_cpu_seconds_total",
        Kind::Counter,
        "",
        "Processor time, of user and system.",
    ),
    metric(
        "process_start_time_seconds",
        Kind::Gauge,
        "",
        "When the process was started, since 1970.",
    ),
    metric(
        "process_resident_memory_bytes",
        Kind::Gauge,
        "",
        "Memory that is resident.",
    ),
    metric(
        "process_virtual_memory_bytes",
        Kind::Gauge,
        "",
        "Memory that is mapped.",
    ),
    metric("process_threads", Kind::Gauge, "", "Threads."),
    metric(
        "process_open_fds",
        Kind::Gauge,
        "",
        "Descriptors that are open.",
    ),
    metric(
        "process_max_fds",
        Kind::Gauge,
        "",
        "Descriptors that may be open at once.",
    ),
];

const fn metric(
    name: &'static str,
    kind: Kind,
    labels: &'static str,
    help: &'static str,
) -> Metric {
    Metric {
        name,
        kind,
        labels,
        help,
    }
}

/// A server that tells of itself for as long as it is there.
struct Measured {
    engine: Engine,
    context: Weak<Context>,
}

impl Told for Measured {
    fn engine(&self) -> &'static str {
        self.engine.name()
    }

    fn sandbox(&self) -> Value {
        let context = self.context.upgrade();
        context.map_or(Value::Null, |context| context.sandbox.json())
    }

    fn metrics(&self, site: &Site<'_>, out: &mut Vec<u8>) {
        if let Some(context) = self.context.upgrade() {
            tell(self.engine, &context, site, &mut Exposition(out));
        }
    }
}

fn tell(engine: Engine, context: &Context, site: &Site<'_>, page: &mut Exposition<'_>) {
    use Number::Whole;
    let [build, digest, paths, sites, ready, rest @ ..] = &METRICS;
    let labels = [
        ("version", about::VERSION),
        ("build", about::BUILD),
        ("rustc", about::RUSTC),
        ("target", about::TARGET),
        ("engine", engine.name()),
    ];
    page.begin(build);
    page.sample(build, "", &labels, Whole(1));
    page.begin(digest);
    page.sample(digest, "", &[("sha256", &site.digest().hex())], Whole(1));
    page.one(paths, Whole(site.len().into()));
    page.one(sites, Whole(context.generations() as u64));
    let is_ready = context.served.manner().pages().is_ready();
    page.one(ready, Whole(is_ready.into()));

    let [requests, reasons, bytes, durations, rest @ ..] = rest;
    let sums = context.statistics.sums();
    tell_requests(requests, &sums, page);
    let names = Reason::ALL.map(|reason| format!("{reason:?}"));
    page.each(reasons, names.iter().map(|name| &**name).zip(sums.reasons));
    page.one(bytes, Whole(sums.content_bytes));
    tell_durations(durations, &sums, page);

    let [open, accepted, ended, errors, rest @ ..] = rest;
    if engine.owns_connections() {
        page.one(open, Whole(context.connections() as u64));
        page.one(accepted, Whole(sums.accepted));
    }
    let causes = Ended::ALL.map(Ended::name);
    page.each(ended, causes.into_iter().zip(sums.ended));
    page.one(errors, Whole(sums.accept_failed));

    let [dropped, makers, process @ ..] = rest;
    let lost = [
        ("access", context.access_log.dropped()),
        ("syslog", log::syslog_dropped().unwrap_or(0)),
    ];
    page.each(dropped, lost.into_iter());
    page.one(makers, Whole(context.makers.bytes()));
    tell_process(process, context, page);
}

fn tell_requests(metric: &Metric, sums: &Sums, page: &mut Exposition<'_>) {
    page.begin(metric);
    // No answer is of the classes 0 and 1.
    let classes = ["2xx", "3xx", "4xx", "5xx"];
    for (class, codings) in classes.into_iter().zip(sums.answers.iter().skip(2)) {
        for (coding, count) in ContentCoding::ALL.into_iter().zip(codings) {
            let labels = [("status", class), ("coding", coding.token())];
            page.sample(metric, "", &labels, Number::Whole(*count));
        }
    }
}

fn tell_durations(metric: &Metric, sums: &Sums, page: &mut Exposition<'_>) {
    page.begin(metric);
    let mut count = 0;
    let bounds = DURATIONS.map(|bound| Decimal(Number::Millionths(bound)).to_string());
    let bounds = bounds.iter().map(|bound| &**bound).chain(["+Inf"]);
    for (bound, more) in bounds.zip(sums.durations) {
        count += more;
        page.sample(metric, "_bucket", &[("le", bound)], Number::Whole(count));
    }
    let sum = Number::Millionths(sums.duration_microseconds);
    page.sample(metric, "_sum", &[], sum);
    page.sample(metric, "_count", &[], Number::Whole(count));
}

/// What the system knows, where it is asked.
#[cfg(target_os = "linux")]
fn tell_process(metrics: &[Metric; 7], context: &Context, page: &mut Exposition<'_>) {
    use Number::{Millionths, Whole};
    let process = context.process.as_ref();
    let Some(Ok(found)) = process.map(super::Process::measure) else {
        return;
    };
    let numbers = [
        Millionths(found.cpu_microseconds),
        Millionths(found.started_microseconds),
        Whole(found.resident_bytes),
        Whole(found.virtual_bytes),
        Whole(found.threads),
        Whole(found.descriptors),
        Whole(found.descriptors_max),
    ];
    for (metric, number) in metrics.iter().zip(numbers) {
        page.one(metric, number);
    }
}

#[cfg(not(target_os = "linux"))]
fn tell_process(_metrics: &[Metric; 7], _context: &Context, _page: &mut Exposition<'_>) {}
