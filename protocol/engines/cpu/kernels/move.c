// MOVE and GATHER: one element of the source each, or the fill. Bytes are copied, nothing is computed.
#include "move.h"

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

// A strided copy whose source runs along another axis than the output's last: in tiles, so that each cache line
// that is read is used whole. Axes: others, then the one along which the source runs, then the output's last.
enum { TILE = 16, STRIP = 8 };

API int gv_transpose(const transposition *t) {
  int64_t inner = t->dims - 1, run = t->dims - 2, n = t->extents[inner], m = t->extents[run];
  int64_t blocks = (m + TILE - 1) / TILE, step = t->strides[inner], along = t->strides[run];
  for (int64_t unit = t->first; unit < t->last; unit++) {
    int64_t rest = unit / blocks, low = unit % blocks * TILE, high = MIN(m, low + TILE), from = t->offset, to = 0;
    if (late(t->deadline)) return LATE;
    for (int64_t d = run - 1; d >= 0; d--) {
      int64_t at = rest % t->extents[d];
      rest /= t->extents[d];
      from += at * t->strides[d], to += at * t->out_strides[d];
    }
    for (int64_t j = 0; j < n; j += STRIP) {
      int64_t end = MIN(n, j + STRIP);
      for (int64_t i = low; i < high; i++) {
        int64_t source = from + i * along, target = to + i * t->out_strides[run];
        if (t->width == 4)
          for (int64_t k = j; k < end; k++)
            ((uint32_t *)t->out)[target + k] = ((const uint32_t *)t->from)[source + k * step];
        else
          for (int64_t k = j; k < end; k++) t->out[target + k] = t->from[source + k * step];
      }
    }
  }
  return OK;
}

// Rows by tables: out[row][k] = from[row_at[row] + column_at[k]], words.
API int gv_spread(const spread *s) {
  uint32_t *out = s->out + s->first * s->depth;
  for (int64_t row = s->first; row < s->last; row++, out += s->depth) {
    const uint32_t *from = s->from + s->row_at[row];
    if ((row & 255) == 0 && late(s->deadline)) return LATE;
    for (int64_t k = 0; k < s->depth; k++) out[k] = from[s->column_at[k]];
  }
  return OK;
}
