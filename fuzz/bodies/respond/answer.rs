//! An answer with its head as a client reads it.

use chapbook::http::{connection::persists, date::imf_fixdate};
use chapbook::origin::Origin;
use chapbook::request::Request;
use chapbook::response::{Connection, Response};

#[path = "check.rs"]
mod check;
#[path = "head.rs"]
mod head;

pub(super) use head::Head;

const NOW: u64 = 1_795_305_600; // 2026-11-22

pub(super) struct Answer {
    pub(super) head: Head,
    pub(super) response: Response<'static>,
}

/// Asks twice, wants the same answer, and checks it.
pub(super) fn to(origin: &Origin<'static>, request: &Request<'_>) -> Answer {
    let connection = match persists(request) {
        true => Connection::KeepAlive,
        false => Connection::Close,
    };
    let [first, again] = [(); 2].map(|()| {
        let response = origin.respond(request, NOW);
        let mut head = Vec::new();
        response.write_head(&mut head, &imf_fixdate(NOW), connection);
        (head, response)
    });
    assert!(first.0 == again.0 && first.1.content.slices().eq(again.1.content.slices()));
    let (head, response) = (Head::read(&first.0), first.1);
    let answer = Answer { head, response };
    check::content(request, &answer);
    check::fields(origin, request, &answer);
    answer
}
