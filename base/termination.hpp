// How a long-running program learns that it should end.
#pragma once

namespace gpuinfer {

/// Blocks SIGTERM and SIGINT (and ignores SIGPIPE) in the calling thread and in every thread that it starts afterwards:
/// construct it first in main(). The signals are then taken synchronously by wait(), so no code runs in a signal
/// handler.
class Termination {
 public:
  Termination();

  /// Returns when SIGTERM or SIGINT arrives, with its number. A second signal after that ends the process at once.
  int wait();
};

}  // namespace gpuinfer
