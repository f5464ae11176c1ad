//! The conversation on a connection: however its input is split, the answers are the same; each
//! is well-formed, each takes some input, and after one that closes there is none.

use std::sync::LazyLock;

use chapbook::embedded;
use chapbook::limits::RequestLimits;
use chapbook::origin::Origin;
use chapbook::response::Connection;
use chapbook::server::Role;
use chapbook::server::conversation::{Conversation, Terms, Turn};

const TERMS: Terms<'static> = Terms {
    limits: RequestLimits {
        target_bytes: 256,
        field_section_bytes: 1024,
        field_lines: 16,
    },
    requests_max: 50,
    draining: false,
    now: 1_795_305_600,
    trusted: None,
    role: Role::Site,
    is_near: false,
};

static ORIGIN: LazyLock<Origin<'static>> = LazyLock::new(|| Origin::new(embedded::site().unwrap()));

/// The first byte says how many bytes come at once, then the input.
pub(crate) fn run(data: &[u8]) {
    let Some((step, input)) = data.split_first() else {
        return;
    };
    let whole = answers(input, input.len().max(1));
    assert_eq!(
        answers(input, usize::from(*step).max(1)),
        whole,
        "in steps of {step}"
    );
    assert_eq!(answers(input, 1), whole, "byte by byte");
}

/// What was answered to `input`, of which `step` bytes come at once.
fn answers(input: &[u8], step: usize) -> Vec<(u16, bool)> {
    let mut conversation = Conversation::default();
    let mut waiting = Vec::new();
    let mut answers = Vec::new();
    for piece in input.chunks(step) {
        waiting.extend_from_slice(piece);
        loop {
            let (taken, turn) = conversation.next(&waiting, &ORIGIN, &TERMS);
            assert!(taken <= waiting.len(), "more taken than there is");
            let answer = match turn {
                Turn::More { .. } => {
                    waiting.drain(..taken);
                    break;
                }
                Turn::Over => return answers,
                Turn::Answer(answer) => answer,
            };
            assert!(taken > 0 || waiting.is_empty(), "an answer to nothing");
            let said = answer.target.of(&waiting);
            assert!(
                said.len() <= TERMS.limits.target_bytes,
                "a target beyond the limit"
            );
            let mut head = Vec::new();
            answer.response.write_head(
                &mut head,
                "Sun, 22 Nov 2026 00:00:00 GMT",
                answer.connection,
            );
            assert!(head.starts_with(b"HTTP/1.1 ") && head.ends_with(b"\r\n\r\n"));
            assert!(!answer.lingers || answer.connection == Connection::Close);
            let closes = answer.connection == Connection::Close;
            // What breaks two rules is refused for the one that is seen broken first.
            let status = match answer.response.status.code() {
                414 | 431 | 501 if closes => 400,
                status => status,
            };
            answers.push((status, closes));
            waiting.drain(..taken);
        }
    }
    assert_eq!(
        answers.iter().filter(|(_, closes)| *closes).count(),
        0,
        "nothing after the end"
    );
    answers
}
