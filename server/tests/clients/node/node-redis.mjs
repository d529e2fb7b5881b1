// What node-redis does to the server at PORT, told line by line: `node-redis.mjs PORT PROTOCOL [SENTINEL SET]`.
//
// The same program is run against the stock server, and the two must tell the same.

import { createClient, createSentinel, defineScript } from "redis";
import { part, refused, say, sorted } from "./say.mjs";

const port = Number(process.argv[2]);
const RESP = Number(process.argv[3]);

const both = defineScript({
  NUMBER_OF_KEYS: 1,
  SCRIPT: "return {KEYS[1], ARGV[1], redis.call('incr', KEYS[1])}",
  parseCommand: (parser, key, argument) => (parser.pushKey(key), parser.push(argument)),
  transformReply: (reply) => reply,
});
const options = { socket: { port, host: "127.0.0.1" }, RESP, scripts: { both } };
const r = await createClient(options).connect();

async function values() {
  say("set", await r.set("s", "v", { EX: 100, NX: true }));
  say("set again", await r.set("s", "w", { NX: true }));
  say("getex", [await r.getEx("s", { type: "PERSIST" }), await r.ttl("s")]);
  say("mset", await r.mSet({ a: "1", b: "2" }));
  say("mget", await r.mGet(["a", "b", "none"]));
  say("hset", await r.hSet("h", { f: "1", g: "two" }));
  say("hgetall", { ...(await r.hGetAll("h")) });
  say("zadd", await r.zAdd("z", [{ score: 1, value: "a" }, { score: Infinity, value: "b" }]));
  say("zrange", await r.zRangeWithScores("z", 0, -1));
  say("zscore", await r.zScore("z", "a"));
  say("list", [await r.rPush("l", ["1", "2"]), await r.lRange("l", 0, -1), await r.lPos("l", "2")]);
  say("set of", [await r.sAdd("set", ["x", "y"]), sorted(await r.sMembers("set"))]);
  say("geo", await r.geoAdd("geo", { longitude: 13.361389, latitude: 38.115556, member: "P" }));
  say("search", await r.geoSearch("geo", { longitude: 13, latitude: 38 }, { radius: 100, unit: "km" }));
  say("lcs", [await r.set("other", "vw"), await r.lcs("s", "other")]);
  await refused("wrong type", () => r.incr("l"));
  await refused("unknown", () => r.sendCommand(["NOSUCH", "x"]));
  const keys = [];
  for await (const some of r.scanIterator({ COUNT: 2 })) keys.push(...some);
  say("scan", sorted(keys));
}

async function transactions() {
  say("multi", await r.multi().set("p", "1").incr("p").get("p").exec());
  await refused("in multi", () => r.multi().set("p", "x").incr("p").exec());
  say("together", await Promise.all(Array.from({ length: 100 }, (_, n) => r.incrBy("auto", n))));
  const other = await r.duplicate().connect();
  await other.watch("p");
  await r.set("p", "9");
  await refused("watch", () => other.multi().get("p").exec());
  other.destroy();
}

async function scripts() {
  say("script", await r.both("counted", "x"));
  say("flush", await r.scriptFlush());
  say("again", await r.both("counted", "y"));
  say("load", await r.functionLoad("#!lua name=lib\nredis.register_function('f', function(k, a) return #k + #a end)"));
  say("fcall", await r.fCall("f", { keys: ["k"], arguments: ["a", "b"] }));
  say("list", (await r.functionList()).map((lib) => lib.library_name));
  say("delete", await r.functionDelete("lib"));
}

async function messages() {
  const sub = await r.duplicate().connect();
  const got = [];
  await sub.subscribe("a", (text, channel) => got.push([channel, text]));
  await sub.pSubscribe("a*", (text, channel) => got.push([channel, text]));
  await sub.sSubscribe("shard", (text, channel) => got.push([channel, text]));
  say("publish", [await r.publish("a", "hello"), await r.sPublish("shard", "hi")]);
  while (got.length < 3) await new Promise((done) => setTimeout(done, 5));
  say("got", got);
  await sub.unsubscribe("a");
  await sub.pUnsubscribe("a*");
  await sub.sUnsubscribe("shard");
  sub.destroy();
}

async function streamsAndWaits() {
  say("xadd", await r.xAdd("x", "1-1", { f: "v" }));
  say("group", await r.xGroupCreate("x", "g", "0"));
  say("xreadgroup", await r.xReadGroup("g", "me", { key: "x", id: ">" }, { COUNT: 1 }));
  say("xpending", await r.xPending("x", "g"));
  say("xinfo", (await r.xInfoStream("x")).length);
  const other = await r.duplicate().connect();
  const popped = other.blPop("wait", 20);
  const blocked = async () => (await r.info("clients")).includes("blocked_clients:1");
  while (!(await blocked()));
  say("lpush", await r.lPush("wait", "here"));
  say("blpop", { ...(await popped) });
  other.destroy();
}

async function bySentinel(sentinel, name) {
  const set = await createSentinel({
    name,
    RESP,
    sentinelRootNodes: [{ host: "127.0.0.1", port: sentinel }],
    replicaPoolSize: 1,
  }).connect();
  say("set", await set.set("by", "sentinel"));
  say("wait", await set.use((master) => master.sendCommand(false, ["WAIT", "1", "10000"])));
  say("get", await set.get("by"));
  await set.destroy();
}

if (process.argv[4]) await part(bySentinel, Number(process.argv[4]), process.argv[5]);
else for (const one of [values, transactions, scripts, messages, streamsAndWaits]) await part(one);
say("end", await r.flushDb());
r.destroy();
