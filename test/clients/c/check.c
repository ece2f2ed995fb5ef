/* Uses a server as the users of hiredis do, and checks what it gets: test/redis_clients_test.go builds and runs it. */

#include <hiredis/hiredis.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { PATIENCE = 20, COMMANDS = 3000 };

static redisContext *r; /* the backend's connection */

static void die(const char *what, const char *got, const char *want) {
	fprintf(stderr, "%s: got %s, want %s\n", what, got, want);
	exit(1);
}

/* text appends what a reply says, lists in brackets, and returns out. */
static char *text(char *out, size_t size, const redisReply *reply) {
	size_t used = strlen(out);
	if (reply == NULL) {
		snprintf(out + used, size - used, "no reply");
		return out;
	}
	switch (reply->type) {
	case REDIS_REPLY_INTEGER:
		snprintf(out + used, size - used, "%lld", reply->integer);
		break;
	case REDIS_REPLY_NIL:
		snprintf(out + used, size - used, "nil");
		break;
	case REDIS_REPLY_ARRAY:
		strncat(out, "[", size - used - 1);
		for (size_t i = 0; i < reply->elements; i++) {
			if (i > 0) strncat(out, " ", size - strlen(out) - 1);
			text(out, size, reply->element[i]);
		}
		strncat(out, "]", size - strlen(out) - 1);
		break;
	default:
		snprintf(out + used, size - used, "%s", reply->str);
	}
	return out;
}

/* is frees a reply, whose text must be want, or begin with what stands before a * at its end. */
static void is(const char *what, redisReply *reply, const char *want) {
	char got[8192] = "";
	size_t n = strlen(want);
	text(got, sizeof got, reply);
	if (n > 0 && want[n - 1] == '*' ? strncmp(got, want, n - 1) != 0 : strcmp(got, want) != 0) die(what, got, want);
	freeReplyObject(reply);
}

static redisReply *ask(redisContext *c, const char *command, ...) {
	va_list args;
	va_start(args, command);
	redisReply *reply = redisvCommand(c, command, args);
	va_end(args);
	return reply;
}

/* add pushes a stored message and writes its id. */
static void add(char *id, const char *key, int i) {
	redisReply *reply = ask(r, "XADD %s * msg %d", key, i);
	id[0] = 0;
	text(id, 32, reply);
	if (!strchr(id, '-')) die("XADD", id, "an id");
	freeReplyObject(reply);
}

static redisReply *next(redisContext *c) {
	void *reply = NULL;
	if (redisGetReply(c, &reply) != REDIS_OK) die("a reply", c->errstr, "one");
	return reply;
}

static redisContext *dial(const char *where) {
	char host[64];
	int port;
	if (sscanf(getenv(where), "%63[^:]:%d", host, &port) != 2) die(where, getenv(where), "HOST:PORT");
	redisContext *c = redisConnectWithTimeout(host, port, (struct timeval){PATIENCE, 0});
	if (c == NULL || c->err) die("connect", c ? c->errstr : "nothing", "a connection");
	redisSetTimeout(c, (struct timeval){PATIENCE, 0});
	return c;
}

static redisContext *backend(void) {
	redisContext *c = dial("ADMIN");
	is("AUTH", ask(c, "AUTH %s %s", getenv("BACKEND"), getenv("SECRET")), "OK");
	return c;
}

static void killAndRestart(void) {
	char done[16];
	puts("> restart");
	fflush(stdout);
	if (!fgets(done, sizeof done, stdin)) die("restart", "nothing", "a line");
}

static void checkConnect(void) {
	unsigned char all[256];
	for (int i = 0; i < 256; i++) all[i] = (unsigned char)i;
	is("PING", ask(r, "PING"), "PONG");
	redisReply *echo = ask(r, "ECHO %b", all, sizeof all);
	if (echo->len != sizeof all || memcmp(echo->str, all, sizeof all) != 0) die("ECHO", echo->str, "the same bytes");
	freeReplyObject(echo);
	is("SETNAME", ask(r, "CLIENT SETNAME a-name"), "OK");
	is("GETNAME", ask(r, "CLIENT GETNAME"), "a-name");
	is("SELECT", ask(r, "SELECT 0"), "OK");
	is("INFO", ask(r, "INFO server"), "# Server\r\nredis_version:*");
	is("an unknown command", ask(r, "NOSUCHCOMMAND a"), "ERR unknown command 'NOSUCHCOMMAND', with args beginning with: 'a' ");
	is("too few arguments", ask(r, "XLEN"), "ERR wrong number of arguments for 'xlen' command");
}

