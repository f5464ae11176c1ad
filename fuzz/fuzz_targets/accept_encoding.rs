#![no_main]

#[path = "../bodies/accept_encoding.rs"]
mod body;

libfuzzer_sys::fuzz_target!(|data: &[u8]| body::run(data));
