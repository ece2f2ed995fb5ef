"""Uses a server as the users of redis-py do, and checks what it gets: test/redis_clients_test.go runs it."""

import os
import sys
import threading
import time

import redis
from redis.backoff import ConstantBackoff
from redis.exceptions import ConnectionError, NoPermissionError, RedisError, ResponseError
from redis.retry import Retry

BACKEND, SECRET = os.environ["BACKEND"], os.environ["SECRET"]
KEY, TOKEN = os.environ["KEY"], os.environ["TOKEN"]
PATIENCE = 20  # seconds that anything may take


def connect(where="ADMIN", username=BACKEND, password=SECRET, **more):
    host, port = os.environ[where].split(":")
    return redis.Redis(
        host, int(port), username=username, password=password, decode_responses=True, socket_timeout=PATIENCE,
        **{"retry": Retry(ConstantBackoff(0.02), 500), "retry_on_error": [ConnectionError], **more})


def once(where, username, password):
    """A client that does not come back: for redis-py, to be refused is a ConnectionError too."""
    return connect(where, username, password, retry=None, retry_on_error=[])


def equal(got, want, what):
    if got != want:
        raise SystemExit(f"{what}: got {got!r}, want {want!r}")


def fails(error, text, call, *args, **kwargs):
    try:
        got = call(*args, **kwargs)
    except error as e:
        if text not in str(e):
            raise SystemExit(f"{call}{args}: got the error {e}, want {text}")
        return
    raise SystemExit(f"{call}{args}: got {got!r}, want the error {text}")


def subscription(client, how, *names):
    """Subscribes, and returns when the server has confirmed."""
    p = client.pubsub()
    getattr(p, how)(*names)
    for name in names:
        equal(p.get_message(timeout=PATIENCE)["channel"], name, how)
    return p


def message(p):
    m = p.get_message(timeout=PATIENCE)
    if m is None:
        raise SystemExit(f"no message within {PATIENCE} s")
    return m["type"], m["channel"], m["data"]


def restart():
    print("> restart", flush=True)
    if not sys.stdin.readline():
        raise SystemExit("nobody restarts the server")


def check_connect(r):
    equal(r.ping(), True, "PING")
    equal(r.echo("héllo"), "héllo", "ECHO")
    with connect(client_name="a-name", single_connection_client=True) as named:
        equal(named.client_getname(), "a-name", "CLIENT GETNAME")
        named.client_setname("another")
        equal([c["name"] for c in r.client_list() if int(c["id"]) == named.client_id()], ["another"], "CLIENT LIST")
    equal(r.info()["redis_version"][0].isdigit(), True, "INFO's redis_version")
    equal(abs(r.time()[0] - time.time()) < 60, True, "TIME is now")
    equal(r.command_count() > 30, True, "COMMAND COUNT")
    equal(r.execute_command("SELECT", 0), True, "SELECT 0")
    fails(ResponseError, "unknown command", r.execute_command, "NOSUCHCOMMAND", "a")
    fails(ResponseError, "wrong number of arguments for 'xlen' command", r.execute_command, "XLEN")


def check_auth(r):
    fails(RedisError, "Authentication required", once("ADMIN", None, None).ping)
    for username, password in ((BACKEND, "wrong"), (None, "wrong"), ("nobody", SECRET)):
        fails(RedisError, "invalid username-password pair", once("ADMIN", username, password).ping)
    equal(connect(username=None).ping(), True, "AUTH with the secret alone")


def check_token(r):
    fails(RedisError, "invalid username-password pair", once("PUBLIC", KEY, "wrong").ping)
    device = connect("PUBLIC", KEY, TOKEN)
    live = subscription(device, "subscribe", KEY)
    equal(r.publish(KEY, "live"), 1, "PUBLISH to a device")
    equal(message(live), ("message", KEY, "live"), "what a device gets")
    device.xgroup_create(KEY, "cursor", "0", mkstream=True)
    first = r.xadd(KEY, {"msg": "stored"})
    equal(device.xrange(KEY), [(first, {"msg": "stored"})], "XRANGE of a device")
    equal(device.xread({KEY: "0"}), [[KEY, [(first, {"msg": "stored"})]]], "XREAD of a device")
    equal(device.xreadgroup("cursor", "me", {KEY: ">"}), [[KEY, [(first, {"msg": "stored"})]]], "XREADGROUP of a device")
    equal(device.xack(KEY, "cursor", first), 1, "XACK of a device")
    fails(NoPermissionError, "", device.publish, KEY, "x")
    fails(NoPermissionError, "", device.xadd, KEY, {"msg": "x"})
    fails(NoPermissionError, "", device.xdel, KEY, first)
    fails(NoPermissionError, "", device.xrange, "other")
    fails(NoPermissionError, "", subscription, device, "subscribe", "other")


