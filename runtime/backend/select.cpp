// The backends of this build.
#include "runtime/backend/select.hpp"

#include <string>
#include <utility>

#include "base/error.hpp"
#include "base/log.hpp"
#include "runtime/backend/cpu/cpu_backend.hpp"
#include "runtime/backend/cpu/thread_count.hpp"
#include "runtime/backend/cuda/device.hpp"
#include "runtime/backend/reference/reference_backend.hpp"
#ifdef GPUINFER_CUDA
#include "runtime/backend/cuda/cuda_backend.hpp"
#include "runtime/backend/cuda/describe_device.hpp"
#include "runtime/backend/cuda/device_model.hpp"
#endif

namespace gpuinfer::backend {
namespace {

#ifdef GPUINFER_CUDA
/// Null, with the reason, where there is no GPU or it cannot compute the model.
std::unique_ptr<Backend> try_cuda(const model::Model& model, const KvPlan& kv_plan, int threads, std::string& why_not) {
  try {
    return make_cuda_backend(model, kv_plan, threads);
  } catch (const cuda::NoDevice& error) {
    why_not = error.what();
  } catch (const cuda::UnsupportedModel& error) {
    why_not = error.what();
  }
  return nullptr;
}
#else
constexpr const char* kNoCuda = "this build has no CUDA backend";
constexpr const char* kTakeCuda = "Take the image with CUDA, or build where nvcc is.";

std::unique_ptr<Backend> make_cuda_backend(const model::Model&, const KvPlan&, int, std::int64_t) {
  throw cuda::NoDevice(kNoCuda, kTakeCuda);
}

std::unique_ptr<Backend> try_cuda(const model::Model&, const KvPlan&, int, std::string& why_not) {
  why_not = kNoCuda;
  return nullptr;
}
#endif

}  // namespace

std::unique_ptr<Backend> make_backend(std::string_view name, std::shared_ptr<const model::Model> model,
                                      const KvPlan& kv_plan, int threads, std::int64_t gpus) {
  const int usable = threads > 0 ? threads : usable_cpus();
  const std::vector<KvGroup> usual = kv_plan.groups(model->config, kv_plan.usual_tokens);
  if (gpus > 1 && name == "auto") name = "cuda";
  if (gpus > 1 && name != "cuda") {
    throw Error(
        "--tensor-parallel-size " + std::to_string(gpus) + " is for GPUs, and the backend is " + std::string(name),
        "Use --backend cuda, or leave --tensor-parallel-size out.");
  }
  if (name == "reference") return make_reference_backend(std::move(model), usual);
  if (name == "cuda") return make_cuda_backend(*model, kv_plan, usable, gpus);
  if (name == "cpu") return make_cpu_backend(*model, usual, usable);
  if (name != "auto") {
    throw Error("unknown backend '" + std::string(name) + "'", "Choose auto, cuda, cpu or reference.");
  }
  std::string why_no_gpu;
  if (auto backend = try_cuda(*model, kv_plan, usable, why_no_gpu)) return backend;
  auto backend = make_cpu_backend(*model, usual, usable);
  log(LogLevel::kInfo, "backend chosen", {{"backend", backend->description()}, {"reason", why_no_gpu}});
  return backend;
}

std::vector<std::string> describe_gpu() {
#ifdef GPUINFER_CUDA
  const cuda::Device device = cuda::open_device();
  std::vector<std::string> lines = cuda::describe(device);
  lines.push_back("copies inside its memory read and write " +
                  std::to_string(static_cast<int>(cuda::measure_copy_bandwidth(device))) + " GB/s");
  return lines;
#else
  throw cuda::NoDevice(kNoCuda, kTakeCuda);
#endif
}

}  // namespace gpuinfer::backend
