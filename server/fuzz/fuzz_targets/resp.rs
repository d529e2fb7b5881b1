//! `cargo fuzz run --fuzz-dir server/fuzz --sanitizer none --features libfuzzer resp`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| damselfly_fuzz::resp::body(data));
