// In which of the possible orders the threads of a launch run.
#pragma once

#include <cstdint>
#include <functional>

namespace gpuinfer::simt {

/// Runs `test` under several schedules. Throws what the first that fails throws; a Failure names the schedule, and
/// Catch2 prints it with every other message.
void under_schedules(const std::function<void()>& test);

/// The seed from which the next launch draws the order of its blocks and threads.
void set_schedule(std::uint64_t seed);

}  // namespace gpuinfer::simt
