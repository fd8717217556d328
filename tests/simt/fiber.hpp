// A function with a stack of its own, which can stop in the middle and go on later.
#pragma once

#include <boost/context/detail/fcontext.hpp>
#include <cstddef>
#include <functional>
#include <memory>

namespace gpuinfer::simt {

class Fiber {
 public:
  Fiber();
  ~Fiber();
  Fiber(const Fiber&) = delete;
  Fiber& operator=(const Fiber&) = delete;

  /// Begins anew with `body`, which must not throw; whatever ran before is abandoned where it stopped.
  void start(std::function<void()> body);

  /// Runs the body until it calls suspend() or ends.
  void resume();

  /// Called in the body: goes back to who called resume().
  void suspend();

  /// Whether that is a place of its stack.
  bool owns(const void* address) const { return address >= stack_.get() && address < stack_.get() + kStackBytes; }
  bool ended() const { return ended_; }

 private:
  /// Room for a kernel compiled without optimisation, for a thrown Failure and for AddressSanitizer.
  static constexpr std::size_t kStackBytes = 256U << 10;

  static void enter(boost::context::detail::transfer_t from);
  void leave(bool for_good);

  std::unique_ptr<std::byte[]> stack_;
  std::function<void()> body_;
  boost::context::detail::fcontext_t inside_ = nullptr;
  boost::context::detail::fcontext_t outside_ = nullptr;
  bool ended_ = true;
  // What AddressSanitizer wants to know about stacks.
  void* fake_stack_ = nullptr;
  const void* outside_stack_ = nullptr;
  std::size_t outside_stack_bytes_ = 0;
};

}  // namespace gpuinfer::simt
