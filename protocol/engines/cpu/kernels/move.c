// MOVE and GATHER: one element of the source each, or the fill. Bytes are copied, nothing is computed.
#include "common.h"

typedef struct {
  const char *from;
  char *out;
  int64_t width, fill, dims, extents[MAX_DIMS];
  int64_t views, view[MAX_DIMS], steps[MAX_DIMS];  // steps: source elements per view coordinate
  int64_t offsets[MAX_DIMS], coefs[MAX_DIMS][MAX_DIMS];
  int64_t first, last, deadline;  // rows of the innermost grid axis
} move;

INLINE void fill_run(char *to, int64_t width, int64_t fill, int64_t n) {
  if (width == 1) memset(to, (int)fill, n);
  else for (int64_t i = 0; i < n; i++) ((uint32_t *)to)[i] = (uint32_t)fill;
}

INLINE void copy_run(char *to, const char *from, int64_t width, int64_t stride, int64_t n) {
  if (stride == 1) memcpy(to, from, width * n);
  else if (width == 1) for (int64_t i = 0; i < n; i++) to[i] = from[i * stride];
  else for (int64_t i = 0; i < n; i++) ((uint32_t *)to)[i] = ((const uint32_t *)from)[i * stride];
}

INLINE int64_t floor_div(int64_t a, int64_t b) { return a / b - (a % b != 0 && (a < 0) != (b < 0)); }

API int gv_move(const move *m) {
  int64_t inner = m->dims - 1, n = m->extents[inner], at[MAX_DIMS], coords[MAX_DIMS], stride = 0;
  for (int64_t v = 0; v < m->views; v++) stride += m->coefs[v][inner] * m->steps[v];
  int64_t rest = m->first;
  for (int64_t d = inner - 1; d >= 0; d--) at[d] = rest % m->extents[d], rest /= m->extents[d];
  for (int64_t v = 0; v < m->views; v++) {
    coords[v] = m->offsets[v];
    for (int64_t d = 0; d < inner; d++) coords[v] += at[d] * m->coefs[v][d];
  }
  char *out = m->out + m->first * n * m->width;
  for (int64_t row = m->first; row < m->last; row++, out += n * m->width) {
    if ((row & 255) == 0 && late(m->deadline)) return LATE;
    int64_t low = 0, high = n, place = 0;  // where every view coordinate is inside
    for (int64_t v = 0; v < m->views; v++) {
      int64_t c = coords[v], step = m->coefs[v][inner], size = m->view[v];
      place += c * m->steps[v];
      if (step == 0) {
        if (c < 0 || c >= size) high = 0;
      } else if (step > 0) {
        low = MAX(low, -floor_div(c, step));
        high = MIN(high, floor_div(size - 1 - c, step) + 1);
      } else {
        low = MAX(low, -floor_div(size - 1 - c, -step));
        high = MIN(high, floor_div(c, -step) + 1);
      }
    }
    if (high <= low) {
      fill_run(out, m->width, m->fill, n);
    } else {
      if (low > 0) fill_run(out, m->width, m->fill, low);
      copy_run(out + low * m->width, m->from + (place + low * stride) * m->width, m->width, stride, high - low);
      if (high < n) fill_run(out + high * m->width, m->width, m->fill, n - high);
    }
    for (int64_t d = inner - 1; d >= 0; d--) {
      int64_t back = ++at[d] < m->extents[d] ? 0 : at[d];
      for (int64_t v = 0; v < m->views; v++) coords[v] += m->coefs[v][d] * (1 - back);
      if (!back) break;
      at[d] = 0;
    }
  }
  return OK;
}

// A strided copy without a fill: `dims` merged axes, the innermost runs along the output.
typedef struct {
  const char *from;
  char *out;
  int64_t width, offset, dims, extents[MAX_DIMS], strides[MAX_DIMS];
  int64_t first, last, deadline;  // rows of the innermost axis
} copy;

API int gv_copy(const copy *c) {
  int64_t inner = c->dims - 1, n = c->extents[inner], at[MAX_DIMS] = {0}, place = c->offset, rest = c->first;
  for (int64_t d = inner - 1; d >= 0; d--) {
    at[d] = rest % c->extents[d], rest /= c->extents[d];
    place += at[d] * c->strides[d];
  }
  char *out = c->out + c->first * n * c->width;
  for (int64_t row = c->first; row < c->last; row++, out += n * c->width) {
    if ((row & 255) == 0 && late(c->deadline)) return LATE;
    copy_run(out, c->from + place * c->width, c->width, c->strides[inner], n);
    for (int64_t d = inner - 1; d >= 0; d--) {
      place += c->strides[d];
      if (++at[d] < c->extents[d]) break;
      place -= at[d] * c->strides[d];
      at[d] = 0;
    }
  }
  return OK;
}

typedef struct {
  const char *from;
  const void *index;
  char *out;
  int64_t index_dtype, width, fill, row, rows, first, last, deadline;
} gather;

API int gv_gather(const gather *g) {
  int64_t bytes = g->row * g->width;
  for (int64_t i = g->first; i < g->last; i++) {
    if ((i & 255) == 0 && late(g->deadline)) return LATE;
    int64_t at = g->index_dtype == DT_I8 ? ((const int8_t *)g->index)[i] : ((const int32_t *)g->index)[i];
    if (at < 0 || at >= g->rows) fill_run(g->out + i * bytes, g->width, g->fill, g->row);
    else memcpy(g->out + i * bytes, g->from + at * bytes, bytes);
  }
  return OK;
}
