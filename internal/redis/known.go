package redis

import (
	"bytes"
	"strings"
)

// others are the commands of Redis 7.0 that gopush does not have. A connection whose first command is one of them
// speaks Redis, and is told so in the words of Redis.
const others = `
acl append asking bgrewriteaof bgsave bitcount bitfield bitfield_ro bitop bitpos blmove blmpop blpop brpop brpoplpush bzmpop
bzpopmax bzpopmin cluster copy debug decr decrby discard dump eval eval_ro evalsha evalsha_ro exec expire expireat expiretime
failover fcall fcall_ro flushall flushdb function geoadd geodist geohash geopos georadius georadius_ro georadiusbymember
georadiusbymember_ro geosearch geosearchstore get getbit getdel getex getrange getset hdel hexists hget hgetall hincrby
hincrbyfloat hkeys hlen hmget hmset hrandfield hscan hset hsetnx hstrlen hvals incr incrby incrbyfloat keys lastsave latency
lcs lindex linsert llen lmove lmpop lolwut lpop lpos lpush lpushx lrange lrem lset ltrim mget migrate module monitor move mset
msetnx multi object persist pexpire pexpireat pexpiretime pfadd pfcount pfdebug pfmerge pfselftest psetex psync randomkey
readonly readwrite rename renamenx replconf replicaof restore restore-asking role rpop rpoplpush rpush rpushx sadd save scard
script sdiff sdiffstore set setbit setex setnx setrange shutdown sinter sintercard sinterstore sismember slaveof slowlog
smembers smismember smove sort sort_ro spop srandmember srem sscan strlen substr sunion sunionstore swapdb sync touch unwatch
wait watch zadd zcard zcount zdiff zdiffstore zincrby zinter zintercard zinterstore zlexcount zmpop zmscore zpopmax zpopmin
zrandmember zrange zrangebylex zrangebyscore zrangestore zrank zrem zremrangebylex zremrangebyrank zremrangebyscore zrevrange
zrevrangebylex zrevrangebyscore zrevrank zscan zscore zunion zunionstore`

// Known tells whether Redis has a command of this name, in any case: so that a connection whose first command it is
// speaks Redis.
func (s *Server) Known(name []byte) bool {
	return s.commands.find(name) != nil || len(name) <= maxName && s.others[string(bytes.ToLower(name))]
}

// otherCommands returns the set of others.
func otherCommands() map[string]bool {
	set := make(map[string]bool)
	for _, name := range strings.Fields(others) {
		set[name] = true
	}
	return set
}
