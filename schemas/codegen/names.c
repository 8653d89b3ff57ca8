#include "schemas/codegen/names.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>

const char *snake_case(struct arena *arena, const char *camel) {
    size_t len = strlen(camel);
    char *snake = arena_alloc(arena, 2 * len + 1);
    size_t at = 0;
    for (size_t i = 0; i < len; i++) {
        bool upper = isupper((unsigned char)camel[i]) != 0;
        bool after_lower = i > 0 && !isupper((unsigned char)camel[i - 1]);
        bool before_lower = i > 0 && islower((unsigned char)camel[i + 1]);
        if (upper && (after_lower || before_lower)) {
            snake[at++] = '_';
        }
        snake[at++] = (char)tolower((unsigned char)camel[i]);
    }
    return snake;
}

const char *upper_case(struct arena *arena, const char *text) {
    size_t len = strlen(text);
    char *upper = arena_alloc(arena, len + 1);
    for (size_t i = 0; i < len; i++) {
        upper[i] = (char)toupper((unsigned char)text[i]);
    }
    return upper;
}

const char *text_of(struct arena *arena, const char *format, ...) {
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = arena_alloc(arena, (size_t)len + 1);
    vsnprintf(text, (size_t)len + 1, format, again);
    va_end(again);
    return text;
}

bool is_c_keyword(const char *name) {
    static const char *const keywords[] = {
        "alignas",  "alignof", "asm",    "auto",     "bool",   "break",    "case",    "char",          "const",
        "continue", "default", "do",     "double",   "else",   "enum",     "extern",  "false",         "float",
        "for",      "goto",    "if",     "inline",   "int",    "long",     "nullptr", "register",      "restrict",
        "return",   "short",   "signed", "sizeof",   "static", "struct",   "switch",  "thread_local",  "true",
        "typedef",  "typeof",  "union",  "unsigned", "void",   "volatile", "while",   "static_assert", "constexpr",
    };
    for (size_t i = 0; i < ARRAY_LENGTH(keywords); i++) {
        if (strcmp(keywords[i], name) == 0) {
            return true;
        }
    }
    return false;
}

bool is_snake_case(const char *name) {
    if (!islower((unsigned char)name[0]) || strstr(name, "__") != NULL) {
        return false;
    }
    for (const char *at = name; *at != '\0'; at++) {
        if (!islower((unsigned char)*at) && !isdigit((unsigned char)*at) && *at != '_') {
            return false;
        }
    }
    return true;
}

bool is_camel_case(const char *name) {
    if (!isupper((unsigned char)name[0])) {
        return false;
    }
    for (const char *at = name; *at != '\0'; at++) {
        if (!isalnum((unsigned char)*at)) {
            return false;
        }
    }
    return true;
}
