"""What redis-py does to the server at PORT, told line by line: `main.py PORT PROTOCOL [SENTINEL SET]`.

The same program is run against the stock server, and the two must tell the same.
"""

import sys
import threading

import redis
from redis.exceptions import NoScriptError, ResponseError, WatchError
from redis.sentinel import Sentinel

PORT, PROTOCOL = int(sys.argv[1]), int(sys.argv[2])


def say(what, value):
    print(f"{what}: {value!r}", flush=True)


def refused(what, call, *args, **kwargs):
    """Tells the error that the call ends with."""
    try:
        say(what, call(*args, **kwargs))
    except ResponseError as error:
        say(what, f"{type(error).__name__} {error}")


def connect(**kwargs):
    return redis.Redis(
        host="127.0.0.1", port=PORT, protocol=PROTOCOL, decode_responses=True, **kwargs
    )


def values(r):
    say("set", r.set("s", "v", ex=1000, nx=True))
    say("set again", r.set("s", "w", nx=True))
    say("set get", r.set("s", "w", get=True, keepttl=True))
    say("ttl", 990 < r.ttl("s") <= 1000)
    say("getex", r.getex("s", persist=True))
    say("append", r.append("s", "-tail"))
    say("mset", r.mset({"n": 1, "m": 2}))
    say("mget", r.mget("n", "m", "none"))
    say("incrbyfloat", r.incrbyfloat("n", 0.5))
    say("hset", r.hset("h", mapping={"a": 1, "b": 2, "c": 3}))
    say("hgetall", sorted(r.hgetall("h").items()))
    say("hincrbyfloat", r.hincrbyfloat("h", "a", 1.25))
    say("rpush", r.rpush("l", *range(10)))
    say("lrange", r.lrange("l", 2, -3))
    say("lpos", r.lpos("l", 5))
    say("lmove", r.lmove("l", "l2", "LEFT", "RIGHT"))
    say("lmpop", r.lmpop(2, "none", "l", direction="RIGHT", count=2))
    say("sadd", r.sadd("set", *"abcde"))
    say("smismember", r.smismember("set", ["a", "z"]))
    say("sinter", sorted(r.sinter("set", "set")))
    say("zadd", r.zadd("z", {"a": 1, "b": 2.5, "c": float("inf")}))
    say("zrange", r.zrange("z", 0, -1, withscores=True))
    say("zrangebyscore", r.zrangebyscore("z", "(1", "+inf", withscores=True))
    say("zadd incr", r.zadd("z", {"a": 2}, incr=True))
    say("zscore", (r.zscore("z", "b"), r.zscore("z", "none")))
    say("zmpop", r.zmpop(1, ["z"], max=True))
    say("zrandmember", r.zrandmember("none", 3))
    say("setbit", (r.setbit("bits", 7, 1), r.bitcount("bits"), r.bitpos("bits", 1)))
    say("bitfield", r.bitfield("bits").incrby("u8", 8, 200, "SAT").get("u8", 8).execute())
    say("pfadd", (r.pfadd("hll", *"abc"), r.pfcount("hll")))
    say("geoadd", r.geoadd("geo", (13.361389, 38.115556, "P", 15.087269, 37.502669, "C")))
    say("geodist", r.geodist("geo", "P", "C", unit="km"))
    say("geosearch", r.geosearch(
        "geo", longitude=15, latitude=37, radius=200, unit="km", withdist=True, withcoord=True))
    say("sort", r.sort("l2", alpha=True))
    say("object", [r.object("encoding", k) for k in ("n", "s", "h", "l", "set", "z")])
    say("dump", r.restore("copy", 0, r_bytes.dump("h")))
    say("copied", sorted(r.hgetall("copy").items()))
    say("scan", sorted(r.scan_iter(count=3)))
    say("hscan", sorted(r.hscan_iter("h")))
    say("zscan", sorted(r.zscan_iter("z")))
    say("type", r.type("z"))
    refused("wrong type", r.incr, "l")
    refused("no number", r.incr, "s")
    refused("syntax", r.execute_command, "SET", "a", "b", "EX")
    refused("unknown", r.execute_command, "NOSUCH", "a", "b")


def streams(r):
    say("xadd", [r.xadd("x", {"n": n}, id=f"{n}-1") for n in range(1, 6)])
    say("xlen", r.xlen("x"))
    say("xrange", r.xrange("x", "2", "3"))
    say("xread", r.xread({"x": "4-0"}))
    say("group", r.xgroup_create("x", "g", id="0"))
    refused("group again", r.xgroup_create, "x", "g", id="0")
    say("xreadgroup", r.xreadgroup("g", "c", {"x": ">"}, count=3))
    say("xack", r.xack("x", "g", "1-1"))
    say("xpending", r.xpending("x", "g"))
    say("range", [p["message_id"] for p in r.xpending_range("x", "g", "-", "+", 10)])
    say("xclaim", r.xclaim("x", "g", "other", 0, ["2-1"]))
    say("xautoclaim", r.xautoclaim("x", "g", "other", 0))
    say("xinfo", (r.xinfo_stream("x")["length"], r.xinfo_groups("x")[0]["pending"]))
    say("xtrim", r.xtrim("x", maxlen=2, approximate=False))


