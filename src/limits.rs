//! Every bound, its unit in its name, its reason beside it.

/// The longest request target in bytes; 414 beyond. RFC 9112 §3 recommends 8,000 for the whole
/// request line.
pub const TARGET_BYTES_MAX: usize = 8_192;

/// The most bytes that the list of an executable's packages is read to. 110 packages take 25 KB.
#[cfg(feature = "image")]
pub(crate) const PACKAGES_BYTES_MAX: u64 = 4_194_304;

/// The longest field section in bytes; 431 beyond. nginx takes 32 KiB, browsers with many cookies
/// send 16.
pub const FIELD_SECTION_BYTES_MAX: usize = 32_768;

/// The most field lines in a request; 431 beyond. Apache takes 100.
pub const FIELD_LINES_MAX: usize = 100;

/// The most empty lines before a request line that are ignored: RFC 9112 §2.2 asks for one at
/// least; more are a flood.
pub const EMPTY_LINES_MAX: usize = 2;

/// The longest method; 501 beyond. No registered one is longer than 32 bytes.
pub const METHOD_BYTES_MAX: usize = 64;

/// The longest size line of a chunk, its extensions included; 413 beyond. RFC 9112 §7.1.1 asks for
/// a bound on extensions, which nobody uses.
pub const SIZE_LINE_BYTES_MAX: u32 = 256;

/// The most bytes of extensions behind all sizes of a content together; 413 beyond. Else 64 KiB of
/// content could bring 17 MB of them.
pub const EXTENSIONS_BYTES_MAX: u32 = 4_096;

/// The longest trailer section; 413 beyond. It is ignored, and a checksum takes some 100 bytes.
pub const TRAILER_BYTES_MAX: u32 = 4_096;

/// The most members of a range set that are looked at; more, and Range is ignored. Merging them
/// costs their square.
pub const RANGE_MEMBERS_MAX: usize = 64;

/// The most parts of a multipart answer; more, and Range is ignored. Each adds some 100 bytes,
/// which a client could ask for single bytes with.
pub const RANGE_PARTS_MAX: usize = 16;

/// How much content of a refused request is read, so that the connection can go on; 413 and the
/// connection's end beyond.
pub const CONTENT_BYTES_MAX: u64 = 65_536;

/// How long what is in flight may take after SIGTERM. Below the 10 s after which Docker kills,
/// with a second to spare.
pub const DRAIN_SECONDS_MAX: u64 = 9;

/// Signals that come within this time are one: `timeout` tells the process and its group. Nobody's
/// second Ctrl-C comes as fast.
pub const SIGNALS_TOGETHER_MILLISECONDS: u64 = 300;

/// How long a quiet moment must last before a drained server ends: a request that was on its way
/// through the engine when the listener closed still gets its answer.
pub const DRAIN_QUIET_MILLISECONDS: u64 = 50;

/// How long the health check waits for a connection, and then for an answer. Docker's own
/// time-out is 30 s, Kubernetes' 1 s.
pub const HEALTHCHECK_MILLISECONDS_MAX: u64 = 2_000;

/// How long a log waits that takes nothing just now, before it is tried again.
pub const LOG_RETRY_MILLISECONDS: u64 = 20;

/// How many bytes of events may wait for standard error; more is dropped.
pub const EVENTS_WAITING_BYTES_MAX: usize = 256 << 10;

/// How long an access-log line may wait before it is written.
pub const LOG_FLUSH_MILLISECONDS: u64 = 200;

/// How many bytes of access log may wait before they are written at once.
pub const LOG_FLUSH_BYTES: usize = 65_536;

/// The room that each of the access log's two buffers has from the beginning: what comes while the
/// thread that writes wakes up finds it. Memory that no line was written to costs nothing.
pub const LOG_BUFFER_BYTES: usize = 2 * LOG_FLUSH_BYTES;

/// How many bytes of access log may wait for a reader that does not read; more is dropped.
pub const LOG_WAITING_BYTES_MAX: usize = 8 << 20;

/// How long the end waits for the access log to be written.
pub const LOG_END_MILLISECONDS_MAX: u64 = 1_000;

