// MOVE, GATHER, JOIN: bits are copied, whatever they mean. One thread per element.

struct move_task {
  const void *source;
  void *out;
  shape grid;
  i64 view[MAX_DIMS], offsets[MAX_DIMS], coefs[MAX_DIMS][MAX_DIMS];
  i32 views, width;
  u32 fill, spare, first, last;
};

struct copy_task {
  operand from;
  void *out;
  shape over;
  u32 width, first, last, spare;
};

struct gather_task {
  const void *source, *index;
  void *out;
  divisor row;
  u32 rows, fill;
  i32 index_dtype, width;
  u32 first, last, spare;
};

struct join_task {  // a part whose rows of `span` elements become parts of the output's rows of `whole`
  const void *source;
  void *out;
  divisor span;
  u32 width;
  i64 whole, start;
  u32 first, last;
};

DEVICE void put(void *out, i64 to, const void *source, i64 from, bool inside, u32 fill, u32 width) {
  if (width == 1)
    ((i8 *)out)[to] = inside ? ((const i8 *)source)[from] : (i8)fill;
  else
    ((u32 *)out)[to] = inside ? ((const u32 *)source)[from] : fill;
}

KERNEL(move, move_task, THREADS) {
  u32 e = t.first + blockIdx.x * THREADS + threadIdx.x;
  if (e >= t.last) return;
  u32 rest = e;
  i64 at[MAX_DIMS];
#pragma unroll
  for (int v = 0; v < MAX_DIMS; v++) at[v] = t.offsets[v];
  for (int d = t.grid.dims - 1; d >= 0; d--) {
    u32 up = over(rest, t.grid.axis[d]), c = rest - up * t.grid.axis[d].size;
#pragma unroll
    for (int v = 0; v < MAX_DIMS; v++) at[v] += (i64)c * t.coefs[d][v];
    rest = up;
  }
  i64 from = 0;
  bool inside = true;
#pragma unroll
  for (int v = 0; v < MAX_DIMS; v++)
    if (v < t.views) {
      inside &= at[v] >= 0 && at[v] < t.view[v];
      from = from * t.view[v] + (inside ? at[v] : 0);
    }
  put(t.out, e, t.source, inside ? from : 0, inside, t.fill, t.width);
}

KERNEL(copy, copy_task, THREADS) {
  u32 e = t.first + blockIdx.x * THREADS + threadIdx.x;
  if (e >= t.last) return;
  i64 at;
  places<1>(t.over, e, &t.from, &at);
  put(t.out, e, t.from.base, at, true, 0, t.width);
}

KERNEL(gather, gather_task, THREADS) {
  u32 e = t.first + blockIdx.x * THREADS + threadIdx.x;
  if (e >= t.last) return;
  u32 n = over(e, t.row), column = e - n * t.row.size;
  i64 named = t.index_dtype == DT_I8 ? (i64)((const i8 *)t.index)[n] : (i64)((const i32 *)t.index)[n];
  bool inside = named >= 0 && named < (i64)t.rows;
  put(t.out, e, t.source, inside ? named * t.row.size + column : 0, inside, t.fill, t.width);
}

KERNEL(join, join_task, THREADS) {
  u32 e = t.first + blockIdx.x * THREADS + threadIdx.x;
  if (e >= t.last) return;
  u32 row = over(e, t.span), column = e - row * t.span.size;
  put(t.out, row * t.whole + t.start + column, t.source, e, true, 0, t.width);
}
