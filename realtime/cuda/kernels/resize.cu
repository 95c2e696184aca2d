// Resizing as OpenCV does it, picture edges aligned.

// Bilinear, upwards. OpenCV's bytes go through 11-bit weights and lose four bits between the two directions.
struct Taps {
  int first, second;
  float weight;  // of the second
};

// The place is (i + 0.5) from / count - 0.5.
__device__ inline Taps taps(int i, int count, int from) {
  const int numerator = (2 * i + 1) * from - count, whole = 2 * count;
  int first = numerator < 0 ? -1 : numerator / whole;
  const float place = first + (float)(numerator - first * whole) / whole;
  first = (int)floorf(place);
  float weight = place - first;
  if (first < 0) first = 0, weight = 0;
  if (first >= from - 1) first = from - 1, weight = 0;
  return Taps{first, min(first + 1, from - 1), weight};
}

extern "C" __global__ void linear_u8(Array source, Array out) {
  PIXEL_OF(out);
  const Taps v = taps(y, out.height, source.height), h = taps(x, out.width, source.width);
  const int below = (int)rintf(v.weight * 2048), above = (int)rintf((1 - v.weight) * 2048);
  const int right = (int)rintf(h.weight * 2048), left = (int)rintf((1 - h.weight) * 2048);
  for (int c = 0; c < out.channels; ++c) {
    int top = at<u8>(source, v.first, h.first, c) * left + at<u8>(source, v.first, h.second, c) * right;
    int bottom = at<u8>(source, v.second, h.first, c) * left + at<u8>(source, v.second, h.second, c) * right;
    int sum = (((top >> 4) * above) >> 16) + (((bottom >> 4) * below) >> 16);
    at<u8>(out, y, x, c) = within((sum + 2) >> 2, 0, 255);
  }
}

__device__ inline float blended(const Array& source, const Taps& v, const Taps& h, int c) {
  float top = at<f32>(source, v.first, h.first, c) * (1 - h.weight) + at<f32>(source, v.first, h.second, c) * h.weight;
  float bottom =
      at<f32>(source, v.second, h.first, c) * (1 - h.weight) + at<f32>(source, v.second, h.second, c) * h.weight;
  return top * (1 - v.weight) + bottom * v.weight;
}

extern "C" __global__ void linear_f32(Array source, Array out) {
  PIXEL_OF(out);
  const Taps v = taps(y, out.height, source.height), h = taps(x, out.width, source.width);
  for (int c = 0; c < out.channels; ++c) at<f32>(out, y, x, c) = blended(source, v, h, c);
}

// The mean over an area, downwards: the cells that one pixel covers, and the share of each.
struct Cells {
  int first, last;           // whole or in part
  float begin, middle, end;  // shares of the first, those between, the last
};

__device__ inline Cells cells(int i, int count, int from) {
  const int begin = i * from, end = begin + from;  // of the pixel, where a cell is `count` long
  const int high = min(end / count, from - 1), low = min((begin + count - 1) / count, high);
  const int before = low * count - begin, after = end - high * count;
  Cells all;
  all.first = low, all.last = high - 1;
  all.begin = all.middle = all.end = (float)count / from;
  if (before > 1e-3f * count) all.first = low - 1, all.begin = (float)before / from;
  if (after > 1e-3f * count) all.last = high, all.end = (float)min(after, min(count, from)) / from;
  if (all.first == all.last) all.begin = all.end;  // never both in part: a cell is narrower than a pixel
  return all;
}

__device__ inline float share(const Cells& all, int i) {
  return i == all.last ? all.end : (i == all.first ? all.begin : all.middle);
}

template <class T>
__device__ inline void area(Array source, Array out) {
  PIXEL_OF(out);
  const bool whole = source.height % out.height == 0 && source.width % out.width == 0;
  if (whole) {
    const int high = source.height / out.height, wide = source.width / out.width;
    for (int c = 0; c < out.channels; ++c) {
      float sum = 0;
      for (int j = 0; j < high; ++j)
        for (int i = 0; i < wide; ++i) sum += at<T>(source, y * high + j, x * wide + i, c);
      // OpenCV rounds blocks of 2 x 2 bytes half up, all others half to even.
      const bool half_up = sizeof(T) == 1 && high == 2 && wide == 2;
      at<T>(out, y, x, c) = half_up ? (T)floorf((sum + 2) / 4) : rounded<T>(sum * (1.0f / (high * wide)));
    }
    return;
  }
  const Cells v = cells(y, out.height, source.height), h = cells(x, out.width, source.width);
  for (int c = 0; c < out.channels; ++c) {
    float sum = 0;
    for (int j = v.first; j <= v.last; ++j) {
      float along = 0;
      for (int i = h.first; i <= h.last; ++i) along += at<T>(source, j, i, c) * share(h, i);
      sum += along * share(v, j);
    }
    at<T>(out, y, x, c) = rounded<T>(sum);
  }
}

