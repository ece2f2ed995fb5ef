// Uses a server as the users of ioredis do, and checks what it gets.

import { Redis } from "ioredis";
import { BACKEND, Inbox, KEY, PROTOCOL, SECRET, TARGET, TOKEN, address, equal, eventually, fails, later, restart, run, upTo } from "./check.js";

function connect(more = {}, where = "ADMIN") {
  const options = { username: BACKEND, password: SECRET, protocol: PROTOCOL, retryStrategy: () => 20, maxRetriesPerRequest: 500 };
  const client = new Redis({ ...address(where), ...options, ...more });
  client.on("error", () => {}); // the commands tell
  return client;
}

// refused has a client that shows these credentials send PING.
async function refused(text, credentials, where) {
  const client = connect({ ...credentials, lazyConnect: true, retryStrategy: () => null, enableReadyCheck: false }, where);
  const told = [];
  client.on("error", (error) => told.push(error.message));
  await client.connect().catch((error) => told.push(error.message));
  await client.ping().catch((error) => told.push(error.message));
  client.disconnect();
  equal(told.some((message) => message.includes(text)), true, `to be told ${text}; was told ${told}`);
}

function subscriber(more) {
  const client = connect(more);
  const inbox = new Inbox();
  client.on("message", (key, text) => inbox.put(key, text));
  client.on("smessage", (key, text) => inbox.put("shard " + key, text));
  client.on("pmessage", (pattern, key, text) => inbox.put(pattern, key, text));
  return [client, inbox];
}

// pairs is what a map of RESP3, or the list that RESP2 has for it, says.
const pairs = (reply) =>
  Array.isArray(reply) ? Object.fromEntries(upTo(reply.length / 2).map((i) => [reply[2 * i], reply[2 * i + 1]])) : reply;

const r = connect();
const entry = (id, i) => [id, ["msg", String(i)]];

