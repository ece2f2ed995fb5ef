# Uses a server as the users of redis-rb do, and checks what it gets: test/redis_clients_test.go runs it.

require "redis"
require "set"

$stdout.sync = true
BACKEND, SECRET, KEY, TOKEN = ENV.values_at("BACKEND", "SECRET", "KEY", "TOKEN")
PATIENCE = 20 # seconds that anything may take

def connect(where: "ADMIN", username: BACKEND, password: SECRET, **more)
  host, port = ENV[where].split(":")
  Redis.new(host: host, port: port.to_i, username: username, password: password, timeout: PATIENCE,
            reconnect_attempts: 500, reconnect_delay: 0.02, reconnect_delay_max: 0.02, **more)
end

def named(name) = connect.tap { |client| client.client(:setname, name) }

def equal(got, want, what)
  abort "#{what}: got #{got.inspect}, want #{want.inspect}" unless got == want
end

def fails(text)
  got = yield
rescue Redis::BaseError => e
  abort "got the error #{e.message}, want #{text}" unless e.message.include?(text)
else
  abort "got #{got.inspect}, want the error #{text}"
end

def eventually(what)
  finish = Process.clock_gettime(Process::CLOCK_MONOTONIC) + PATIENCE
  until yield
    abort "not within #{PATIENCE} s: #{what}" if Process.clock_gettime(Process::CLOCK_MONOTONIC) > finish
    sleep 0.005
  end
end

def restart
  puts "> restart"
  abort "nobody restarts the server" unless $stdin.gets
end

# Subscriber subscribes in a thread of its own, where the library calls back, and keeps what comes.
class Subscriber
  def initialize(client, how, *names)
    @inbox, confirmed = Queue.new, Queue.new
    @thread = Thread.new do
      client.public_send(how, *names) do |on|
        on.subscribe { |name, _| confirmed << name }
        on.psubscribe { |name, _| confirmed << name }
        on.message do |key, text|
          @inbox << [key, text]
          client.unsubscribe if text == "stop" # the library has it called here
        end
        on.pmessage { |pattern, key, text| @inbox << [pattern, key, text] }
      end
    rescue Redis::CommandError => e
      confirmed << e
    end
    @thread.report_on_exception = false
    names.each do |name|
      got = confirmed.pop
      raise got if got.is_a?(Redis::CommandError)
      equal(got, name, how)
    end
  end

  def take = @inbox.pop
  def taken = @inbox.size.times.map { @inbox.pop }
  def ended? = !@thread.join(PATIENCE).nil?
end

R = connect

def add(key, count) = count.times.map { |i| R.xadd(key, { msg: i }) }
def entries(ids) = ids.each_with_index.map { |id, i| [id, { "msg" => i.to_s }] }

