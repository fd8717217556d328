#include "runtime/selftest/selftest.hpp"

#include <ostream>
#include <string>
#include <utility>

#include "base/version.hpp"
#include "runtime/backend/cuda/device.hpp"
#include "runtime/backend/select.hpp"
#include "runtime/selftest/run_cases.hpp"

namespace gpuinfer::selftest {
namespace {

constexpr const char* kWhatToDo =
    "Run this where nvidia-smi lists a GPU. A container sees one when it asks for nvidia.com/gpu: 1 (Kubernetes) or is "
    "started with --gpus all (Docker).";

void print_no_gpu(const backend::cuda::NoDevice& error, std::ostream& out) {
  out << "no GPU: " << error.what() << "\n  " << (error.remedy().empty() ? kWhatToDo : error.remedy()) << std::endl;
}

}  // namespace

int run(const std::string& backend_name, int threads, std::ostream& out) {
  out << "gpuinfer-server " << kVersion << " --selftest" << std::endl;
  std::string chosen = backend_name;
  if (chosen == "cuda" || chosen == "auto") {
    try {
      for (const std::string& line : backend::describe_gpu()) out << line << std::endl;
      chosen = "cuda";
    } catch (const backend::cuda::NoDevice& error) {
      print_no_gpu(error, out);
      if (chosen == "cuda") return kNoGpuExitCode;
      chosen = "cpu";
    }
  }
  out << "backend: " << chosen << "\n" << std::endl;
  const MakeBackend make_backend = [&](std::shared_ptr<const model::Model> model, std::int64_t pages) {
    return backend::make_backend(chosen, std::move(model), backend::KvPlan::of_pages(pages), threads);
  };
  const int failures =
      run_cases(all_cases(), make_backend, chosen == "cuda" ? kBfloat16Tolerance : kFloat32Tolerance, out);
  return failures == 0 ? 0 : 1;
}

}  // namespace gpuinfer::selftest
