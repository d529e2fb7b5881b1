//! `cargo fuzz run --fuzz-dir server/fuzz --sanitizer none --features libfuzzer answers`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| damselfly_fuzz::answers::body(data));
