//! Commands at random, all of the table, with arguments made from their own documentation: nothing panics, errors
//! and reads change nothing, and a replica that does what the journal says holds the same dataset after every command.

use super::syntax::{self, Argument};
use super::table::{Command, all, flag};
use super::testing::Bench;
use super::{Expiry, Origin, Run};
use crate::store::expiry::ExpiryCycle;
use crate::store::stream::{Id, Stream};
use crate::store::{Dataset, ValueRef};
use std::collections::BTreeMap;
use std::fmt::Debug;

/// A generator that a failure can be repeated with.
pub(super) struct Dice {
    state: u64,
    /// Times are far away or past, so that a slow test is not overtaken by them.
    pub(super) far_times: bool,
    /// The group of the command that is being made: its keys are mostly of one type.
    group: &'static str,
    /// The argument that says how many keys follow, until they have followed.
    numkeys: Option<usize>,
}

impl Dice {
    pub(super) fn new(seed: u64) -> Dice {
        Dice {
            state: seed,
            far_times: false,
            group: "",
            numkeys: None,
        }
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        self.state = self
            .state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.state >> 33) as usize % n
    }

    fn key(&mut self) -> String {
        const GROUPS: &[&str] = &[
            "string",
            "hash",
            "list",
            "set",
            "sorted-set",
            "stream",
            "geo",
            "hyperloglog",
            "bitmap",
        ];
        let group = match GROUPS.contains(&self.group) && self.below(10) > 0 {
            true => self.group,
            false => self.pick(GROUPS),
        };
        format!("{group}{}", self.below(3))
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }

    fn value(&mut self, argument: &Argument) -> String {
        const INTEGERS: &[&str] = &["0", "1", "2", "3", "10", "100", "-1", "-2", "-100"];
        const WIDE: &[&str] = &["9223372036854775807", "-9223372036854775808", "4294967296"];
        const DOUBLES: &[&str] = &["0", "1", "-1.5", "3e2", "inf", "-inf", "(2", "2"];
        const STRINGS: &[&str] = &["a", "b", "c", "12", "-7", "3.25", "", "and", "*"];
        const RANGES: &[&str] = &["-", "+", "[a", "(b", "-inf", "+inf"];
        if self.far_times && argument.name.contains("seconds") {
            return self
                .pick(&["0", "-1", "9999999999", "9999999999999"])
                .into();
        }
        if self.group == "stream"
            && self.below(15) > 0
            && let Some(pool) = of_streams(&argument.name)
        {
            return self.pick(pool).into();
        }
        if self.below(15) > 0
            && let Some(pool) = of_name(&argument.name)
        {
            return self.pick(pool).into();
        }
        if self.below(40) == 0 {
            return self
                .pick(&[INTEGERS, WIDE, DOUBLES, STRINGS, RANGES].concat())
                .into();
        }
        match argument.kind {
            "key" => self.key(),
            "integer" if self.below(20) == 0 => self.pick(WIDE).into(),
            "integer" => self.pick(INTEGERS).into(),
            "unix-time" => self
                .pick(&["1000", "1000000", "1001000", "2000000", "0"])
                .into(),
            "double" if self.below(5) == 0 => self.pick(RANGES).into(),
            "double" => self.pick(DOUBLES).into(),
            "pattern" if argument.token.is_some() && self.group == "generic" => self
                .pick(&[
                    "string*",
                    "hash*->a",
                    "bitmap*",
                    "#",
                    "*",
                    "nothing",
                    "string*->a",
                ])
                .into(),
            "pattern" => self.pick(&["*", "s*", "?", "[a-c]"]).into(),
            // Long values take collections out of their compact forms.
            _ if self.below(30) == 0 => "long".repeat(30),
            _ => self.pick(STRINGS).into(),
        }
    }

    fn add(&mut self, argument: &Argument, args: &mut Vec<String>) {
        if argument.optional && self.below(2) == 0 {
            return;
        }
        let times = 1 + if argument.multiple { self.below(3) } else { 0 };
        match argument.kind {
            "integer" if ["numkeys", "numfields"].contains(&&*argument.name) => {
                self.numkeys = Some(args.len());
            }
            _ if argument.multiple
                && ["key", "field"].contains(&&*argument.name)
                && self.below(10) > 0 =>
            {
                if let Some(at) = self.numkeys.take() {
                    args[at] = times.to_string();
                }
            }
            _ => {}
        }
        for _ in 0..times {
            args.extend(argument.token.map(str::to_owned));
            match argument.kind {
                "pure-token" => {}
                "oneof" => {
                    let choice = self.below(argument.arguments.len());
                    self.add(&argument.arguments[choice], args);
                }
                "block" => argument.arguments.iter().for_each(|a| self.add(a, args)),
                _ => args.push(self.value(argument)),
            }
        }
    }

    pub(super) fn command(&mut self, command: &Command) -> Vec<String> {
        (self.group, self.numkeys) = (command.group, None);
        let mut args: Vec<String> = command.name.split('|').map(str::to_owned).collect();
        for argument in syntax::parse(command.syntax) {
            self.add(&argument, &mut args);
        }
        // Some with an argument too many or too few, or two exchanged.
        match self.below(20) {
            0 => args.push(self.pick(&["set1", "1", "WITHSCORES"]).into()),
            1 if args.len() > 2 => drop(args.pop()),
            2 if args.len() > 2 => {
                let at = self.below(args.len() - 1) + 1;
                args.swap(1, at);
            }
            _ => {}
        }
        args
    }
}

