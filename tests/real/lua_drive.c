/* Drives Lua from goroutines: each runs a state of its own, results come over a channel: clean. With the argument "shared" two goroutines
 * set a variable in one lua_State, one after the other in time but unordered: a race that must be found. */
#include <csp.h>
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>
#include <stdio.h>
#include <string.h>

enum { WORKERS = 8 };

static const char program[] =
	"local t = {} for i = 1, 200 do t[i] = tostring(i * seed) end\n"
	"table.sort(t) return #table.concat(t, ',')\n";

static void worker(int seed, csp_send_chan(long) out)
{
	lua_State *L = luaL_newstate();
	long length = -1;

	luaL_openlibs(L);
	lua_pushinteger(L, seed);
	lua_setglobal(L, "seed");
	if (luaL_dostring(L, program) == LUA_OK)
		length = (long)lua_tointeger(L, -1);
	lua_close(L);
	csp_chan_send(out, length);
}

static void set_global(lua_State *L, int value, csp_waitgroup *wg)
{
	lua_pushinteger(L, value);
	lua_setglobal(L, "shared");
	csp_wg_done(wg);
}

static int share_one_state(void)
{
	lua_State *L = luaL_newstate();
	csp_waitgroup wg = {0};

	csp_maxprocs(1);
	csp_wg_add(&wg, 2);
	csp_go(set_global, L, 1, &wg);
	csp_go(set_global, L, 2, &wg);
	csp_wg_wait(&wg);
	lua_close(L);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc > 1 && strcmp(argv[1], "shared") == 0)
		return share_one_state();

	csp_chan(long) lengths = csp_make_chan(long, 2);
	const csp_go_options big = { .stack_bytes = 512 * 1024 };
	int ok = 0;

	for (int i = 1; i <= WORKERS; i++)
		csp_go_opt(&big, worker, i, lengths);
	for (int i = 0; i < WORKERS; i++)
		ok += csp_chan_recv(lengths) > 0;
	printf("%d of %d states answered\n", ok, WORKERS);
	return ok == WORKERS ? 0 : 1;
}
