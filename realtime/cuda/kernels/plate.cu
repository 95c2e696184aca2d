// The plate's memory and what is shown of it.

#define UNSEEN 0
#define GUESSED 1
#define SEEN 2

// One frame's lesson: realtime.plate states the rule.
template <class T>
__device__ inline void refresh(Array color, Array trust, Array glimpsed, Array age, Array image, Array usable,
                               Array doubtful, Array changed, int patience, int settled, float share) {
  PIXEL_OF(color);
  const bool may = at<u8>(usable, y, x), new_ = at<u8>(changed, y, x);
  const bool seen = at<u8>(trust, y, x) == SEEN;
  u8& count = at<u8>(age, y, x);
  const int now = may ? min(count + 1, 255) : 0;
  const bool ripe = now >= patience;
  count = new_ ? now : min(now, min(patience, 255));
  const bool fresh = (ripe && !seen) || (new_ && count >= settled);
  const bool weak = (may || at<u8>(doubtful, y, x)) && !(ripe || seen || at<u8>(glimpsed, y, x));
  if (fresh || weak)
    for (int c = 0; c < 3; ++c) at<f32>(color, y, x, c) = at<T>(image, y, x, c);
  else if (ripe && seen && !new_)
    for (int c = 0; c < 3; ++c)
      at<f32>(color, y, x, c) = at<T>(image, y, x, c) * share + at<f32>(color, y, x, c) * (1 - share);
  if (weak) at<u8>(trust, y, x) = GUESSED, at<u8>(glimpsed, y, x) = 255;
  if (fresh) at<u8>(trust, y, x) = SEEN;
}

extern "C" __global__ void refresh_u8(Array color, Array trust, Array glimpsed, Array age, Array image, Array usable,
                                      Array doubtful, Array changed, int patience, int settled, float share) {
  refresh<u8>(color, trust, glimpsed, age, image, usable, doubtful, changed, patience, settled, share);
}

extern "C" __global__ void refresh_f32(Array color, Array trust, Array glimpsed, Array age, Array image, Array usable,
                                       Array doubtful, Array changed, int patience, int settled, float share) {
  refresh<f32>(color, trust, glimpsed, age, image, usable, doubtful, changed, patience, settled, share);
}

extern "C" __global__ void composite(Array image, Array background, Array alpha, Array out) {
  PIXEL_OF(out);
  const int opacity = at<u8>(alpha, y, x);
  const float weight = opacity * (1.0f / 255), rest = 1 - weight;
  for (int c = 0; c < 3; ++c) {
    const float over = at<u8>(background, y, x, c), under = at<u8>(image, y, x, c);
    u8& mixed = at<u8>(out, y, x, c);
    if (opacity == 0) mixed = (u8)under;
    else if (opacity == 255) mixed = (u8)over;
    else mixed = rounded<u8>((over * weight + under * rest) / (weight + rest + 1e-5f));
  }
}

// Frames for which a pixel still changes: one less, or `lasts` where a guess was shown and something else is now.
extern "C" __global__ void fading(Array picture, Array before, Array guessed, Array left, Array inside, Array out,
                                  float noticed, int lasts) {
  PIXEL_OF(out);
  int frames = max((int)at<u8>(left, y, x) - 1, 0);
  if (!at<u8>(inside, y, x)) {
    frames = 0;
  } else if (at<u8>(guessed, y, x)) {
    float most = 0;
    for (int c = 0; c < 3; ++c)
      most = fmaxf(most, fabsf((float)rounded<u8>(box_mean(picture, y, x, c, 2)) -
                               rounded<u8>(box_mean(before, y, x, c, 2))));
    if (most >= noticed) frames = lasts;
  }
  at<u8>(out, y, x) = (u8)frames;
}

extern "C" __global__ void blend_where(Array picture, Array before, Array where, Array out, float share) {
  PIXEL_OF(out);
  for (int c = 0; c < 3; ++c) {
    const float now = at<u8>(picture, y, x, c), then = at<u8>(before, y, x, c);
    at<u8>(out, y, x, c) = at<u8>(where, y, x) ? rounded<u8>(now * share + then * (1 - share)) : (u8)now;
  }
}

// The network's matte steadied by the previous one: realtime.masks states the rule.
extern "C" __global__ void steady(Array matte, Array previous, Array was_masked, Array smooth, Array masked,
                                  float smoothing, float release, float on, float off) {
  PIXEL_OF(smooth);
  const float now = at<f32>(matte, y, x), then = at<f32>(previous, y, x);
  const float doubt = 1.0f - fabsf(2.0f * now - 1.0f);
  const float value = fmaxf(now + fmaxf(then - now, 0.0f) * (smoothing * doubt), then * release);
  at<f32>(smooth, y, x) = value;
  at<f32>(masked, y, x) = value >= on || (value >= off && at<f32>(was_masked, y, x) >= 0.5f) ? 1.0f : 0.0f;
}

// What is whole is lifted to `on`, what was masked and is not whole is lowered to `off`.
extern "C" __global__ void settle_matte(Array smooth, Array masked, Array whole, Array out, float on, float off) {
  PIXEL_OF(out);
  const float value = at<f32>(smooth, y, x);
  at<f32>(out, y, x) = at<u8>(whole, y, x) ? fmaxf(value, on) : (at<f32>(masked, y, x) > 0 ? off : value);
}
