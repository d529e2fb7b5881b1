// What ioredis does to the server at PORT, told line by line: `ioredis.mjs PORT 2 [SENTINEL SET]`.
//
// The same program is run against the stock server, and the two must tell the same.

import Redis from "ioredis";
import { part, refused, say, sorted } from "./say.mjs";

const port = Number(process.argv[2]);
const open = (options = {}) => new Redis({ port, host: "127.0.0.1", ...options });
const r = open();

async function values() {
  say("set", await r.set("s", "v", "EX", 100, "NX"));
  say("set again", await r.set("s", "w", "NX"));
  say("buffer", await r.getBuffer("s"));
  say("mset", await r.mset({ a: 1, b: 2 }));
  say("mget", await r.mget("a", "b", "none"));
  say("hset", await r.hset("h", { f: 1, g: "two" }));
  say("hgetall", await r.hgetall("h"));
  say("none", await r.hgetall("none"));
  say("zadd", await r.zadd("z", 1, "a", 2.5, "b", "+inf", "c"));
  say("zrange", await r.zrange("z", 0, -1, "WITHSCORES"));
  say("zrevrangebyscore", await r.zrevrangebyscore("z", "+inf", "(1"));
  say("list", [await r.rpush("l", 1, 2, 3), await r.lrange("l", 0, -1)]);
  say("set of", [await r.sadd("set", "x", "y"), sorted(await r.smembers("set"))]);
  say("geo", [await r.geoadd("geo", 13.361389, 38.115556, "P"), await r.geopos("geo", "P")]);
  say("expire", [await r.expire("a", 100), await r.persist("a"), await r.ttl("a")]);
  await refused("wrong type", () => r.incr("l"));
  await refused("unknown", () => r.call("NOSUCH", "x"));
  const keys = [];
  for await (const some of r.scanStream({ count: 2 })) keys.push(...some);
  say("scan", sorted([...new Set(keys)]));
}

async function pipelines() {
  say("pipeline", await r.pipeline().set("p", 1).incr("p").get("p").exec());
  const mixed = await r.pipeline().set("p", "x").incr("p").get("p").exec();
  say("in a pipeline", mixed.map(([error, value]) => error?.message ?? value));
  say("multi", await r.multi().set("p", 1).incr("p").exec());
  await refused("exec without", () => r.call("EXEC"));
  const other = open();
  await r.watch("p");
  await other.set("p", 9);
  say("watch", await r.multi().get("p").exec());
  const auto = open({ enableAutoPipelining: true });
  say("by itself", await Promise.all(Array.from({ length: 100 }, (_, n) => auto.incrby("auto", n))));
  auto.disconnect();
  other.disconnect();
}

async function scripts() {
  r.defineCommand("both", { numberOfKeys: 1, lua: "return {KEYS[1], ARGV[1], redis.call('incr', KEYS[1])}" });
  say("script", await r.both("counted", "x"));
  say("flush", await r.script("FLUSH"));
  say("again", await r.both("counted", "y"));
  await refused("fails", () => r.eval("return redis.call('incr', KEYS[1])", 1, "l"));
}

async function messages() {
  const sub = open();
  const got = [];
  sub.on("message", (channel, text) => got.push([channel, text]));
  sub.on("pmessage", (pattern, channel, text) => got.push([pattern, channel, text]));
  say("subscribe", await sub.subscribe("a", "b"));
  say("psubscribe", await sub.psubscribe("a*"));
  await refused("while subscribed", () => sub.get("s"));
  say("publish", await r.publish("a", "hello"));
  while (got.length < 2) await new Promise((done) => setTimeout(done, 5));
  say("got", got);
  say("unsubscribe", [await sub.unsubscribe("a", "b"), await sub.punsubscribe("a*")]);
  sub.disconnect();
}

async function streamsAndWaits() {
  say("xadd", await r.xadd("x", "1-1", "f", "v"));
  say("group", await r.xgroup("CREATE", "x", "g", "0"));
  say("xreadgroup", await r.xreadgroup("GROUP", "g", "me", "COUNT", 1, "STREAMS", "x", ">"));
  say("xpending", await r.xpending("x", "g"));
  const other = open();
  const popped = other.blpop("wait", 20);
  const blocked = async () => (await r.info("clients")).includes("blocked_clients:1");
  while (!(await blocked()));
  say("lpush", await r.lpush("wait", "here"));
  say("blpop", await popped);
  other.disconnect();
}

async function bySentinel(sentinel, name) {
  const set = (role) => new Redis({ sentinels: [{ host: "127.0.0.1", port: sentinel }], name, role });
  const [master, replica] = [set("master"), set("slave")];
  say("set", await master.set("by", "sentinel"));
  say("wait", await master.wait(1, 10000));
  say("get", await replica.get("by"));
  say("roles", [(await master.role())[0], (await replica.role())[0]]);
  await refused("read only", () => replica.set("by", "replica"));
  master.disconnect();
  replica.disconnect();
}

if (process.argv[4]) await part(bySentinel, Number(process.argv[4]), process.argv[5]);
else for (const one of [values, pipelines, scripts, messages, streamsAndWaits]) await part(one);
say("end", [await r.flushdb(), await r.quit()]);
