//! DUMP and RESTORE: values as strings, between servers.

use super::args::{integer, is};
use super::hashes::times;
use super::table::{Command, KeySpec, acl, flag::*};
use super::{CmdError, Cx, Origin, events};
use crate::command::uses::{OVERWRITE, both};
use crate::rdb::dump::{self, DumpError};
use crate::rdb::format::Dialect;
use crate::store::Object;

const GROUP: &str = "generic";

/// The commands' entries.
pub const COMMANDS: &[Command] = &[
    Command::keyed("dump", 2, READONLY, KeySpec::FIRST, dump)
        .acl(acl::KEYSPACE)
        .doc(
            GROUP,
            "2.6.0",
            "O(1) to access the key and additional O(N*M) to serialize it, where N is the number of elements composing the value and M their average size.",
            "key",
            "Returns a value as a string that RESTORE takes.",
        ),
    Command::keyed("restore", -4, WRITE | DENYOOM, KeySpec::FIRST, restore).uses(both(OVERWRITE, OVERWRITE))
        .acl(acl::KEYSPACE | acl::DANGEROUS)
        .doc(
            GROUP,
            "2.6.0",
            "O(1) to create the new key and additional O(N*M) to reconstruct the value, where N is the number of elements composing the value and M their average size.",
            "key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]",
            "Makes a key of a string that DUMP returned.",
        ),
    Command::keyed("restore-asking", -4, WRITE | DENYOOM | ASKING, KeySpec::FIRST, restore).uses(both(OVERWRITE, OVERWRITE))
        .acl(acl::KEYSPACE | acl::DANGEROUS)
        .doc(
            "server",
            "3.0.0",
            "O(1) to create the new key and additional O(N*M) to reconstruct the value, where N is the number of elements composing the value and M their average size.",
            "key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]",
            "Does what RESTORE does, for a cluster that moves keys.",
        ),
];

fn dump(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    match cx.db.lookup(args[1]) {
        Some(value) => {
            let dialect = match cx.env.limits.valkey_dumps {
                true => Dialect::Valkey,
                false => Dialect::Redis,
            };
            cx.out.bulk(&dump::dump(value, dialect));
        }
        None => cx.out.null(),
    }
    Ok(())
}

/// The options of RESTORE.
#[derive(Default)]
struct RestoreOptions {
    replace: bool,
    absolute: bool,
    /// Seconds.
    idle: Option<u64>,
    frequency: Option<u8>,
}

impl RestoreOptions {
    fn parse(args: &[&[u8]]) -> Result<RestoreOptions, CmdError> {
        let mut options = RestoreOptions::default();
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            if is(arg, "replace") {
                options.replace = true;
            } else if is(arg, "absttl") {
                options.absolute = true;
            } else if is(arg, "idletime") && options.frequency.is_none() {
                let idle = integer(rest.next().ok_or(CmdError::Syntax)?)?;
                let wrong = |_| CmdError::text("ERR Invalid IDLETIME value, must be >= 0");
                options.idle = Some(u64::try_from(idle).map_err(wrong)?);
            } else if is(arg, "freq") && options.idle.is_none() {
                let frequency = integer(rest.next().ok_or(CmdError::Syntax)?)?;
                let text = "ERR Invalid FREQ value, must be >= 0 and <= 255";
                let wrong = |_| CmdError::text(text);
                options.frequency = Some(u8::try_from(frequency).map_err(wrong)?);
            } else {
                return Err(CmdError::Syntax);
            }
        }
        Ok(options)
    }
}

fn restore(cx: &mut Cx<'_>, args: &[&[u8]]) -> Result<(), CmdError> {
    let key = args[1];
    let options = RestoreOptions::parse(&args[4..])?;
    if !options.replace && cx.db.exists(key) {
        return Err(CmdError::text("BUSYKEY Target key name already exists."));
    }
    let expire_ms = match integer(args[2])? {
        0 => None,
        ttl if ttl < 0 => {
            return Err(CmdError::text("ERR Invalid TTL value, must be >= 0"));
        }
        ttl if options.absolute => Some(ttl),
        // A time too far away comes out below zero, and is over, as in Redis.
        ttl => Some(ttl.wrapping_add(cx.env.now_ms)),
    };
    let object = dump::restore(args[3], cx.env.limits).map_err(|error| {
        CmdError::text(match error {
            DumpError::Envelope => "ERR DUMP payload version or checksum are wrong",
            DumpError::Content => "ERR Bad data format",
        })
    })?;
    let removed = options.replace && cx.db.remove(key);
    cx.out.ok();
    if cx.env.origin == Origin::Client && expire_ms.is_some_and(|at| at <= cx.env.now_ms) {
        // Gone before it came: replicas only hear of what it replaced.
        if removed {
            cx.rewrite(&[b"DEL", key]);
            cx.notify(events::GENERIC, "del", key);
        }
        return Ok(());
    }
    // Replicas need not be able to read what came from a newer server.
    let common = (cx.journals && !dump::is_common(args[3])).then(|| common(&object));
    cx.db.put(key, object, expire_ms);
    let clock = cx.clock();
    if (options.idle.is_some() || options.frequency.is_some())
        && let Some(entry) = cx.db.entry_mut(key)
    {
        clock.start(entry);
        let idle = options.idle.into_iter();
        idle.for_each(|seconds| clock.set_idle(entry, seconds));
        let frequency = options.frequency.into_iter();
        frequency.for_each(|count| clock.set_frequency(entry, count));
    }
    cx.notify(events::GENERIC, "restore", key);
    if let Some((payload, times)) = common {
        tell(cx, args, &payload, expire_ms, options.absolute);
        for (field, at) in times {
            times::tell(cx, key, at, &[&field]);
        }
    } else if expire_ms.is_some() && !options.absolute {
        tell(cx, args, args[3], expire_ms, false);
    } else {
        cx.dirty();
    }
    Ok(())
}

