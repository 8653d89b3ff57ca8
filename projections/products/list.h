/* list.h: the list of published products: filters, orders, facets.
 *
 * Filters  a text with a NULL data pointer does not filter. Those on variants (attributes, price, stock) look for
 *          one variant that meets them all: red and in stock is a red one in stock. OUT_OF_STOCK: there are
 *          such variants, and none of them is in stock. Prices are minor units, whatever the currency.
 * Tree     `below`, once the tree was asked, finds what is in one of those as well (projections/categories/query.h). A
 *          product counts once in the facet of each category that it names and of each that one of these stands in.
 * Search   `meaning` of `q` (question.h) as PostgreSQL's websearch_to_tsquery reads it, stemmed as English: all words,
 *          "a phrase", or, -without. A title's words weigh most, then keywords, then the description; what has the
 *          typed word itself stands before what only has one that begins like it.
 * Bounds   PRODUCTS_LOOKED_AT: with `q`, and for facets, the newest so many matches are looked at. So the cost of a
 *          vague question is bounded, and the same question has the same answer. Without `q` a list goes to its end.
 * Result   columns document, cursor (projections/products/query.h), facets. Documents that would come to more than
 *          PRODUCTS_PAGE_FULL_BYTES with those before them are NULL and unread. Without any product there is one row,
 *          whose cursor is NULL. Facets, when asked for, stand in the first row: JSON, {counted, complete, category:
 *          [{value, count}], tag, vendor}, PRODUCTS_FACET_VALUES of each at most, the most frequent first; complete is
 *          false when there may be more matches than were counted. One statement, as with `q` both come from the same
 *          matches, which are the dear part.
 * Memory   the arena's; the filter's texts must live until the answer.
 * Thread   pure; any.            May use: pg.
 */
#pragma once

#include "core/pg/select.h"
#include "projections/products/question.h"

enum {
    PRODUCTS_ATTRIBUTES_MAX = 8,
    PRODUCTS_LOOKED_AT = 10000,
    PRODUCTS_FACET_VALUES = 20,
    PRODUCTS_PAGE_FULL_BYTES = 4 * 1024 * 1024,
};
enum { PRODUCTS_COLUMN_DOCUMENT, PRODUCTS_COLUMN_CURSOR, PRODUCTS_COLUMN_FACETS };

enum products_stock { PRODUCTS_ANY_STOCK, PRODUCTS_IN_STOCK, PRODUCTS_OUT_OF_STOCK };

struct products_attribute {
    struct str name, value;
};

struct products_filter {
    struct products_question q;
    struct products_meaning meaning; /* of q, before the list is made */
    struct str category, tag, vendor;
    struct str below; /* the category and those below it, as PostgreSQL writes a text[]; NULL data: it alone */
    struct products_attribute attributes[PRODUCTS_ATTRIBUTES_MAX];
    size_t attribute_count;
    struct str price_min, price_max; /* whole numbers that were checked */
    enum products_stock stock;
    const struct pg_order *order;
    struct pg_cursor after;
};

/* relevance (wants q), newest, -newest, title, -title, price, -price: by the cheapest variant. */
extern const struct pg_order products_orders[];
bool products_order_is_relevance(const struct pg_order *order);

/* `rows`: at most so many, a whole number. */
void products_list(struct pg_select *select, struct arena *arena, const struct products_filter *filter, struct str rows,
                   bool has_facets);
