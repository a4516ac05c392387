// What all kernels share: types, places of elements, words.
//
// These files are joined to one text and compiled by NVRTC, or by a C++ compiler behind a header that plays CUDA
// (tests). No flag may relax IEEE-754; f32 arithmetic is written with the rounding intrinsics, which no compiler
// contracts. No atomics on floats: they flush subnormals.

typedef signed char i8;
typedef int i32;
typedef unsigned u32;
typedef long long i64;
typedef unsigned long long u64;

#define DEVICE static __device__ __forceinline__
#define DEVICE_MEMBER __device__ __forceinline__
#define ALIGNED(n) __attribute__((aligned(n)))
// Every kernel takes one record. SHARING_KERNEL: its threads meet at barriers.
#ifndef KERNEL
#define KERNEL(name, type, threads) extern "C" __global__ void __launch_bounds__(threads) name(const type t)
#define SHARING_KERNEL(name, type, threads) KERNEL(name, type, threads)
#endif

enum { MAX_DIMS = 8, MAX_OPERANDS = 4, BLOCK = 256 };  // BLOCK: terms of one partial sum, the order B256
enum { DT_F32 = 1, DT_I32 = 2, DT_I8 = 3 };
enum { THREADS = 256, LANES = 32 };

// Division of numbers below 2^31 by a fixed one: hardware has no integer division, and its replacement uses
// approximate floats, which tests look for in the machine code.
struct divisor { u32 size, mul, shift; };
DEVICE u32 over(u32 n, const divisor &d) { return (u32)((u64)n * d.mul >> d.shift); }

struct shape { i32 dims, spare; divisor axis[MAX_DIMS]; };

// An element's place: offset + sum of strides * coordinates, in elements.
struct operand { const void *base; i64 offset, strides[MAX_DIMS]; i32 dtype, spare; };

template <int N>
DEVICE void places(const shape &s, u32 e, const operand *from, i64 *at) {
#pragma unroll
  for (int n = 0; n < N; n++) at[n] = from[n].offset;
  for (int d = s.dims - 1; d >= 0; d--) {
    u32 rest = over(e, s.axis[d]), c = e - rest * s.axis[d].size;
#pragma unroll
    for (int n = 0; n < N; n++) at[n] += (i64)c * from[n].strides[d];
    e = rest;
  }
}

// A word as arithmetic wants it: an i8 is widened.
DEVICE i32 load(const operand &o, i64 at) {
  return o.dtype == DT_I8 ? (i32)((const i8 *)o.base)[at] : ((const i32 *)o.base)[at];
}