/// Tells replicas to restore `payload`, which expires at a moment.
fn tell(cx: &mut Cx<'_>, args: &[&[u8]], payload: &[u8], expire_ms: Option<i64>, absolute: bool) {
    let at = expire_ms.unwrap_or(0).to_string();
    let mut command = vec![args[0], args[1], at.as_bytes(), payload];
    command.extend(&args[4..]);
    if expire_ms.is_some() && !absolute {
        command.push(b"ABSTTL");
    }
    cx.rewrite(&command);
}

/// A dump that every server since Redis 7.0 reads, and the fields of a hash that have times, which are not in it.
type Common = (Vec<u8>, Vec<(Box<[u8]>, i64)>);

fn common(object: &Object) -> Common {
    let Object::Hash(hash) = object else {
        return (dump::dump(object.as_ref(), Dialect::Redis), Vec::new());
    };
    let times = hash.times().map(|(field, at)| (Box::from(field), at));
    let times: Vec<(Box<[u8]>, i64)> = times.collect();
    let mut hash = hash.clone();
    for (field, _) in &times {
        hash.set_time(field, None);
    }
    (
        dump::dump(Object::Hash(hash).as_ref(), Dialect::Redis),
        times,
    )
}

#[cfg(test)]
mod tests {
    use crate::command::Origin;
    use crate::command::testing::Bench;
    use crate::store::clock::Accesses;

    fn dumped(bench: &mut Bench, key: &str) -> Vec<u8> {
        let reply = bench.run_args(&[b"DUMP", key.as_bytes()]);
        let start = reply.iter().position(|&byte| byte == b'\n').unwrap() + 1;
        reply[start..reply.len() - 2].to_vec()
    }

    #[test]
    fn replicas_are_told_what_all_of_them_can_restore() {
        let mut bench = Bench::new();
        bench.run("HSET h a 1 b 2");
        bench.run("HPEXPIREAT h 33333333333333 FIELDS 1 a");
        for for_valkey in [false, true] {
            bench.limits.valkey_dumps = for_valkey;
            let payload = dumped(&mut bench, "h");
            assert_eq!(
                payload[payload.len() - 10],
                if for_valkey { 80 } else { 12 }
            );
            bench.told();
            bench.run_args(&[b"RESTORE", b"r", b"500", &payload, b"REPLACE"]);
            assert_eq!(
                bench.run("HPEXPIRETIME r FIELDS 2 a b"),
                "*2 :33333333333333 :-1"
            );
            let told = bench.told_commands();
            let [_multi, (_, restore), (_, times), _exec] = &told[..] else {
                panic!("{told:?}");
            };
            assert_eq!(restore[..3], [&b"RESTORE"[..], b"r", b"1000500"]);
            assert_eq!(restore[4..], [&b"REPLACE"[..], b"ABSTTL"]);
            assert_eq!(
                restore[3][restore[3].len() - 10],
                10,
                "what Redis 7.0 reads"
            );
            assert_eq!(times[..3], [&b"HPEXPIREAT"[..], b"r", b"33333333333333"]);
            let (payload, moment) = (restore[3].to_vec(), restore[2].to_vec());
            bench.run_args(&[b"RESTORE", b"again", &moment, &payload, b"ABSTTL"]);
            assert_eq!(bench.run("HGETALL again"), bench.run("HGETALL h"));
        }
    }