extern "C" __global__ void area_u8(Array source, Array out) { area<u8>(source, out); }
extern "C" __global__ void area_f32(Array source, Array out) { area<f32>(source, out); }

// The mean over an area of the known values alone, and how much of it is known, times `gain` and at most 1.
extern "C" __global__ void mean_of_known(Array values, Array weights, Array out, Array known, float gain) {
  PIXEL_OF(out);
  const Cells v = cells(y, out.height, values.height), h = cells(x, out.width, values.width);
  float sum[3] = {0, 0, 0}, total = 0;
  for (int j = v.first; j <= v.last; ++j) {
    float along[3] = {0, 0, 0}, weighed = 0;
    for (int i = h.first; i <= h.last; ++i) {
      const float weight = at<f32>(weights, j, i);
      weighed += weight * share(h, i);
      for (int c = 0; c < out.channels; ++c) along[c] += at<f32>(values, j, i, c) * weight * share(h, i);
    }
    total += weighed * share(v, j);
    for (int c = 0; c < out.channels; ++c) sum[c] += along[c] * share(v, j);
  }
  for (int c = 0; c < out.channels; ++c) at<f32>(out, y, x, c) = sum[c] / fmaxf(total, 1e-6f);
  at<f32>(known, y, x) = fminf(1.0f, total * gain);
}

// The way back up: known values keep their share, the rest takes what the coarser level spreads.
extern "C" __global__ void pull(Array values, Array weights, Array coarser, Array out) {
  PIXEL_OF(out);
  const Taps v = taps(y, out.height, coarser.height), h = taps(x, out.width, coarser.width);
  const float weight = at<f32>(weights, y, x);
  for (int c = 0; c < out.channels; ++c) {
    const float coarse = blended(coarser, v, h, c);
    at<f32>(out, y, x, c) = coarse + (at<f32>(values, y, x, c) - coarse) * weight;
  }
}

// The top of the pyramid, which is at most a few pixels large: their weighted mean, everywhere but where they are known.
extern "C" __global__ void pull_mean(Array values, Array weights, Array out) {
  PIXEL_OF(out);
  float sum[3] = {0, 0, 0}, total = 0;
  for (int j = 0; j < out.height; ++j)
    for (int i = 0; i < out.width; ++i) {
      const float weight = at<f32>(weights, j, i);
      total += weight;
      for (int c = 0; c < out.channels; ++c) sum[c] += at<f32>(values, j, i, c) * weight;
    }
  const float weight = at<f32>(weights, y, x);
  for (int c = 0; c < out.channels; ++c) {
    const float mean = total > 0 ? sum[c] / total : 0;
    at<f32>(out, y, x, c) = mean + (at<f32>(values, y, x, c) - mean) * weight;
  }
}

// Levels reduced so that the least of the `side` x `side` pixels around a pixel counts.
extern "C" __global__ void least_around(Array levels, Array out, int side) {
  PIXEL_OF(out);
  const int cy = (2 * y + 1) * levels.height / (2 * out.height), cx = (2 * x + 1) * levels.width / (2 * out.width);
  int least = 255;
  for (int j = max(0, cy - side / 2); j < min(levels.height, cy - side / 2 + side); ++j)
    for (int i = max(0, cx - side / 2); i < min(levels.width, cx - side / 2 + side); ++i)
      least = min(least, (int)at<u8>(levels, j, i));
  at<u8>(out, y, x) = (u8)least;
}

// A (H, W, 3) BGR picture as a network's (3, h, w) RGB input in [0, 1]: `out` has 3 h rows.
extern "C" __global__ void network_input(Array small, Array out) {
  PIXEL_OF(small);
  for (int c = 0; c < 3; ++c) at<f32>(out, c * small.height + y, x) = at<u8>(small, y, x, 2 - c) * (1.0f / 255);
}
