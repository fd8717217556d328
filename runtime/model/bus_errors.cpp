// The signal handler and the table that it reads.
#include "runtime/model/bus_errors.hpp"

#include <signal.h>
#include <sys/mman.h>

#include <array>
#include <atomic>
#include <cstdint>
#include <mutex>

#include "base/error.hpp"

namespace gpuinfer::model {
namespace {

/// Everything in it is lock-free, because a signal handler reads it. A slot with end 0 is free.
struct Slot {
  std::atomic<std::uintptr_t> begin{0};
  std::atomic<std::uintptr_t> end{0};
  std::atomic<bool> failed{false};
};

std::array<Slot, 1024> slots;
/// Held while a slot is taken.
std::mutex slots_mutex;
struct sigaction previous_action;

/// Returns to the instruction that failed, which then finds zeros; or, where the address is none of ours, fails again
/// and meets whoever handled the signal before us.
void on_bus_error(int signal, siginfo_t* info, void*) {
  const auto address = reinterpret_cast<std::uintptr_t>(info->si_addr);
  for (Slot& slot : slots) {
    const std::uintptr_t begin = slot.begin;
    const std::uintptr_t end = slot.end;
    if (address < begin || address >= end) continue;
    slot.failed = true;
    void* const zeros = ::mmap(reinterpret_cast<void*>(begin), end - begin, PROT_READ,
                               MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
    if (zeros != MAP_FAILED) return;
  }
  ::sigaction(signal, &previous_action, nullptr);
}

void install_handler() {
  struct sigaction action {};
  action.sa_sigaction = on_bus_error;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGBUS, &action, &previous_action);
}

}  // namespace

WatchedMapping::WatchedMapping(const std::byte* data, std::size_t size) : slot_(0) {
  static std::once_flag installed;
  std::call_once(installed, install_handler);
  const std::lock_guard lock(slots_mutex);
  while (slot_ < slots.size() && slots[slot_].end != 0) ++slot_;
  if (slot_ == slots.size()) throw Error("more than " + std::to_string(slots.size()) + " files of weights are mapped");
  Slot& slot = slots[slot_];
  slot.failed = false;
  slot.begin = reinterpret_cast<std::uintptr_t>(data);
  slot.end = reinterpret_cast<std::uintptr_t>(data) + size;
}

WatchedMapping::~WatchedMapping() { slots[slot_].end = 0; }

bool WatchedMapping::failed() const { return slots[slot_].failed; }

}  // namespace gpuinfer::model
