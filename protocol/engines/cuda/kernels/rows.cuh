// One row, or two, per output element: extremes, dot products of any types, sums. A block of one warp takes 32 elements,
// reads their rows side by side and hands them round through shared memory; each thread folds its own in order.

struct rows_task {
  void *out;
  shape over;
  operand a, b;  // b.base 0: the literal 1
  u32 depth, greatest;
  u32 first, last;
};

// Chains of f32 in order B256.
struct chain {
  float acc, total;
  i32 one;
  DEVICE_MEMBER chain(const rows_task &) : acc(0.0f), total(0.0f), one(0x3F800000) {}
  DEVICE_MEMBER void step(i32 a, i32 b) { acc = __fmaf_rn(g_float(a), g_float(b), acc); }
  DEVICE_MEMBER void fold(bool first) { total = first ? acc : __fadd_rn(total, acc); acc = 0.0f; }
  DEVICE_MEMBER i32 result() { return g_bits(total); }
};

struct integer_sum {
  u32 sum;
  i32 one;
  DEVICE_MEMBER integer_sum(const rows_task &) : sum(0), one(1) {}
  DEVICE_MEMBER void step(i32 a, i32 b) { sum += (u32)a * (u32)b; }
  DEVICE_MEMBER void fold(bool) {}
  DEVICE_MEMBER i32 result() { return (i32)sum; }
};

struct float_extreme {
  float best;
  i32 one;
  bool greatest;
  DEVICE_MEMBER float_extreme(const rows_task &t) : one(0), greatest(t.greatest) {
    best = g_float(greatest ? (i32)0xFF800000 : 0x7F800000);
  }
  DEVICE_MEMBER void step(i32 a, i32) { best = greatest ? g_max(best, g_float(a)) : g_min(best, g_float(a)); }
  DEVICE_MEMBER void fold(bool) {}
  DEVICE_MEMBER i32 result() { return g_bits(best); }
};

struct integer_extreme {
  i32 best, one;
  bool greatest;
  DEVICE_MEMBER integer_extreme(const rows_task &t) : one(0), greatest(t.greatest) {
    i32 most = t.a.dtype == DT_I8 ? 127 : 0x7FFFFFFF;
    best = greatest ? -most - 1 : most;
  }
  DEVICE_MEMBER void step(i32 a, i32) { best = (greatest ? a > best : a < best) ? a : best; }
  DEVICE_MEMBER void fold(bool) {}
  DEVICE_MEMBER i32 result() { return best; }
};

template <class Rule>
DEVICE void fold_rows(const rows_task &t, bool bytes_out) {
  __shared__ i64 at_a[LANES], at_b[LANES];
  __shared__ i32 a[LANES][LANES + 1], b[LANES][LANES + 1];
  u32 lane = threadIdx.x, e = t.first + blockIdx.x * LANES + lane;
  u32 mine = e < t.last ? e : t.last - 1;  // threads beyond the end read along and store nothing
  places<1>(t.over, mine, &t.a, &at_a[lane]);
  places<1>(t.over, mine, &t.b, &at_b[lane]);
  Rule rule(t);
  for (u32 k0 = 0; k0 < t.depth; k0 += LANES) {
    u32 span = t.depth - k0 < LANES ? t.depth - k0 : LANES;
    __syncthreads();
    if (lane < span)
      for (u32 row = 0; row < LANES; row++) {
        a[row][lane] = load(t.a, at_a[row] + k0 + lane);
        b[row][lane] = t.b.base ? load(t.b, at_b[row] + k0 + lane) : rule.one;
      }
    __syncthreads();
    for (u32 i = 0; i < span; i++) rule.step(a[lane][i], b[lane][i]);
    if ((k0 + LANES) % BLOCK == 0 || k0 + LANES >= t.depth) rule.fold(k0 < BLOCK);
  }
  if (e >= t.last) return;
  if (bytes_out)
    ((i8 *)t.out)[e] = (i8)rule.result();
  else
    ((i32 *)t.out)[e] = rule.result();
}

SHARING_KERNEL(dots, rows_task, LANES) { fold_rows<chain>(t, false); }
SHARING_KERNEL(integer_dots, rows_task, LANES) { fold_rows<integer_sum>(t, false); }
SHARING_KERNEL(float_extremes, rows_task, LANES) { fold_rows<float_extreme>(t, false); }
SHARING_KERNEL(integer_extremes, rows_task, LANES) { fold_rows<integer_extreme>(t, t.a.dtype == DT_I8); }
