// The library's face: picks the widest instruction set that this machine has, guards the control word.
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <time.h>
#include "map.h"
#include "move.h"
#include "product.h"
#include "reduce.h"
#if defined(__x86_64__)
#include <immintrin.h>
#endif

int64_t gv_now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

control gv_enter(void) {
  control c = {0};
#if defined(__x86_64__)
  c.saved = _mm_getcsr();
  _mm_setcsr(0x1F80);  // round to nearest even, no flushing, all exceptions masked
#endif
  return c;
}

void gv_leave(control c) {
#if defined(__x86_64__)
  _mm_setcsr(c.saved);
#endif
}

// For arithmetic of the caller's own thread: sets the control word, returns what it was.
API uint32_t gv_control(uint32_t word) {
#if defined(__x86_64__)
  uint32_t saved = _mm_getcsr();
  _mm_setcsr(word);
  return saved;
#else
  return word;
#endif
}

static int level = -1;  // 2: AVX-512, 1: AVX2 with FMA, 0: what every machine has

static int widest(void) {
#if defined(__x86_64__)
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("fma"))
    return 2;
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi2")) return 1;
#endif
  return 0;
}

// The level in use after asking for one: never above what the machine has; negative asks for the widest.
API int gv_level(int asked) {
  int most = widest();
  level = asked < 0 || asked > most ? most : asked;
  return level;
}

#if defined(__x86_64__)
#define DISPATCH(result, name, parameters, arguments)                                       \
  result name##_plain parameters;                                                           \
  result name##_avx2 parameters;                                                            \
  result name##_avx512 parameters;                                                          \
  API result gv_##name parameters {                                                         \
    control c = gv_enter();                                                                 \
    result status = level == 2   ? name##_avx512 arguments                                  \
                    : level == 1 ? name##_avx2 arguments                                    \
                                 : name##_plain arguments;                                  \
    gv_leave(c);                                                                            \
    return status;                                                                               \
  }
#else
#define DISPATCH(result, name, parameters, arguments) \
  result name##_plain parameters;                     \
  API result gv_##name parameters { return name##_plain arguments; }
#endif

DISPATCH(int, products, (const product *p), (p))
DISPATCH(int, byte_products, (const product *p), (p))
DISPATCH(int, dots, (const reduction *r), (r))
DISPATCH(int64_t, product_scratch, (int64_t unused), (unused))
DISPATCH(int, map, (const map *m), (m))
DISPATCH(int, extremes, (const reduction *r), (r))
DISPATCH(int, integer_dots, (const reduction *r), (r))
DISPATCH(int64_t, packed_size, (int64_t rows, int64_t depth), (rows, depth))

#if defined(__x86_64__)
#define PICK(name) (level == 2 ? name##_avx512 : level == 1 ? name##_avx2 : name##_plain)
#define DECLARE(name, parameters) \
  void name##_plain parameters;   \
  void name##_avx2 parameters;    \
  void name##_avx512 parameters;
#else
#define PICK(name) name##_plain
#define DECLARE(name, parameters) void name##_plain parameters;
#endif
DECLARE(pack_b, (float *, const float *, int64_t, int64_t, int64_t))
DECLARE(keccak, (uint8_t *, const uint8_t *const *, int64_t, int, int))

API void gv_pack_b(float *to, const float *from, int64_t rows, int64_t stride, int64_t depth) {
  PICK(pack_b)(to, from, rows, stride, depth);
}

enum { LEAF = 128, MANY = 512, CUT = 3, WHOLE = 4 };

// Leaves of 128 bytes: every row starts a new one, its last is padded with zeros.
API void gv_leaves(uint8_t *to, const uint8_t *data, int64_t rows, int64_t row_bytes) {
  const uint8_t *from[MANY];
  static const int batch = MANY;
  uint8_t padded[8][LEAF];  // at most this many short leaves wait before a flush
  int64_t waiting = 0, shorts = 0;
  for (int64_t row = 0; row < rows; row++) {
    const uint8_t *p = data + row * row_bytes;
    for (int64_t at = 0; at < row_bytes; at += LEAF) {
      if (row_bytes - at >= LEAF) {
        from[waiting++] = p + at;
      } else {
        memset(padded[shorts], 0, LEAF);
        memcpy(padded[shorts], p + at, row_bytes - at);
        from[waiting++] = padded[shorts++];
      }
      if (waiting == batch || shorts == 8) {
        PICK(keccak)(to, from, waiting, LEAF, CUT);
        to += 32 * waiting;
        waiting = shorts = 0;
      }
    }
  }
  PICK(keccak)(to, from, waiting, LEAF, CUT);
}

// Hashes of neighbouring pairs of 32-byte hashes; `count` is the number of pairs.
API void gv_parents(uint8_t *to, const uint8_t *layer, int64_t count) {
  const uint8_t *from[MANY];
  for (int64_t first = 0; first < count; first += MANY) {
    int64_t n = MIN(MANY, count - first);
    for (int64_t i = 0; i < n; i++) from[i] = layer + 64 * (first + i);
    PICK(keccak)(to + 32 * first, from, n, 64, CUT);
  }
}

// Hashes, not cut, of 128 bytes each, back to back.
API void gv_whole(uint8_t *to, const uint8_t *data, int64_t count) {
  const uint8_t *from[MANY];
  for (int64_t first = 0; first < count; first += MANY) {
    int64_t n = MIN(MANY, count - first);
    for (int64_t i = 0; i < n; i++) from[i] = data + LEAF * (first + i);
    PICK(keccak)(to + 32 * first, from, n, LEAF, WHOLE);
  }
}

// Sizes of the argument records, for the caller to hold its own descriptions to.
API int64_t gv_size(const char *kernel) {
  static const struct { const char *name; size_t size; } known[] = {
      {"interface", 3},  // counted up with every change of a function that leaves the sizes alone
      {"gv_map", sizeof(map)},
      {"gv_products", sizeof(product)},
      {"gv_byte_products", sizeof(product)},
      {"gv_dots", sizeof(reduction)},
      {"gv_extremes", sizeof(reduction)},
      {"gv_integer_dots", sizeof(reduction)},
      {"gv_move", sizeof(move)},
      {"gv_copy", sizeof(copy)},
      {"gv_transpose", sizeof(transposition)},
      {"gv_spread", sizeof(spread)},
      {"gv_gather", sizeof(gather)},
  };
  for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
    if (!strcmp(kernel, known[i].name)) return (int64_t)known[i].size;
  return -1;
}

static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "_kernels", NULL, -1, NULL, NULL, NULL, NULL, NULL};

PyMODINIT_FUNC PyInit__kernels(void) {
  gv_level(-1);
  return PyModule_Create(&definition);
}
