use super::*;
use std::sync::atomic::AtomicUsize;
use std::task::{Context, Poll, Wake};

fn log(backlog: u64, hard: u64) -> Arc<ReplLog> {
    let log = Arc::new(ReplLog::new(Limits { backlog, hard }));
    log.activate();
    log
}

fn rest(cursor: &mut Cursor) -> Vec<u8> {
    let mut out = Vec::new();
    while cursor.read(1000, &mut out).unwrap() > 0 {}
    out.concat()
}

#[test]
fn commands_are_selected_and_encoded_as_redis_does() {
    let log = log(1 << 20, 0);
    let mut cursor = log.cursor_at(0).unwrap();
    log.append(0, &[b"SET", b"k", b""]);
    log.append(0, &[b"DEL", b"k"]);
    let end = log.append(11, &[b"DEL", b"k"]);
    log.writer().plain(&[b"PING"]);
    log.append(11, &[b"DEL", b"k"]);
    assert_eq!(log.forget_selected(), 11);
    log.append(11, &[b"DEL", b"k"]);
    assert_eq!(log.append_raw(b"*1\r\n$4\r\nPING\r\n", 11), log.offset());
    log.append(11, &[b"DEL", b"k"]);
    let del = "*2\r\n$3\r\nDEL\r\n$1\r\nk\r\n";
    let select = |db: &str| format!("*2\r\n$6\r\nSELECT\r\n${}\r\n{db}\r\n", db.len());
    let ping = "*1\r\n$4\r\nPING\r\n";
    let head = format!(
        "{}*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n{del}{}{del}",
        select("0"),
        select("11")
    );
    assert_eq!(end, head.len() as u64);
    let all = format!("{head}{ping}{del}{0}{del}{ping}{0}{del}", select("11"));
    assert_eq!(String::from_utf8(rest(&mut cursor)).unwrap(), all);
    assert_eq!(cursor.position(), log.offset());
}

#[test]
fn a_block_is_contiguous() {
    let log = log(1 << 20, 0);
    let mut cursor = log.cursor_at(0).unwrap();
    std::thread::scope(|s| {
        for db in 0..4u32 {
            let log = &log;
            s.spawn(move || {
                for _ in 0..500 {
                    let mut writer = log.writer();
                    writer.command(db, &[b"A"]);
                    writer.command(db, &[b"B"]);
                }
            });
        }
    });
    let text = String::from_utf8(rest(&mut cursor)).unwrap();
    assert_eq!(
        text.matches("*1\r\n$1\r\nA\r\n*1\r\n$1\r\nB\r\n").count(),
        2000
    );
}

#[test]
fn the_backlog_is_trimmed_to_its_size() {
    let log = log(100_000, 0);
    for i in 0..10_000u32 {
        log.append(0, &[b"SET", &i.to_be_bytes(), &[b'x'; 100]]);
    }
    let backlog = log.backlog();
    assert!(
        backlog.histlen >= 100_000 && backlog.histlen < 140_000,
        "{backlog:?}"
    );
    assert_eq!(
        backlog.first_byte_offset + backlog.histlen,
        log.offset() + 1
    );
    let (first, last) = log.resumable().unwrap();
    assert!(log.cursor_at(first - 1).is_none());
    assert!(log.cursor_at(last + 1).is_none());
    assert_eq!(
        rest(&mut log.cursor_at(first).unwrap()).len() as u64,
        last - first
    );
    assert_eq!(rest(&mut log.cursor_at(last).unwrap()).len(), 0);
}

#[test]
fn a_cursor_holds_its_bytes_up_to_the_limit_and_is_then_let_go() {
    let log = log(50_000, 200_000);
    let mut slow = log.cursor_at(0).unwrap();
    let mut quick = log.cursor_at(0).unwrap();
    let value = [b'v'; 1000];
    while log.offset() < 190_000 {
        log.append(0, &[b"SET", b"k", &value]);
        rest(&mut quick);
    }
    assert_eq!(
        log.resumable().unwrap().0,
        0,
        "bytes a cursor needs were freed"
    );
    assert!(slow.lag() >= 190_000);
    while log.offset() < 300_000 {
        log.append(0, &[b"SET", b"k", &value]);
        rest(&mut quick);
    }
    assert_eq!(slow.read(1, &mut Vec::new()), Err(Dropped));
    assert_eq!(quick.read(1, &mut Vec::new()), Ok(0));
    assert!(log.backlog().histlen < 100_000);
}

#[test]
fn a_hard_limit_below_the_backlog_counts_as_the_backlog() {
    let log = log(100_000, 10);
    let mut cursor = log.cursor_at(0).unwrap();
    while log.offset() < 90_000 {
        log.append(0, &[b"SET", b"k", &[b'v'; 1000]]);
    }
    assert_eq!(rest(&mut cursor).len() as u64, log.offset());
}

