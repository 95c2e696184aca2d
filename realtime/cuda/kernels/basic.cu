// Pointwise operations and counting.

template <class T>
__device__ inline void fill(Array out, T value) {
  PIXEL_OF(out);
  for (int c = 0; c < out.channels; ++c) at<T>(out, y, x, c) = value;
}

extern "C" __global__ void fill_u8(Array out, int value) { fill<u8>(out, (u8)value); }
extern "C" __global__ void fill_i32(Array out, int value) { fill<int>(out, value); }
extern "C" __global__ void fill_f32(Array out, float value) { fill<f32>(out, value); }

template <class T>
__device__ inline void copy(Array source, Array out, int step) {
  PIXEL_OF(out);
  for (int c = 0; c < out.channels; ++c) at<T>(out, y, x, c) = at<T>(source, y * step, x * step, c);
}

extern "C" __global__ void copy_u8(Array source, Array out, int step) { copy<u8>(source, out, step); }
extern "C" __global__ void copy_f32(Array source, Array out, int step) { copy<f32>(source, out, step); }

extern "C" __global__ void widen(Array source, Array out) {
  PIXEL_OF(out);
  for (int c = 0; c < out.channels; ++c) at<f32>(out, y, x, c) = at<u8>(source, y, x, c);
}

extern "C" __global__ void narrow(Array source, Array out) {
  PIXEL_OF(out);
  for (int c = 0; c < out.channels; ++c) at<u8>(out, y, x, c) = rounded<u8>(at<f32>(source, y, x, c));
}

extern "C" __global__ void weigh(Array mask, Array out) {
  PIXEL_OF(out);
  at<f32>(out, y, x) = at<u8>(mask, y, x) ? 1.0f : 0.0f;
}

// Where a row of `size` pixels that is mirrored in its ends, again and again, takes its pixel `index` from.
__device__ inline int reflected(int index, int size) {
  int there = index % (2 * size);
  there += there < 0 ? 2 * size : 0;
  return there < size ? there : 2 * size - 1 - there;
}

// The picture within `out`, its first pixel at (top, left), its edge repeated around it, or mirrored in it.
template <class T>
__device__ inline void pad(Array source, Array out, int top, int left, int mirrored) {
  PIXEL_OF(out);
  int row = mirrored ? reflected(y - top, source.height) : within(y - top, 0, source.height - 1);
  int column = mirrored ? reflected(x - left, source.width) : within(x - left, 0, source.width - 1);
  for (int c = 0; c < out.channels; ++c) at<T>(out, y, x, c) = at<T>(source, row, column, c);
}

extern "C" __global__ void pad_u8(Array source, Array out, int top, int left, int mirrored) {
  pad<u8>(source, out, top, left, mirrored);
}
extern "C" __global__ void pad_f32(Array source, Array out, int top, int left, int mirrored) {
  pad<f32>(source, out, top, left, mirrored);
}

extern "C" __global__ void invert(Array source, Array out) {
  PIXEL_OF(out);
  at<u8>(out, y, x) = ~at<u8>(source, y, x);
}

extern "C" __global__ void intersect(Array first, Array second, Array out) {
  PIXEL_OF(out);
  at<u8>(out, y, x) = at<u8>(first, y, x) & at<u8>(second, y, x);
}

extern "C" __global__ void unite(Array first, Array second, Array out) {
  PIXEL_OF(out);
  at<u8>(out, y, x) = at<u8>(first, y, x) | at<u8>(second, y, x);
}

extern "C" __global__ void at_least_u8(Array source, Array out, float value) {
  PIXEL_OF(out);
  at<u8>(out, y, x) = at<u8>(source, y, x) >= value ? 255 : 0;
}

extern "C" __global__ void at_least_f32(Array source, Array out, float value) {
  PIXEL_OF(out);
  at<u8>(out, y, x) = at<f32>(source, y, x) >= value ? 255 : 0;
}

extern "C" __global__ void equals_u8(Array source, Array out, float value) {
  PIXEL_OF(out);
  at<u8>(out, y, x) = at<u8>(source, y, x) == value ? 255 : 0;
}

extern "C" __global__ void not_below(Array first, Array second, Array out) {
  PIXEL_OF(out);
  at<u8>(out, y, x) = at<u8>(first, y, x) >= at<u8>(second, y, x) ? 255 : 0;
}

extern "C" __global__ void raise_to(Array source, Array out, int least) {
  PIXEL_OF(out);
  at<u8>(out, y, x) = max((int)at<u8>(source, y, x), least);
}

template <class T>
__device__ inline void copy_where(Array source, Array where, Array out) {
  PIXEL_OF(out);
  if (!at<u8>(where, y, x)) return;
  for (int c = 0; c < out.channels; ++c) at<T>(out, y, x, c) = at<T>(source, y, x, c);
}

extern "C" __global__ void copy_where_u8(Array source, Array where, Array out) { copy_where<u8>(source, where, out); }
extern "C" __global__ void copy_where_f32(Array source, Array where, Array out) { copy_where<f32>(source, where, out); }

extern "C" __global__ void put_u8(Array out, Array where, int value) {
  PIXEL_OF(out);
  if (at<u8>(where, y, x)) at<u8>(out, y, x) = (u8)value;
}

extern "C" __global__ void look_up(Array source, Array table, Array out) {  // table: (256, 3) f32
  PIXEL_OF(out);
  for (int c = 0; c < 3; ++c) at<f32>(out, y, x, c) = row<f32>(table, at<u8>(source, y, x, c))[c];
}

// Each thread of the two below takes a run of pixels of a row, so that few of them meet at the same counter.
// `runs` has the picture's height and as many columns as there are runs in a row.
#define RUN 32

extern "C" __global__ void count(Array mask, Array runs, Array totals, int number) {
  PIXEL_OF(runs);
  int found = 0;
  for (int i = x * RUN; i < min((x + 1) * RUN, mask.width); ++i) found += at<u8>(mask, y, i) != 0;
  if (found) atomicAdd(row<int>(totals, 0) + number, found);
}

// Bounds are (4,) int, zero before: height - y0, y1, width - x0, x1 of the rectangle that holds every nonzero pixel.
extern "C" __global__ void bound(Array mask, Array runs, Array bounds) {
  PIXEL_OF(runs);
  int first = -1, last = -1;
  for (int i = x * RUN; i < min((x + 1) * RUN, mask.width); ++i) {
    if (!at<u8>(mask, y, i)) continue;
    if (first < 0) first = i;
    last = i;
  }
  if (first < 0) return;
  int* found = row<int>(bounds, 0);
  atomicMax(found, mask.height - y);
  atomicMax(found + 1, y + 1);
  atomicMax(found + 2, mask.width - first);
  atomicMax(found + 3, last + 1);
}

// A mask, 0 outside the rectangle that `bound` found.
extern "C" __global__ void crop(Array mask, Array bounds, Array out) {
  PIXEL_OF(out);
  const int* found = row<int>(bounds, 0);
  const bool inside = y >= out.height - found[0] && y < found[1] && x >= out.width - found[2] && x < found[3];
  at<u8>(out, y, x) = inside ? at<u8>(mask, y, x) : 0;
}
