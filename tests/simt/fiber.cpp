// Fibers on Boost.Context's switch of stacks, of which AddressSanitizer is told.
#include "simt/fiber.hpp"

#include <cstdlib>
#include <utility>
#include <vector>

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

namespace gpuinfer::simt {
namespace {

/// Of fibers that are no more, for those of the next launch: every thread of every launch has one.
std::vector<std::unique_ptr<std::byte[]>>& spare_stacks() {
  static std::vector<std::unique_ptr<std::byte[]>> stacks;
  return stacks;
}

#ifdef __SANITIZE_ADDRESS__
void before_switch(void** save, const void* stack, std::size_t bytes) {
  __sanitizer_start_switch_fiber(save, stack, bytes);
}
void after_switch(void* saved, const void** stack, std::size_t* bytes) {
  __sanitizer_finish_switch_fiber(saved, stack, bytes);
}
#else
void before_switch(void** /*save*/, const void* /*stack*/, std::size_t /*bytes*/) {}
void after_switch(void* /*saved*/, const void** /*stack*/, std::size_t* /*bytes*/) {}
#endif

}  // namespace

Fiber::Fiber() {
  if (spare_stacks().empty()) {
    stack_.reset(new std::byte[kStackBytes]);
  } else {
    stack_ = std::move(spare_stacks().back());
    spare_stacks().pop_back();
  }
}

Fiber::~Fiber() {
  // What was abandoned in the middle is in use as far as AddressSanitizer knows.
  if (ended_) spare_stacks().push_back(std::move(stack_));
}

void Fiber::start(std::function<void()> body) {
  body_ = std::move(body);
  ended_ = false;
  inside_ = boost::context::detail::make_fcontext(stack_.get() + kStackBytes, kStackBytes, enter);
}

void Fiber::resume() {
  void* fake_stack = nullptr;
  before_switch(&fake_stack, stack_.get(), kStackBytes);
  inside_ = boost::context::detail::jump_fcontext(inside_, this).fctx;
  after_switch(fake_stack, nullptr, nullptr);
}

void Fiber::suspend() { leave(false); }

void Fiber::enter(boost::context::detail::transfer_t from) {
  auto* fiber = static_cast<Fiber*>(from.data);
  after_switch(nullptr, &fiber->outside_stack_, &fiber->outside_stack_bytes_);
  fiber->outside_ = from.fctx;
  fiber->body_();
  fiber->ended_ = true;
  fiber->leave(true);
  std::abort();
}

void Fiber::leave(bool for_good) {
  before_switch(for_good ? nullptr : &fake_stack_, outside_stack_, outside_stack_bytes_);
  outside_ = boost::context::detail::jump_fcontext(outside_, nullptr).fctx;
  after_switch(fake_stack_, nullptr, nullptr);
}

}  // namespace gpuinfer::simt
