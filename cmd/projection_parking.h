/* projection_parking.h: `daybook projection parked`, `retry` and `skip`: what a view has set aside, and how it goes on.
 * Thread   the subcommand's.     May use: projections.
 */
#pragma once

#include "projections/runtime/view.h"

struct config;

/* Each prints what came of it and returns the exit code. */
int projection_parked(const struct config *config, const struct view *view);
/* `stream` NULL: all. */
int projection_retry(const struct config *config, const struct view *view, const char *stream);
/* `arguments` are those behind the view's name. EXIT_WRONG_USAGE without a word: they are none for it. */
int projection_skip(const struct config *config, const struct view *view, int count, char **arguments);
/* Whether they are: to be asked before anything is connected to. */
bool projection_skip_is_meant(int count, char **arguments);
