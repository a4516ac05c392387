// REDUCE: the extreme of each row. CONTRACT of integers: each element its own dot product.
#ifndef GAVEL_REDUCE_H
#define GAVEL_REDUCE_H
#include "common.h"

// Row of element e: offset + sum of strides * coordinates, in elements.
typedef struct {
  const void *base;
  int64_t dtype, offset, strides[MAX_DIMS];
} rows;

typedef struct {
  void *out;
  int64_t dims, extents[MAX_DIMS], depth, greatest;
  rows a, b;
  int64_t first, last, deadline;
} reduction;

INLINE int64_t row_place(const reduction *r, const rows *from, int64_t e) {
  int64_t at = from->offset;
  for (int64_t d = r->dims - 1; d >= 0; d--) {
    at += e % r->extents[d] * from->strides[d];
    e /= r->extents[d];
  }
  return at;
}

#endif
