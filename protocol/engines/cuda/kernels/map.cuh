// MAP: one thread per element. Kernels of programs are generated behind this file (source.py).

struct map_task {
  void *out;
  const u32 *code, *words;  // of map_any: (code, a, b, c) as bytes of a word; constants
  shape over;
  operand from[MAX_OPERANDS];
  i32 dtype, operands, constants, steps, result, spare;
  u32 first, last;
};

DEVICE void store(const map_task &t, u32 e, float v) { ((i32 *)t.out)[e] = g_bits(v); }
DEVICE void store(const map_task &t, u32 e, i32 v) {
  if (t.dtype == DT_I8)
    ((i8 *)t.out)[e] = (i8)v;
  else
    ((i32 *)t.out)[e] = v;
}