def check_pubsub(r):
    keys = [f"pubsub:{i}" for i in range(100)]
    p = subscription(r, "subscribe", *keys)
    for i, key in enumerate(keys):
        equal(r.publish(key, f"message {i}"), 1, f"PUBLISH {key}")
    for i, key in enumerate(keys):
        equal(message(p), ("message", key, f"message {i}"), "a message")
    equal(r.pubsub_numsub(keys[0], "pubsub:none"), [(keys[0], 1), ("pubsub:none", 0)], "PUBSUB NUMSUB")
    equal(sorted(r.pubsub_channels("pubsub:*")), sorted(keys), "PUBSUB CHANNELS")
    p.unsubscribe(*keys[1:])
    for key in keys[1:]:
        equal(message(p)[:2], ("unsubscribe", key), "the end of a subscription")
    equal([r.publish(keys[1], "x"), r.publish(keys[0], "y")], [0, 1], "PUBLISH after UNSUBSCRIBE")
    equal(message(p), ("message", keys[0], "y"), "a message after UNSUBSCRIBE")
    p.ping()
    equal(message(p)[0], "pong", "PING while subscribed")
    binary = bytes(range(256)) * 1000
    with redis.Redis(connection_pool=redis.ConnectionPool(**{**r.connection_pool.connection_kwargs, "decode_responses": False})) as raw:
        big = subscription_raw(raw, "pubsub:big")
        raw.publish("pubsub:big", binary)
        equal(big.get_message(timeout=PATIENCE)["data"], binary, "256,000 bytes of all kinds")


def subscription_raw(client, key):
    p = client.pubsub()
    p.subscribe(key)
    equal(p.get_message(timeout=PATIENCE)["type"], "subscribe", "subscribe")
    return p


def check_patterns(r):
    p = subscription(r, "psubscribe", "patterns:*:x", "patterns:[ab]")
    equal(r.pubsub_numpat(), 2, "PUBSUB NUMPAT")
    for key, receivers in (("patterns:1:x", 1), ("patterns:c", 0), ("patterns:b", 1)):
        equal(r.publish(key, key), receivers, f"PUBLISH {key}")
    equal(message(p), ("pmessage", "patterns:1:x", "patterns:1:x"), "what matches")
    m = p.get_message(timeout=PATIENCE)
    equal((m["pattern"], m["channel"]), ("patterns:[ab]", "patterns:b"), "what matches")


def check_streams(r):
    key = "streams"
    equal(r.exists(key), 0, "EXISTS before")
    equal(r.xadd(key, {"msg": "x"}, nomkstream=True), None, "XADD NOMKSTREAM")
    ids = [r.xadd(key, {"n": i, "text": f"text {i}"}) for i in range(10)]
    entries = [(id, {"n": str(i), "text": f"text {i}"}) for i, id in enumerate(ids)]
    equal((r.exists(key), r.type(key), r.xlen(key)), (1, "stream", 10), "EXISTS, TYPE, XLEN")
    equal(r.xrange(key), entries, "XRANGE - +")
    equal(r.xrange(key, ids[2], ids[4]), entries[2:5], "XRANGE of a part")
    equal(r.xrange(key, "(" + ids[2], count=2), entries[3:5], "XRANGE, exclusive, COUNT")
    equal(r.xrevrange(key, count=3), entries[:6:-1], "XREVRANGE COUNT")
    equal(r.xread({key: ids[6], "streams:none": "0"}, count=2), [[key, entries[7:9]]], "XREAD COUNT")
    explicit = f"{int(time.time() * 1000) + 60_000}-4"
    equal(r.xadd(key, {"msg": "explicit"}, id=explicit), explicit, "XADD with an id")
    fails(ResponseError, "equal or smaller than the target stream top item", r.xadd, key, {"msg": "x"}, id=explicit)
    info = r.xinfo_stream(key)
    equal((info["length"], info["last-generated-id"], info["groups"]), (11, explicit, 0), "XINFO STREAM")
    equal(info["first-entry"], entries[0], "XINFO STREAM, first entry")
    equal(r.xdel(key, ids[0], ids[1], "1-4"), 2, "XDEL")
    r.xadd(key, {"msg": "last"}, maxlen=5, approximate=False)
    equal(r.xlen(key), 5, "XLEN after MAXLEN")
    equal(r.xtrim(key, maxlen=3, approximate=False), 2, "XTRIM MAXLEN")
    equal(r.xtrim(key, minid=explicit, approximate=False), 1, "XTRIM MINID")
    equal([fields["msg"] for _, fields in r.xrange(key)], ["explicit", "last"], "what is left")
    if os.environ["TARGET"] == "gopush":
        r.execute_command("XADD", key, "EXPIRE", 3600, "*", "msg", "for an hour")
        equal(r.xlen(key), 3, "XLEN after XADD with EXPIRE")
    equal([k for k in r.scan_iter(match="strea*")], [key], "SCAN")
    equal(r.delete(key), 1, "DEL")
    equal((r.exists(key), r.xrange(key)), (0, []), "after DEL")


