//! What a snapshot announces takes no memory: only what arrives does.

use damselfly_server::rdb::read::{Loaded, Options, Reader, Refusal, Sink};
use tikv_jemalloc_ctl::thread::{ThreadLocal, allocatedp};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

struct Nothing;

impl Sink for Nothing {
    fn key(&mut self, _: u32, _: &[u8], _: Loaded<'_>, _: Option<i64>) -> Result<(), Refusal> {
        Ok(())
    }
}

/// Bytes that this thread has allocated since it began, freed ones included.
fn allocated(counter: &ThreadLocal<u64>) -> u64 {
    counter.get()
}

#[test]
fn announced_lengths_take_no_memory() {
    let counter = allocatedp::mib()
        .and_then(|mib| mib.read())
        .expect("jemalloc counts");
    let lengths: [&[u8]; 6] = [
        &[0x3f],
        &[0x7f, 0xff],
        &[0x80, 0x3f, 0xff, 0xff, 0xff],
        &[0x80, 0xff, 0xff, 0xff, 0xff],
        &[0x81, 0, 0, 0, 1, 0, 0, 0, 0],
        &[0x81, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
    ];
    let before = allocated(&counter);
    let _ = Reader::new(&b"REDIS0010"[..], Options::default()).read(&mut Nothing);
    let reader = allocated(&counter) - before;
    assert!(
        (1..2 << 20).contains(&reader),
        "a reader takes {reader} bytes"
    );
    for kind in 0..26 {
        for length in lengths {
            for then in lengths {
                let mut bytes = b"REDIS0010".to_vec();
                bytes.extend([kind, 1, b'k']);
                bytes.extend(length);
                bytes.extend(then);
                bytes.extend([1; 100]);
                // The same announced as a compressed string.
                let mut compressed = b"REDIS0010".to_vec();
                compressed.extend([kind, 1, b'k', 0xc3]);
                compressed.extend(length);
                compressed.extend(then);
                compressed.extend([1; 100]);
                for bytes in [&bytes, &compressed] {
                    let before = allocated(&counter);
                    let result = Reader::new(&bytes[..], Options::default()).read(&mut Nothing);
                    assert!(result.is_err());
                    // One step of a long string is 1 MiB, and a vector may double once.
                    let took = allocated(&counter) - before;
                    assert!(
                        took <= reader + (3 << 20),
                        "{took} bytes for type {kind}, lengths {length:02x?} {then:02x?}"
                    );
                }
            }
        }
    }
}