def transactions(r):
    with r.pipeline() as pipe:
        say("multi", pipe.set("t", 1).incr("t").get("t").execute())
    with r.pipeline() as pipe:
        refused("in multi", pipe.set("t", "x").incr("t").execute)
    with r.pipeline() as pipe:
        pipe.watch("t")
        r.set("t", "between")
        pipe.multi()
        pipe.set("t", "after")
        try:
            say("watch", pipe.execute())
        except WatchError as error:
            say("watch", str(error))
    with r.pipeline(transaction=False) as pipe:
        for n in range(1000):
            pipe.rpush("many", n)
        say("pipeline", pipe.execute()[-1])
    say("transaction", r.transaction(lambda p: (p.multi(), p.incr("tr")), "tr"))


def scripts(r):
    script = r.register_script("return {KEYS[1], ARGV[1], redis.call('INCR', KEYS[1])}")
    say("script", script(keys=["counted"], args=["x"]))
    say("script flush", r.script_flush())
    try:
        r.evalsha(script.sha, 0)
    except NoScriptError as error:
        say("noscript", str(error))
    say("again", script(keys=["counted"], args=["y"]))
    say("exists", r.script_exists(script.sha, "0" * 40))
    refused("fails", r.eval, "return redis.call('INCR', KEYS[1])", 1, "l")
    refused("raises", r.eval, "error('so')", 0)
    lib = "#!lua name=lib\nredis.register_function('f', function(k, a) return #k + #a end)"
    say("function", r.function_load(lib, replace=True))
    say("fcall", r.fcall("f", 1, "k", "a", "b"))
    say("delete", r.function_delete("lib"))
    lock = r.lock("lock", timeout=20, blocking_timeout=1)
    say("lock", (lock.acquire(), lock.locked(), lock.extend(5), lock.release(), lock.locked()))


def messages(r):
    sub = r.pubsub()
    sub.subscribe("news")
    sub.psubscribe("n?ws*")
    say("subscribed", [sub.get_message(timeout=5) for _ in range(2)])
    say("publish", r.publish("news", "hi"))
    say("messages", [sub.get_message(timeout=5) for _ in range(2)])
    sub.unsubscribe()
    sub.punsubscribe()
    say("unsubscribed", [sub.get_message(timeout=5)["type"] for _ in range(2)])
    sub.close()
    shard = r.pubsub()
    shard.ssubscribe("shard")
    say("ssubscribed", shard.get_message(timeout=5))
    say("spublish", r.execute_command("SPUBLISH", "shard", "hi"))
    say("smessage", shard.get_message(timeout=5))
    shard.close()


def waits(r):
    got = []
    waiting = threading.Thread(target=lambda: got.append(connect().blpop(["wait"], timeout=20)))
    waiting.start()
    while r.info("clients")["blocked_clients"] == 0:
        pass
    say("rpush", r.rpush("wait", "here"))
    waiting.join()
    say("blpop", got)
    say("timeout", r.bzpopmin("none", timeout=0.01))


def administers(r):
    say("ping", (r.ping(), r.echo("e")))
    say("name", (r.client_setname("me"), r.client_getname()))
    say("list", [c["name"] for c in r.client_list() if c["name"]])
    say("config", (r.config_set("maxmemory", "100mb"), r.config_get("maxmemory"), r.config_set("maxmemory", 0)))
    info = r.info()
    say("info", (info["role"], info["redis_mode"], info["db0"]["keys"] == r.dbsize()))
    say("role", r.role()[0])
    say("command", (r.command_count() > 200, r.command_getkeys("MSET", "a", 1, "b", 2)))
    say("slowlog", (r.slowlog_reset(), r.slowlog_len()))
    say("memory", r.memory_usage("many") > 1000)
    say("time", r.time()[0] > 10**9)
    say("acl", (r.acl_whoami(), r.acl_setuser("bob", enabled=True, passwords="+pw", commands=["+get"], keys=["s*"])))
    bob = connect(username="bob", password="pw")
    say("bob", bob.get("s"))
    refused("bob's write", bob.set, "s", 1)
    refused("bob's key", bob.get, "other")
    say("deluser", r.acl_deluser("bob"))
    say("flushdb", (r.flushdb(), r.dbsize()))


def by_sentinel(port, name):
    options = {"decode_responses": True, "protocol": PROTOCOL, "socket_timeout": 5}
    sentinel = Sentinel([("127.0.0.1", port)], **options)
    master, replica = sentinel.master_for(name, **options), sentinel.slave_for(name, **options)
    say("by sentinel", (master.set("by", "sentinel"), master.wait(1, 10000), replica.get("by")))
    say("roles", (master.role()[0], replica.role()[0]))
    try:
        replica.set("by", "replica")
    except redis.exceptions.ReadOnlyError as error:
        say("read only", str(error))


if len(sys.argv) > 3:
    by_sentinel(int(sys.argv[3]), sys.argv[4])
else:
    r = connect()
    r_bytes = redis.Redis(host="127.0.0.1", port=PORT, protocol=PROTOCOL)
    for part in (values, streams, transactions, scripts, messages, waits, administers):
        print(f"-- {part.__name__}")
        part(r)
print("done")