def check_blocking(r):
    key = "blocking"
    last = r.xadd(key, {"msg": "0"})
    equal(r.xread({key: last}, block=20), [], "XREAD BLOCK without messages")
    got = []
    with connect(client_name="reader") as reader:
        waiting = threading.Thread(target=lambda: got.append(reader.xread({key: "$"}, block=PATIENCE * 1000)))
        waiting.start()
        eventually("the reader waits", lambda: any(c["name"] == "reader" and "b" in c["flags"] for c in r.client_list()))
        new = r.xadd(key, {"msg": "1"})
        waiting.join()
        equal(got, [[[key, [(new, {"msg": "1"})]]]], "XREAD BLOCK of what comes")
        for i in range(2, 200):  # a push before the read, and while it waits
            writing = threading.Thread(target=r.xadd, args=(key, {"msg": i}))
            writing.start()
            [[_, [(new, fields)]]] = reader.xread({key: new}, block=PATIENCE * 1000)
            equal(fields, {"msg": str(i)}, "XREAD BLOCK after the last id")
            writing.join()


def check_groups(r):
    key, group = "groups", "g"
    fails(ResponseError, "requires the key to exist", r.xgroup_create, key, group)
    r.xgroup_create(key, group, "$", mkstream=True)
    fails(ResponseError, "BUSYGROUP", r.xgroup_create, key, group)
    fails(ResponseError, "NOGROUP", r.xreadgroup, "none", "c", {key: ">"})
    ids = [r.xadd(key, {"msg": i}) for i in range(6)]
    entries = [(id, {"msg": str(i)}) for i, id in enumerate(ids)]
    equal(r.xreadgroup(group, "a", {key: ">"}, count=4), [[key, entries[:4]]], "XREADGROUP COUNT")
    equal(r.xreadgroup(group, "b", {key: ">"}), [[key, entries[4:]]], "XREADGROUP of the rest")
    equal(r.xreadgroup(group, "b", {key: ">"}, block=20), [], "XREADGROUP of nothing")
    equal(r.xpending(key, group), {"pending": 6, "min": ids[0], "max": ids[5], "consumers": [
        {"name": "a", "pending": 4}, {"name": "b", "pending": 2}]}, "XPENDING")
    equal(r.xack(key, group, ids[0], ids[1], "1-4"), 2, "XACK")
    pending = r.xpending_range(key, group, "-", "+", 10, consumername="a")
    equal([(p["message_id"], p["consumer"], p["times_delivered"]) for p in pending], [(i, "a", 1) for i in ids[2:4]], "XPENDING of a")
    equal(r.xreadgroup(group, "a", {key: "0"}), [[key, entries[2:4]]], "XREADGROUP of what is pending")
    equal(r.xclaim(key, group, "b", 0, [ids[2]]), [entries[2]], "XCLAIM")
    equal(r.xclaim(key, group, "b", 3_600_000, [ids[3]]), [], "XCLAIM of what is not idle")
    equal(r.xautoclaim(key, group, "c", 0, count=2, justid=True), ids[2:4], "XAUTOCLAIM JUSTID")
    claimed = r.xautoclaim(key, group, "c", 0, start_id=ids[4])
    equal(claimed[1] if claimed and claimed[0] == "0-0" else claimed, entries[4:], "XAUTOCLAIM")
    [info] = r.xinfo_groups(key)
    equal((info["name"], info["consumers"], info["pending"], info["last-delivered-id"]), (group, 3, 4, ids[5]), "XINFO GROUPS")
    equal([(c["name"], c["pending"]) for c in r.xinfo_consumers(key, group)], [("a", 0), ("b", 0), ("c", 4)], "XINFO CONSUMERS")
    equal(r.xgroup_createconsumer(key, group, "d"), 1, "XGROUP CREATECONSUMER")
    equal(r.xgroup_delconsumer(key, group, "c"), 4, "XGROUP DELCONSUMER")
    r.xgroup_setid(key, group, ids[3])
    equal(r.xreadgroup(group, "a", {key: ">"}, noack=True), [[key, entries[4:]]], "XREADGROUP after SETID")
    equal(r.xgroup_destroy(key, group), True, "XGROUP DESTROY")
    equal(r.xinfo_groups(key), [], "XINFO GROUPS after DESTROY")


