// MAP by interpretation: for the programs of a tape that has too many to compile them all. OPn come from the table.

#define REG_F(n) g_float(r[n])
#define REG_I(n) r[n]
#define PUT_F(v) g_word(v)
#define PUT_I(v) (v)
#define VALUE_F const float
#define VALUE_I const i32
#define OP1(code, g, ta, e) \
  case code: { VALUE_##ta a = REG_##ta(A); r[d] = PUT_##g(e); break; }
#define OP2(code, g, ta, tb, e) \
  case code: { VALUE_##ta a = REG_##ta(A); VALUE_##tb b = REG_##tb(B); r[d] = PUT_##g(e); break; }
#define OP3(code, g, ta, tb, tc, e)                                                                  \
  case code: {                                                                                       \
    VALUE_##ta a = REG_##ta(A); VALUE_##tb b = REG_##tb(B); VALUE_##tc c = REG_##tc(C); r[d] = PUT_##g(e); \
    break;                                                                                           \
  }

enum { MAX_REGISTERS = 4 + 64 + 128 };

KERNEL(map_any, map_task, THREADS) {
  u32 e = t.first + blockIdx.x * THREADS + threadIdx.x;
  if (e >= t.last) return;
  i32 r[MAX_REGISTERS];
  i64 at[MAX_OPERANDS];
  places<MAX_OPERANDS>(t.over, e, t.from, at);
  int d = 0;
  for (; d < t.operands; d++) r[d] = load(t.from[d], at[d]);
  for (int i = 0; i < t.constants; i++, d++) r[d] = (i32)t.words[i];
  for (int i = 0; i < t.steps; i++, d++) {
    u32 step = t.code[i], A = step >> 8 & 255, B = step >> 16 & 255, C = step >> 24;
    (void)B, (void)C;
    switch (step & 255) {
      OPERATIONS
    }
  }
  if (t.dtype == DT_F32)
    store(t, e, g_float(r[t.result]));
  else
    store(t, e, r[t.result]);
}
