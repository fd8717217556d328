// gpuinfer-server --selftest: whether this program computes on this machine what it should.
#pragma once

#include <iosfwd>
#include <string>

namespace gpuinfer::selftest {

/// The exit code where a GPU was asked for and there is none that can be used; that of checks that fail is 1.
inline constexpr int kNoGpuExitCode = 3;

/// Writes what computes, then the table of run_cases(). `backend_name` and `threads` are those of make_backend();
/// "auto" is the CPU where there is no GPU. Returns the program's exit code.
int run(const std::string& backend_name, int threads, std::ostream& out);

}  // namespace gpuinfer::selftest
