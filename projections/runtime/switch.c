#include "projections/runtime/switch.h"

#include "projections/runtime/behind.h"
#include "projections/runtime/meeting.h"

static enum view_schema side_of(bool back) {
    return back ? VIEW_OLD : VIEW_REBUILT;
}

/* Where the live one goes. */
static enum view_schema aside_of(bool back) {
    return back ? VIEW_REBUILT : VIEW_OLD;
}

static enum err check_aside(struct pg_session *session, const struct view *view, bool back, struct err_info *info) {
    char aside[SCHEMA_NAME_MAX];
    struct view_about about;
    view_schema_name(view, aside_of(back), aside);
    enum err failure = view_schema_about(session, aside, &about, info);
    if (failure == ERR_NONE && about.is_there) {
        return err_set(info, ERR_CONFLICT, "%s is still there: `daybook projection drop %s` first", aside, aside);
    }
    return failure;
}

enum err view_switch_check(const struct rebuild_options *options, bool back, struct err_info *info) {
    struct pg_session *session = NULL;
    enum err failure = pg_session_open(options->config->postgres, "daybook-switch", &session, info);
    failure = failure == ERR_NONE ? check_aside(session, options->view, back, info) : failure;
    pg_session_close(session);
    return failure;
}

/* The transaction holds the projectors of both off. */
static enum err rename_both(struct meeting *meeting, bool back, struct err_info *info) {
    char aside[SCHEMA_NAME_MAX];
    view_schema_name(meeting->options->view, aside_of(back), aside);
    enum err failure = pg_session_execf(meeting->session, info,
                                        "ALTER SCHEMA %s RENAME TO %s; ALTER SCHEMA %s RENAME TO %s;"
                                        "NOTIFY " VIEW_CHANNEL ", '%s'; COMMIT",
                                        meeting->live, aside, meeting->side, meeting->live, meeting->live);
    if (failure != ERR_NONE) {
        pg_session_rollback(meeting->session);
    }
    return failure;
}

enum err view_switch(const struct rebuild_options *options, bool back, struct err_info *info) {
    struct meeting meeting;
    enum err failure = meeting_begin(&meeting, options, side_of(back), info);
    failure = failure == ERR_NONE ? check_aside(meeting.session, options->view, back, info) : failure;
    failure = failure == ERR_NONE ? meeting_hold(&meeting, false, info) : failure;
    failure = failure == ERR_NONE ? rename_both(&meeting, back, info) : failure;
    meeting_end(&meeting);
    return failure;
}