static void checkAuth(void) {
	redisContext *c = dial("ADMIN");
	is("PING before AUTH", ask(c, "PING"), "NOAUTH Authentication required.");
	is("AUTH, wrong", ask(c, "AUTH %s wrong", getenv("BACKEND")), "WRONGPASS *");
	is("AUTH, of nobody", ask(c, "AUTH nobody %s", getenv("SECRET")), "WRONGPASS *");
	is("AUTH", ask(c, "AUTH %s", getenv("SECRET")), "OK");
	is("PING after AUTH", ask(c, "PING"), "PONG");
	redisFree(c);
}

static void checkToken(void) {
	const char *key = getenv("KEY");
	char id[32], want[256];
	redisContext *c = dial("PUBLIC"), *live = dial("PUBLIC");
	is("AUTH, wrong", ask(c, "AUTH %s wrong", key), "WRONGPASS *");
	is("AUTH", ask(c, "AUTH %s %s", key, getenv("TOKEN")), "OK");
	is("AUTH", ask(live, "AUTH %s %s", key, getenv("TOKEN")), "OK");
	snprintf(want, sizeof want, "[subscribe %s 1]", key);
	is("SUBSCRIBE of a device", ask(live, "SUBSCRIBE %s", key), want);
	is("PUBLISH to a device", ask(r, "PUBLISH %s live", key), "1");
	snprintf(want, sizeof want, "[message %s live]", key);
	is("what a device gets", next(live), want);
	is("XGROUP CREATE of a device", ask(c, "XGROUP CREATE %s cursor 0 MKSTREAM", key), "OK");
	add(id, key, 7);
	snprintf(want, sizeof want, "[[%s [msg 7]]]", id);
	is("XRANGE of a device", ask(c, "XRANGE %s - +", key), want);
	snprintf(want, sizeof want, "[[%s [[%s [msg 7]]]]]", key, id);
	is("XREAD of a device", ask(c, "XREAD STREAMS %s 0", key), want);
	is("XREADGROUP of a device", ask(c, "XREADGROUP GROUP cursor me STREAMS %s >", key), want);
	is("XACK of a device", ask(c, "XACK %s cursor %s", key, id), "1");
	is("PUBLISH of a device", ask(c, "PUBLISH %s x", key), "NOPERM *");
	is("XADD of a device", ask(c, "XADD %s * msg x", key), "NOPERM *");
	is("XRANGE of another key", ask(c, "XRANGE other - +"), "NOPERM *");
	is("SUBSCRIBE to another key", ask(c, "SUBSCRIBE other"), "NOPERM *");
	redisFree(c);
	redisFree(live);
}

static void checkPubsub(void) {
	redisContext *c = backend();
	char want[128];
	for (int i = 0; i < 100; i++) redisAppendCommand(c, "SUBSCRIBE pubsub:%d", i);
	for (int i = 0; i < 100; i++) {
		snprintf(want, sizeof want, "[subscribe pubsub:%d %d]", i, i + 1);
		is("SUBSCRIBE", next(c), want);
	}
	for (int i = 0; i < 100; i++) is("PUBLISH", ask(r, "PUBLISH pubsub:%d %d", i, i), "1");
	for (int i = 0; i < 100; i++) {
		snprintf(want, sizeof want, "[message pubsub:%d %d]", i, i);
		is("a message", next(c), want);
	}
	is("NUMSUB", ask(r, "PUBSUB NUMSUB pubsub:0 pubsub:none"), "[pubsub:0 1 pubsub:none 0]");
	is("a command while subscribed", ask(c, "XLEN k"), "ERR Can't execute 'xlen': only (P|S)SUBSCRIBE*");
	is("PING while subscribed", ask(c, "PING"), "[pong ]");
	is("UNSUBSCRIBE", ask(c, "UNSUBSCRIBE pubsub:0"), "[unsubscribe pubsub:0 99]");
	is("PUBLISH to nobody", ask(r, "PUBLISH pubsub:0 x"), "0");
	is("RESET", ask(c, "RESET"), "RESET");
	is("PUBLISH after RESET", ask(r, "PUBLISH pubsub:1 x"), "0");
	redisFree(c);
}

static void checkPatterns(void) {
	redisContext *c = backend();
	is("PSUBSCRIBE", ask(c, "PSUBSCRIBE patterns:[ab]"), "[psubscribe patterns:[ab] 1]");
	is("PUBLISH to nobody", ask(r, "PUBLISH patterns:c x"), "0");
	is("PUBLISH", ask(r, "PUBLISH patterns:b x"), "1");
	is("what matches", next(c), "[pmessage patterns:[ab] patterns:b x]");
	redisFree(c);
}

