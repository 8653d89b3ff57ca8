/* views.c: the table of read models. Adding one: a folder with view.sql, project.c, document and query, and a row here
 * and in behind.c. */
#include "projections/runtime/view.h"

extern const struct view products_view;
extern const struct view stock_view;
extern const struct view carts_view;
extern const struct view orders_view;
extern const struct view payments_view;
extern const struct view customers_view;
extern const struct view keys_view;
extern const struct view sales_view;
extern const struct view categories_view;

const struct view *const views[] = {&products_view,  &stock_view, &carts_view, &orders_view,    &payments_view,
                                    &customers_view, &keys_view,  &sales_view, &categories_view};
const size_t view_count = ARRAY_LENGTH(views);
