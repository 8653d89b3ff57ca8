/* uv.h: libuv's loop for fibers: what core/connect uses of libuv, in the world's time.
 *
 * Purpose  uv.c defines those functions of <uv.h> itself (loops, asyncs, timers, polls, work, closing), so that a loop
 *          of the real code runs on a fiber and waits by sim_wait. Whoever links it leaves -luv away: a function that
 *          is missing here is then an error of the linker, and not a real loop that never ends.
 * Promise  as libuv's manual has it: an async that was sent many times is told once; timers come in the order of their
 *          times; a handle that was closed is told of nothing more, and its memory is free once its close callback was
 *          called; uv_run returns when no handle is active. In one turn, what is ready is called in an order that is
 *          drawn. A turn takes a microsecond at least, so that a loop that keeps itself busy lets the world go on.
 * Bounds   UV_RUN_DEFAULT alone; SIM_UV_HANDLES_MAX handles a loop; UV_READABLE is what a poll is told.
 * Thread   the loop's fiber. uv_async_send and sim_uv_fd_ready: any fiber, or an event of the world.
 *          May use: world, libuv's types.
 */
#pragma once

enum { SIM_UV_HANDLES_MAX = 64 };

/* Something can be read from the descriptor, as the double that owns its other end knows: a poll that watches it is
 * told once for any number of these. No system call is made, so nothing needs to be written to the descriptor. */
void sim_uv_fd_ready(int fd);
