// MOVE and GATHER: argument records; move.c says what each is for.
#ifndef GAVEL_MOVE_H
#define GAVEL_MOVE_H
#include "common.h"

typedef struct {
  const char *from;
  char *out;
  int64_t width, fill, dims, extents[MAX_DIMS];
  int64_t views, view[MAX_DIMS], steps[MAX_DIMS];  // steps: source elements per view coordinate
  int64_t offsets[MAX_DIMS], coefs[MAX_DIMS][MAX_DIMS];
  int64_t first, last, deadline;  // rows of the innermost grid axis
} move;

typedef struct {
  const char *from;
  char *out;
  int64_t width, offset, dims, extents[MAX_DIMS], strides[MAX_DIMS];
  int64_t first, last, deadline;  // rows of the innermost axis
} copy;

typedef struct {
  const char *from;
  const void *index;
  char *out;
  int64_t index_dtype, width, fill, row, rows, first, last, deadline;
} gather;

typedef struct {
  const char *from;
  char *out;
  int64_t width, offset, dims, extents[MAX_DIMS], strides[MAX_DIMS], out_strides[MAX_DIMS];
  int64_t first, last, deadline;  // blocks of TILE along the source's axis, for each of the others
} transposition;

typedef struct {
  const uint32_t *from;
  uint32_t *out;
  const int32_t *row_at, *column_at;
  int64_t depth, first, last, deadline;
} spread;

#endif