/// What an argument of this name may be in any command.
fn of_name(name: &str) -> Option<&'static [&'static str]> {
    Some(match name {
        "longitude" => &[
            "13.361389",
            "15.087269",
            "-179.9",
            "0",
            "179.99",
            "13.37",
            "180",
        ],
        "latitude" => &[
            "38.115556",
            "37.502669",
            "0",
            "85.05",
            "-70.5",
            "38.12",
            "-85.06",
        ],
        "radius" | "width" | "height" => {
            &["0", "1", "2.5", "150", "900", "20000", "30000000", "-1"]
        }
        "member1" | "member2" => &["a", "b", "c", "12"],
        "encoding" => &[
            "u8", "i8", "u1", "i1", "u63", "i64", "i5", "u13", "u64", "i0",
        ],
        _ => return None,
    })
}

/// What an argument of a stream's command may be.
fn of_streams(name: &str) -> Option<&'static [&'static str]> {
    const IDS: &[&str] = &[
        "1-1", "2-1", "2-*", "3", "4-5", "4-*", "9-9", "15-*", "20-1", "21-*", "25", "30-*", "0",
        "$", ">",
    ];
    const BOUNDS: &[&str] = &["-", "+", "0", "2", "(2-1", "4-5", "(9-9", "20", "30", "(30"];
    Some(match name {
        "id" | "last-id" | "max-deleted-id" | "threshold" => IDS,
        "start" | "end" => BOUNDS,
        "group" => &["g1", "g2"],
        "consumer" => &["alice", "bob"],
        "min-idle-time" => &["0", "0", "5", "1000"],
        "milliseconds" => &["0", "1", "1000"],
        _ => return None,
    })
}

/// What a replica must have of a stream: not what only its master knows, such as times of delivery.
fn stream_text(stream: &Stream) -> String {
    let mut log = Stream::clone(stream);
    let mut groups = Vec::new();
    for (name, group) in stream.groups() {
        log.remove_group(name);
        let pending = group.pending_from(Id::MIN);
        let pending =
            pending.map(|(id, p)| (id, group.name_of(p.owner).escape_ascii().to_string()));
        groups.push((
            name.escape_ascii().to_string(),
            group.last,
            pending.collect::<Vec<_>>(),
        ));
    }
    format!("{log:?} {groups:?}")
}

/// By database and key, and by field if the fields of a hash have times: the value, the time, and when it is hidden.
type Dump = BTreeMap<(usize, Vec<u8>, Option<Vec<u8>>), (String, Option<i64>, Option<i64>)>;

fn shown(items: impl Iterator<Item: Debug>, sorted: bool) -> String {
    let mut items: Vec<String> = items.map(|item| format!("{item:?}")).collect();
    if sorted {
        items.sort();
    }
    items.join(" ")
}

