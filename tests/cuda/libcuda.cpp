// A driver's library for cuda-python to call: one GPU, which is the CPU. What is queued on a stream is done when somebody
// waits for it; kernels are the launch_NAME functions of the library that KERNELS names. Errors as the driver's own.
#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <string>
#include <vector>

typedef unsigned long long Pointer;
typedef void (*Kernel)(const unsigned*, const unsigned*, void**);
enum { OK = 0, INVALID_VALUE = 1, INVALID_CONTEXT = 201, NOT_FOUND = 500, NOT_READY = 600 };
static int context, stream, event;
static thread_local void* current = nullptr;
static std::vector<std::function<void()>> queue;
static std::map<std::string, int> calls;

#define CALL(name) extern "C" int name
#define IN_CONTEXT(name)                     \
  ++calls[name];                             \
  if (current != &context) return INVALID_CONTEXT

CALL(cuInit)(unsigned) { return OK; }
CALL(cuDriverGetVersion)(int* version) { return *version = 13000, OK; }
CALL(cuDeviceTotalMem_v2)(size_t* size, int) { return *size = 8ull << 30, OK; }
CALL(cuDeviceGetCount)(int* count) { return *count = 1, OK; }
CALL(cuDeviceGet)(int* device, int) { return *device = 0, OK; }
CALL(cuDeviceGetName)(char* name, int size, int) { return snprintf(name, size, "a GPU for tests"), OK; }
CALL(cuDeviceGetAttribute)(int* value, int which, int) { return *value = which == 75 ? 8 : 9, OK; }  // sm_89
CALL(cuDevicePrimaryCtxRetain)(void** made, int) { return *made = &context, OK; }
CALL(cuCtxSetCurrent)(void* now) { return current = now, OK; }
CALL(cuModuleLoadData)(void** module, const void* image) {
  IN_CONTEXT("load");
  if (memcmp(image, "\x7f" "ELF", 4)) return INVALID_VALUE;
  *module = dlopen(getenv("KERNELS"), RTLD_NOW);
  return *module ? OK : INVALID_VALUE;
}
CALL(cuModuleUnload)(void*) { return OK; }
CALL(cuModuleGetFunction)(void** function, void* module, const char* name) {
  *function = dlsym(module, (std::string("launch_") + name).c_str());
  return *function ? OK : NOT_FOUND;
}
CALL(cuStreamCreate)(void** made, unsigned flags) { return *made = &stream, flags == 1 ? OK : INVALID_VALUE; }
CALL(cuStreamDestroy_v2)(void*) { return OK; }
CALL(cuEventCreate)(void** made, unsigned) { return *made = &event, OK; }
CALL(cuEventDestroy_v2)(void*) { return OK; }
CALL(cuEventRecord)(void*, void* where) { return where ? ++calls["record"], OK : INVALID_VALUE; }
CALL(cuEventQuery)(void*) { return queue.empty() ? OK : NOT_READY; }
CALL(cuStreamWaitEvent)(void* who, void*, unsigned) { return who == &stream ? OK : INVALID_VALUE; }
CALL(cuMemAlloc_v2)(Pointer* made, size_t size) {
  IN_CONTEXT("allocate");
  return *made = (Pointer)malloc(size), OK;
}
CALL(cuMemHostAlloc)(void** made, size_t size, unsigned) {
  IN_CONTEXT("allocate");
  return *made = malloc(size), OK;
}
CALL(cuMemFree_v2)(Pointer what) {
  IN_CONTEXT("free");
  return free((void*)what), OK;
}
CALL(cuMemFreeHost)(void* what) {
  IN_CONTEXT("free");
  return free(what), OK;
}
CALL(cuMemcpyHtoDAsync_v2)(Pointer to, const void* from, size_t size, void* on) {
  IN_CONTEXT("copy");
  queue.push_back([=] { memcpy((void*)to, from, size); });
  return on == &stream ? OK : INVALID_VALUE;
}
CALL(cuMemcpyDtoHAsync_v2)(void* to, Pointer from, size_t size, void* on) {
  IN_CONTEXT("copy");
  queue.push_back([=] { memcpy(to, (void*)from, size); });
  return on == &stream ? OK : INVALID_VALUE;
}
// It runs the kernel at once, since it cannot know how much to copy of the arguments.
CALL(cuLaunchKernel)(void* function, unsigned gx, unsigned gy, unsigned gz, unsigned bx, unsigned by, unsigned bz,
                     unsigned shared, void* on, void** parameters, void** extra) {
  IN_CONTEXT("launch");
  if (on != &stream || shared || extra || gz != 1 || bx * by * bz > 1024) return INVALID_VALUE;
  for (auto& work : queue) work();
  queue.clear();
  const unsigned grid[3] = {gx, gy, gz}, block[3] = {bx, by, bz};
  ((Kernel)function)(grid, block, parameters);
  return OK;
}
CALL(cuStreamSynchronize)(void* on) {
  IN_CONTEXT("wait");
  for (auto& work : queue) work();
  queue.clear();
  return on == &stream ? OK : INVALID_VALUE;
}
CALL(cuGetErrorName)(int, const char** name) { return *name = "an error", OK; }

CALL(cuGetProcAddress_v2)(const char* name, void** function, int, unsigned long long, int* status) {
  Dl_info self;
  dladdr((void*)&cuInit, &self);
  void* library = dlopen(self.dli_fname, RTLD_NOW | RTLD_NOLOAD);
  *function = nullptr;
  for (const char* suffix : {"_v2", ""})
    if (!*function) *function = dlsym(library, (std::string(name) + suffix).c_str());
  if (status) *status = *function ? 0 : 1;
  return *function ? OK : NOT_FOUND;
}
