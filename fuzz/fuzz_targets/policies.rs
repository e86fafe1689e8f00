#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| runaccess::raw_bytes::policies(bytes));
