//! Replays the seeds of the fuzz targets, among them every regression that they found.

use std::path::Path;

#[path = "../../fuzz/bodies/accept_encoding.rs"]
mod accept_encoding;
#[path = "../../fuzz/bodies/conversation.rs"]
mod conversation;
#[path = "../../fuzz/bodies/forwarded.rs"]
mod forwarded;
#[path = "../../fuzz/bodies/proxy.rs"]
mod proxy;
#[path = "../../fuzz/bodies/range.rs"]
mod range;
#[path = "../../fuzz/bodies/respond.rs"]
mod respond;
#[path = "../../fuzz/bodies/target.rs"]
mod target;

fn replay(name: &str, run: fn(&[u8])) {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(name);
    let mut count = 0;
    for entry in directory.read_dir().unwrap() {
        let file = entry.unwrap().path();
        println!("{}", file.display());
        run(&std::fs::read(file).unwrap());
        count += 1;
    }
    assert!(count >= 5, "only {count} seeds for {name}");
}

#[test]
fn seeds_of_accept_encoding() {
    replay("accept_encoding", accept_encoding::run);
}

#[test]
fn seeds_of_conversation() {
    replay("conversation", conversation::run);
}

#[test]
fn seeds_of_forwarded() {
    replay("forwarded", forwarded::run);
}

#[test]
fn seeds_of_proxy() {
    replay("proxy", proxy::run);
}

#[test]
fn seeds_of_range() {
    replay("range", range::run);
}

#[test]
fn seeds_of_respond() {
    replay("respond", respond::run);
}

#[test]
fn seeds_of_target() {
    replay("target", target::run);
}
