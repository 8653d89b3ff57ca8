/* barcode.h: whether the number on a pack can be right.
 *
 * Purpose  a digit that was mistyped or read wrongly is told while the product is being entered, not at the till.
 * Rule     a code of 8, 12, 13 or 14 digits is a GTIN and ends in the check digit that its other digits give, counted
 *          with the weights 3 and 1 from the right (GS1 General Specifications, 7.9: check digit calculation). One of
 *          8 that begins with 0 or 1 may be a UPC-E instead, whose check digit is that of the UPC-A that it stands for
 *          (ibid., 7.10). Any other code is somebody's own, and right as it is.
 * Thread   pure; any.            May use: base.
 */
#pragma once

#include "core/base/macros.h"
#include "core/base/str.h"

MUST_CHECK bool barcode_can_be(struct str code);
