// CONTRACT as batched matrix products: out[m][n] = sum over k of a[m][k] * b[n][k], both read along k.
//
// A block of 16 x 16 threads makes a tile of 16 TM x 16 TN, each thread TM x TN elements, k in steps of KT words
// through two buffers. k ascends in every chain, and sums fold at every 256 terms of f32: the order B256.

struct product_task {
  const void *a, *b;
  void *out;
  i64 a_row, b_row, out_m, out_n;  // in elements
  i64 a_batch[MAX_DIMS], b_batch[MAX_DIMS], out_batch[MAX_DIMS];
  shape batches;
  divisor tiles_m, tiles_n;
  u32 m, n, k, aligned;  // aligned: four bytes of a row can be read at once
  u32 first, last;       // tiles
};

struct floats {
  typedef float word;
  typedef float sum;
  enum { PER_WORD = 1 };
  static DEVICE_MEMBER float read(const void *base, i64 row, u32 w, u32 k, u32) {
    return w < k ? ((const float *)base)[row + w] : 0.0f;  // what lies beyond k is never multiplied
  }
  static DEVICE_MEMBER float step(float a, float b, float acc) { return __fmaf_rn(a, b, acc); }
  static DEVICE_MEMBER float add(float a, float b) { return __fadd_rn(a, b); }
  static DEVICE_MEMBER i32 stored(float v) { return g_bits(v); }
};

struct bytes {
  typedef i32 word;
  typedef i32 sum;
  enum { PER_WORD = 4 };
  static DEVICE_MEMBER i32 read(const void *base, i64 row, u32 w, u32 k, u32 aligned) {
    const i8 *p = (const i8 *)base + row;
    if (w * 4 >= k) return 0;
    if (aligned) return *(const i32 *)(p + w * 4);
    u32 packed = 0;
    for (u32 i = 0; i < 4; i++)
      if (w * 4 + i < k) packed |= (u32)(unsigned char)p[w * 4 + i] << 8 * i;
    return (i32)packed;
  }
  static DEVICE_MEMBER i32 step(i32 a, i32 b, i32 acc) { return __dp4a(a, b, acc); }
  static DEVICE_MEMBER i32 add(i32 a, i32 b) { return g_iadd(a, b); }
  static DEVICE_MEMBER i32 stored(i32 v) { return v; }
};

template <class Kind, int TM, int TN, int KT>
struct tile_maker {
  typedef typename Kind::word word;
  enum { BM = 16 * TM, BN = 16 * TN, STEP = THREADS / KT, LA = BM / STEP, LB = BN / STEP, PAD = 4 };
  enum { VM = TM < 4 ? TM : 4, VN = TN < 4 ? TN : 4 };

  static DEVICE_MEMBER void fetch(word *held, int count, const void *base, i64 start, i64 stride, u32 row, u32 rows,
                                  u32 w, const product_task &t) {
#pragma unroll
    for (int i = 0; i < count; i++) {
      u32 at = row + i * STEP;
      at = at < rows ? at : rows - 1;  // rows beyond the end make elements that are not stored
      held[i] = Kind::read(base, start + at * stride, w, t.k, t.aligned);
    }
  }

  static DEVICE_MEMBER void multiply(const word (*a)[BM + PAD], const word (*b)[BN + PAD], u32 k, u32 x, u32 y,
                                     typename Kind::sum (*acc)[TN]) {
    word p[TM], q[TN];
#pragma unroll
    for (int i = 0; i < TM; i++) p[i] = a[k][(i / VM) * 16 * VM + y * VM + i % VM];
#pragma unroll
    for (int j = 0; j < TN; j++) q[j] = b[k][(j / VN) * 16 * VN + x * VN + j % VN];
#pragma unroll
    for (int i = 0; i < TM; i++)
#pragma unroll
      for (int j = 0; j < TN; j++) acc[i][j] = Kind::step(p[i], q[j], acc[i][j]);
  }

