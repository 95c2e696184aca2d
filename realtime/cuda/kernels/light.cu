// Differences between a frame and the plate: what has changed, what is shadow, what is only light.

__device__ inline float strongest(float a, float b, float c) { return fmaxf(fmaxf(a, b), c); }
__device__ inline float weakest(float a, float b, float c) { return fminf(fminf(a, b), c); }

extern "C" __global__ void differs(Array first, Array second, Array out, float least) {
  PIXEL_OF(out);
  float most = 0;
  for (int c = 0; c < 3; ++c) most = fmaxf(most, fabsf((float)at<u8>(first, y, x, c) - at<u8>(second, y, x, c)));
  at<u8>(out, y, x) = most >= least ? 255 : 0;
}

// Every `step`-th pixel: how the frame differs from the background, cut off at `limit`, times a mask's weight.
// `out` has four channels, the weight last.
extern "C" __global__ void nudge(Array frame, Array background, Array where, Array out, int step, float limit) {
  PIXEL_OF(out);
  const float weight = at<u8>(where, y * step, x * step) * (1.0f / 255);
  for (int c = 0; c < 3; ++c) {
    const float difference = (float)at<u8>(frame, y * step, x * step, c) - at<u8>(background, y * step, x * step, c);
    at<f32>(out, y, x, c) = fminf(fmaxf(difference, -limit), limit) * weight;
  }
  at<f32>(out, y, x, 3) = weight;
}

// Means along rows, then along columns, of `width` pixels; an even width reaches further to the left.
extern "C" __global__ void mean_along_row(Array source, Array out, int width) {
  PIXEL_OF(out);
  for (int c = 0; c < out.channels; ++c) {
    float sum = 0;
    for (int i = 0; i < width; ++i) sum += at<f32>(source, y, mirrored(x - width / 2 + i, source.width), c);
    at<f32>(out, y, x, c) = sum / width;
  }
}

extern "C" __global__ void mean_along_column(Array source, Array out, int width) {
  PIXEL_OF(out);
  for (int c = 0; c < out.channels; ++c) {
    float sum = 0;
    for (int i = 0; i < width; ++i) sum += at<f32>(source, mirrored(y - width / 2 + i, source.height), x, c);
    at<f32>(out, y, x, c) = sum / width;
  }
}

// From the weighted means to the light: (h, w, 3) out of (h, w, 4).
extern "C" __global__ void unweighted(Array means, Array out) {
  PIXEL_OF(out);
  for (int c = 0; c < 3; ++c) at<f32>(out, y, x, c) = at<f32>(means, y, x, c) / (at<f32>(means, y, x, 3) + 1e-3f);
}

// Where a frame differs from the background by more than the light, which is a smaller picture.
extern "C" __global__ void changed(Array frame, Array background, Array light, Array where, Array out, float least) {
  PIXEL_OF(out);
  const Taps v = taps(y, out.height, light.height), h = taps(x, out.width, light.width);
  float most = 0;
  for (int c = 0; c < 3; ++c) {
    const float difference = (float)at<u8>(frame, y, x, c) - at<u8>(background, y, x, c);
    most = fmaxf(most, fabsf(difference - blended(light, v, h, c)));
  }
  at<u8>(out, y, x) = most >= least ? at<u8>(where, y, x) : 0;
}

// Darker than the background by nearly the same ratio in all channels, both averaged over 5 x 5 pixels.
extern "C" __global__ void shaded(Array frame, Array background, Array out, float low, float high, float tint,
                                  float darkest) {
  PIXEL_OF(out);
  float ratio[3], lit[3];
  for (int c = 0; c < 3; ++c) {
    lit[c] = rounded<u8>(box_mean(background, y, x, c, 2)) + 2.0f;
    ratio[c] = (rounded<u8>(box_mean(frame, y, x, c, 2)) + 2.0f) / lit[c];
  }
  const float least = weakest(ratio[0], ratio[1], ratio[2]), most = strongest(ratio[0], ratio[1], ratio[2]);
  const bool dark = least > low && most < high && most - least < tint && weakest(lit[0], lit[1], lit[2]) > darkest;
  at<u8>(out, y, x) = dark ? 255 : 0;
}

