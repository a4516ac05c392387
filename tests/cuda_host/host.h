// Plays CUDA on one processor thread: blocks one after the other, the threads of a block one after the other too, or,
// where they meet at barriers, as fibers that take turns there. Put in front of the sources of protocol/engines/cuda.
#include <math.h>
#include <stdint.h>
#include <string.h>
#include <ucontext.h>

#define __global__
#define __device__
#define __forceinline__ inline
#define __shared__ static
#define __syncthreads() stage::barrier()

struct place { unsigned x; };
static place threadIdx, blockIdx;

static inline int __float_as_int(float a) { int r; memcpy(&r, &a, 4); return r; }
static inline float __int_as_float(int a) { float r; memcpy(&r, &a, 4); return r; }
static inline float __fadd_rn(float a, float b) { return a + b; }
static inline float __fsub_rn(float a, float b) { return a - b; }
static inline float __fmul_rn(float a, float b) { return a * b; }
static inline float __fdiv_rn(float a, float b) { return a / b; }
static inline float __fsqrt_rn(float a) { return sqrtf(a); }
static inline float __fmaf_rn(float a, float b, float c) { return fmaf(a, b, c); }
static inline float __int2float_rn(int a) { return (float)a; }
static inline int __float2int_rz(float a) { return (int)a; }
static inline int __dp4a(int a, int b, int c) {
  for (int i = 0; i < 32; i += 8) c = (int)((unsigned)c + (unsigned)((int8_t)(a >> i) * (int8_t)(b >> i)));
  return c;
}

namespace stage {
enum { MOST = 256, STACK = 64 << 10 };
static ucontext_t home, fibers[MOST];
static char stacks[MOST][STACK];
static bool over[MOST];
static void (*body)(const void *);
static const void *record;

static inline void barrier() { swapcontext(&fibers[threadIdx.x], &home); }
static inline void fiber() {
  body(record);
  over[threadIdx.x] = true;
}
static inline void play_block(unsigned threads) {
  for (unsigned i = 0; i < threads; i++) {
    over[i] = false;
    getcontext(&fibers[i]);
    fibers[i].uc_stack.ss_sp = stacks[i];
    fibers[i].uc_stack.ss_size = STACK;
    fibers[i].uc_link = &home;
    makecontext(&fibers[i], fiber, 0);
  }
  for (bool any = true; any;) {
    any = false;
    for (unsigned i = 0; i < threads; i++) {
      if (over[i]) continue;
      threadIdx.x = i;
      swapcontext(&home, &fibers[i]);
      any |= !over[i];
    }
  }
}
static inline void play(void (*kernel)(const void *), const void *with, unsigned blocks, unsigned threads, bool sharing) {
  body = kernel;
  record = with;
  for (blockIdx.x = 0; blockIdx.x < blocks; blockIdx.x++) {
    if (sharing)
      play_block(threads);
    else
      for (threadIdx.x = 0; threadIdx.x < threads; threadIdx.x++) body(record);
  }
}
}  // namespace stage

#define HOST_KERNEL(name, type, sharing)                                               \
  static void name##_body(const type &t);                                             \
  static void name##_any(const void *t) { name##_body(*(const type *)t); }            \
  extern "C" void name(const void *record, unsigned blocks, unsigned threads) {        \
    stage::play(name##_any, record, blocks, threads, sharing);                         \
  }                                                                                    \
  static void name##_body(const type &t)
#define KERNEL(name, type, threads) HOST_KERNEL(name, type, false)
#define SHARING_KERNEL(name, type, threads) HOST_KERNEL(name, type, true)
