// What all kernels share: vector types, control word, time limit.
//
// Every file of kernels is compiled for several instruction sets in one library: `isa.h` includes a body file once
// per set, with LEVEL naming the set and the functions' suffix. No flag may relax IEEE-754; contraction is off on
// the command line (setup.py), multiply-add is always an explicit fused one.
#ifndef GAVEL_COMMON_H
#define GAVEL_COMMON_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __FAST_MATH__
#error "the tape's bits are exact: never compile with -ffast-math or -Ofast"
#endif

#define API __attribute__((visibility("default")))
#define INLINE static inline __attribute__((always_inline))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define PASTE2(a, b) a##_##b
#define PASTE(a, b) PASTE2(a, b)
#define NAME(name) PASTE(name, LEVEL)
#define BLOCK 256  // terms of one partial sum: the order B256

enum { MAX_DIMS = 8 };
enum { DT_F32 = 1, DT_I32 = 2, DT_I8 = 3 };
enum { OK = 0, LATE = 1 };

// Wall-clock limit of a run, checked between blocks: a hostile tape may make any single node long.
int64_t gv_now(void);
INLINE int late(int64_t deadline) { return deadline && gv_now() > deadline; }

// Subnormals must be neither flushed nor read as zero, whatever a library did to this thread before.
typedef struct { uint32_t saved; } control;
control gv_enter(void);
void gv_leave(control c);

#endif