static void checkShards(void) {
	redisContext *c = backend();
	is("SSUBSCRIBE", ask(c, "SSUBSCRIBE shards"), "[ssubscribe shards 1]");
	is("SPUBLISH", ask(r, "SPUBLISH shards x"), "1");
	is("what comes to a shard", next(c), "[smessage shards x]");
	is("SUNSUBSCRIBE", ask(c, "SUNSUBSCRIBE shards"), "[sunsubscribe shards 0]");
	redisFree(c);
}

static void checkStreams(void) {
	char id[4][32], want[512];
	is("EXISTS", ask(r, "EXISTS streams"), "0");
	is("NOMKSTREAM", ask(r, "XADD streams NOMKSTREAM * msg x"), "nil");
	for (int i = 0; i < 4; i++) add(id[i], "streams", i);
	is("TYPE", ask(r, "TYPE streams"), "stream");
	is("XLEN", ask(r, "XLEN streams"), "4");
	snprintf(want, sizeof want, "[[%s [msg 1]] [%s [msg 2]]]", id[1], id[2]);
	is("XRANGE", ask(r, "XRANGE streams (%s + COUNT 2", id[0]), want);
	snprintf(want, sizeof want, "[[%s [msg 3]] [%s [msg 2]]]", id[3], id[2]);
	is("XREVRANGE", ask(r, "XREVRANGE streams + - COUNT 2"), want);
	snprintf(want, sizeof want, "[[streams [[%s [msg 3]]]]]", id[3]);
	is("XREAD", ask(r, "XREAD COUNT 5 STREAMS streams streams:none %s 0", id[2]), want);
	is("XADD of an old id", ask(r, "XADD streams %s msg x", id[3]),
	   "ERR The ID specified in XADD is equal or smaller than the target stream top item");
	is("XDEL", ask(r, "XDEL streams %s 1-4", id[0]), "1");
	is("MAXLEN", ask(r, "XADD streams MAXLEN 3 * msg last"), "1*");
	is("XLEN after MAXLEN", ask(r, "XLEN streams"), "3");
	is("XTRIM", ask(r, "XTRIM streams MAXLEN 1"), "2");
	if (strcmp(getenv("TARGET"), "gopush") == 0) {
		freeReplyObject(ask(r, "XADD streams EXPIRE 3600 * msg hour"));
		is("XLEN after EXPIRE", ask(r, "XLEN streams"), "2");
	}
	is("DEL", ask(r, "DEL streams"), "1");
	is("EXISTS after DEL", ask(r, "EXISTS streams"), "0");
}

static void checkBlocking(void) {
	char id[32], want[128];
	redisContext *c = backend();
	add(id, "blocking", 0);
	is("XREAD BLOCK without messages", ask(c, "XREAD BLOCK 20 STREAMS blocking %s", id), "nil");
	for (int i = 0; i < 200; i++) { /* the read is on its way, and comes first or second */
		int flushed = 0;
		redisAppendCommand(c, "XREAD BLOCK 20000 STREAMS blocking %s", id);
		while (!flushed)
			if (redisBufferWrite(c, &flushed) != REDIS_OK) die("write", c->errstr, "written");
		add(id, "blocking", i);
		snprintf(want, sizeof want, "[[blocking [[%s [msg %d]]]]]", id, i);
		is("XREAD BLOCK", next(c), want);
	}
	redisFree(c);
}

static void checkGroups(void) {
	char id[3][32], want[512];
	is("CREATE", ask(r, "XGROUP CREATE groups g $"), "ERR The XGROUP subcommand requires the key to exist*");
	is("CREATE", ask(r, "XGROUP CREATE groups g $ MKSTREAM"), "OK");
	is("CREATE", ask(r, "XGROUP CREATE groups g $"), "BUSYGROUP *");
	is("XREADGROUP", ask(r, "XREADGROUP GROUP none c STREAMS groups >"), "NOGROUP *");
	for (int i = 0; i < 3; i++) add(id[i], "groups", i);
	snprintf(want, sizeof want, "[[groups [[%s [msg 0]] [%s [msg 1]]]]]", id[0], id[1]);
	is("XREADGROUP", ask(r, "XREADGROUP GROUP g a COUNT 2 STREAMS groups >"), want);
	snprintf(want, sizeof want, "[[groups [[%s [msg 2]]]]]", id[2]);
	is("XREADGROUP of the rest", ask(r, "XREADGROUP GROUP g b STREAMS groups >"), want);
	is("XREADGROUP of nothing", ask(r, "XREADGROUP GROUP g b BLOCK 20 STREAMS groups >"), "nil");
	snprintf(want, sizeof want, "[3 %s %s [[a 2] [b 1]]]", id[0], id[2]);
	is("XPENDING", ask(r, "XPENDING groups g"), want);
	is("XACK", ask(r, "XACK groups g %s 1-4", id[0]), "1");
	snprintf(want, sizeof want, "[[%s [msg 1]]]", id[1]);
	is("XCLAIM", ask(r, "XCLAIM groups g b 0 %s", id[1]), want);
	snprintf(want, sizeof want, "[0-0 [%s %s] []]", id[1], id[2]);
	is("XAUTOCLAIM", ask(r, "XAUTOCLAIM groups g c 0 0 JUSTID"), want);
	is("DELCONSUMER", ask(r, "XGROUP DELCONSUMER groups g c"), "2");
	is("DESTROY", ask(r, "XGROUP DESTROY groups g"), "1");
}

