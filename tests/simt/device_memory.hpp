// Memory of GPUs that are not the thread's current one: kernels cannot touch it, copies can.
#pragma once

namespace gpuinfer::simt {

class GuardedMemory;

/// The piece of any GPU's memory that has this address can be accessed for as long as it lives; memory of the host can
/// anyway.
class Opened {
 public:
  explicit Opened(const void* address);
  ~Opened();
  Opened(const Opened&) = delete;
  Opened& operator=(const Opened&) = delete;

 private:
  GuardedMemory* closed_ = nullptr;
};

}  // namespace gpuinfer::simt
