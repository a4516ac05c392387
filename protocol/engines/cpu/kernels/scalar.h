// The scalar instructions for a C compiler: what the table's C expressions are written in.
// Each is total, and compiles to vector code where the target has it (no branches, no calls).
#ifndef GAVEL_SCALAR_H
#define GAVEL_SCALAR_H
#include "common.h"

#define G_NAN __builtin_nanf("")

INLINE int32_t g_word(float a) { int32_t r; memcpy(&r, &a, 4); return r; }
INLINE float g_float(int32_t a) { float r; memcpy(&r, &a, 4); return r; }
INLINE float g_add(float a, float b) { return a + b; }
INLINE float g_sub(float a, float b) { return a - b; }
INLINE float g_mul(float a, float b) { return a * b; }
INLINE float g_div(float a, float b) { return a / b; }
INLINE float g_sqrt(float a) { return __builtin_sqrtf(a); }
INLINE float g_fma(float a, float b, float c) { return __builtin_fmaf(a, b, c); }
INLINE float g_neg(float a) { return g_float(g_word(a) ^ INT32_MIN); }
INLINE float g_abs(float a) { return g_float(g_word(a) & INT32_MAX); }
INLINE float g_canonical(float a) { return a != a ? G_NAN : a; }
INLINE int32_t g_bits(float a) { return a != a ? 0x7FC00000 : g_word(a); }

// Equal operands differ in bits only as zeros: or gives -0 to the minimum, and gives +0 to the maximum.
INLINE float g_min(float a, float b) {
  int32_t tie = g_word(a) | g_word(b);
  int32_t r = a < b ? g_word(a) : b < a ? g_word(b) : tie;
  return g_float((a != a) | (b != b) ? 0x7FC00000 : r);
}
INLINE float g_max(float a, float b) {
  int32_t tie = g_word(a) & g_word(b);
  int32_t r = a > b ? g_word(a) : b > a ? g_word(b) : tie;
  return g_float((a != a) | (b != b) ? 0x7FC00000 : r);
}

INLINE int32_t g_iadd(int32_t a, int32_t b) { return (int32_t)((uint32_t)a + (uint32_t)b); }
INLINE int32_t g_isub(int32_t a, int32_t b) { return (int32_t)((uint32_t)a - (uint32_t)b); }
INLINE int32_t g_imul(int32_t a, int32_t b) { return (int32_t)((uint32_t)a * (uint32_t)b); }
INLINE int32_t g_imulhi(int32_t a, int32_t b) { return (int32_t)(((int64_t)a * b) >> 32); }
INLINE int32_t g_idiv(int32_t a, int32_t b) {
  return b == 0 ? 0 : b == -1 ? g_isub(0, a) : a / b;
}
INLINE int32_t g_irem(int32_t a, int32_t b) { return g_isub(a, g_imul(g_idiv(a, b), b)); }
INLINE int32_t g_shl(int32_t a, int32_t b) { return (int32_t)((uint32_t)a << (b & 31)); }
INLINE int32_t g_shr(int32_t a, int32_t b) { return (int32_t)((uint32_t)a >> (b & 31)); }
INLINE int32_t g_sar(int32_t a, int32_t b) { return a >> (b & 31); }
INLINE int32_t g_ult(int32_t a, int32_t b) { return (uint32_t)a < (uint32_t)b; }
INLINE float g_i2f(int32_t a) { return (float)a; }
INLINE int32_t g_f2i(float a) {
  float high = a >= 2147483648.0f ? 0.0f : a;  // both ends are put aside, since a cast out of range is undefined
  float safe = high >= -2147483648.0f ? high : 0.0f;
  int32_t whole = (int32_t)safe;
  return a >= 2147483648.0f ? INT32_MAX : a < -2147483648.0f ? INT32_MIN : whole;
}

#endif
