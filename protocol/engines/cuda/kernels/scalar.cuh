// The scalar instructions: what the table's C expressions are written in. Each is total.

DEVICE i32 g_word(float a) { return __float_as_int(a); }
DEVICE float g_float(i32 a) { return __int_as_float(a); }
DEVICE float g_add(float a, float b) { return __fadd_rn(a, b); }
DEVICE float g_sub(float a, float b) { return __fsub_rn(a, b); }
DEVICE float g_mul(float a, float b) { return __fmul_rn(a, b); }
DEVICE float g_div(float a, float b) { return __fdiv_rn(a, b); }
DEVICE float g_sqrt(float a) { return __fsqrt_rn(a); }
DEVICE float g_fma(float a, float b, float c) { return __fmaf_rn(a, b, c); }
DEVICE float g_neg(float a) { return g_float(g_word(a) ^ (i32)0x80000000); }
DEVICE float g_abs(float a) { return g_float(g_word(a) & 0x7FFFFFFF); }
DEVICE i32 g_bits(float a) { return a != a ? 0x7FC00000 : g_word(a); }  // the one NaN that is ever stored

// Equal operands differ in bits only as zeros: or gives -0 to the minimum, and gives +0 to the maximum.
DEVICE float g_min(float a, float b) {
  i32 tie = g_word(a) | g_word(b);
  i32 r = a < b ? g_word(a) : b < a ? g_word(b) : tie;
  return g_float((a != a) | (b != b) ? 0x7FC00000 : r);
}
DEVICE float g_max(float a, float b) {
  i32 tie = g_word(a) & g_word(b);
  i32 r = a > b ? g_word(a) : b > a ? g_word(b) : tie;
  return g_float((a != a) | (b != b) ? 0x7FC00000 : r);
}

DEVICE i32 g_iadd(i32 a, i32 b) { return (i32)((u32)a + (u32)b); }
DEVICE i32 g_isub(i32 a, i32 b) { return (i32)((u32)a - (u32)b); }
DEVICE i32 g_imul(i32 a, i32 b) { return (i32)((u32)a * (u32)b); }
DEVICE i32 g_imulhi(i32 a, i32 b) { return (i32)(((i64)a * b) >> 32); }
DEVICE i32 g_idiv(i32 a, i32 b) { return b == 0 ? 0 : b == -1 ? g_isub(0, a) : a / b; }
DEVICE i32 g_irem(i32 a, i32 b) { return g_isub(a, g_imul(g_idiv(a, b), b)); }
DEVICE i32 g_shl(i32 a, i32 b) { return (i32)((u32)a << (b & 31)); }
DEVICE i32 g_shr(i32 a, i32 b) { return (i32)((u32)a >> (b & 31)); }
DEVICE i32 g_sar(i32 a, i32 b) { return a >> (b & 31); }
DEVICE i32 g_ult(i32 a, i32 b) { return (u32)a < (u32)b; }
DEVICE float g_i2f(i32 a) { return __int2float_rn(a); }
DEVICE i32 g_f2i(float a) {
  float high = a >= 2147483648.0f ? 0.0f : a;  // both ends are put aside: a cast out of range differs by target
  float safe = high >= -2147483648.0f ? high : 0.0f;
  i32 whole = __float2int_rz(safe);
  return a >= 2147483648.0f ? 0x7FFFFFFF : a < -2147483648.0f ? (i32)0x80000000 : whole;
}