/// The longest id of a request that is taken from the request. Heroku's router takes as many; a
/// UUID has 36.
pub const REQUEST_ID_BYTES_MAX: usize = 200;

/// The longest `LOCATION`, which stands in the first event.
pub const LOCATION_BYTES_MAX: usize = 256;

/// How many bytes may wait for syslog, while its receiver is slow or away; more is dropped.
pub const SYSLOG_WAITING_BYTES_MAX: usize = 4 << 20;

/// The longest message by TCP or to the system's own socket. rsyslog takes 8 KiB unless told more.
pub const SYSLOG_MESSAGE_BYTES_MAX: usize = 8_192;

/// The longest message by UDP: RFC 5426 §3.2 asks receivers to take 2,048.
pub const SYSLOG_DATAGRAM_BYTES_MAX: usize = 2_048;

/// The longest tag: RFC 3164 §4.1.3.
pub const SYSLOG_TAG_BYTES_MAX: usize = 32;

/// How many addresses of syslog's receiver are tried to connect to; each may take its time.
pub const SYSLOG_ADDRESSES_CONNECTIONS_MAX: usize = 4;

/// How long each of them may take. On the way to a log there is no ocean.
pub const SYSLOG_CONNECT_MILLISECONDS_MAX: u64 = 2_000;

/// How much of what a receiver of syslog says is read, and dropped, before it is sent more.
pub const SYSLOG_REPLIES_BYTES_MAX: usize = 16 << 10;

/// How long a write to syslog may make no progress, before the connection counts as broken.
pub const SYSLOG_WRITE_MILLISECONDS_MAX: u64 = 5_000;

/// The pause before the second attempt to reach syslog again; it doubles with each.
pub const SYSLOG_RETRY_MILLISECONDS_MIN: u64 = 100;

/// The longest such pause: a receiver that was restarted is found again within that.
pub const SYSLOG_RETRY_MILLISECONDS_MAX: u64 = 10_000;

/// How often at most it is told that syslog does not take what is sent.
pub const SYSLOG_TELL_SECONDS_MIN: u64 = 10;

/// How long the end waits for syslog. With the access log's second and the drain that is just over
/// Docker's 10 s at worst, and only if all of them are stuck.
pub const SYSLOG_END_MILLISECONDS_MAX: u64 = 500;

/// How long a start that fails takes at least, where nobody is looking: who starts it again at once
/// would do so hundreds of times a second.
pub const RESPAWN_SECONDS_MIN: u64 = 2;

/// How often it is looked whether a signal ends that pause.
pub const RESPAWN_POLL_MILLISECONDS: u64 = 20;

/// tiny_http: threads that answer. Each can be held up by a client that reads slowly, until
/// `TINY_SOCKET_SECONDS_MAX`; memory for idle ones is a few pages each.
pub const TINY_WORKERS: usize = 32;

/// tiny_http: how long a read or a write on a connection may make no progress. It also bounds
/// how long a keep-alive connection may idle.
pub const TINY_SOCKET_SECONDS_MAX: u64 = 30;

/// tiny_http: how long a server whose accept thread ended is still asked for requests of the
/// connections it had.
pub const TINY_RETIRED_SECONDS_MAX: u64 = 600;

/// tiny_http: how many threads answer for those connections.
pub const TINY_RETIRED_WORKERS: usize = 4;

/// tiny_http: the pause after a failed accept. Out of file descriptors, a new accept fails at once.
pub const TINY_ACCEPT_PAUSE_MILLISECONDS: u64 = 1_000;

/// tiny_http: the longest announced content of a request whose remainder tiny_http may be left to
/// skip. It allocates as many bytes at once, and a failing allocation would end the process.
pub const TINY_SKIPPED_CONTENT_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// The most connections at once, shared out among the threads. At the bound the one that has
/// idled longest makes room; if all are busy, new ones wait in the system's queue. An idle
/// connection costs some 500 bytes here. One whose request is half there costs what is there of
/// it, and one whose answers are not taken what else it has sent, up to `INPUT_BYTES` and a field
/// section; the system's own buffers, up to some 4 MB each, are the greater cost of that.
pub const CONNECTIONS_MAX: usize = 16_384;

