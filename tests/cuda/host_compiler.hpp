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
  for (unsigned by = 0; by < grid[1]; ++by)
    for (unsigned bx = 0; bx < grid[0]; ++bx)
      for (unsigned ty = 0; ty < block[1]; ++ty)
        for (unsigned tx = 0; tx < block[0]; ++tx) {
          blockIdx = {bx, by, 0};
          threadIdx = {tx, ty, 0};
          call(kernel, parameters, std::index_sequence_for<A...>{});
        }
}
