//! The replication log: what is read was published, whole and in order, and nobody who waits is forgotten.
//!
//! Each property is also shown to be broken by the mistake that it is there to prevent.

mod common;

use bytes::Bytes;
use common::every_interleaving;
use damselfly_loom::gate::gates::Gates;
use damselfly_loom::log::{Cursor, Dropped, Limits, ReplLog};
use loom::future::block_on;
use loom::thread;
use std::future::poll_fn;
use std::sync::Arc;

fn log() -> Arc<ReplLog> {
    let log = ReplLog::new(Limits::default());
    log.activate();
    Arc::new(log)
}

/// The bytes of one command of ours, without the SELECT that the first one needs.
fn command(n: u8) -> Vec<u8> {
    format!("*1\r\n$1\r\n{n}\r\n").into_bytes()
}

/// Appends command `n` and wakes whoever waits.
fn write(log: &ReplLog, n: u8) {
    log.writer().plain(&[&[b'0' + n]]);
    log.kick();
}

/// Waits for bytes and takes them, as the sender of a replica does, until there are `total`.
fn read(cursor: &mut Cursor, total: usize) -> Result<Vec<u8>, Dropped> {
    let mut pieces: Vec<Bytes> = Vec::new();
    let mut len = 0;
    while len < total {
        block_on(poll_fn(|cx| cursor.poll_bytes(cx)))?;
        len += cursor.read(usize::MAX, &mut pieces)?;
    }
    Ok(pieces.concat())
}

#[test]
fn who_waits_for_bytes_is_woken_and_reads_them_in_order() {
    every_interleaving(3, || {
        let log = log();
        let mut cursor = log.cursor_at(0).unwrap();
        let there = Arc::clone(&log);
        let writer = thread::spawn(move || {
            write(&there, 1);
            write(&there, 2);
        });
        let all = [command(1), command(2)].concat();
        assert!(read(&mut cursor, all.len()) == Ok(all), "other bytes");
        writer.join().unwrap();
    });
}

#[test]
fn two_readers_and_two_writers_all_come_to_their_end() {
    every_interleaving(1, || {
        let log = log();
        let writers: [_; 2] = [1, 2].map(|n| {
            let there = Arc::clone(&log);
            thread::spawn(move || write(&there, n))
        });
        let mut cursor = log.cursor_at(0).unwrap();
        let reader = thread::spawn(move || read(&mut cursor, 2 * command(1).len()));
        let orders = [[1, 2], [2, 1]].map(|order| order.map(command).concat());
        let mut cursor = log.cursor_at(0).unwrap();
        let here = read(&mut cursor, orders[0].len()).unwrap();
        assert!(orders.contains(&here), "torn");
        assert!(reader.join().unwrap() == Ok(here), "two orders");
        for writer in writers {
            writer.join().unwrap();
        }
    });
}

/// The mistake: waking before there is something to read.
#[test]
#[should_panic(expected = "deadlock")]
fn a_wake_up_before_the_bytes_is_found() {
    every_interleaving(2, || {
        let log = log();
        let mut cursor = log.cursor_at(0).unwrap();
        let there = Arc::clone(&log);
        let writer = thread::spawn(move || {
            there.kick();
            there.writer().plain(&[b"1"]);
        });
        let _ = read(&mut cursor, command(1).len());
        writer.join().unwrap();
    });
}

/// A transaction of commands 1 and 2 by `how`, beside a command 3 of somebody else.
fn transaction(how: impl Fn(&ReplLog) + Send + Sync + Copy + 'static) {
    every_interleaving(2, move || {
        let log = log();
        let there = Arc::clone(&log);
        let other = thread::spawn(move || write(&there, 3));
        how(&log);
        other.join().unwrap();
        let mut cursor = log.cursor_at(0).unwrap();
        let bytes = read(&mut cursor, 3 * command(1).len()).unwrap();
        let whole = [command(1), command(2)].concat();
        assert!(
            bytes.starts_with(&whole) || bytes.ends_with(&whole),
            "something stands inside a transaction"
        );
    });
}

#[test]
fn nothing_stands_inside_a_transaction() {
    transaction(|log| {
        let mut writer = log.writer();
        writer.plain(&[b"1"]);
        writer.plain(&[b"2"]);
    });
}

