//! Every bound, its unit in its name, its reason beside it.

/// The longest request target in bytes; 414 beyond. RFC 9112 §3 recommends 8,000 for the whole
/// request line.
pub const TARGET_BYTES_MAX: usize = 8_192;

/// The longest field section in bytes; 431 beyond. nginx takes 32 KiB, browsers with many cookies
/// send 16.
pub const FIELD_SECTION_BYTES_MAX: usize = 32_768;

/// The most field lines in a request; 431 beyond. Apache takes 100.
pub const FIELD_LINES_MAX: usize = 100;

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

/// How long a quiet moment must last before a drained server ends: a request that was on its way
/// through the engine when the listener closed still gets its answer.
pub const DRAIN_QUIET_MILLISECONDS: u64 = 50;

/// How long the health check waits for a connection, and then for an answer. Docker's own
/// time-out is 30 s, Kubernetes' 1 s.
pub const HEALTHCHECK_MILLISECONDS_MAX: u64 = 2_000;

/// How long an access-log line may wait before it is written.
pub const LOG_FLUSH_MILLISECONDS: u64 = 200;

/// How many bytes of access log may wait before they are written.
pub const LOG_BUFFER_BYTES: usize = 65_536;

/// tiny_http: threads that answer. Each can be held up by a client that reads slowly, until
/// `TINY_SOCKET_SECONDS_MAX`; memory for idle ones is a few pages each.
pub const TINY_WORKERS: usize = 32;

/// tiny_http: how long a read or a write on a connection may make no progress. It also bounds
/// how long a keep-alive connection may idle.
pub const TINY_SOCKET_SECONDS_MAX: u64 = 30;

/// tiny_http: how long a server whose accept thread ended is still asked for requests of the
/// connections it had.
pub const TINY_RETIRED_SECONDS_MAX: u64 = 600;

/// tiny_http: the pause after a failed accept. Out of file descriptors, a new accept fails at once.
pub const TINY_ACCEPT_PAUSE_MILLISECONDS: u64 = 100;

/// tiny_http: the longest announced content of a request whose remainder tiny_http may be left to
/// skip. It allocates as many bytes at once, and a failing allocation would end the process.
pub const TINY_SKIPPED_CONTENT_BYTES_MAX: u64 = 16 * 1024 * 1024;
