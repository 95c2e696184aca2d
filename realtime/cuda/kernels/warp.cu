// Resampling through a homography: `inverse` maps pixels of `out` to those of `source`, centres at integers.

struct Place {
  int left, top;
  float right, below;  // how far beyond that pixel, in [0, 1]
};

__device__ inline float beyond(float offset, int& pixel) {
  offset = fminf(fmaxf(offset, -1e6f), 1e6f);
  const float whole = floorf(offset);
  pixel += (int)whole;
  return offset - whole;
}

__device__ inline Place source_of(const Motion& m, int x, int y) {
  const float depth = m.perspective[0] * x + m.perspective[1] * y;  // beyond 1
  const float scale = depth != -1 ? 1 / (1 + depth) : 0;
  Place place = {x + m.whole[0], y + m.whole[1], 0, 0};
  const float right = m.linear[0] * x + m.linear[1] * y + m.shift[0] - place.left * depth;
  const float below = m.linear[2] * x + m.linear[3] * y + m.shift[1] - place.top * depth;
  place.right = beyond(right * scale, place.left);
  place.below = beyond(below * scale, place.top);
  return place;
}

template <class T>
__device__ inline float taken(const Array& source, int y, int x, int c, bool repeat) {
  const bool inside = x >= 0 && y >= 0 && x < source.width && y < source.height;
  if (!inside && !repeat) return 0;
  return at<T>(source, within(y, 0, source.height - 1), within(x, 0, source.width - 1), c);
}

template <class T>
__device__ inline float bilinear(const Array& source, Place place, int c, bool repeat) {
  const int x = place.left, y = place.top;
  const float a = taken<T>(source, y, x, c, repeat), b = taken<T>(source, y, x + 1, c, repeat);
  const float d = taken<T>(source, y + 1, x, c, repeat), e = taken<T>(source, y + 1, x + 1, c, repeat);
  const float top = a + (b - a) * place.right, bottom = d + (e - d) * place.right;
  return top + (bottom - top) * place.below;
}

template <class T>
__device__ inline void warp_linear(Array source, Array out, const Motion& inverse, bool repeat) {
  PIXEL_OF(out);
  const Place place = source_of(inverse, x, y);
  for (int c = 0; c < out.channels; ++c) at<T>(out, y, x, c) = rounded<T>(bilinear<T>(source, place, c, repeat));
}

extern "C" __global__ void warp_linear_u8(Array source, Array out, Motion inverse, int repeat) {
  warp_linear<u8>(source, out, inverse, repeat);
}

extern "C" __global__ void warp_linear_f32(Array source, Array out, Motion inverse, int repeat) {
  warp_linear<f32>(source, out, inverse, repeat);
}

// Cubic convolution with a = -0.75, the edge repeated.
__device__ inline void cubic_weights(float t, float* weights) {
  const float a = -0.75f;
  weights[0] = ((a * (t + 1) - 5 * a) * (t + 1) + 8 * a) * (t + 1) - 4 * a;
  weights[1] = ((a + 2) * t - (a + 3)) * t * t + 1;
  weights[2] = ((a + 2) * (1 - t) - (a + 3)) * (1 - t) * (1 - t) + 1;
  weights[3] = 1 - weights[0] - weights[1] - weights[2];
}

template <class From, class To>
__device__ inline void warp_cubic(Array source, Array out, const Motion& inverse) {
  PIXEL_OF(out);
  const Place place = source_of(inverse, x, y);
  const int left = place.left, top = place.top;
  float across[4], down[4];
  cubic_weights(place.right, across);
  cubic_weights(place.below, down);
  for (int c = 0; c < out.channels; ++c) {
    float sum = 0;
    for (int j = 0; j < 4; ++j) {
      float along = 0;
      for (int i = 0; i < 4; ++i) along += across[i] * taken<From>(source, top - 1 + j, left - 1 + i, c, true);
      sum += down[j] * along;
    }
    at<To>(out, y, x, c) = rounded<To>(sum);
  }
}

extern "C" __global__ void warp_cubic_u8(Array source, Array out, Motion inverse) {
  warp_cubic<u8, u8>(source, out, inverse);
}

extern "C" __global__ void warp_cubic_f32(Array source, Array out, Motion inverse) {
  warp_cubic<f32, f32>(source, out, inverse);
}

extern "C" __global__ void warp_nearest(Array source, Array out, Motion inverse) {
  PIXEL_OF(out);
  const Place place = source_of(inverse, x, y);
  const int row = place.top + (int)rintf(place.below), column = place.left + (int)rintf(place.right);
  at<u8>(out, y, x) = (u8)taken<u8>(source, row, column, 0, false);
}

// 255 where the whole bilinear footprint is set.
extern "C" __global__ void warp_mask(Array mask, Array out, Motion inverse) {
  PIXEL_OF(out);
  at<u8>(out, y, x) = rounded<u8>(bilinear<u8>(mask, source_of(inverse, x, y), 0, false)) >= 254 ? 255 : 0;
}

// Whether the levels of all pixels of the bilinear footprint, each with its eight neighbours, are at least `level`.
__device__ inline bool holds(const Array& levels, int y, int x, int level) {
  if (x < 0 || y < 0 || x >= levels.width || y >= levels.height) return false;
  for (int j = max(0, y - 1); j <= min(levels.height - 1, y + 1); ++j)
    for (int i = max(0, x - 1); i <= min(levels.width - 1, x + 1); ++i)
      if (at<u8>(levels, j, i) < level) return false;
  return true;
}

extern "C" __global__ void warp_levels(Array levels, Array out, Motion inverse, int highest) {
  PIXEL_OF(out);
  const Place place = source_of(inverse, x, y);
  const int left = place.left, top = place.top;
  int result = 0;
  for (int level = 1; level <= highest; ++level) {
    const float a = holds(levels, top, left, level) ? 255 : 0, b = holds(levels, top, left + 1, level) ? 255 : 0;
    const float d = holds(levels, top + 1, left, level) ? 255 : 0, e = holds(levels, top + 1, left + 1, level) ? 255 : 0;
    const float upper = a + (b - a) * place.right, lower = d + (e - d) * place.right;
    if (rintf(upper + (lower - upper) * place.below) < 254) break;
    result = level;
  }
  at<u8>(out, y, x) = (u8)result;
}