    #[test]
    fn a_value_moves_by_its_dump() {
        let mut bench = Bench::new();
        bench.hash("h");
        let payload = dumped(&mut bench, "h");
        bench.told();
        assert_eq!(
            bench.run_args(&[b"RESTORE", b"copy", b"0", &payload]),
            b"+OK\r\n"
        );
        assert_eq!(bench.run("TYPE copy"), "+hash");
        assert_eq!(bench.told().len(), 1);
        assert_eq!(
            bench.run_args(&[b"RESTORE", b"copy", b"0", &payload]),
            b"-BUSYKEY Target key name already exists.\r\n"
        );
        assert_eq!(bench.run("DUMP none"), "$-1");

        // A time to live is told as a moment, and ends where it should.
        assert_eq!(
            bench.run_args(&[b"RESTORE", b"copy", b"500", &payload, b"REPLACE"]),
            b"+OK\r\n"
        );
        assert_eq!(bench.run("PEXPIRETIME copy"), ":1000500");
        let told = bench.told();
        assert!(
            told[0].starts_with("0: RESTORE copy 1000500 ") && told[0].ends_with("REPLACE ABSTTL"),
            "{told:?}"
        );
    }

    #[test]
    fn accesses_come_with_it_by_what_is_noted_of_them() {
        let mut bench = Bench::new();
        bench.run("SET k v");
        let payload = dumped(&mut bench, "k");
        let mut restored = |accesses, options: &[&str]| {
            bench.limits.accesses = accesses;
            let mut args: Vec<&[u8]> = vec![b"RESTORE", b"k", b"0", &payload, b"REPLACE"];
            args.extend(options.iter().map(|option| option.as_bytes()));
            assert_eq!(bench.run_args(&args), b"+OK\r\n");
            match accesses {
                Accesses::Recency => bench.run("OBJECT IDLETIME k"),
                Accesses::Frequency { .. } => bench.run("OBJECT FREQ k"),
            }
        };
        let frequency = Accesses::Frequency {
            log_factor: 10,
            decay_minutes: 0,
        };
        assert_eq!(restored(Accesses::Recency, &["IDLETIME", "900"]), ":900");
        assert_eq!(restored(Accesses::Recency, &["FREQ", "100"]), ":0");
        assert_eq!(restored(frequency, &["FREQ", "100"]), ":100");
        assert_eq!(restored(frequency, &["IDLETIME", "900"]), ":5");
    }

    #[test]
    fn what_has_expired_does_not_come() {
        let mut bench = Bench::new();
        bench.run("SET k v");
        let payload = dumped(&mut bench, "k");
        bench.told();
        let restore: [&[u8]; 6] = [b"RESTORE", b"k", b"5", &payload, b"ABSTTL", b"REPLACE"];
        assert_eq!(bench.run_args(&restore), b"+OK\r\n");
        assert_eq!(bench.told(), ["0: DEL k"]);
        assert_eq!(bench.run("EXISTS k"), ":0");
        // Unless our master says so.
        bench.origin = Origin::Master;
        bench.run_args(&restore);
        assert_eq!(bench.dataset.len(), 1);
    }

    #[test]
    fn a_time_beyond_all_times_is_over() {
        let mut bench = Bench::new();
        bench.run("SET k v");
        let payload = dumped(&mut bench, "k");
        let far: &[u8] = b"9223372036854775807";
        let reply = bench.run_args(&[b"RESTORE", b"k", far, &payload, b"REPLACE"]);
        assert_eq!(reply, b"+OK\r\n");
        bench.check(&[("EXISTS k", ":0")]);
        let reply = bench.run_args(&[b"RESTORE", b"k", far, b"nonsense"]);
        let text = "-ERR DUMP payload version or checksum are wrong\r\n";
        assert_eq!(String::from_utf8_lossy(&reply), text);
    }

    #[test]
    fn refusals() {
        let mut bench = Bench::new();
        bench.run("SET k v");
        let payload = dumped(&mut bench, "k");
        for (ttl, extra, error) in [
            ("-1", &[][..], "-ERR Invalid TTL value, must be >= 0"),
            ("x", &[], "-ERR value is not an integer or out of range"),
            ("0", &["IDLETIME"], "-ERR syntax error"),
            (
                "0",
                &["IDLETIME", "-1"],
                "-ERR Invalid IDLETIME value, must be >= 0",
            ),
            (
                "0",
                &["FREQ", "256"],
                "-ERR Invalid FREQ value, must be >= 0 and <= 255",
            ),
            ("0", &["IDLETIME", "1", "FREQ", "1"], "-ERR syntax error"),
            ("0", &["WHAT"], "-ERR syntax error"),
        ] {
            let mut args: Vec<&[u8]> = vec![b"RESTORE", b"new", ttl.as_bytes(), &payload];
            args.extend(extra.iter().map(|arg| arg.as_bytes()));
            let reply = String::from_utf8(bench.run_args(&args)).unwrap();
            assert_eq!(reply.trim_end(), error, "{ttl} {extra:?}");
        }
        let reply = bench.run("RESTORE new 0 nonsense");
        assert_eq!(reply, "-ERR DUMP payload version or checksum are wrong");
        assert_eq!(bench.dataset.len(), 1);
    }
}