/// How many connections may wait in the system's queue to be accepted; the system may allow fewer.
/// Those of a burst that lasts as long as a few turns.
pub const WAITING_CONNECTIONS_MAX: i32 = 1_024;

/// The most addresses that are listened on, sockets that were passed included: each costs a
/// descriptor a thread.
pub const LISTENERS_MAX: usize = 64;

/// The longest line of the PROXY protocol's version 1; the connection ends beyond. Its section 2.1
/// says that none is longer.
pub const PROXY_V1_BYTES_MAX: usize = 107;

/// The longest header of the PROXY protocol's version 2; the connection ends beyond. Addresses take
/// up to 232 bytes; what clouds and TLS add stays well below 1,000.
pub const PROXY_V2_BYTES_MAX: usize = 4_096;

/// How many members of Forwarded or X-Forwarded-For are looked at, from the end. Nobody has as many
/// proxies.
pub const FORWARDED_HOPS_MAX: usize = 16;

/// The most networks of trusted proxies. Large content networks publish some 200.
pub const TRUSTED_NETWORKS_MAX: usize = 256;

/// The descriptors that are asked for where the system refuses its own maximum: macOS' OPEN_MAX.
pub const DESCRIPTORS_MIN: u64 = 10_240;

/// The most requests on a connection, after which it ends: what a client may hold is bounded, and
/// clients spread over threads again.
pub const CONNECTION_REQUESTS_MAX: u32 = 10_000;

/// How long a request, its head and its content, may take to arrive, from its first byte; on a
/// new connection from the beginning. nginx gives 60 s to each; a link that needs more than 10 s
/// for some 500 bytes can hardly show a page.
pub const REQUEST_SECONDS_MAX: u64 = 10;

/// At the bound of connections, one whose request has not come for so long may have to make room.
pub const REQUEST_GRACE_MILLISECONDS: u64 = 1_000;

/// How long a connection may wait for its next request. nginx keeps 75 s, browsers 60 to 300.
pub const IDLE_SECONDS_MAX: u64 = 60;

/// How often the progress of a client that takes an answer is looked at.
pub const WRITE_SECONDS_MAX: u64 = 10;

/// How many bytes a client must take in each `WRITE_SECONDS_MAX`, or the connection ends. 4 KiB
/// in 10 s is slower than a telephone. What can be seen, though, is what the system takes, and it
/// takes more when half of `UNSENT_BYTES_MAX` is free again: on TCP the true floor is 64 KiB in
/// each `WRITE_SECONDS_MAX`.
pub const WRITE_PROGRESS_BYTES_MIN: u64 = 4_096;

/// How many bytes the system may hold that it has not sent, once an answer was blocked or is
/// larger than `HELD_BYTES_MAX`. Without this it holds 4 MB, and takes more only when a third of
/// that is gone: a client with 40 KB/s then seems to stand still for half a minute.
pub const UNSENT_BYTES_MAX: u32 = 128 << 10;

/// Up to this length the system may hold an answer whole. For a client on the same machine that
/// saves half of the turns; for one on a link its buffer has not grown so far when it first blocks.
pub const HELD_BYTES_MAX: u64 = 1 << 20;

/// How long, after an answer that ended the connection, what the client still sends is read and
/// dropped, so that it sees the answer and not a reset: RFC 9112 §9.6.
pub const LINGER_MILLISECONDS_MAX: u64 = 2_000;

/// How many bytes are dropped so.
pub const LINGER_BYTES_MAX: u64 = 1 << 20;

/// How many events a loop takes from the system at once: so many connections have their turns
/// before it asks again, and new ones are accepted.
pub const TURN_EVENTS_MAX: usize = 256;

/// How much is read from a connection at once, into a buffer of the thread: as much as a system
/// call is worth.
pub const INPUT_BYTES: usize = 64 << 10;

/// How much is read from a connection before others have their turn. The dearest bytes to read are
/// those of chunked content, some nanoseconds each: this is about a millisecond.
pub const TURN_READ_BYTES_MAX: u64 = 256 << 10;

