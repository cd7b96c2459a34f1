/* A descriptor that others come to wait for while it is being closed: after csp_close_fd has woken its waiters, before the kernel has closed it. */
#include <csp.h>

#include "../lib/expect.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>

static _Atomic int watched = -1;        /* the library closes descriptors on threads of its own, too */

/* The runtime's own call of it, too. */
__attribute__((visibility("default"))) int close(int fd)
{
	if (fd == watched) {
		for (int i = 0; i < 10; i++)
			csp_yield();
		watched = -1;                   /* the number may be another's in a moment */
	}
	return (int)syscall(SYS_close, fd);
}

static void accept_one(int fd, csp_chan(int) result)
{
	csp_chan_send(result, csp_accept(fd, NULL, NULL));
}

int main(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	csp_chan(int) result = csp_make_chan(int);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	alarm(10);
	EXPECT(fd >= 0 && bind(fd, (struct sockaddr *)&addr, sizeof addr) == 0 && listen(fd, 4) == 0);
	csp_go(accept_one, fd, result);
	watched = fd;
	EXPECT_EQ(csp_close_fd(fd), 0);
	EXPECT_EQ(csp_chan_recv(result), -EBADF);
	csp_chan_unref(result);
	return 0;
}
