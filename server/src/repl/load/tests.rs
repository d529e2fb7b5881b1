//! Snapshots that come over a socket, whole and broken.

use super::*;
use crate::rdb::crc64::Crc64;
use std::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

const MARK: [u8; 40] = *b"0123456789abcdef0123456789abcdef01234567";

/// A snapshot with string keys `k0`, `k1`... and a stream that has database 3 selected.
fn snapshot(keys: usize) -> Vec<u8> {
    let mut bytes = b"REDIS0010\xfa\x0erepl-stream-db\x013\xfe\x00".to_vec();
    for i in 0..keys {
        let key = format!("k{i}");
        bytes.extend([0, key.len() as u8]);
        bytes.extend(key.as_bytes());
        bytes.extend(b"\x05value");
    }
    bytes.push(0xff);
    let mut sum = Crc64::new();
    sum.update(&bytes);
    bytes.extend(sum.value().to_le_bytes());
    bytes
}

/// Loads what a peer sends in pieces of `piece` bytes; the first one is read before the load begins.
async fn load_from(bytes: Vec<u8>, piece: usize, extent: Extent) -> Result<Loaded, LoadError> {
    load_within(u64::MAX, bytes, piece, extent).await
}

/// [`load_from`] with room for so many bytes.
async fn load_within(
    limit: u64,
    bytes: Vec<u8>,
    piece: usize,
    extent: Extent,
) -> Result<Loaded, LoadError> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    let mut unread = vec![0; piece.min(bytes.len())];
    std::thread::spawn(move || {
        for chunk in bytes.chunks(piece) {
            if peer.write_all(chunk).is_err() {
                return;
            }
        }
        // Signs of life are read, so that closing does not reset the connection.
        let _ = peer.shutdown(Shutdown::Write);
        let _ = io::copy(&mut peer, &mut io::sink());
    });
    stream.read_exact(&mut unread).unwrap();
    let order = Order {
        stream,
        unread,
        extent,
        timeout: Duration::from_secs(5),
        limit,
        databases: 16,
        reading: Options::default(),
        room: Arc::new(Semaphore::new(1)).acquire_owned().await.unwrap(),
        dropped: None,
    };
    Loading::begin(order, Arc::new(Facts::new()))
        .unwrap()
        .done()
        .await
}

#[tokio::test]
async fn what_follows_a_snapshot_belongs_to_the_stream() {
    let stream = b"*1\r\n$4\r\nPING\r\n";
    let snapshot = snapshot(200);
    for piece in [1, 7, 100, 1 << 20] {
        for (extent, mark) in [
            (Extent::Bytes(snapshot.len() as u64), &b""[..]),
            (Extent::Mark(MARK), &MARK[..]),
        ] {
            let bytes = [&snapshot[..], mark, stream].concat();
            let loaded = load_from(bytes, piece, extent).await.unwrap();
            assert_eq!((loaded.keys, loaded.staged.stream_db), (200, 3));
            assert_eq!(loaded.bytes, snapshot.len() as u64);
            assert_eq!(loaded.staged.dataset.len(), 200);
            // What is not in the buffer is still in the socket.
            assert!(stream.starts_with(&loaded.unread), "{:?}", loaded.unread);
            let mut all = loaded.unread;
            loaded.stream.set_nonblocking(false).unwrap();
            (&loaded.stream).read_to_end(&mut all).unwrap();
            assert_eq!(all, stream, "in pieces of {piece}, {extent:?}");
        }
    }
}