def check_pipeline(r):
    key, count = "pipeline", 3000
    pipe = r.pipeline(transaction=False)
    for i in range(count):
        pipe.xadd(key, {"msg": i})
    ids = pipe.execute()
    equal(ids, sorted(set(ids), key=lambda id: [int(n) for n in id.split("-")]), "ids of a pipeline")
    equal([int(fields["msg"]) for _, fields in r.xrange(key)], list(range(count)), "order of a pipeline")
    p = subscription(r, "subscribe", key)
    for i in range(2000):
        pipe.publish(key, i)
        pipe.ping() if i % 2 else pipe.xlen(key)
    answers = pipe.execute()
    equal(answers, [1, count, 1, True] * 1000, "answers of a mixed pipeline")
    equal([message(p)[2] for _ in range(2000)], [str(i) for i in range(2000)], "order of messages")


def check_reconnect(r):
    with connect(client_name="victim") as victim:
        p = subscription(victim, "subscribe", "reconnect:a", "reconnect:b")
        [id] = [c["id"] for c in r.client_list() if c["name"] == "victim"]
        equal(r.client_kill_filter(_id=id), 1, "CLIENT KILL")
        comes_back(r, p, "reconnect:b", "killed")
        restart()
        comes_back(r, p, "reconnect:a", "restarted")


def comes_back(r, p, key, why):
    """The subscriber is told that it was cut off, reconnects when it is asked again, and subscribes again."""
    def received():
        r.publish(key, why)
        try:
            m = p.get_message(timeout=0.02)
        except ConnectionError:
            return False
        return m is not None and (m["type"], m["channel"], m["data"]) == ("message", key, why)
    eventually(f"a message comes after the subscriber was {why}", received)


def check_cursor(r):
    key, group = "cursor", "device"

    def read(since, count=100):
        streams = r.xreadgroup(group, "me", {key: since}, count=count)
        return [id for _, entries in streams for id, _ in entries]

    r.xgroup_create(key, group, "0", mkstream=True)
    sent = [r.xadd(key, {"msg": i}) for i in range(10)]
    acked = read(">", 6)[:4]
    for id in acked:
        equal(r.xack(key, group, id), 1, "XACK")
    restart()
    sent += [r.xadd(key, {"msg": i}) for i in range(10, 20)]
    # What was given and not acknowledged is given again: as pending, or, if that is no longer known, as new.
    equal(acked + read("0") + read(">"), sent, "what was acknowledged, and what came after it")


def eventually(what, ok):
    end = time.monotonic() + PATIENCE
    while not ok():
        if time.monotonic() > end:
            raise SystemExit(f"not within {PATIENCE} s: {what}")
        time.sleep(0.005)


def main():
    for check in (check_connect, check_auth, check_token, check_pubsub, check_patterns, check_streams,
                  check_blocking, check_groups, check_pipeline, check_reconnect, check_cursor):
        with connect() as r:
            check(r)
        print("ok " + check.__name__.removeprefix("check_"), flush=True)


main()