#[test]
fn one_huge_command_does_not_stay() {
    let log = log(50_000, 0);
    log.append(0, &[b"SET", b"k", &vec![b'v'; 20 << 20]]);
    let huge = log.backlog().histlen;
    log.append(0, &[b"SET", b"k", &[b'v'; 100_000]]);
    assert!(log.backlog().histlen < huge, "appending frees nothing");
    log.tidy();
    assert!(log.backlog().histlen < 2 << 20, "{:?}", log.backlog());
}

#[test]
fn after_all_were_let_go_nothing_more_is_read_and_the_backlog_is_still_there() {
    let log = log(1 << 20, 0);
    log.activate();
    let mut cursor = log.cursor_at(0).unwrap();
    log.append(0, &[b"SET", b"k", b"old"]);
    let change = log.offset();
    log.let_all_go();
    log.append(0, &[b"SET", b"k", b"new"]);
    assert_eq!(cursor.read(1 << 20, &mut Vec::new()), Err(Dropped));
    let mut returned = log.cursor_at(change).unwrap();
    assert!(rest(&mut returned).ends_with(b"new\r\n"));
}

#[test]
fn reset_and_deactivate_let_cursors_go() {
    let log = log(50_000, 0);
    log.append(3, &[b"DEL", b"k"]);
    let mut cursor = log.cursor_at(0).unwrap();
    log.reset(7_000, 5);
    assert_eq!(log.forget_selected(), 5);
    assert_eq!(cursor.read(1, &mut Vec::new()), Err(Dropped));
    assert_eq!(log.resumable(), Some((7_000, 7_000)));
    let mut cursor = log.cursor_at(7_000).unwrap();
    log.append(3, &[b"DEL", b"k"]);
    assert!(
        rest(&mut cursor).starts_with(b"*2\r\n$6\r\nSELECT"),
        "the selection outlived the history"
    );
    log.deactivate();
    assert_eq!(cursor.read(1, &mut Vec::new()), Err(Dropped));
    assert_eq!(log.resumable(), None);
    assert!(log.cursor_at(log.offset()).is_none());
    assert!(log.offset() > 7_000);
}

struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Relaxed);
    }
}

#[test]
fn a_sleeping_sender_is_woken_once_per_batch() {
    let log = log(50_000, 60_000);
    let mut cursor = log.cursor_at(0).unwrap();
    let count = Arc::new(Count(AtomicUsize::new(0)));
    let waker = Arc::clone(&count).into();
    let mut cx = Context::from_waker(&waker);
    assert!(cursor.poll_bytes(&mut cx).is_pending());
    log.kick();
    assert_eq!(count.0.load(Relaxed), 0, "woken for nothing");
    for _ in 0..10 {
        log.append(0, &[b"PING"]);
    }
    log.kick();
    log.kick();
    assert_eq!(count.0.load(Relaxed), 1);
    assert_eq!(cursor.poll_bytes(&mut cx), Poll::Ready(Ok(())));

    // One whose socket is stuck is not woken by bytes, but by the loss of its cursor.
    assert!(cursor.poll_dropped(&mut cx).is_pending());
    log.append(0, &[b"PING"]);
    log.kick();
    assert_eq!(count.0.load(Relaxed), 1);
    while log.offset() < 120_000 {
        log.append(0, &[b"SET", b"k", &[b'v'; 1000]]);
    }
    log.kick();
    assert_eq!(count.0.load(Relaxed), 2);
    assert_eq!(cursor.poll_dropped(&mut cx), Poll::Ready(Err(Dropped)));
    assert_eq!(cursor.poll_bytes(&mut cx), Poll::Ready(Err(Dropped)));
}

#[test]
fn readers_and_writers_on_many_threads_lose_nothing() {
    let log = log(1 << 20, 0);
    std::thread::scope(|s| {
        let writers: Vec<_> = (0..3u32)
            .map(|db| {
                let log = &log;
                s.spawn(move || {
                    for i in 0..5_000u32 {
                        log.append(db, &[b"SET", &i.to_be_bytes(), &[b'x'; 50]]);
                        log.kick();
                    }
                })
            })
            .collect();
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let mut cursor = log.cursor_at(0).unwrap();
                s.spawn(move || {
                    struct Unpark(std::thread::Thread);
                    impl Wake for Unpark {
                        fn wake(self: Arc<Self>) {
                            self.0.unpark();
                        }
                    }
                    let waker = Arc::new(Unpark(std::thread::current())).into();
                    let mut cx = Context::from_waker(&waker);
                    let mut all = Vec::new();
                    loop {
                        let mut out = Vec::new();
                        while cursor.read(10_000, &mut out).unwrap() > 0 {}
                        all.extend(out.concat());
                        if all.ends_with(b"$3\r\nEND\r\n") {
                            return all;
                        }
                        while cursor.poll_bytes(&mut cx).is_pending() {
                            std::thread::park();
                        }
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.join().unwrap();
        }
        log.writer().plain(&[b"END"]);
        log.kick();
        let read: Vec<_> = readers
            .into_iter()
            .map(|reader| reader.join().unwrap())
            .collect();
        assert_eq!(read[0].len() as u64, log.offset());
        assert!(read[0] == read[1]);
    });
}
