// Uses a server as the users of node-redis do, and checks what it gets.

import { createClient } from "redis";
import { BACKEND, Inbox, KEY, PROTOCOL, SECRET, TARGET, TOKEN, address, equal, eventually, fails, later, restart, run, upTo } from "./check.js";

function client(more = {}, where = "ADMIN") {
  const c = createClient({
    RESP: PROTOCOL, username: BACKEND, password: SECRET, socket: { ...address(where), reconnectStrategy: () => 20 }, ...more,
  });
  c.on("error", () => {}); // the commands tell
  return c;
}

const connect = (more, where) => client(more, where).connect();

// refused has a client that shows these credentials send PING.
async function refused(text, credentials, where = "ADMIN") {
  const c = client({ ...credentials, socket: { ...address(where), reconnectStrategy: false } });
  await fails(text, c.connect().then(() => c.ping()));
  c.destroy();
}

async function listener(more) {
  const c = await connect(more);
  const inbox = new Inbox();
  return [c, inbox, (text, key) => inbox.put(key, text)];
}

const r = await connect();
const fields = (i) => ({ msg: String(i) });
const plain = (entries) => entries.map(({ id, message }) => [id, { ...message }]);

// read is the entries that one stream gives.
function only(key, reply) {
  if (reply === null) return [];
  equal(reply.map(({ name }) => name), [key], "the streams of a reply");
  return plain(reply[0].messages);
}

const add = async (key, n) => {
  const ids = [];
  for (const i of upTo(n)) ids.push(await r.xAdd(key, "*", fields(i)));
  return ids;
};

