//! Something of everything a snapshot can hold.

use crate::common::Client;

const FAR: i64 = 4_000_000_000_000;

/// Something of every type and encoding, in three databases, with and without expiry.
pub fn fill(client: &mut Client) {
    fn run(client: &mut Client, command: &[&[u8]]) {
        let reply = client.cmd(command);
        assert!(
            !reply.is_error(),
            "{}: {reply:?}",
            command[0].escape_ascii()
        );
    }
    /// Runs `name key elements...`, a hundred elements at a time.
    fn many(client: &mut Client, name: &str, key: &str, width: usize, elements: &[Vec<u8>]) {
        for some in elements.chunks(100 * width) {
            let mut command = vec![name.as_bytes(), key.as_bytes()];
            command.extend(some.iter().map(Vec::as_slice));
            run(client, &command);
        }
    }
    let text = |n: usize| format!("element {n}").into_bytes();
    let noise = |len: usize, seed: u64| {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let byte = |_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state >> 32) as u8
        };
        (0..len).map(byte).collect::<Vec<u8>>()
    };
    let score = |n: usize| match n % 7 {
        0 => format!("{n}"),
        1 => format!("-{n}.25"),
        2 => "inf".to_owned(),
        3 => "-inf".to_owned(),
        4 => format!("0.{n}1"),
        5 => format!("{n}e290"),
        _ => "-0".to_owned(),
    };
    for db in [0, 3, 15] {
        run(client, &[b"SELECT", format!("{db}").as_bytes()]);
        for (i, value) in [
            "",
            "a",
            "0",
            "-1",
            "127",
            "128",
            "-129",
            "32768",
            "-32769",
            "2147483647",
            "2147483648",
            "-2147483649",
            "9223372036854775807",
            "-9223372036854775808",
            "9223372036854775808",
            "-0",
            "007",
            "3.0",
        ]
        .iter()
        .enumerate()
        {
            run(
                client,
                &[b"SET", format!("small:{i}").as_bytes(), value.as_bytes()],
            );
        }
        let all_bytes: Vec<u8> = (0..=255).collect();
        run(client, &[b"SET", &all_bytes, &all_bytes]);
        run(client, &[b"SET", b"", b"the empty key"]);
        run(client, &[b"SET", b"12345", b"a key of digits"]);
        run(client, &[b"SET", b"squeezed", &b"damselfly ".repeat(5_000)]);
        run(client, &[b"SET", b"noise", &noise(700_000, 1)]);
        run(
            client,
            &[
                b"SET",
                b"expiring",
                b"x",
                b"PXAT",
                format!("{FAR}").as_bytes(),
            ],
        );
        for count in [1, 100, 700] {
            let texts: Vec<_> = (0..count).map(text).collect();
            let pairs: Vec<_> = (0..count)
                .flat_map(|n| [text(n), format!("{}", n * n * n * 1000).into_bytes()])
                .collect();
            let scores: Vec<_> = (0..count)
                .flat_map(|n| [score(n).into_bytes(), text(n)])
                .collect();
            many(client, "RPUSH", &format!("list:{count}"), 1, &texts);
            many(client, "SADD", &format!("set:{count}"), 1, &texts);
            many(client, "HSET", &format!("hash:{count}"), 2, &pairs);
            many(client, "ZADD", &format!("zset:{count}"), 2, &scores);
            let at = format!("{}", FAR + count as i64);
            run(
                client,
                &[
                    b"PEXPIREAT",
                    format!("hash:{count}").as_bytes(),
                    at.as_bytes(),
                ],
            );
            for (width, step) in [(16, 10), (32, 1_000_000), (64, 1_000_000_000_000i64)] {
                let ints: Vec<_> = (0..count)
                    .map(|n| format!("{}", (n as i64 - 50) * step).into_bytes())
                    .collect();
                many(client, "SADD", &format!("ints:{width}:{count}"), 1, &ints);
                many(
                    client,
                    "RPUSH",
                    &format!("list of ints:{width}:{count}"),
                    1,
                    &ints,
                );
            }
        }
        for count in [1, 90, 450] {
            let key = format!("stream:{count}");
            for n in 1..=count {
                let (id, name, value) = (format!("{}-{n}0", n / 3 + 1), text(n % 3), text(n));
                let entry: [&[u8]; 7] = [
                    b"XADD",
                    key.as_bytes(),
                    id.as_bytes(),
                    b"f",
                    &value,
                    b"g",
                    b"-5",
                ];
                run(client, &entry[..if n % 4 == 0 { 5 } else { 7 }]);
                if n % 50 == 1 {
                    let other = format!("{}-{n}5", n / 3 + 1);
                    run(
                        client,
                        &[
                            b"XADD",
                            key.as_bytes(),
                            other.as_bytes(),
                            &name,
                            &noise(3000, 3),
                        ],
                    );
                    run(client, &[b"XDEL", key.as_bytes(), id.as_bytes()]);
                }
            }
            let group = |client: &mut Client, rest: &str| {
                let words: Vec<&[u8]> = rest.split(' ').map(str::as_bytes).collect();
                run(client, &words);
            };
            group(client, &format!("XGROUP CREATE {key} group 0"));
            group(
                client,
                &format!("XGROUP CREATE {key} 12345 $ ENTRIESREAD {count}"),
            );
            group(client, &format!("XGROUP CREATECONSUMER {key} group idler"));
            for consumer in ["zoe", "ann", "77"] {
                group(
                    client,
                    &format!("XREADGROUP GROUP group {consumer} COUNT 20 STREAMS {key} >"),
                );
            }
            group(
                client,
                &format!("XCLAIM {key} group bob 0 1-20 2-30 RETRYCOUNT 500"),
            );
            group(client, &format!("XACK {key} group 2-40"));
        }
        run(
            client,
            &[b"XADD", b"trimmed", b"MAXLEN", b"0", b"5-5", b"f", b"v"],
        );
        run(
            client,
            &[
                b"XGROUP",
                b"CREATE",
                b"empty stream",
                b"g",
                b"$",
                b"MKSTREAM",
            ],
        );
        let long: Vec<_> = (1..9).map(|n| noise(n * n * 1_500, n as u64)).collect();
        // Where a listpack's lengths, of an element and of it with its header, take one more byte.
        let edges = [61..67, 123..130, 4092..4099, 16_374..16_385];
        let edges: Vec<_> = edges
            .into_iter()
            .flatten()
            .map(|len| noise(len, 7))
            .collect();
        many(client, "RPUSH", "list of edges", 1, &edges);
        many(client, "RPUSH", "list of long ones", 1, &long);
        many(client, "SADD", "set of long ones", 1, &long);
        many(client, "HSET", "hash of long ones", 2, &long);
        // From here on an element of 1000 bytes is a node of its own, not in a listpack.
        run(client, &[b"DEBUG", b"QUICKLIST-PACKED-THRESHOLD", b"1000"]);
        many(client, "RPUSH", "list of plain nodes", 1, &long);
        run(client, &[b"DEBUG", b"QUICKLIST-PACKED-THRESHOLD", b"0"]);
    }
    run(client, &[b"SELECT", b"0"]);
}
