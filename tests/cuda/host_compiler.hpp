// Lets a host compiler build the kernels: one thread after the other, grid and block as loops around a kernel.
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <type_traits>
#include <utility>

struct Index {
  unsigned x, y, z;
};
static thread_local Index threadIdx, blockIdx, blockDim;
extern "C" int backwards;
int backwards = 0;  // whether the last thread of the last block comes first

#define __global__
#define __device__
#define __forceinline__ inline

template <class A, class B>
static inline std::common_type_t<A, B> max(A a, B b) { return a < b ? b : a; }
template <class A, class B>
static inline std::common_type_t<A, B> min(A a, B b) { return b < a ? b : a; }

template <class T>
static inline T atomicAdd(T* place, T value) { T before = *place; *place += value; return before; }
template <class T>
static inline T atomicMin(T* place, T value) { T before = *place; *place = min(before, value); return before; }
template <class T>
static inline T atomicMax(T* place, T value) { T before = *place; *place = max(before, value); return before; }

template <class... A, size_t... I>
static void call(void (*kernel)(A...), void** parameters, std::index_sequence<I...>) {
  kernel(*(std::remove_reference_t<A>*)parameters[I]...);
}

template <class... A>
static void run(void (*kernel)(A...), const unsigned* grid, const unsigned* block, void** parameters) {
  blockDim = {block[0], block[1], block[2]};
  const unsigned threads = block[0] * block[1], count = grid[0] * grid[1] * threads;
  for (unsigned i = 0; i < count; ++i) {
    const unsigned number = backwards ? count - 1 - i : i, which = number / threads, thread = number % threads;
    blockIdx = {which % grid[0], which / grid[0], 0};
    threadIdx = {thread % block[0], thread / block[0], 0};
    call(kernel, parameters, std::index_sequence_for<A...>{});
  }
}