await run({
  async connect() {
    equal(await r.ping(), "PONG", "PING");
    equal(await r.echo("héllo"), "héllo", "ECHO");
    const named = await connect({ name: "a-name" });
    equal(await named.clientGetName(), "a-name", "CLIENT GETNAME");
    await named.clientSetName("another");
    equal((await named.clientInfo()).name, "another", "CLIENT INFO");
    const id = await named.clientId();
    equal((await r.clientList()).filter((c) => c.id === id).map((c) => c.name), ["another"], "CLIENT LIST");
    named.destroy();
    equal(/redis_version:\d/.test(await r.info()), true, "INFO's redis_version");
    await r.select(0);
    equal((await r.commandCount()) > 30, true, "COMMAND COUNT");
    await fails("unknown command", r.sendCommand(["NOSUCHCOMMAND", "a"]));
    await fails("wrong number of arguments for 'xlen' command", r.sendCommand(["XLEN"]));
  },

  async auth() {
    await refused("NOAUTH", { username: undefined, password: undefined });
    await refused("WRONGPASS", { password: "wrong" });
    await refused("WRONGPASS", { username: "nobody" });
    const c = await connect({ username: undefined });
    equal(await c.ping(), "PONG", "AUTH with the secret alone");
    c.destroy();
  },

  async token() {
    await refused("WRONGPASS", { username: KEY, password: "wrong" }, "PUBLIC");
    const device = await connect({ username: KEY, password: TOKEN }, "PUBLIC");
    const live = await connect({ username: KEY, password: TOKEN }, "PUBLIC");
    const inbox = new Inbox();
    await live.subscribe(KEY, (text, key) => inbox.put(key, text));
    equal(await r.publish(KEY, "live"), 1, "PUBLISH to a device");
    equal(await inbox.take(), [KEY, "live"], "what a device gets");
    await device.xGroupCreate(KEY, "cursor", "0", { MKSTREAM: true });
    const first = await r.xAdd(KEY, "*", { msg: "stored" });
    const stored = [[first, { msg: "stored" }]];
    equal(plain(await device.xRange(KEY, "-", "+")), stored, "XRANGE of a device");
    equal(only(KEY, await device.xRead({ key: KEY, id: "0" })), stored, "XREAD of a device");
    equal(only(KEY, await device.xReadGroup("cursor", "me", { key: KEY, id: ">" })), stored, "XREADGROUP of a device");
    equal(await device.xAck(KEY, "cursor", first), 1, "XACK of a device");
    await fails("NOPERM", device.publish(KEY, "x"));
    await fails("NOPERM", device.xAdd(KEY, "*", { msg: "x" }));
    await fails("NOPERM", device.xDel(KEY, first));
    await fails("NOPERM", device.xRange("other", "-", "+"));
    await fails("NOPERM", live.subscribe("other", () => {}));
    device.destroy();
    live.destroy();
  },

  async pubsub() {
    const keys = upTo(100).map((i) => `pubsub:${i}`);
    const [c, inbox, put] = await listener();
    await c.subscribe(keys, put);
    for (const [i, key] of keys.entries()) equal(await r.publish(key, `message ${i}`), 1, `PUBLISH ${key}`);
    for (const [i, key] of keys.entries()) equal(await inbox.take(), [key, `message ${i}`], "a message");
    equal({ ...(await r.pubSubNumSub([keys[0], "pubsub:none"])) }, { [keys[0]]: 1, "pubsub:none": 0 }, "PUBSUB NUMSUB");
    equal((await r.pubSubChannels("pubsub:*")).sort(), [...keys].sort(), "PUBSUB CHANNELS");
    equal((await c.ping()).toUpperCase(), "PONG", "PING while subscribed");
    if (PROTOCOL === 3) equal(await c.xLen("pubsub:none"), 0, "a command while subscribed");
    await c.unsubscribe(keys.slice(1));
    equal([await r.publish(keys[1], "x"), await r.publish(keys[0], "y")], [0, 1], "PUBLISH after UNSUBSCRIBE");
    equal(await inbox.take(), [keys[0], "y"], "a message after UNSUBSCRIBE");
    await c.unsubscribe();
    equal(await c.xLen("pubsub:none"), 0, "a command after all subscriptions ended");
    c.destroy();
  },

  async patterns() {
    const [c, inbox, put] = await listener();
    await c.pSubscribe(["patterns:*:x", "patterns:[ab]"], put);
    equal(await r.pubSubNumPat(), 2, "PUBSUB NUMPAT");
    for (const [key, receivers] of [["patterns:1:x", 1], ["patterns:c", 0], ["patterns:b", 1]])
      equal(await r.publish(key, key), receivers, `PUBLISH ${key}`);
    for (const key of ["patterns:1:x", "patterns:b"]) equal(await inbox.take(), [key, key], "what matches");
    c.destroy();
  },

  async shards() {
    const [c, inbox, put] = await listener();
    await c.sSubscribe("shards", put);
    equal(await r.sPublish("shards", "x"), 1, "SPUBLISH");
    equal(await inbox.take(), ["shards", "x"], "what comes to a shard");
    equal(await r.pubSubShardChannels(), ["shards"], "PUBSUB SHARDCHANNELS");
    await c.sUnsubscribe("shards");
    equal(await r.sPublish("shards", "x"), 0, "SPUBLISH after SUNSUBSCRIBE");
    c.destroy();
  },

  async streams() {
    const key = "streams";
    equal(await r.exists(key), 0, "EXISTS before");
    equal(await r.xAddNoMkStream(key, "*", { msg: "x" }), null, "XADD NOMKSTREAM");
    const ids = [];
    for (const i of upTo(10)) ids.push(await r.xAdd(key, "*", { n: String(i), text: `text ${i}` }));
    const entries = ids.map((id, i) => [id, { n: String(i), text: `text ${i}` }]);
    equal([await r.exists(key), await r.type(key), await r.xLen(key)], [1, "stream", 10], "EXISTS, TYPE, XLEN");
    equal(plain(await r.xRange(key, "-", "+")), entries, "XRANGE - +");
    equal(plain(await r.xRange(key, "(" + ids[2], "+", { COUNT: 2 })), entries.slice(3, 5), "XRANGE, exclusive, COUNT");
    equal(plain(await r.xRevRange(key, "+", "-", { COUNT: 3 })), entries.slice(7).reverse(), "XREVRANGE COUNT");
    equal(only(key, await r.xRead([{ key, id: ids[6] }, { key: "streams:none", id: "0" }], { COUNT: 2 })), entries.slice(7, 9), "XREAD");
    const explicit = later();
    equal(await r.xAdd(key, explicit, { msg: "explicit" }), explicit, "XADD with an id");
    await fails("equal or smaller than the target stream top item", r.xAdd(key, explicit, { msg: "x" }));
    const info = await r.xInfoStream(key);
    equal([info.length, info["last-generated-id"], info.groups], [11, explicit, 0], "XINFO STREAM");
    equal(plain([info["first-entry"]]), entries.slice(0, 1), "XINFO STREAM, first entry");
    equal(await r.xDel(key, [ids[0], ids[1], "1-4"]), 2, "XDEL");
    await r.xAdd(key, "*", { msg: "last" }, { TRIM: { strategy: "MAXLEN", strategyModifier: "=", threshold: 5 } });
    equal(await r.xLen(key), 5, "XLEN after MAXLEN");
    equal(await r.xTrim(key, "MINID", explicit), 3, "XTRIM MINID");
    if (TARGET === "gopush") {
      await r.sendCommand(["XADD", key, "EXPIRE", "3600", "*", "msg", "for an hour"]);
      equal(await r.xLen(key), 3, "XLEN after XADD with EXPIRE");
    }
    const found = [];
    for await (const keys of r.scanIterator({ MATCH: "strea*" })) found.push(...keys);
    equal(found, [key], "SCAN");
    equal(await r.del(key), 1, "DEL");
    equal([await r.exists(key), plain(await r.xRange(key, "-", "+"))], [0, []], "after DEL");
  },

  async blocking() {
    const key = "blocking";
    let last = await r.xAdd(key, "*", fields(0));
    const reader = await connect({ name: "reader" });
    equal(await reader.xRead({ key, id: last }, { BLOCK: 20 }), null, "XREAD BLOCK without messages");
    const waiting = reader.xRead({ key, id: "$" }, { BLOCK: 20_000 });
    await eventually("the reader waits", async () => (await r.clientList()).some((c) => c.name === "reader" && c.flags.includes("b")));
    last = await r.xAdd(key, "*", fields(1));
    equal(only(key, await waiting), [[last, fields(1)]], "XREAD BLOCK of what comes");
    for (const i of upTo(200)) {
      const [id, reply] = await Promise.all([r.xAdd(key, "*", fields(i)), reader.xRead({ key, id: last }, { BLOCK: 20_000 })]);
      equal(only(key, reply), [[id, fields(i)]], "XREAD BLOCK after the last id");
      last = id;
    }
    reader.destroy();
  },

  async groups() {
    const [key, group] = ["groups", "g"];
    const read = async (consumer, id, more) => only(key, await r.xReadGroup(group, consumer, { key, id }, more));
    await fails("requires the key to exist", r.xGroupCreate(key, group, "$"));
    await r.xGroupCreate(key, group, "$", { MKSTREAM: true });
    await fails("BUSYGROUP", r.xGroupCreate(key, group, "$"));
    await fails("NOGROUP", r.xReadGroup("none", "c", { key, id: ">" }));
    const ids = await add(key, 6);
    const entries = ids.map((id, i) => [id, fields(i)]);
    equal(await read("a", ">", { COUNT: 4 }), entries.slice(0, 4), "XREADGROUP COUNT");
    equal(await read("b", ">"), entries.slice(4), "XREADGROUP of the rest");
    equal(await read("b", ">", { BLOCK: 20 }), [], "XREADGROUP of nothing");
    const summary = await r.xPending(key, group);
    equal([summary.pending, summary.firstId, summary.lastId], [6, ids[0], ids[5]], "XPENDING");
    equal(summary.consumers.map((c) => [c.name, c.deliveriesCounter]), [["a", 4], ["b", 2]], "XPENDING, consumers");
    equal(await r.xAck(key, group, [ids[0], ids[1], "1-4"]), 2, "XACK");
    const pending = await r.xPendingRange(key, group, "-", "+", 10, { consumer: "a" });
    equal(pending.map((p) => [p.id, p.consumer, p.deliveriesCounter]), ids.slice(2, 4).map((id) => [id, "a", 1]), "XPENDING of a");
    equal(await read("a", "0"), entries.slice(2, 4), "XREADGROUP of what is pending");
    equal(plain(await r.xClaim(key, group, "b", 0, ids[2])), [entries[2]], "XCLAIM");
    equal((await r.xAutoClaimJustId(key, group, "c", 0, "0", { COUNT: 2 })).messages, ids.slice(2, 4), "XAUTOCLAIM JUSTID");
    const claimed = await r.xAutoClaim(key, group, "c", 0, ids[4]);
    equal([claimed.nextId, plain(claimed.messages), claimed.deletedMessages], ["0-0", entries.slice(4), []], "XAUTOCLAIM");
    const [info] = await r.xInfoGroups(key);
    equal([info.name, info.consumers, info.pending, info["last-delivered-id"]], [group, 3, 4, ids[5]], "XINFO GROUPS");
    equal((await r.xInfoConsumers(key, group)).map((c) => [c.name, c.pending]), [["a", 0], ["b", 0], ["c", 4]], "XINFO CONSUMERS");
    equal(await r.xGroupDelConsumer(key, group, "c"), 4, "XGROUP DELCONSUMER");
    equal(await r.xGroupSetId(key, group, ids[3]), "OK", "XGROUP SETID");
    equal(await read("a", ">", { NOACK: true }), entries.slice(4), "XREADGROUP after SETID");
    equal(await r.xGroupDestroy(key, group), 1, "XGROUP DESTROY");
  },

  async pipeline() {
    // node-redis sends in one go what is asked for in one turn.
    const ids = await Promise.all(upTo(3000).map((i) => r.xAdd("pipeline", "*", fields(i))));
    equal(plain(await r.xRange("pipeline", "-", "+")), ids.map((id, i) => [id, fields(i)]), "order of a pipeline");
    const [c, inbox, put] = await listener();
    await c.subscribe("pipeline", put);
    const answers = await Promise.all(upTo(4000).map((i) => (i % 2 ? r.xLen("pipeline") : r.publish("pipeline", String(i)))));
    equal(answers, upTo(4000).map((i) => (i % 2 ? 3000 : 1)), "answers of a mixed pipeline");
    for (const i of upTo(2000)) equal(await inbox.take(), ["pipeline", String(2 * i)], "order of messages");
    c.destroy();
  },

  async reconnect() {
    const [c, inbox, put] = await listener({ name: "victim" });
    await c.subscribe(["reconnect:a", "reconnect:b"], put);
    const comesBack = (key, why) =>
      eventually(`a message comes after the subscriber was ${why}`, async () => {
        await r.publish(key, why);
        while (inbox.size) if ((await inbox.take())[1] === why) return true;
        return false;
      });
    const [victim] = (await r.clientList()).filter((c) => c.name === "victim");
    equal(await r.clientKill({ filter: "ID", id: victim.id }), 1, "CLIENT KILL");
    await comesBack("reconnect:b", "killed");
    await restart();
    await comesBack("reconnect:a", "restarted");
    c.destroy();
  },

  async cursor() {
    const [key, group] = ["cursor", "device"];
    const read = async (id, COUNT = 100) => only(key, await r.xReadGroup(group, "me", { key, id }, { COUNT })).map(([id]) => id);
    await r.xGroupCreate(key, group, "0", { MKSTREAM: true });
    const sent = await add(key, 10);
    const acked = (await read(">", 6)).slice(0, 4);
    for (const id of acked) equal(await r.xAck(key, group, id), 1, "XACK");
    await restart();
    sent.push(...(await add(key, 10)));
    // What was given and not acknowledged is given again: as pending, or, if that is no longer known, as new.
    equal([...acked, ...(await read("0")), ...(await read(">"))], sent, "what was acknowledged, and what came after it");
  },
});