/// The mistake: a transaction is appended command by command.
#[test]
#[should_panic(expected = "something stands inside a transaction")]
fn a_transaction_in_two_appends_is_found() {
    transaction(|log| {
        write(log, 1);
        write(log, 2);
    });
}

/// Whatever offset is read without the lock: the bytes up to it are there to be read.
fn offset_and_bytes(offset_of: impl Fn(&ReplLog) -> u64 + Send + Sync + Copy + 'static) {
    every_interleaving(3, move || {
        let log = log();
        let there = Arc::clone(&log);
        let writer = thread::spawn(move || write(&there, 1));
        let offset = offset_of(&log);
        let end = log.resumable().map_or(0, |(_, end)| end);
        assert!(offset <= end, "an offset without its bytes");
        writer.join().unwrap();
    });
}

#[test]
fn an_offset_is_published_after_its_bytes() {
    offset_and_bytes(ReplLog::offset);
}

/// The mistake: an offset is counted before the bytes are there.
#[test]
#[should_panic(expected = "an offset without its bytes")]
fn an_offset_before_its_bytes_is_found() {
    offset_and_bytes(|log| log.offset() + command(1).len() as u64);
}

#[test]
fn who_is_let_go_hears_of_it() {
    every_interleaving(3, || {
        let log = log();
        let mut cursor = log.cursor_at(0).unwrap();
        let there = Arc::clone(&log);
        // A swap: its history is another one.
        let swap = thread::spawn(move || there.reset(100, 0));
        let told = block_on(poll_fn(|cx| cursor.poll_dropped(cx)));
        assert_eq!(told, Err(Dropped));
        assert_eq!(cursor.read(1, &mut Vec::new()), Err(Dropped));
        swap.join().unwrap();
        assert_eq!(log.offset(), 100);
    });
}

/// A dataset, as the number of writes that are in it, in the gate of the one who writes.
struct Shard {
    gates: Gates<()>,
    writes: loom::sync::Mutex<u64>,
    log: ReplLog,
}

impl Shard {
    fn new() -> Arc<Shard> {
        Arc::new(Shard {
            gates: Gates::new(2, ()),
            writes: loom::sync::Mutex::new(0),
            log: ReplLog::new(Limits::default()),
        })
    }

    /// A write as the dispatcher does it: data and log under the lock of the shard, in a gate.
    fn write(&self, slot: usize) {
        let gate = self.gates.enter(slot);
        let mut writes = self.writes.lock().unwrap();
        *writes += 1;
        if self.log.active() {
            self.log.writer().plain(&[b"1"]);
        }
        drop(writes);
        Gates::leave(gate);
        self.log.kick();
    }

    fn writes(&self) -> u64 {
        *self.writes.lock().unwrap()
    }
}

/// A snapshot that begins while others write: data and offset, as `how` reads them, belong together.
fn snapshot(how: impl Fn(&Shard) -> (u64, u64) + Send + Sync + Copy + 'static) {
    every_interleaving(2, move || {
        let shard = Shard::new();
        let writers: [_; 2] = [0, 1].map(|slot| {
            let there = Arc::clone(&shard);
            thread::spawn(move || there.write(slot))
        });
        let (writes, offset) = how(&shard);
        for writer in writers {
            writer.join().unwrap();
        }
        let since = (shard.log.offset() - offset) / command(1).len() as u64;
        assert_eq!(writes + since, 2, "snapshot and stream do not meet");
    });
}

#[test]
fn a_snapshot_is_the_dataset_at_exactly_its_offset() {
    snapshot(|shard| {
        let all = shard.gates.all();
        shard.log.activate();
        let taken = (shard.writes(), shard.log.offset());
        drop(all);
        taken
    });
}

/// The mistake: the offset is read when the gates are open again.
#[test]
#[should_panic(expected = "snapshot and stream do not meet")]
fn an_offset_read_after_the_gates_are_open_is_found() {
    snapshot(|shard| {
        let all = shard.gates.all();
        shard.log.activate();
        let writes = shard.writes();
        drop(all);
        (writes, shard.log.offset())
    });
}

/// The mistake: the log is put in use when the gates are open again.
#[test]
#[should_panic(expected = "snapshot and stream do not meet")]
fn a_log_put_in_use_without_the_gates_is_found() {
    snapshot(|shard| {
        let all = shard.gates.all();
        let taken = (shard.writes(), shard.log.offset());
        drop(all);
        shard.log.activate();
        taken
    });
}
