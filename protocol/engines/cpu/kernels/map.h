// MAP: a scalar program over chunks of elements, one instruction at a time, all registers in the first-level cache.
#ifndef GAVEL_MAP_H
#define GAVEL_MAP_H
#include "common.h"

enum { CHUNK = 1024, MAX_OPERANDS = 4 };

// An instruction on slots of CHUNK words. Bit i of `constant` says that operand i is a constant, not a slot.
typedef struct { uint16_t op, constant, d, a, b, c; } step;

typedef struct {
  const void *base;
  int64_t dtype, offset, strides[MAX_DIMS];
} operand;

typedef struct {
  void *out, *scratch;  // scratch: slots + 1 chunks, 64-byte aligned
  int64_t dtype, operands, dims, extents[MAX_DIMS];
  operand from[MAX_OPERANDS];
  const step *steps;
  const uint32_t *constants;
  int64_t count, slots, result;  // result: a slot, or -1 - i for constant i
  int64_t first, last, deadline;
} map;

#endif
