/* interpose.h: threads, locks and clocks of the code under simulation, by the linker's --wrap.
 *
 * Purpose  every pthread_create of the code makes a fiber of its process, every lock that is taken lets others run
 *          until it is free, every sleep and every clock is the world's. WRAPPED is what the Makefile must name.
 * Promise  randomness of libsodium is drawn from the seed as well (its own interface for that).
 * Thread   one.                  May use: world, libc, libsodium.
 */
#pragma once

/* After sim_begin, before anything else: libsodium draws from the seed. */
void interpose_begin(void);