// The membrane: frame minus background at every second pixel; the median of that on the ring; what is near it.
extern "C" __global__ void difference(Array frame, Array background, Array out, int step) {
  PIXEL_OF(out);
  for (int c = 0; c < 3; ++c)
    at<f32>(out, y, x, c) = at<u8>(frame, y * step, x * step, c) - at<f32>(background, y * step, x * step, c);
}

// The median is found in two steps, by whole grey levels and then by 1/FINE of one. `levels` is (3, LEVELS) int of
// counts, `fine` (3, 2 * FINE) of those inside the two middle levels, which are one level for most; `middle` is (3, 4):
// the two levels, and how many samples lie below the middle ones inside their level; `median` (3, 2) f32: their values.
#define LEVELS 512
#define FINE 64

__device__ inline int level_of(float value) { return within((int)floorf(value) + LEVELS / 2, 0, LEVELS - 1); }

extern "C" __global__ void median_levels(Array difference, Array ring, Array samples, Array levels, int every) {
  PIXEL_OF(samples);
  if (!at<u8>(ring, y * every, x * every)) return;
  for (int c = 0; c < 3; ++c) atomicAdd(row<int>(levels, c) + level_of(at<f32>(difference, y * every, x * every, c)), 1);
}

extern "C" __global__ void median_middle(Array levels, Array middle) {  // a thread a level
  PIXEL_OF(levels);
  const int* counts = row<int>(levels, y);
  if (!counts[x]) return;
  int below = 0, total = 0;
  for (int i = 0; i < LEVELS; ++i) {
    total += counts[i];
    below += i < x ? counts[i] : 0;
  }
  for (int which = 0; which < 2; ++which) {
    const int rank = (which ? total : total - 1) / 2;
    if (rank < below || rank >= below + counts[x]) continue;
    at<int>(middle, y, which) = x;
    at<int>(middle, y, 2 + which) = rank - below;
  }
}

extern "C" __global__ void median_fine(Array difference, Array ring, Array samples, Array middle, Array fine, int every) {
  PIXEL_OF(samples);
  if (!at<u8>(ring, y * every, x * every)) return;
  for (int c = 0; c < 3; ++c) {
    const float value = at<f32>(difference, y * every, x * every, c);
    const int level = level_of(value), part = within((int)((value - floorf(value)) * FINE), 0, FINE - 1);
    for (int which = 0; which < 2; ++which)
      if (at<int>(middle, c, which) == level) atomicAdd(row<int>(fine, c) + which * FINE + part, 1);
  }
}

extern "C" __global__ void median_of(Array middle, Array fine, Array median) {  // a thread a part of a level
  PIXEL_OF(fine);
  const int which = x / FINE, part = x % FINE, *counts = row<int>(fine, y) + which * FINE;
  if (!counts[part]) return;
  int below = 0;
  for (int i = 0; i < part; ++i) below += counts[i];
  const int rank = at<int>(middle, y, 2 + which);
  if (rank >= below && rank < below + counts[part])
    at<f32>(median, y, which) = at<int>(middle, y, which) - LEVELS / 2 + (float)part / FINE;
}

extern "C" __global__ void usual_on_ring(Array difference, Array ring, Array median, Array out, float limit) {
  PIXEL_OF(out);
  float most = 0;
  for (int c = 0; c < 3; ++c) {
    const float usual = (at<f32>(median, c, 0) + at<f32>(median, c, 1)) / 2;
    most = fmaxf(most, fabsf(at<f32>(difference, y, x, c) - usual));
  }
  at<f32>(out, y, x) = at<u8>(ring, y, x) && most < limit ? 1.0f : 0.0f;
}

// The background in the frame's light: with what the membrane adds, which is a smaller picture.
extern "C" __global__ void corrected(Array background, Array correction, Array out) {
  PIXEL_OF(out);
  const Taps v = taps(y, out.height, correction.height), h = taps(x, out.width, correction.width);
  for (int c = 0; c < 3; ++c)
    at<u8>(out, y, x, c) = rounded<u8>(at<f32>(background, y, x, c) + blended(correction, v, h, c));
}