/// How much is sent on a connection before others have their turn: half a millisecond by sendfile.
pub const TURN_SENT_BYTES_MAX: u64 = 4 << 20;

/// How many requests of a connection are answered before others have their turn: some 7 µs each.
pub const TURN_REQUESTS_MAX: u32 = 64;

/// How much is made for a connection before others have their turn, in bytes decoded; of what is
/// coded again each byte counts for eight more. One millisecond or two of text.
pub const TURN_MADE_BYTES_MAX: u64 = 512 << 10;

/// How much of a content is made at once: enough for a system call, and most pages whole.
pub const PIECE_BYTES: usize = 64 << 10;

/// What contents that are being made may hold in memory together; 503 beyond. A content that is
/// one piece holds nothing while it is sent, so this is for some 300 long ones at once.
pub const MAKERS_BYTES_MAX: u64 = 256 << 20;

/// What a decoder of gzip holds: a window of 32 KiB, its input's end, its tables.
pub const GUNZIP_BYTES: u64 = 64 << 10;

/// What a decoder of zstd frames holds: a window of 512 KiB, two blocks of 128, and tables of 160.
pub const UNZSTD_BYTES: u64 = 1 << 20;

/// The same with an encoder of gzip behind it: two windows, chains and hashes.
pub const UNZSTD_GZIP_BYTES: u64 = UNZSTD_BYTES + (384 << 10);

/// When to ask again after a 503: contents are made in milliseconds, and sent in seconds.
pub const RETRY_SECONDS: u64 = 1;

/// `serve DIR --watch`: how often it looks for changes; less often where looking takes longer than
/// a twentieth of that. A designer who has saved looks up about as fast.
pub const WATCH_MILLISECONDS: u64 = 500;

/// `serve DIR --watch`: how long nothing may change before a change counts. Editors write a file in
/// several steps, generators many files.
pub const WATCH_SETTLE_MILLISECONDS: u64 = 150;

/// `serve DIR --watch`: how long it waits for that, so that a file that never rests, as a log,
/// does not keep all others from being served.
pub const WATCH_SETTLE_MILLISECONDS_MAX: u64 = 2_000;

/// The longest executable that becomes an image, in bytes: a tar's header can say 8 GiB, and gzip
/// may make what it cannot compress a little longer.
pub const IMAGE_EXECUTABLE_BYTES_MAX: u64 = 8_000_000_000;

/// How much of it is read at once.
pub const IMAGE_PIECE_BYTES: usize = 256 << 10;

/// The longest label of an image: Docker shows them in one piece, and nobody reads more.
pub const IMAGE_LABEL_BYTES_MAX: usize = 4_096;

/// All labels of an image together: registries refuse manifests of over 4 MiB, and Kubernetes'
/// nodes keep every configuration in memory.
pub const IMAGE_LABELS_BYTES_MAX: usize = 65_536;

/// `--demo`: how long an answer may be held back. tiny_http ends a connection that is silent for
/// `TINY_SOCKET_SECONDS_MAX`.
pub const DEMO_DELAY_SECONDS_MAX: u16 = 20;

/// `--demo`: how many may be held back at once; 503 beyond. Half of `TINY_WORKERS`, each of which
/// holds one.
pub const DEMO_DELAYED_REQUESTS_MAX: usize = 16;

/// `--demo`: the longest index page that gets a banner. It is looked through, and may have to be
/// made, for each answer.
pub const DEMO_INDEX_BYTES_MAX: u64 = 256 << 10;

/// `--demo`: how many variables are told of. Kubernetes sets seven for each service of a name
/// space.
pub const DEMO_VARIABLES_MEMBERS_MAX: usize = 512;

/// How long accepting pauses when the system has no descriptor left.
pub const ACCEPT_PAUSE_MILLISECONDS: u64 = 100;

/// From this content length in bytes on, sendfile is cheaper than a copy from the mapping:
/// `docs/decisions/0007-sendfile.md`.
pub const SENDFILE_BYTES_MIN: u64 = 16_384;

