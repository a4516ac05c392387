// Batched products of rows, order B256.
#ifndef GAVEL_PRODUCT_H
#define GAVEL_PRODUCT_H
#include "common.h"

// out[batch][m][n] = chain over k of a[batch][m][k] * b[batch][n][k]. Strides are in elements; k is contiguous.
// With `row_at`, element k of b's row r lies at b[row_at[r] + column_at[k]] instead, b_row and b_batch count rows:
// windows over a padded tensor, whose overlapping rows are never written out.
// `packed` is b packed by pack_b of the same level, one for all batches, or NULL. `scratch` is 64-byte aligned.
typedef struct {
  const float *a, *b, *packed;
  const int32_t *row_at, *column_at;
  float *out, *scratch;
  int64_t m, n, k;
  int64_t a_row, b_row, out_m, out_n;
  int64_t batches, extents[MAX_DIMS], a_batch[MAX_DIMS], b_batch[MAX_DIMS], out_batch[MAX_DIMS];
  int64_t first, last;  // this call's share: of batches, or of n if there is one batch only
  int64_t deadline;
} product;

INLINE int64_t batch_count(const product *p) {
  int64_t total = 1;
  for (int64_t d = 0; d < p->batches; d++) total *= p->extents[d];
  return total;
}

// Where a batch begins in a, b and out.
INLINE void batch_places(const product *p, int64_t batch, int64_t at[3]) {
  at[0] = at[1] = at[2] = 0;
  for (int64_t d = p->batches - 1; d >= 0; d--) {
    int64_t i = batch % p->extents[d];
    batch /= p->extents[d];
    at[0] += i * p->a_batch[d], at[1] += i * p->b_batch[d], at[2] += i * p->out_batch[d];
  }
}

#endif
