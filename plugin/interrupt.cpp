// The SIGINT handler behind InterruptGuard.
#include "plugin/interrupt.hpp"

namespace gpuinfer::plugin {

namespace {

volatile sig_atomic_t interrupted = 0;

}  // namespace

InterruptGuard::InterruptGuard() : previous_{} {
  interrupted = 0;
  struct sigaction action {};
  action.sa_handler = [](int) { interrupted = 1; };
  action.sa_flags = SA_RESTART;  // reads of the answer go on: it is asked between two pieces
  sigaction(SIGINT, &action, &previous_);
}

InterruptGuard::~InterruptGuard() { sigaction(SIGINT, &previous_, nullptr); }

bool InterruptGuard::requested() const { return interrupted != 0; }

}  // namespace gpuinfer::plugin
