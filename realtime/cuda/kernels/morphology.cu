// Growing, shrinking and feathering of masks; outside the picture there is nothing that grows or shrinks.

#define DISC_ROWS 129  // enough for the feather of a frame of 21500 rows

struct Disc {  // a row of the disc at distance |i - radius| from its centre reaches half[i] pixels each way
  int radius;
  int half[DISC_ROWS];
};

#define FAR 255

// How far the next set pixel of the row is, up to `reach`.
extern "C" __global__ void distance_along_row(Array mask, Array out, int reach) {
  PIXEL_OF(out);
  const u8* pixels = row<u8>(mask, y);
  int found = FAR;
  for (int i = 0; i <= reach && found == FAR; ++i)
    if ((x >= i && pixels[x - i]) || (x + i < mask.width && pixels[x + i])) found = i;
  at<u8>(out, y, x) = (u8)found;
}

extern "C" __global__ void disc_around(Array distance, Array out, Disc disc) {
  PIXEL_OF(out);
  bool near = false;
  for (int i = 0; i <= 2 * disc.radius && !near; ++i) {
    const int j = y + i - disc.radius;
    near = j >= 0 && j < distance.height && at<u8>(distance, j, x) <= disc.half[i];
  }
  at<u8>(out, y, x) = near ? 255 : 0;
}

// The largest or smallest value along a row or column, `reach` pixels each way; reach: (1,) int on the device.
template <bool LARGEST>
__device__ inline int extreme(int a, int b) {
  return LARGEST ? max(a, b) : min(a, b);
}

template <bool LARGEST>
__device__ inline void along_row(Array source, Array out, int reach) {
  PIXEL_OF(out);
  const u8* pixels = row<u8>(source, y);
  const int end = LARGEST ? 255 : 0;
  int found = pixels[x];
  for (int i = max(0, x - reach); i <= min(source.width - 1, x + reach) && found != end; ++i)
    found = extreme<LARGEST>(found, pixels[i]);
  at<u8>(out, y, x) = (u8)found;
}

template <bool LARGEST>
__device__ inline void along_column(Array source, Array out, int reach) {
  PIXEL_OF(out);
  const int end = LARGEST ? 255 : 0;
  int found = at<u8>(source, y, x);
  for (int j = max(0, y - reach); j <= min(source.height - 1, y + reach) && found != end; ++j)
    found = extreme<LARGEST>(found, at<u8>(source, j, x));
  at<u8>(out, y, x) = (u8)found;
}

extern "C" __global__ void largest_along_row(Array source, Array out, int reach) { along_row<true>(source, out, reach); }
extern "C" __global__ void largest_along_column(Array source, Array out, int reach) {
  along_column<true>(source, out, reach);
}
extern "C" __global__ void least_along_row(Array source, Array out, int reach) { along_row<false>(source, out, reach); }
extern "C" __global__ void least_along_column(Array source, Array out, int reach) {
  along_column<false>(source, out, reach);
}

// The same with a reach that the device worked out itself.
extern "C" __global__ void largest_along_row_by(Array source, Array out, Array reach) {
  along_row<true>(source, out, *row<int>(reach, 0));
}
extern "C" __global__ void largest_along_column_by(Array source, Array out, Array reach) {
  along_column<true>(source, out, *row<int>(reach, 0));
}

// A reach in proportion to the longer side of a rectangle, as `bound` finds it: least + what is more of it / divisor.
extern "C" __global__ void reach_of(Array bounds, Array out, int height, int width, int divisor, int least, int most) {
  PIXEL_OF(out);
  const int* found = row<int>(bounds, 0);
  const int high = found[0] + found[1] - height, wide = found[2] + found[3] - width;
  *row<int>(out, 0) = max(least, min(max(high, wide) / divisor, most));
}

__device__ inline float box_sum(const Array& source, int y, int x, int c, int reach) {
  int sum = 0;
  for (int j = -reach; j <= reach; ++j)
    for (int i = -reach; i <= reach; ++i)
      sum += at<u8>(source, mirrored(y + j, source.height), mirrored(x + i, source.width), c);
  return (float)sum;
}

// The mean of the square around each pixel; no number of pixels here is even, so nothing is ever half way.
__device__ inline float box_mean(const Array& source, int y, int x, int c, int reach) {
  const int side = 2 * reach + 1;
  return box_sum(source, y, x, c, reach) / (side * side);
}

// Alpha of a hole: its grown copy blurred, and full on the hole itself.
extern "C" __global__ void feather(Array grown, Array hole, Array out, int reach) {
  PIXEL_OF(out);
  const u8 own = at<u8>(hole, y, x);
  at<u8>(out, y, x) = own == 255 ? own : max(own, rounded<u8>(box_mean(grown, y, x, 0, reach)));
}
