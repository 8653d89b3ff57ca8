/* embed.h: a text file as a constant of the program.
 *
 * EMBED_TEXT(orders_sql, "projections/orders/view.sql") defines `const char orders_sql[]`: the file's bytes and a NUL.
 * Paths go from the root of the sources, where make runs, or from the folder that has gen/, as in includes.
 * The Makefile names such files as prerequisites, as the compiler's own dependency output does not see them.
 * Thread   constants.            May use: the assembler's .incbin.
 */
#pragma once

#define EMBED_TEXT(symbol, path)                                                                                       \
    __asm__(".pushsection .rodata\n"                                                                                   \
            ".globl " #symbol "\n"                                                                                     \
            ".hidden " #symbol "\n"                                                                                    \
            ".type " #symbol ", @object\n" #symbol ":\n"                                                               \
            ".incbin \"" path "\"\n"                                                                                   \
            ".byte 0\n"                                                                                                \
            ".size " #symbol ", . - " #symbol "\n"                                                                     \
            ".popsection\n");                                                                                          \
    extern const char symbol[] __attribute__((visibility("hidden")))
