// floor is the least that a broadcast can cost on a machine: one thread that holds any number of
// sockets and sends one ready frame to each of them with one send() per message.
// "gopush bench broadcast --subject floor,gopush" runs it in turn with a node: docs/benchmarks.md.
//
//	public: whoever sends anything is answered "+h\r\n" and gets every frame from then on
//	admin:  one connection at a time; for each frame a length (4 bytes, little-endian) and the
//	        frame, answered with one byte when the frame was sent to all
//
// It prints where it listens in the words that a node prints them in, and ends when it is killed.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_FRAME = 1 << 20, MAX_EVENTS = 256, BACKLOG = 4096 };

static int epoll;
static int *subscribers;
static size_t count, capacity;

static void watch(int fd)
{
	struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
	if (epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) < 0)
		err(1, "epoll_ctl");
}

// listening opens a listener on a free loopback port and prints it.
static int listening(const char *kind)
{
	struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof addr;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	if (fd < 0 || bind(fd, (void *)&addr, sizeof addr) < 0 || listen(fd, BACKLOG) < 0 ||
	    getsockname(fd, (void *)&addr, &size) < 0)
		err(1, "listen");
	printf("  %-7s 127.0.0.1:%d\n", kind, ntohs(addr.sin_port));
	watch(fd);
	return fd;
}

static void accept_one(int listener)
{
	int on = 1;
	int fd = accept(listener, NULL, NULL);
	if (fd < 0)
		err(1, "accept");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	watch(fd);
}

// read_all reads exactly size bytes; 0 is the end of the connection.
static int read_all(int fd, void *to, size_t size)
{
	for (size_t got = 0; got < size;) {
		ssize_t n = read(fd, (char *)to + got, size - got);
		if (n <= 0)
			return 0;
		got += n;
	}
	return 1;
}

// send_to_all sends frame to every subscriber and forgets those that are gone.
static void send_to_all(const char *frame, size_t size)
{
	size_t kept = 0;
	for (size_t i = 0; i < count; i++) {
		int fd = subscribers[i];
		if (send(fd, frame, size, MSG_NOSIGNAL) == (ssize_t)size)
			subscribers[kept++] = fd;
		else
			close(fd);
	}
	count = kept;
}

// broadcast takes one frame from an admin connection; 0 is its end.
static int broadcast(int fd)
{
	static char frame[MAX_FRAME];
	unsigned char head[4];
	if (!read_all(fd, head, sizeof head))
		return 0;
	uint32_t size = head[0] | head[1] << 8 | head[2] << 16 | (uint32_t)head[3] << 24;
	if (size > sizeof frame || !read_all(fd, frame, size))
		return 0;
	send_to_all(frame, size);
	return write(fd, "", 1) == 1;
}

// subscribe makes a connection that said something a subscriber, out of reach of epoll: what it
// says later is not read.
static void subscribe(int fd)
{
	char hello[4096];
	if (read(fd, hello, sizeof hello) <= 0 || send(fd, "+h\r\n", 4, MSG_NOSIGNAL) != 4) {
		close(fd);
		return;
	}
	epoll_ctl(epoll, EPOLL_CTL_DEL, fd, NULL);
	if (count == capacity) {
		capacity = capacity ? capacity * 2 : 1024;
		subscribers = realloc(subscribers, capacity * sizeof *subscribers);
		if (!subscribers)
			err(1, "realloc");
	}
	subscribers[count++] = fd;
}

static void raise_descriptor_limit(void)
{
	struct rlimit limit;
	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

int main(void)
{
	struct epoll_event events[MAX_EVENTS];
	int publisher = -1;

	raise_descriptor_limit();
	epoll = epoll_create1(0);
	if (epoll < 0)
		err(1, "epoll_create1");
	int public = listening("public");
	int admin = listening("admin");
	fflush(stdout);
	for (;;) {
		int n = epoll_wait(epoll, events, MAX_EVENTS, -1);
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;
			if (fd == public) {
				accept_one(public);
			} else if (fd == admin) {
				publisher = accept(admin, NULL, NULL);
				if (publisher >= 0)
					watch(publisher);
			} else if (fd != publisher) {
				subscribe(fd);
			} else if (!broadcast(fd)) {
				close(fd);
				publisher = -1;
			}
		}
	}
}