static void checkPipeline(void) {
	char want[64];
	redisContext *c = backend();
	is("SUBSCRIBE", ask(c, "SUBSCRIBE pipeline"), "[subscribe pipeline 1]");
	for (int i = 0; i < COMMANDS; i++) {
		redisAppendCommand(r, "XADD pipeline * msg %d", i);
		redisAppendCommand(r, "ECHO %d", i);
	}
	for (int i = 0; i < COMMANDS; i++) {
		is("XADD", next(r), "1*");
		snprintf(want, sizeof want, "%d", i);
		is("ECHO", next(r), want);
	}
	redisReply *range = ask(r, "XRANGE pipeline - +");
	if (range == NULL || range->elements != COMMANDS) die("XRANGE", "another number of entries", "3000");
	for (int i = 0; i < COMMANDS; i++)
		if (atoi(range->element[i]->element[1]->element[1]->str) != i) die("XRANGE", "another order", "that of the pipeline");
	freeReplyObject(range);
	if (strcmp(getenv("TARGET"), "gopush") != 0) is("PUBLISH", ask(r, "PUBLISH pipeline x"), "1");
	for (int i = 0; i < COMMANDS && strcmp(getenv("TARGET"), "gopush") == 0; i++) {
		snprintf(want, sizeof want, "[message pipeline %d]", i); /* what is stored is seen live, too */
		is("a message", next(c), want);
	}
	redisFree(c);
}

/* hiredis reconnects when it is told to. */
static void checkCursor(void) {
	enum { ALL = 6 };
	char id[ALL][32];
	is("CREATE", ask(r, "XGROUP CREATE cursor device 0 MKSTREAM"), "OK");
	for (int i = 0; i < ALL; i++) add(id[i], "cursor", i);
	freeReplyObject(ask(r, "XREADGROUP GROUP device me COUNT 4 STREAMS cursor >"));
	is("XACK", ask(r, "XACK cursor device %s %s", id[0], id[1]), "2");
	killAndRestart();
	if (ask(r, "PING") != NULL) die("PING after the server was killed", "a reply", "none");
	if (redisReconnect(r) != REDIS_OK) die("reconnect", r->errstr, "a connection");
	is("AUTH", ask(r, "AUTH %s %s", getenv("BACKEND"), getenv("SECRET")), "OK");
	int seen = 2; /* pending ones, or, if they are no longer known as such, new ones */
	for (int from = 0; from < 2; from++) {
		redisReply *reply = ask(r, "XREADGROUP GROUP device me STREAMS cursor %s", from == 0 ? "0" : ">");
		if (reply == NULL || reply->type == REDIS_REPLY_ERROR) die("XREADGROUP", reply ? reply->str : r->errstr, "messages");
		redisReply *list = reply->type == REDIS_REPLY_ARRAY ? reply->element[0]->element[1] : NULL;
		for (size_t i = 0; list != NULL && i < list->elements; i++, seen++)
			if (seen >= ALL || strcmp(list->element[i]->element[0]->str, id[seen]) != 0)
				die("what comes after what was acknowledged", list->element[i]->element[0]->str, seen < ALL ? id[seen] : "no more");
		freeReplyObject(reply);
	}
	if (seen != ALL) die("what comes after what was acknowledged", "less", "all");
}

int main(void) {
	static const struct {
		const char *name;
		void (*run)(void);
	} checks[] = {
		{"connect", checkConnect}, {"auth", checkAuth}, {"token", checkToken}, {"pubsub", checkPubsub},
		{"patterns", checkPatterns}, {"shards", checkShards}, {"streams", checkStreams}, {"blocking", checkBlocking},
		{"groups", checkGroups}, {"pipeline", checkPipeline}, {"cursor", checkCursor},
	};
	r = backend();
	for (size_t i = 0; i < sizeof checks / sizeof *checks; i++) {
		checks[i].run();
		printf("ok %s\n", checks[i].name);
		fflush(stdout);
	}
	return 0;
}