#[tokio::test]
async fn a_snapshot_that_is_not_what_was_announced() {
    let good = snapshot(50);
    let len = good.len() as u64;
    let mut flipped = good.clone();
    flipped[40] ^= 1;
    let behind = |bytes: &[u8], tail: &[u8]| [bytes, tail].concat();
    for (bytes, extent, want) in [
        (flipped, Extent::Bytes(len), "the snapshot cannot be loaded"),
        (good[..100].to_vec(), Extent::Bytes(len), "it ends early"),
        (good.clone(), Extent::Bytes(len - 1), "it ends early"),
        (
            behind(&good, b"xy"),
            Extent::Bytes(len + 2),
            "2 bytes before",
        ),
        (behind(&good, &[b'x'; 40]), Extent::Mark(MARK), "end mark"),
        (
            behind(&good, &MARK[..39]),
            Extent::Mark(MARK),
            "behind the snapshot",
        ),
        (b"GET / HTTP/1.1\r\n".to_vec(), Extent::Bytes(16), "REDIS"),
    ] {
        let Err(error) = load_from(bytes, 16, extent).await else {
            panic!("it was loaded; expected {want}");
        };
        assert!(error.to_string().contains(want), "{error}, not {want}");
    }
}

#[tokio::test]
async fn a_string_may_be_as_long_as_there_is_room() {
    for (len, limit, want) in [
        (1_500_000_000, u64::MAX, "it ends early"),
        (60_000_000, 50_000_000, "a string of 60000000 bytes"),
    ] {
        let key = [b"REDIS0010\x00\x01k\x80", &u32::to_be_bytes(len)[..]].concat();
        let Err(error) = load_within(limit, key, 16, Extent::Mark(MARK)).await else {
            panic!("{len} bytes were loaded");
        };
        assert!(error.to_string().contains(want), "{error}, not {want}");
    }
}

#[tokio::test]
async fn a_load_ends_when_it_is_dropped() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    let room = Arc::new(Semaphore::new(1));
    let order = Order {
        stream,
        unread: snapshot(10)[..60].to_vec(),
        extent: Extent::Mark(MARK),
        timeout: Duration::from_secs(3600),
        limit: u64::MAX,
        databases: 16,
        reading: Options::default(),
        room: Arc::clone(&room).acquire_owned().await.unwrap(),
        dropped: None,
    };
    drop(Loading::begin(order, Arc::new(Facts::new())).unwrap());
    let freed = tokio::time::timeout(Duration::from_secs(10), room.acquire());
    assert!(freed.await.is_ok(), "the room is not given back");
    let mut rest = Vec::new();
    peer.read_to_end(&mut rest).unwrap();
}

#[test]
fn a_snapshot_without_keys_is_known_before_it_is_loaded() {
    let (empty, full) = (snapshot(0), snapshot(2));
    assert!(empty.len() < SMALL_SNAPSHOT);
    let sized = Extent::Bytes(empty.len() as u64);
    assert_eq!(sized.whole(&[&empty[..], b"*1"].concat()), Some(&empty[..]));
    assert_eq!(sized.whole(&empty[..30]), None);
    let marked = [&empty[..], &MARK, b"*1\r\n"].concat();
    assert_eq!(Extent::Mark(MARK).whole(&marked), Some(&empty[..]));
    assert_eq!(Extent::Mark(MARK).whole(&empty), None);
    assert_eq!(count_keys(&empty), Some(0));
    assert_eq!(count_keys(&full), Some(2));
    assert_eq!(count_keys(&full[1..]), None);
}

#[test]
fn the_line_before_a_snapshot() {
    let mark = Extent::parse(b"$EOF:0123456789abcdef0123456789abcdef01234567");
    assert_eq!(mark, Some(Extent::Mark(MARK)));
    assert_eq!(Extent::parse(b"$0"), Some(Extent::Bytes(0)));
    assert_eq!(Extent::parse(b"$175"), Some(Extent::Bytes(175)));
    for bad in [
        &b"$"[..],
        b"$-1",
        b"$+1",
        b"$EOF:",
        b"$EOF:short",
        b"$99999999999999999999",
        b"-ERR",
        b"175",
    ] {
        assert_eq!(Extent::parse(bad), None, "{}", shown(bad));
    }
    assert!(room_on_machine() > 0);
}

fn shown(bytes: &[u8]) -> String {
    crate::repl::peer::shown(bytes)
}
