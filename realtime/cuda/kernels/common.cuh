// Shared by all kernels. They are gather kernels without shared memory or barriers: each thread makes whole pixels of its
// own, so the same source compiled by a host compiler and run in a plain loop gives the same results (tests/cuda).
// No doubles: they cost most GPUs, though not those of data centres, 32 or 64 times as much as floats.

struct Array {  // rows of `width` pixels of `channels` values, `pitch` bytes apart
  unsigned char* data;
  int height, width, channels, pitch;
};

// Where the pixels of one picture lie in another: a homography as what it adds to whole steps, for which floats do.
struct Motion {
  int whole[2];          // x and y: whole pixels by which everything is moved
  float linear[4];       // by rows, less the identity
  float shift[2];        // the rest of a pixel
  float perspective[2];  // the last row, whose last number is 1
};

typedef unsigned char u8;
typedef float f32;

#define PIXEL_OF(out)                                                      \
  const int x = blockIdx.x * blockDim.x + threadIdx.x;                     \
  const int y = blockIdx.y * blockDim.y + threadIdx.y;                     \
  if (x >= (out).width || y >= (out).height) return

template <class T>
__device__ inline T* row(const Array& array, int y) {
  return (T*)(array.data + (long long)y * array.pitch);
}

template <class T>
__device__ inline T& at(const Array& array, int y, int x, int channel = 0) {
  return row<T>(array, y)[x * array.channels + channel];
}

__device__ inline int within(int value, int low, int high) { return value < low ? low : (value > high ? high : value); }

__device__ inline int mirrored(int i, int count) {  // as BORDER_REFLECT_101
  if (count == 1) return 0;
  while (i < 0 || i >= count) i = i < 0 ? -i : 2 * count - 2 - i;
  return i;
}

template <class T>
__device__ inline T rounded(float value);

template <>
__device__ inline u8 rounded<u8>(float value) {
  return (u8)fminf(fmaxf(rintf(value), 0.0f), 255.0f);
}

template <>
__device__ inline f32 rounded<f32>(float value) {
  return value;
}
