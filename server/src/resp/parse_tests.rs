//! Tests of the request parser.

use super::*;
use proptest::prelude::*;

const LIMITS: ParseLimits = ParseLimits {
    max_bulk: 512 * 1024 * 1024,
    authenticated: true,
};

type Requests = Vec<Vec<Vec<u8>>>;

/// Feeds `bytes` piece by piece, cut at `cuts`; the requests understood, and the error that
/// ended it, if one did.
fn feed(bytes: &[u8], cuts: &[usize], limits: &ParseLimits) -> (Requests, Option<ProtocolError>) {
    let mut cuts: Vec<usize> = cuts.iter().map(|c| c % (bytes.len() + 1)).collect();
    cuts.push(bytes.len());
    cuts.sort_unstable();
    let (mut parser, mut args) = (Parser::default(), ArgList::default());
    let (mut requests, mut start) = (Vec::new(), 0);
    for cut in cuts {
        loop {
            let buf = &bytes[start..cut];
            match parser.parse(buf, limits, &mut args) {
                Ok(Parsed::Incomplete { need }) => {
                    assert!(need > 0);
                    break;
                }
                Ok(Parsed::Request { len }) => {
                    assert!(len > 0 && len <= buf.len());
                    requests.push((0..args.len()).map(|i| args.get(buf, i).to_vec()).collect());
                    args.clear();
                    start += len;
                }
                Err(error) => return (requests, Some(error)),
            }
        }
    }
    (requests, None)
}

fn encode(request: &[Vec<u8>]) -> Vec<u8> {
    let mut out = format!("*{}\r\n", request.len()).into_bytes();
    for arg in request {
        out.extend(format!("${}\r\n", arg.len()).bytes());
        out.extend(arg);
        out.extend(b"\r\n");
    }
    out
}

fn error_of(bytes: &[u8], limits: &ParseLimits) -> String {
    let (_, error) = feed(bytes, &[], limits);
    error.expect("the bytes are refused").to_string()
}

#[test]
fn errors_are_those_of_redis() {
    let long = vec![b'9'; INLINE_MAX + 2];
    let with = |prefix: &[u8]| [prefix, &long].concat();
    let cases: &[(&[u8], &str)] = &[
        (b"*2147483648\r\n", "invalid multibulk length"),
        (b"*+1\r\n", "invalid multibulk length"),
        (b"*01\r\n", "invalid multibulk length"),
        (b"*1a\r\n", "invalid multibulk length"),
        (b"*-0\r\n", "invalid multibulk length"),
        (b"*99999999999999999999\r\n", "invalid multibulk length"),
        (b"*1\r\n\r\n", "expected '$', got ' '"),
        (b"*1\r\nPING\r\n", "expected '$', got 'P'"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$ 4\r\n", "invalid bulk length"),
        (b"*1\r\n$536870913\r\n", "invalid bulk length"),
        (b"set \"a\r\n", "unbalanced quotes in request"),
        (b"\"a\"b\r\n", "unbalanced quotes in request"),
        (b"set 'a\\'\r\n", "unbalanced quotes in request"),
        (&with(b""), "too big inline request"),
        (&with(b"*"), "too big mbulk count string"),
        (&with(b"*1\r\n$"), "too big bulk count string"),
    ];
    for (bytes, text) in cases {
        let text = format!("Protocol error: {text}");
        assert_eq!(error_of(bytes, &LIMITS), text);
    }
}

#[test]
fn a_client_without_its_password_may_send_little() {
    let limits = ParseLimits {
        authenticated: false,
        ..LIMITS
    };
    assert_eq!(
        error_of(b"*11\r\n", &limits),
        "Protocol error: unauthenticated multibulk length"
    );
    assert_eq!(
        error_of(b"*1\r\n$16385\r\n", &limits),
        "Protocol error: unauthenticated bulk length"
    );
    let small = encode(&vec![vec![b'x'; 16384]; 10]);
    assert_eq!(feed(&small, &[], &limits).0.len(), 1);
    assert!(feed(b"*11\r\n$16385\r\n", &[], &LIMITS).1.is_none());
}

#[test]
fn inline_requests_are_split_as_redis_splits_them() {
    let cases: &[(&[u8], &[&[u8]])] = &[
        (b"PING\r\n", &[b"PING"]),
        (b"PING\n", &[b"PING"]),
        (b"  set\tk  v \r\n", &[b"set", b"k", b"v"]),
        (b"echo 'a\\'b'\r\n", &[b"echo", b"a'b"]),
        (b"echo 'a\\n'\n", &[b"echo", b"a\\n"]),
        (b"echo \"\\x41\\q\\n\\\"\"\r\n", &[b"echo", b"Aq\n\""]),
        (b"echo a\"b c\"\r\n", &[b"echo", b"ab c"]),
        (b"echo \"\" ''\r\n", &[b"echo", b"", b""]),
        (b"\r\n", &[]),
        (b"*0\r\n", &[]),
        (b"*-5\r\n", &[]),
    ];
    for (line, expected) in cases {
        let (requests, error) = feed(line, &[], &LIMITS);
        assert_eq!(error, None);
        assert_eq!(requests, [expected.to_vec()]);
    }
}

#[test]
fn an_announced_length_allocates_nothing() {
    let (mut parser, mut args) = (Parser::default(), ArgList::default());
    let parsed = parser.parse(b"*2000000000\r\n$536870912\r\nabc", &LIMITS, &mut args);
    assert_eq!(
        parsed,
        Ok(Parsed::Incomplete {
            need: 536_870_912 + 2 - 3
        })
    );
    assert_eq!(args.spans.capacity(), 0);
}

fn request() -> impl Strategy<Value = Vec<Vec<u8>>> {
    prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 1..8)
}

/// Bytes that look enough like the protocol to reach its corners.
fn protocol_like() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        request().prop_map(|r| encode(&r)),
        Just(b"\r\n".to_vec()),
        Just(b"*3\r\n$1\r\n".to_vec()),
        Just(b"$4\r\nabcd\r\n".to_vec()),
        Just(b"set \"k\\x00\" 'v'\r\n".to_vec()),
        "[*$0-9\r\n\"'\\\\a ]{0,12}".prop_map(String::into_bytes),
        prop::collection::vec(any::<u8>(), 0..12),
    ];
    prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn what_was_encoded_is_parsed(requests in prop::collection::vec(request(), 0..6), cuts: Vec<usize>) {
        let bytes: Vec<u8> = requests.iter().flat_map(|r| encode(r)).collect();
        prop_assert_eq!(feed(&bytes, &cuts, &LIMITS), (requests, None));
    }

    #[test]
    fn any_split_gives_the_same_parse(bytes in protocol_like(), cuts: Vec<usize>) {
        prop_assert_eq!(feed(&bytes, &cuts, &LIMITS), feed(&bytes, &[], &LIMITS));
    }

    #[test]
    fn garbage_never_panics(bytes: Vec<u8>, cuts: Vec<usize>) {
        feed(&bytes, &cuts, &LIMITS);
    }
}
