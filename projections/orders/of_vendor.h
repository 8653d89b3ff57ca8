/* of_vendor.h: what a vendor sees of orders: those with lines of his products, and of these his lines alone.
 *
 * Whose    a line is the vendor's whose name its product bears today, as the catalogue has it: goods that pass to
 *          another vendor take their orders along. What the others sold, what it cost in all, who bought it and how
 *          he paid is not his.
 * Thread   constants.            May use: nothing.
 */
#pragma once

/* The lines `l` of the order `o` that are the vendor's; `vendor` is the statement's parameter. */
#define ORDER_LINES_OF_VENDOR(vendor)                                                                                  \
    " FROM orders.order_lines AS l JOIN products.products AS p ON p.id = l.product WHERE l.order_id = o.id"            \
    " AND p.vendor = " vendor "::text"

/* The document, of a row `o` of orders. Not by json_build_object, which writes spaces around its colons. */
#define ORDER_OF_VENDOR(vendor)                                                                                        \
    "concat('{\"id\":', to_json(o.id), ',\"status\":', to_json(o.status), ',\"lines\":[',"                             \
    " (SELECT string_agg(concat('{\"sku\":', to_json(l.sku), ',\"product\":', to_json(l.product), ',\"title\":',"      \
    " to_json(l.title), ',\"quantity\":', l.quantity, ',\"unit_price\":{\"amount\":', l.unit_price_minor,"             \
    " ',\"currency\":', to_json(l.currency), '},\"total\":{\"amount\":', l.total_minor, ',\"currency\":',"             \
    " to_json(l.currency), '}}'), ',' ORDER BY l.line)" ORDER_LINES_OF_VENDOR(                                         \
        vendor) "),"                                                                                                   \
                " '],\"created_at\":\"', to_char(o.placed_at AT TIME ZONE 'UTC', "                                     \
                "'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"'), '\"}')"
