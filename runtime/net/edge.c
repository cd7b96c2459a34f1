#include "edge.h"

#include <netinet/in.h>
#include <string.h>
#include <sys/stat.h>

/* An address and a port as far as both ends agree on them: an IPv4 address mapped into IPv6 counts as IPv4. */
struct endpoint {
	unsigned char addr[16];
	uint16_t      port, is_ip;
};

static struct endpoint endpoint_of(const struct sockaddr_storage *ss)
{
	static const unsigned char v4_prefix[12] = { [10] = 0xff, [11] = 0xff };
	struct endpoint e = { .is_ip = 0 };

	if (ss->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)ss;

		memcpy(e.addr, v4_prefix, sizeof v4_prefix);
		memcpy(e.addr + 12, &in->sin_addr, 4);
		e.port = in->sin_port;
		e.is_ip = 1;
	} else if (ss->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)ss;

		memcpy(e.addr, &in6->sin6_addr, 16);
		e.port = in6->sin6_port;
		e.is_ip = 1;
	}
	return e;
}

static uint64_t mix(uint64_t hash, const void *data, size_t bytes)
{
	const unsigned char *p = data;

	for (size_t i = 0; i < bytes; i++)              /* FNV-1a */
		hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
	return hash;
}

/* Keys are addresses that no object can have: not canonical. */
static const void *key_of(char kind, const void *data, size_t bytes)
{
	uint64_t hash = mix(mix(UINT64_C(0xcbf29ce484222325), &kind, 1), data, bytes);

	return (const void *)(uintptr_t)((hash & ~UINT64_C(7)) >> 1 | UINT64_C(1) << 62);
}

static const void *key_of_socket(int fd, bool writes)
{
	struct sockaddr_storage ss = { 0 };
	struct endpoint ends[2];
	socklen_t bytes = sizeof(int);
	int type = 0;

	/* A datagram may come from a socket that is bound to nobody: one key for all. */
	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &bytes) < 0)
		return NULL;
	bytes = sizeof ss;
	if (getsockname(fd, (struct sockaddr *)&ss, &bytes) < 0)
		return NULL;
	ends[writes ? 0 : 1] = endpoint_of(&ss);
	memset(&ss, 0, sizeof ss);
	bytes = sizeof ss;
	if (getpeername(fd, (struct sockaddr *)&ss, &bytes) < 0)
		memset(&ss, 0, sizeof ss);
	ends[writes ? 1 : 0] = endpoint_of(&ss);
	if (type != SOCK_STREAM || !ends[0].is_ip || !ends[1].is_ip)
		memset(ends, 0, sizeof ends);
	return key_of('s', ends, sizeof ends);
}

static const void *key_of_fd(int fd, bool writes)
{
	struct stat st;
	uint64_t inode[2];

	if (fstat(fd, &st) < 0)
		return NULL;
	if (S_ISSOCK(st.st_mode))
		return key_of_socket(fd, writes);
	/* Anonymous inodes (eventfd, timerfd) share one inode: one key for all of them. Files order nothing. */
	if (S_ISREG(st.st_mode) || S_ISDIR(st.st_mode))
		return NULL;
	inode[0] = st.st_dev;
	inode[1] = st.st_ino;
	return key_of('i', inode, sizeof inode);
}

void rt_edge_write_slow(int fd)
{
	const void *key = key_of_fd(fd, true);

	if (key != NULL)
		RT_EVENT(release, &rt_self()->view, key);
}

void rt_edge_read_slow(int fd)
{
	const void *key = key_of_fd(fd, false);

	if (key != NULL)
		RT_EVENT(acquire, &rt_self()->view, key);
}

/* A connection is known by where it goes: the caller's own address is not chosen yet. By the port only, for a listener on any address
 * sees the address it was reached at. */
static const void *key_of_listener(const struct sockaddr_storage *ss)
{
	struct endpoint e = endpoint_of(ss);

	return key_of('l', &e.port, sizeof e.port);
}

void rt_edge_connect_slow(const struct sockaddr *to, socklen_t to_bytes)
{
	struct sockaddr_storage ss = { 0 };

	memcpy(&ss, to, to_bytes < sizeof ss ? to_bytes : sizeof ss);
	RT_EVENT(release, &rt_self()->view, key_of_listener(&ss));
}

void rt_edge_accepted_slow(int fd)
{
	struct sockaddr_storage ss = { 0 };
	socklen_t bytes = sizeof ss;

	if (getsockname(fd, (struct sockaddr *)&ss, &bytes) == 0)
		RT_EVENT(acquire, &rt_self()->view, key_of_listener(&ss));
}
