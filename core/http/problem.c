#include "core/http/problem.h"

#include "core/base/json_write.h"
#include "core/http/status.h"

enum { PROBLEM_MAX_BYTES = 256 * 1024 };

void problem_write(struct buf *out, const struct problem *problem) {
    struct json_writer writer = json_writer_of(out);
    json_object_begin(&writer);
    json_name(&writer, STR("type"));
    json_raw(&writer, STR("\"urn:daybook:problem:"));
    buf_str(out, str_of_cstr(problem->code));
    buf_byte(out, '"');
    json_field_string(&writer, "title", str_of_cstr(http_status_text(problem->status)));
    json_field_int(&writer, "status", problem->status);
    json_field_string(&writer, "code", str_of_cstr(problem->code));
    if (problem->detail != NULL) {
        json_field_string(&writer, "detail", str_of_cstr(problem->detail));
    }
    if (!str_is_empty(problem->pointer)) {
        json_field_string(&writer, "pointer", problem->pointer);
    }
    if (!str_is_empty(problem->trace_id)) {
        json_field_string(&writer, "trace_id", problem->trace_id);
    }
    if (!str_is_empty(problem->members)) {
        buf_byte(out, ',');
        buf_str(out, problem->members);
    }
    json_object_end(&writer);
}

void http_answer_problem(struct http_exchange *exchange, const struct problem *problem) {
    struct buf body;
    buf_init(&body, PROBLEM_MAX_BYTES);
    problem_write(&body, problem);
    if (!buf_ok(&body)) { /* the caller's members are too long: what matters fits without them */
        struct problem shorter = *problem;
        shorter.members = shorter.pointer = (struct str){0};
        buf_clear(&body);
        problem_write(&body, &shorter);
    }
    if (problem->retry_after_s > 0) {
        http_answer_field(exchange, "Retry-After", arena_printf(&exchange->arena, "%d", problem->retry_after_s));
    }
    http_answer(exchange, problem->status, "application/problem+json", buf_text(&body));
    buf_release(&body);
}