fn dump(dataset: &Dataset) -> Dump {
    let mut dump = Dump::new();
    for (number, db) in dataset.dbs().iter().enumerate() {
        db.for_each(|entry| {
            let mut value = match entry.value() {
                ValueRef::Str(s) => format!("string {s:?}"),
                ValueRef::List(list) => format!("list {}", shown(list.iter(), false)),
                ValueRef::Hash(hash) => format!("hash {}", shown(hash.iter(), true)),
                ValueRef::Set(set) => format!("set {}", shown(set.iter(), true)),
                ValueRef::Zset(zset) => format!("zset {}", shown(zset.iter(), false)),
                ValueRef::Stream(stream) => stream_text(stream),
            };
            let empty = matches!(entry.value(), ValueRef::List(l) if l.is_empty())
                || matches!(entry.value(), ValueRef::Hash(h) if h.is_empty())
                || matches!(entry.value(), ValueRef::Set(s) if s.is_empty())
                || matches!(entry.value(), ValueRef::Zset(z) if z.is_empty());
            assert!(!empty, "an empty collection stayed: {entry:?}");
            let (key, expire) = (entry.key().to_vec(), entry.expire());
            let mut hidden = expire;
            if let ValueRef::Hash(hash) = entry.value()
                && hash.timed_fields() > 0
            {
                let first = |a: Option<i64>, b: Option<i64>| a.into_iter().chain(b).min();
                for (field, value) in hash.iter() {
                    let time = hash.time_of(&field);
                    let text = format!("field {value:?}");
                    let name = (number, key.clone(), Some(field.to_vec()));
                    dump.insert(name, (text, time, first(time, expire)));
                }
                value = "hash".into();
                // A hash goes with its last field.
                if hash.timed_fields() == hash.len() {
                    hidden = first(hash.times().last().map(|(_, at)| at), expire);
                }
            }
            dump.insert((number, key, None), (value, expire, hidden));
        });
    }
    dump
}

/// Those of `dump` whose time has not come.
fn visible(dump: &Dump, now_ms: i64) -> Dump {
    let mut visible = dump.clone();
    visible.retain(|_, (_, _, hidden)| hidden.is_none_or(|at| at > now_ms));
    visible
}

/// Does on the replica what the master told.
fn replay(master: &Bench, replica: &mut Bench) {
    let mut in_transaction = false;
    for (db, args) in master.told_commands() {
        let args: Vec<&[u8]> = args.iter().map(|arg| &arg[..]).collect();
        match args[0] {
            b"MULTI" => assert!(!std::mem::replace(&mut in_transaction, true)),
            b"EXEC" => assert!(std::mem::replace(&mut in_transaction, false)),
            _ => {
                replica.db = db;
                let reply = replica.run_args(&args);
                assert_ne!(reply.first(), Some(&b'-'), "the replica refuses {args:?}");
            }
        }
    }
    assert!(!in_transaction);
}

fn storm(seed: u64, commands: usize) {
    let table: Vec<&Command> = all()
        .flat_map(|c| std::iter::once(c).chain(c.subcommands))
        .filter(|c| matches!(c.run, Run::Data { .. }))
        .collect();
    let (mut dice, mut cycle) = (Dice::new(seed), ExpiryCycle::new());
    let (mut master, mut replica) = (Bench::new(), Bench::new());
    master.dataset = Dataset::new(2);
    replica.dataset = Dataset::new(2);
    (replica.origin, replica.expiry) = (Origin::Master, Expiry::Ignore);
    let mut before = dump(&master.dataset);
    for step in 0..commands {
        master.now_ms += dice.below(30) as i64;
        replica.now_ms = master.now_ms + 7;
        master.db = dice.below(8) / 7;
        let command = table[dice.below(table.len())];
        // Emptying everything all the time would leave nothing to test with.
        if command.name.starts_with("flush") && dice.below(20) > 0 {
            continue;
        }
        let line = dice.command(command);
        let args: Vec<&[u8]> = line.iter().map(|arg| arg.as_bytes()).collect();
        let reply = master.run_args(&args);
        let after = dump(&master.dataset);
        let may_write = command.flags & (flag::WRITE | flag::MAY_REPLICATE) != 0;
        if reply.first() == Some(&b'-') || !may_write {
            let now = master.now_ms;
            let same = visible(&before, now) == visible(&after, now);
            assert!(
                same,
                "seed {seed} step {step}: {line:?} should change nothing"
            );
        }
        if dice.below(50) == 0 {
            let journal = &master.told;
            cycle.run(&master.dataset, master.now_ms, 10_000, &mut |db, gone| {
                super::Journal::append(journal, db, &[&gone.deletion()]);
            });
        }
        replay(&master, &mut replica);
        before = dump(&master.dataset);
        let other = dump(&replica.dataset);
        let keys = before.keys().chain(other.keys());
        let differing: Vec<_> = keys.filter(|k| before.get(*k) != other.get(*k)).collect();
        assert!(
            differing.is_empty(),
            "seed {seed} step {step}: {line:?} leaves {:?} and {:?} at {differing:?}",
            before.get(differing[0]),
            other.get(differing[0]),
        );
    }
}

#[test]
fn a_replica_that_does_what_it_is_told_is_the_same_after_every_command() {
    for seed in 0..4 {
        storm(seed, 2_500);
    }
}
