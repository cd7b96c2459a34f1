/* Happens-before through descriptors: what was written comes before the read that returns it. Only with an observer; keys are made of
 * the pipe's inode or the connection's two addresses, so that both ends find the same one; one key per direction. Where both ends
 * cannot be matched (Unix sockets) all of the kind share a key: too much order hides races, too little would invent them. */
#ifndef CSP_RUNTIME_NET_EDGE_H
#define CSP_RUNTIME_NET_EDGE_H

#include <sys/socket.h>

#include "../g.h"

void rt_edge_write_slow(int fd);
void rt_edge_read_slow(int fd);
void rt_edge_connect_slow(const struct sockaddr *to, socklen_t to_bytes);
void rt_edge_accepted_slow(int fd);

/* Before the bytes (or the end of file) can be seen. */
static inline void rt_edge_write(int fd)
{
	if (__builtin_expect(rt_observer != NULL, 0))
		rt_edge_write_slow(fd);
}

static inline void rt_edge_read(int fd)         /* after bytes or the end of file were read */
{
	if (__builtin_expect(rt_observer != NULL, 0))
		rt_edge_read_slow(fd);
}

static inline void rt_edge_connect(const struct sockaddr *to, socklen_t to_bytes)       /* before connect(2) */
{
	if (__builtin_expect(rt_observer != NULL, 0))
		rt_edge_connect_slow(to, to_bytes);
}

static inline void rt_edge_accepted(int fd)     /* after accept(2) */
{
	if (__builtin_expect(rt_observer != NULL, 0))
		rt_edge_accepted_slow(fd);
}

#endif
