//! What differs from Redis 7.0, command by command, and why: the part of `docs/COMMANDS.md` that no table knows.

/// Commands that are here and do not do all that Redis's do, or more, or otherwise.
pub const DIFFERS: &[(&str, &str)] = &[
    (
        "replicaof",
        "connects and greets before anything changes, and answers when that is decided: `OK`, or an error that says why \
         the new master cannot be had, with the old one still followed. Redis answers `OK` at once and has left the old \
         master by then.",
    ),
    ("slaveof", "as `replicaof`."),
    (
        "failover",
        "without `FORCE` a Damselfly that lacks an acknowledged write refuses to take over, and the `FORCE` of a stock master \
         does not change that. A replica whose link is lost while the master waits for it comes back, and takes over; Redis \
         sends it away.",
    ),
    (
        "repltakeover",
        "is new, after Dragonfly's: sent to a replica, which takes over from its master without losing a write, or says why not.",
    ),
    (
        "wait",
        "counts what replicas confirmed, never what they were only sent.",
    ),
    (
        "waitaof",
        "there is no append-only file here, and none of a replica is counted: who waits for one waits in vain.",
    ),
    (
        "shutdown",
        "no write is acknowledged that the last snapshot would miss.",
    ),
    (
        "eval",
        "scripts that are known only because they were run are at most 500, as in Redis 7.4; a script has at most 512 MiB for \
         itself, and patterns of at most 4096 bytes. `server` is `redis` by another name, as in Valkey.",
    ),
    (
        "client",
        "runs during `CLIENT PAUSE ... ALL`, too, so that `CLIENT UNPAUSE` can end it.",
    ),
    (
        "script",
        "`DEBUG YES` and `DEBUG SYNC` are errors: the debugger of scripts is not there.",
    ),
    (
        "function",
        "two functions of one library whose names differ in case alone are refused; Redis takes them, and crashes when the \
         library is deleted.",
    ),
    (
        "debug",
        "`RELOAD` with a file that cannot be loaded, or whose keys are there already, is an error and changes nothing; `LOADAOF` is \
         an error: there is no append-only file; `OBJECT`, `SDSLEN`, `HTSTATS` and the like tell of the structures that are \
         here, and `LISTPACK` and `QUICKLIST` print into the log. `MALLCTL` and `STRINGMATCH-TEST` are not there.",
    ),
    (
        "slowlog",
        "with `slowlog-log-slower-than` of 1000 or more, commands of constant or logarithmic cost (those called `fast`, and SET, SETEX and \
         PSETEX with short arguments) are timed together and not in the log; with less each of them is.",
    ),
    (
        "exec",
        "what a client of RESP3 is pushed meanwhile comes behind the reply, as from Redis 7.2, and not inside it.",
    ),
    (
        "zunionstore",
        "serves who waits for a sorted set also if it takes the place of a value of another type; in Redis 7.0 that wakes nobody.",
    ),
    (
        "bgrewriteaof",
        "is an error: there is no append-only file. Durability comes from snapshots and replicas.",
    ),
    (
        "flushall",
        "replicas that wait for a snapshot get it, and learn by the stream that nothing is left; Redis ends it, and they ask again.",
    ),
    ("lolwut", "the picture of version 6 is another one."),
    (
        "migrate",
        "nobody waits for it but who asks: a key that changes meanwhile is sent again. So it is not for scripts and transactions.",
    ),
    (
        "memory",
        "`MALLOC-STATS`, `STATS` and `USAGE` tell of this allocator and these structures.",
    ),
    (
        "sort",
        "a small sorted set stays in its compact form. Replicas are told the result instead of the command where members \
         with equal weights could come in another order there.",
    ),
    (
        "pfadd",
        "adds all elements or, where the registers turn out to make no sense, none.",
    ),
    (
        "pfcount",
        "a replica does not keep the estimate that it worked out itself: its data are its master's.",
    ),
    (
        "pfselftest",
        "adds a hundred thousand elements where Redis adds ten million, and so blocks nobody for long.",
    ),
    (
        "hrandfield",
        "gives at most 16,777,216 at once, as do `SRANDMEMBER` and `ZRANDMEMBER`: no request makes a reply without end.",
    ),
    (
        "subscribe",
        "what another connection publishes before the confirmation has been read may be missed: connections are served by as many \
         threads as there are cores. With `threads 1` the order is that in which requests arrive, as in Redis; so for all commands.",
    ),
    (
        "command",
        "`HELP`, as that of `CLIENT`, `CONFIG`, `MEMORY`, `PUBSUB` and `SLOWLOG`, says the same in words of its own.",
    ),
    (
        "replconf",
        "takes the `version` that replicas of Valkey say: those of 9.0 and later are sent times of hash fields as Valkey writes them.",
    ),
    (
        "dump",
        "times of hash fields are for Redis 7.4 and later or, with `rdb-field-times valkey`, for Valkey 9.0 and later; as in snapshot files.",
    ),
    (
        "restore",
        "takes what Redis up to 8.6 and Valkey up to 9.1 dump. Replicas are told a payload that Redis 7.0 reads, too, and times of fields behind it.",
    ),
    (
        "set",
        "in a master's stream, what newer masters pass on is taken: here `IFEQ`, `IFNE`, `IFDEQ`, `IFDNE`, which were true there; `DIFF`, \
         `DIFF1`, `ANDOR` and `ONE` of BITOP; `KEEPREF`, `DELREF` and `ACKED` of XADD and XTRIM. Clients cannot say them.",
    ),
    (
        "bitfield",
        "replicas are told of a string that grew even if `OVERFLOW FAIL` wrote nothing into it.",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::find;

    #[test]
    fn they_speak_of_what_there_is() {
        for (name, _) in DIFFERS {
            assert!(find(name.as_bytes()).is_some(), "{name} is not here");
        }
    }
}
