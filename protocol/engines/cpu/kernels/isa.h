// Includes BODY once per instruction set, with LEVEL set, and the widest first where the compiler knows it.
#if defined(__x86_64__)

#pragma GCC push_options
#pragma GCC target("avx512f,avx512vl,avx512dq,avx512bw,avx2,fma,bmi2,prefer-vector-width=512")
#define LEVEL avx512
#define WIDTH 16
#include BODY
#undef LEVEL
#undef WIDTH
#pragma GCC pop_options

#pragma GCC push_options
#pragma GCC target("avx2,fma,bmi2")
#define LEVEL avx2
#define WIDTH 8
#include BODY
#undef LEVEL
#undef WIDTH
#pragma GCC pop_options

#endif

#define LEVEL plain
#define WIDTH 4
#include BODY
#undef LEVEL
#undef WIDTH
