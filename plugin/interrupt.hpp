// Ctrl-C that ends one answer instead of the program.
#pragma once

#include <signal.h>

namespace gpuinfer::plugin {

/// While it lives, SIGINT sets requested() and does nothing else. One at a time.
class InterruptGuard {
 public:
  InterruptGuard();
  ~InterruptGuard();
  InterruptGuard(const InterruptGuard&) = delete;
  InterruptGuard& operator=(const InterruptGuard&) = delete;

  bool requested() const;

 private:
  struct sigaction previous_;
};

}  // namespace gpuinfer::plugin
