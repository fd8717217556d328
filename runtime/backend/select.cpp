// The backends of this build.
#include "runtime/backend/select.hpp"

#include <filesystem>
#include <string>

#include "base/error.hpp"
#include "base/log.hpp"
#include "runtime/backend/cpu/cpu_backend.hpp"
#include "runtime/backend/cpu/thread_count.hpp"
#include "runtime/backend/reference/reference_backend.hpp"

namespace gpuinfer::backend {
namespace {

const char* why_no_gpu() {
  return std::filesystem::exists("/dev/nvidiactl") ? "a GPU is there, but this build has no CUDA backend"
                                                   : "this machine shows no NVIDIA GPU";
}

}  // namespace

std::unique_ptr<Backend> make_backend(std::string_view name, std::shared_ptr<const model::Model> model,
                                      std::int64_t kv_pages, int threads) {
  if (name == "reference") return make_reference_backend(std::move(model), kv_pages);
  if (name != "cpu" && name != "auto") {
    throw Error("unknown backend '" + std::string(name) + "'", "Choose auto, cpu or reference.");
  }
  auto backend = make_cpu_backend(*model, kv_pages, threads > 0 ? threads : usable_cpus());
  if (name == "auto") {
    log(LogLevel::kInfo, "backend chosen", {{"backend", backend->description()}, {"reason", why_no_gpu()}});
  }
  return backend;
}

}  // namespace gpuinfer::backend