  static DEVICE_MEMBER void make(const product_task &t) {
    __shared__ ALIGNED(16) word a[2][KT][BM + PAD];
    __shared__ ALIGNED(16) word b[2][KT][BN + PAD];
    u32 tile = t.first + blockIdx.x, rest = over(tile, t.tiles_n), batch = over(rest, t.tiles_m);
    u32 n0 = (tile - rest * t.tiles_n.size) * BN, m0 = (rest - batch * t.tiles_m.size) * BM;
    i64 from_a = 0, from_b = 0, to = 0;
    for (int d = t.batches.dims - 1; d >= 0; d--) {
      u32 up = over(batch, t.batches.axis[d]), c = batch - up * t.batches.axis[d].size;
      from_a += c * t.a_batch[d];
      from_b += c * t.b_batch[d];
      to += c * t.out_batch[d];
      batch = up;
    }
    u32 kk = threadIdx.x % KT, row = threadIdx.x / KT, x = threadIdx.x % 16, y = threadIdx.x / 16;
    u32 words = (t.k + Kind::PER_WORD - 1) / Kind::PER_WORD;
    word next_a[LA], next_b[LB];
    typename Kind::sum acc[TM][TN], total[TM][TN];
#pragma unroll
    for (int i = 0; i < TM; i++)
#pragma unroll
      for (int j = 0; j < TN; j++) acc[i][j] = total[i][j] = 0;
    u32 buffer = 0;
    for (u32 k0 = 0; k0 < words + KT; k0 += KT) {  // round i fetches step i and multiplies step i - 1
      bool more = k0 < words;
      if (more) {
        fetch(next_a, LA, t.a, from_a, t.a_row, m0 + row, t.m, k0 + kk, t);
        fetch(next_b, LB, t.b, from_b, t.b_row, n0 + row, t.n, k0 + kk, t);
      }
      if (k0) {
        u32 done = k0 - KT, depth = words - done;
        if (depth >= KT) {
#pragma unroll
          for (u32 k = 0; k < KT; k++) multiply(a[buffer], b[buffer], k, x, y, acc);
        } else {
          for (u32 k = 0; k < depth; k++) multiply(a[buffer], b[buffer], k, x, y, acc);
        }
        if (k0 % BLOCK == 0 || !more) {
          bool first = done < BLOCK;
#pragma unroll
          for (int i = 0; i < TM; i++)
#pragma unroll
            for (int j = 0; j < TN; j++) {
              total[i][j] = first ? acc[i][j] : Kind::add(total[i][j], acc[i][j]);
              acc[i][j] = 0;
            }
        }
        buffer ^= 1;
      }
      if (more) {
#pragma unroll
        for (int i = 0; i < LA; i++) a[buffer][kk][row + i * STEP] = next_a[i];
#pragma unroll
        for (int i = 0; i < LB; i++) b[buffer][kk][row + i * STEP] = next_b[i];
        __syncthreads();
      }
    }
#pragma unroll
    for (int i = 0; i < TM; i++)
#pragma unroll
      for (int j = 0; j < TN; j++) {
        u32 m = m0 + (i / VM) * 16 * VM + y * VM + i % VM, n = n0 + (j / VN) * 16 * VN + x * VN + j % VN;
        if (m < t.m && n < t.n) ((i32 *)t.out)[to + m * t.out_m + n * t.out_n] = Kind::stored(total[i][j]);
      }
  }
};

SHARING_KERNEL(product_large, product_task, THREADS) { tile_maker<floats, 8, 8, 8>::make(t); }
SHARING_KERNEL(product_small, product_task, THREADS) { tile_maker<floats, 2, 2, 32>::make(t); }
SHARING_KERNEL(byte_product_large, product_task, THREADS) { tile_maker<bytes, 8, 8, 8>::make(t); }
SHARING_KERNEL(byte_product_small, product_task, THREADS) { tile_maker<bytes, 2, 2, 32>::make(t); }