await run({
  async connect() {
    equal(await r.ping(), "PONG", "PING");
    equal(await r.echo("héllo"), "héllo", "ECHO");
    const named = connect({ connectionName: "a-name" });
    equal(await named.client("GETNAME"), "a-name", "CLIENT GETNAME");
    await named.client("SETNAME", "another");
    equal((await r.client("LIST")).includes(` name=another `), true, "CLIENT LIST");
    equal(await named.client("ID") > 0, true, "CLIENT ID");
    named.disconnect();
    equal(/redis_version:\d/.test(await r.info()), true, "INFO's redis_version");
    equal(await r.select(0), "OK", "SELECT 0");
    equal(await r.command("COUNT") > 30, true, "COMMAND COUNT");
    await fails("unknown command", r.call("NOSUCHCOMMAND", "a"));
    await fails("wrong number of arguments for 'xlen' command", r.call("XLEN"));
  },

  async auth() {
    await refused("NOAUTH", { username: undefined, password: undefined });
    await refused("WRONGPASS", { password: "wrong" });
    await refused("WRONGPASS", { username: "nobody" });
    const client = connect({ username: undefined });
    equal(await client.ping(), "PONG", "AUTH with the secret alone");
    client.disconnect();
  },

  async token() {
    await refused("WRONGPASS", { username: KEY, password: "wrong" }, "PUBLIC");
    const device = connect({ username: KEY, password: TOKEN }, "PUBLIC");
    const live = device.duplicate();
    const inbox = new Inbox();
    live.on("message", (key, text) => inbox.put(key, text));
    equal(await live.subscribe(KEY), 1, "SUBSCRIBE of a device");
    equal(await r.publish(KEY, "live"), 1, "PUBLISH to a device");
    equal(await inbox.take(), [KEY, "live"], "what a device gets");
    await device.xgroup("CREATE", KEY, "cursor", "0", "MKSTREAM");
    const first = await r.xadd(KEY, "*", "msg", "stored");
    const stored = [[first, ["msg", "stored"]]];
    equal(await device.xrange(KEY, "-", "+"), stored, "XRANGE of a device");
    equal(pairs((await device.xread("STREAMS", KEY, "0")).flat(1)), { [KEY]: stored }, "XREAD of a device");
    equal((await device.xreadgroup("GROUP", "cursor", "me", "STREAMS", KEY, ">")).length, 1, "XREADGROUP of a device");
    equal(await device.xack(KEY, "cursor", first), 1, "XACK of a device");
    await fails("NOPERM", device.publish(KEY, "x"));
    await fails("NOPERM", device.xadd(KEY, "*", "msg", "x"));
    await fails("NOPERM", device.xdel(KEY, first));
    await fails("NOPERM", device.xrange("other", "-", "+"));
    await fails("NOPERM", live.subscribe("other"));
    device.disconnect();
    live.disconnect();
  },

  async pubsub() {
    const keys = upTo(100).map((i) => `pubsub:${i}`);
    const [client, inbox] = subscriber();
    equal(await client.subscribe(...keys), 100, "SUBSCRIBE");
    for (const [i, key] of keys.entries()) equal(await r.publish(key, `message ${i}`), 1, `PUBLISH ${key}`);
    for (const [i, key] of keys.entries()) equal(await inbox.take(), [key, `message ${i}`], "a message");
    equal(await r.pubsub("NUMSUB", keys[0], "pubsub:none"), [keys[0], 1, "pubsub:none", 0], "PUBSUB NUMSUB");
    equal((await r.pubsub("CHANNELS", "pubsub:*")).sort(), [...keys].sort(), "PUBSUB CHANNELS");
    if (PROTOCOL === 3) equal(await client.xlen("pubsub:none"), 0, "a command while subscribed");
    equal(await client.unsubscribe(...keys.slice(1)), 1, "UNSUBSCRIBE");
    equal([await r.publish(keys[1], "x"), await r.publish(keys[0], "y")], [0, 1], "PUBLISH after UNSUBSCRIBE");
    equal(await inbox.take(), [keys[0], "y"], "a message after UNSUBSCRIBE");
    client.disconnect();
  },

  async patterns() {
    const [client, inbox] = subscriber();
    equal(await client.psubscribe("patterns:*:x", "patterns:[ab]"), 2, "PSUBSCRIBE");
    equal(await r.pubsub("NUMPAT"), 2, "PUBSUB NUMPAT");
    for (const [key, receivers] of [["patterns:1:x", 1], ["patterns:c", 0], ["patterns:b", 1]])
      equal(await r.publish(key, key), receivers, `PUBLISH ${key}`);
    equal(await inbox.take(), ["patterns:*:x", "patterns:1:x", "patterns:1:x"], "what matches");
    equal(await inbox.take(), ["patterns:[ab]", "patterns:b", "patterns:b"], "what matches");
    client.disconnect();
  },

  async shards() {
    const [client, inbox] = subscriber();
    equal(await client.ssubscribe("shards"), 1, "SSUBSCRIBE");
    equal(await r.spublish("shards", "x"), 1, "SPUBLISH");
    equal(await inbox.take(), ["shard shards", "x"], "what comes to a shard");
    equal(await client.sunsubscribe("shards"), 0, "SUNSUBSCRIBE");
    client.disconnect();
  },

  async streams() {
    const key = "streams";
    equal(await r.exists(key), 0, "EXISTS before");
    equal(await r.xadd(key, "NOMKSTREAM", "*", "msg", "x"), null, "XADD NOMKSTREAM");
    const ids = [];
    for (const i of upTo(10)) ids.push(await r.xadd(key, "*", "n", i, "text", `text ${i}`));
    const entries = ids.map((id, i) => [id, ["n", String(i), "text", `text ${i}`]]);
    equal([await r.exists(key), await r.type(key), await r.xlen(key)], [1, "stream", 10], "EXISTS, TYPE, XLEN");
    equal(await r.xrange(key, "-", "+"), entries, "XRANGE - +");
    equal(await r.xrange(key, "(" + ids[2], "+", "COUNT", 2), entries.slice(3, 5), "XRANGE, exclusive, COUNT");
    equal(await r.xrevrange(key, "+", "-", "COUNT", 3), entries.slice(7).reverse(), "XREVRANGE COUNT");
    equal(pairs((await r.xread("COUNT", 2, "STREAMS", key, "streams:none", ids[6], "0")).flat(1)), { [key]: entries.slice(7, 9) }, "XREAD");
    const explicit = later();
    equal(await r.xadd(key, explicit, "msg", "explicit"), explicit, "XADD with an id");
    await fails("equal or smaller than the target stream top item", r.xadd(key, explicit, "msg", "x"));
    const info = pairs(await r.xinfo("STREAM", key));
    equal([info.length, info["last-generated-id"], info.groups, info["first-entry"]], [11, explicit, 0, entries[0]], "XINFO STREAM");
    equal(await r.xdel(key, ids[0], ids[1], "1-4"), 2, "XDEL");
    await r.xadd(key, "MAXLEN", "=", 5, "*", "msg", "last");
    equal(await r.xlen(key), 5, "XLEN after MAXLEN");
    equal(await r.xtrim(key, "MINID", explicit), 3, "XTRIM MINID");
    if (TARGET === "gopush") {
      await r.call("XADD", key, "EXPIRE", 3600, "*", "msg", "for an hour");
      equal(await r.xlen(key), 3, "XLEN after XADD with EXPIRE");
    }
    const [end, found] = await r.scan(0, "MATCH", "strea*", "COUNT", 1000);
    equal([end, found], ["0", [key]], "SCAN");
    equal(await r.del(key), 1, "DEL");
    equal([await r.exists(key), await r.xrange(key, "-", "+")], [0, []], "after DEL");
  },

  async blocking() {
    const key = "blocking";
    let last = await r.xadd(key, "*", "msg", "0");
    const reader = connect({ connectionName: "reader" });
    equal(await reader.xread("BLOCK", 20, "STREAMS", key, last), null, "XREAD BLOCK without messages");
    const waiting = reader.xread("BLOCK", 20_000, "STREAMS", key, "$");
    await eventually("the reader waits", async () => / name=reader .* flags=\w*b/.test(await r.client("LIST")));
    last = await r.xadd(key, "*", "msg", "1");
    equal(pairs((await waiting).flat(1)), { [key]: [entry(last, 1)] }, "XREAD BLOCK of what comes");
    for (const i of upTo(200)) {
      const [id, reply] = await Promise.all([r.xadd(key, "*", "msg", i), reader.xread("BLOCK", 20_000, "STREAMS", key, last)]);
      equal(pairs(reply.flat(1)), { [key]: [entry(id, i)] }, "XREAD BLOCK after the last id");
      last = id;
    }
    reader.disconnect();
  },

  async groups() {
    const [key, group] = ["groups", "g"];
    const read = (consumer, id, ...more) => r.xreadgroup("GROUP", group, consumer, ...more, "STREAMS", key, id);
    const given = async (reply) => pairs((await reply).flat(1))[key];
    await fails("requires the key to exist", r.xgroup("CREATE", key, group, "$"));
    await r.xgroup("CREATE", key, group, "$", "MKSTREAM");
    await fails("BUSYGROUP", r.xgroup("CREATE", key, group, "$"));
    await fails("NOGROUP", r.xreadgroup("GROUP", "none", "c", "STREAMS", key, ">"));
    const ids = [];
    for (const i of upTo(6)) ids.push(await r.xadd(key, "*", "msg", i));
    const entries = ids.map(entry);
    equal(await given(read("a", ">", "COUNT", 4)), entries.slice(0, 4), "XREADGROUP COUNT");
    equal(await given(read("b", ">")), entries.slice(4), "XREADGROUP of the rest");
    equal(await read("b", ">", "BLOCK", 20), null, "XREADGROUP of nothing");
    equal(await r.xpending(key, group), [6, ids[0], ids[5], [["a", "4"], ["b", "2"]]], "XPENDING");
    equal(await r.xack(key, group, ids[0], ids[1], "1-4"), 2, "XACK");
    const pending = await r.xpending(key, group, "-", "+", 10, "a");
    equal(pending.map(([id, consumer, , count]) => [id, consumer, count]), ids.slice(2, 4).map((id) => [id, "a", 1]), "XPENDING of a");
    equal(await given(read("a", "0")), entries.slice(2, 4), "XREADGROUP of what is pending");
    equal(await r.xclaim(key, group, "b", 0, ids[2]), [entries[2]], "XCLAIM");
    equal(await r.xautoclaim(key, group, "c", 0, "0", "COUNT", 2, "JUSTID"), [ids[4], ids.slice(2, 4), []], "XAUTOCLAIM JUSTID");
    equal(await r.xautoclaim(key, group, "c", 0, ids[4]), ["0-0", entries.slice(4), []], "XAUTOCLAIM");
    const info = pairs((await r.xinfo("GROUPS", key))[0]);
    equal([info.name, info.consumers, info.pending, info["last-delivered-id"]], [group, 3, 4, ids[5]], "XINFO GROUPS");
    const consumers = (await r.xinfo("CONSUMERS", key, group)).map(pairs);
    equal(consumers.map((c) => [c.name, c.pending]), [["a", 0], ["b", 0], ["c", 4]], "XINFO CONSUMERS");
    equal(await r.xgroup("DELCONSUMER", key, group, "c"), 4, "XGROUP DELCONSUMER");
    equal(await r.xgroup("SETID", key, group, ids[3]), "OK", "XGROUP SETID");
    equal(await given(read("a", ">", "NOACK")), entries.slice(4), "XREADGROUP after SETID");
    equal(await r.xgroup("DESTROY", key, group), 1, "XGROUP DESTROY");
  },

  async pipeline() {
    const pipe = r.pipeline();
    for (const i of upTo(3000)) pipe.xadd("pipeline", "*", "msg", i);
    const ids = (await pipe.exec()).map(([error, id]) => error ?? id);
    equal(await r.xrange("pipeline", "-", "+"), ids.map(entry), "order of a pipeline");
    const [client, inbox] = subscriber();
    await client.subscribe("pipeline");
    // Without waiting for answers, and two kinds of commands in turn.
    const answers = await Promise.all(upTo(4000).map((i) => (i % 2 ? r.xlen("pipeline") : r.publish("pipeline", i))));
    equal(answers, upTo(4000).map((i) => (i % 2 ? 3000 : 1)), "answers of a mixed pipeline");
    for (const i of upTo(2000)) equal(await inbox.take(), ["pipeline", String(2 * i)], "order of messages");
    client.disconnect();
  },

  async reconnect() {
    const [client, inbox] = subscriber({ connectionName: "victim" });
    await client.subscribe("reconnect:a", "reconnect:b");
    const comesBack = (key, why) =>
      eventually(`a message comes after the subscriber was ${why}`, async () => {
        await r.publish(key, why);
        while (inbox.size) if ((await inbox.take())[1] === why) return true;
        return false;
      });
    const [, id] = /id=(\d+) .*name=victim /.exec(await r.client("LIST"));
    equal(await r.client("KILL", "ID", id), 1, "CLIENT KILL");
    await comesBack("reconnect:b", "killed");
    await restart();
    await comesBack("reconnect:a", "restarted");
    client.disconnect();
  },

  async cursor() {
    const [key, group] = ["cursor", "device"];
    const read = async (id, count = 100) => {
      const reply = await r.xreadgroup("GROUP", group, "me", "COUNT", count, "STREAMS", key, id);
      return reply ? pairs(reply.flat(1))[key].map(([id]) => id) : [];
    };
    await r.xgroup("CREATE", key, group, "0", "MKSTREAM");
    const sent = [];
    const acked = [];
    for (const i of upTo(10)) sent.push(await r.xadd(key, "*", "msg", i));
    for (const id of (await read(">", 6)).slice(0, 4)) {
      equal(await r.xack(key, group, id), 1, "XACK");
      acked.push(id);
    }
    await restart();
    for (const i of upTo(10)) sent.push(await r.xadd(key, "*", "msg", i));
    // What was given and not acknowledged is given again: as pending, or, if that is no longer known, as new.
    equal([...acked, ...(await read("0")), ...(await read(">"))], sent, "what was acknowledged, and what came after it");
  },
});