CHECKS = {
  connect: lambda do
    equal(R.ping, "PONG", "PING")
    equal(R.echo("héllo"), "héllo", "ECHO")
    client = named("a-name")
    equal(client.client(:getname), "a-name", "CLIENT GETNAME")
    equal(R.client(:list).count { |c| c["name"] == "a-name" }, 1, "CLIENT LIST")
    client.close
    equal(R.info["redis_version"].match?(/\A\d/), true, "INFO's redis_version")
    equal(R.select(0), "OK", "SELECT 0")
    equal((R.time[0] - Time.now.to_i).abs < 60, true, "TIME is now")
    fails("unknown command") { R.call(:nosuchcommand, "a") }
    fails("wrong number of arguments for 'xlen' command") { R.call(:xlen) }
  end,

  auth: lambda do
    fails("NOAUTH") { connect(username: nil, password: nil).ping }
    fails("WRONGPASS") { connect(password: "wrong").ping }
    fails("WRONGPASS") { connect(username: "nobody", password: "wrong").ping }
    equal(connect(username: nil).ping, "PONG", "AUTH with the secret alone")
  end,

  token: lambda do
    fails("WRONGPASS") { connect(where: "PUBLIC", username: KEY, password: "wrong").ping }
    device = connect(where: "PUBLIC", username: KEY, password: TOKEN)
    live = Subscriber.new(connect(where: "PUBLIC", username: KEY, password: TOKEN), :subscribe, KEY)
    equal(R.publish(KEY, "live"), 1, "PUBLISH to a device")
    equal(live.take, [KEY, "live"], "what a device gets")
    device.xgroup(:create, KEY, "cursor", "0", mkstream: true)
    first = R.xadd(KEY, { msg: "stored" })
    stored = [[first, { "msg" => "stored" }]]
    equal(device.xrange(KEY), stored, "XRANGE of a device")
    equal(device.xread(KEY, "0"), { KEY => stored }, "XREAD of a device")
    equal(device.xreadgroup("cursor", "me", KEY, ">"), { KEY => stored }, "XREADGROUP of a device")
    equal(device.xack(KEY, "cursor", first), 1, "XACK of a device")
    fails("NOPERM") { device.publish(KEY, "x") }
    fails("NOPERM") { device.xadd(KEY, { msg: "x" }) }
    fails("NOPERM") { device.xdel(KEY, first) }
    fails("NOPERM") { device.xrange("other") }
    fails("NOPERM") { Subscriber.new(connect(where: "PUBLIC", username: KEY, password: TOKEN), :subscribe, "other") }
  end,

  pubsub: lambda do
    keys = 100.times.map { |i| "pubsub:#{i}" }
    client = connect
    s = Subscriber.new(client, :subscribe, *keys)
    keys.each_with_index { |key, i| equal(R.publish(key, "message #{i}"), 1, "PUBLISH #{key}") }
    keys.each_with_index { |key, i| equal(s.take, [key, "message #{i}"], "a message") }
    equal(R.pubsub(:numsub, keys[0], "pubsub:none"), [keys[0], 1, "pubsub:none", 0], "PUBSUB NUMSUB")
    equal(R.pubsub(:channels, "pubsub:*").sort, keys.sort, "PUBSUB CHANNELS")
    R.publish(keys[0], "stop")
    equal(s.ended?, true, "the loop after UNSUBSCRIBE")
    equal(R.publish(keys[1], "x"), 0, "PUBLISH after UNSUBSCRIBE")
    equal(client.ping, "PONG", "a command after all subscriptions ended")
  end,

  patterns: lambda do
    s = Subscriber.new(connect, :psubscribe, "patterns:*:x", "patterns:[ab]")
    { "patterns:1:x" => 1, "patterns:c" => 0, "patterns:b" => 1 }.each { |key, n| equal(R.publish(key, key), n, "PUBLISH #{key}") }
    equal(s.take, ["patterns:*:x", "patterns:1:x", "patterns:1:x"], "what matches")
    equal(s.take, ["patterns:[ab]", "patterns:b", "patterns:b"], "what matches")
  end,

  streams: lambda do
    key = "streams"
    equal(R.exists(key), 0, "EXISTS before")
    equal(R.call(:xadd, key, "NOMKSTREAM", "*", "msg", "x"), nil, "XADD NOMKSTREAM")
    ids = 10.times.map { |i| R.xadd(key, { n: i, text: "text #{i}" }) }
    all = ids.each_with_index.map { |id, i| [id, { "n" => i.to_s, "text" => "text #{i}" }] }
    equal([R.exists(key), R.type(key), R.xlen(key)], [1, "stream", 10], "EXISTS, TYPE, XLEN")
    equal(R.xrange(key), all, "XRANGE - +")
    equal(R.xrange(key, "(#{ids[2]}", "+", count: 2), all[3, 2], "XRANGE, exclusive, COUNT")
    equal(R.xrevrange(key, count: 3), all.last(3).reverse, "XREVRANGE COUNT")
    equal(R.xread([key, "streams:none"], [ids[6], "0"], count: 2), { key => all[7, 2] }, "XREAD")
    explicit = "#{(Time.now.to_f * 1000).to_i + 60_000}-4"
    equal(R.xadd(key, { msg: "explicit" }, id: explicit), explicit, "XADD with an id")
    fails("equal or smaller than the target stream top item") { R.xadd(key, { msg: "x" }, id: explicit) }
    info = R.xinfo(:stream, key)
    equal(info.values_at("length", "last-generated-id", "groups"), [11, explicit, 0], "XINFO STREAM")
    equal(R.xdel(key, ids[0], ids[1], "1-4"), 2, "XDEL")
    R.xadd(key, { msg: "last" }, maxlen: 5)
    equal(R.xlen(key), 5, "XLEN after MAXLEN")
    equal(R.xtrim(key, 2), 3, "XTRIM MAXLEN")
    if ENV["TARGET"] == "gopush"
      R.call(:xadd, key, "EXPIRE", 3600, "*", "msg", "for an hour")
      equal(R.xlen(key), 3, "XLEN after XADD with EXPIRE")
    end
    equal(R.scan_each(match: "strea*").to_a, [key], "SCAN")
    equal(R.del(key), 1, "DEL")
    equal([R.exists(key), R.xrange(key)], [0, []], "after DEL")
  end,

  blocking: lambda do
    key, last = "blocking", R.xadd("blocking", { msg: 0 })
    reader = named("reader")
    equal(reader.xread(key, last, block: 20), {}, "XREAD BLOCK without messages")
    waiting = Thread.new { reader.xread(key, "$", block: PATIENCE * 1000) }
    eventually("the reader waits") { R.client(:list).any? { |c| c["name"] == "reader" && c["flags"].include?("b") } }
    last = R.xadd(key, { msg: 1 })
    equal(waiting.value, { key => [[last, { "msg" => "1" }]] }, "XREAD BLOCK of what comes")
    100.times do |i|
      waiting = Thread.new { reader.xread(key, last, block: PATIENCE * 1000) }
      id = R.xadd(key, { msg: i })
      equal(waiting.value, { key => [[id, { "msg" => i.to_s }]] }, "XREAD BLOCK after the last id")
      last = id
    end
  end,

  groups: lambda do
    key, group = "groups", "g"
    read = ->(consumer, id, **more) { R.xreadgroup(group, consumer, key, id, **more)[key] }
    fails("requires the key to exist") { R.xgroup(:create, key, group, "$") }
    R.xgroup(:create, key, group, "$", mkstream: true)
    fails("BUSYGROUP") { R.xgroup(:create, key, group, "$") }
    fails("NOGROUP") { R.xreadgroup("none", "c", key, ">") }
    ids = add(key, 6)
    all = entries(ids)
    equal(read["a", ">", count: 4], all[0, 4], "XREADGROUP COUNT")
    equal(read["b", ">"], all[4, 2], "XREADGROUP of the rest")
    equal(read["b", ">", block: 20], nil, "XREADGROUP of nothing")
    equal(R.xpending(key, group), { "size" => 6, "min_entry_id" => ids[0], "max_entry_id" => ids[5],
                                    "consumers" => { "a" => "4", "b" => "2" } }, "XPENDING")
    equal(R.xack(key, group, ids[0], ids[1], "1-4"), 2, "XACK")
    pending = R.xpending(key, group, "-", "+", 10, "a")
    equal(pending.map { |p| p.values_at("entry_id", "consumer", "count") }, ids[2, 2].map { |id| [id, "a", 1] }, "XPENDING of a")
    equal(read["a", "0"], all[2, 2], "XREADGROUP of what is pending")
    equal(R.xclaim(key, group, "b", 0, ids[2]), [all[2]], "XCLAIM")
    equal(R.xautoclaim(key, group, "c", 0, "0", count: 2, justid: true)["entries"], ids[2, 2], "XAUTOCLAIM JUSTID")
    equal(R.xautoclaim(key, group, "c", 0, ids[4]), { "next" => "0-0", "entries" => all[4, 2] }, "XAUTOCLAIM")
    info = R.xinfo(:groups, key)[0]
    equal(info.values_at("name", "consumers", "pending", "last-delivered-id"), [group, 3, 4, ids[5]], "XINFO GROUPS")
    equal(R.xinfo(:consumers, key, group).map { |c| c.values_at("name", "pending") }, [["a", 0], ["b", 0], ["c", 4]], "XINFO CONSUMERS")
    equal(R.xgroup(:delconsumer, key, group, "c"), 4, "XGROUP DELCONSUMER")
    equal(R.xgroup(:setid, key, group, ids[3]), "OK", "XGROUP SETID")
    equal(read["a", ">", noack: true], all[4, 2], "XREADGROUP after SETID")
    equal(R.xgroup(:destroy, key, group), 1, "XGROUP DESTROY")
  end,

  pipeline: lambda do
    ids = R.pipelined { |pipe| 3000.times { |i| pipe.xadd("pipeline", { msg: i }) } }
    equal(R.xrange("pipeline"), entries(ids), "order of a pipeline")
    s = Subscriber.new(connect, :subscribe, "pipeline")
    answers = R.pipelined do |pipe|
      2000.times { |i| pipe.publish("pipeline", i) && pipe.xlen("pipeline") }
    end
    equal(answers, [1, 3000] * 2000, "answers of a mixed pipeline")
    2000.times { |i| equal(s.take, ["pipeline", i.to_s], "order of messages") }
  end,

  reconnect: lambda do
    s = Subscriber.new(named("victim"), :subscribe, "reconnect:a", "reconnect:b")
    comes_back = lambda do |key, why|
      eventually("a message comes after the subscriber was #{why}") do
        R.publish(key, why)
        s.taken.include?([key, why])
      end
    end
    id = R.client(:list).find { |c| c["name"] == "victim" }["id"]
    equal(R.client(:kill, "ID", id), 1, "CLIENT KILL")
    comes_back["reconnect:b", "killed"]
    restart
    comes_back["reconnect:a", "restarted"]
  end,

  cursor: lambda do
    key, group = "cursor", "device"
    read = ->(id, count = 100) { (R.xreadgroup(group, "me", key, id, count: count)[key] || []).map(&:first) }
    R.xgroup(:create, key, group, "0", mkstream: true)
    sent = add(key, 10)
    acked = read[">", 6].first(4)
    acked.each { |id| equal(R.xack(key, group, id), 1, "XACK") }
    restart
    sent += add(key, 10)
    # What was given and not acknowledged is given again: as pending, or, if that is no longer known, as new.
    equal(acked + read["0"] + read[">"], sent, "what was acknowledged, and what came after it")
  end
}.freeze

CHECKS.each do |name, check|
  check.call
  puts "ok #{name}"
end