/// How far into its executable a site is looked for, where the system does not tell where it is:
/// behind all that the linker puts before it, which is 5 MB, and 100 in a build for debugging. Each
/// page costs a read, some 10 ms in all.
pub const SITE_OFFSET_BYTES_MAX: u64 = 128 << 20;

/// `serve DIR --watch`: how many sites are held, the one that is served, and those of before that
/// something is still answered from; another is on the way besides. So a change does not wait for
/// one large download, nor memory hold more than four times a site.
pub const GENERATIONS_SITES_MAX: usize = 3;

/// `serve DIR --watch`: how long it waits at that bound. The native engine ends what is still
/// answered after `DRAIN_SECONDS_MAX`; of tiny_http's, each of its few threads may hold a site.
pub const GENERATIONS_SECONDS_MAX: u64 = DRAIN_SECONDS_MAX + 3;

/// `/aws`: how long all of it may take, however many items there are. A metadata service is on the
/// same host; who waits longer has none.
pub const AWS_SECONDS_MAX: u64 = 3;

/// `/aws`: how long what was fetched is shown, so that who reloads the page does not load the
/// metadata service of the host.
pub const AWS_FRESH_SECONDS: u64 = 60;

/// `/aws`: one item. The metadata of an ECS task with ten containers has some 20 KiB.
pub const AWS_ITEM_BYTES_MAX: u64 = 64 << 10;

/// `/aws`: a token of EC2's metadata service; they have 56 bytes.
pub const AWS_TOKEN_BYTES_MAX: u64 = 1 << 10;

/// The field section of an answer of a metadata service or a receiver of metrics.
pub const CLOUD_FIELDS_BYTES_MAX: usize = 16 << 10;

/// An address from the environment or the command line that is asked or told.
pub const CLOUD_URL_BYTES_MAX: usize = 8 << 10;

/// How much of a failure to ask or to tell is shown.
pub const CLOUD_CAUSE_BYTES_MAX: usize = 200;

/// How often metrics are posted to Heroku: what its dashboards are made for.
pub const HEROKU_SECONDS: u64 = 20;

/// How long a start waits until the receiver of Heroku's metrics is found, in seconds: a resolver
/// asks twice in that time, and of the minute that Heroku gives to a start most is left.
pub const HEROKU_FIND_SECONDS_MAX: u64 = 8;

/// The pause after a failed search for it, in milliseconds.
pub const HEROKU_FIND_PAUSE_MILLISECONDS: u64 = 500;

/// How long a post may take: less than the time to the next.
pub const HEROKU_POST_SECONDS_MAX: u64 = 10;

/// How long it waits at most after posts that failed, the jitter included; a receiver that comes
/// back is found within ten minutes.
pub const HEROKU_BACKOFF_SECONDS_MAX: u64 = 600;

/// The bounds on a request that its reader and the core share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLimits {
    /// The longest request target.
    pub target_bytes: usize,
    /// The longest field section.
    pub field_section_bytes: usize,
    /// The most field lines.
    pub field_lines: usize,
}

impl Default for RequestLimits {
    fn default() -> RequestLimits {
        RequestLimits {
            target_bytes: TARGET_BYTES_MAX,
            field_section_bytes: FIELD_SECTION_BYTES_MAX,
            field_lines: FIELD_LINES_MAX,
        }
    }
}

/// The bounds on connections, as the options set them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionLimits {
    /// The most at once, of the whole process.
    pub connections: usize,
    /// The most requests on one.
    pub requests: u32,
    /// How long a request may take to arrive.
    pub request_seconds: u64,
    /// How long to wait for the next request.
    pub idle_seconds: u64,
    /// How often the progress of an answer is looked at.
    pub write_seconds: u64,
}

impl Default for ConnectionLimits {
    fn default() -> ConnectionLimits {
        ConnectionLimits {
            connections: CONNECTIONS_MAX,
            requests: CONNECTION_REQUESTS_MAX,
            request_seconds: REQUEST_SECONDS_MAX,
            idle_seconds: IDLE_SECONDS_MAX,
            write_seconds: WRITE_SECONDS_MAX,
        }
    }
}
