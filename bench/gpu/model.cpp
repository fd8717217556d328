// Predicts what GPUs make of gpt-oss, as Markdown: the backend's own host code runs its steps on a GPU that computes
// nothing, and what the launches cost at least is held against what the GPU can do.
#include <algorithm>
#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bench/gpu/gpt_oss_shape.hpp"
#include "bench/gpu/recording_gpu.hpp"
#include "runtime/backend/cuda/cuda_backend.hpp"

namespace gpuinfer::bench {
namespace {

using backend::Backend;
using backend::cuda::Device;

/// From NVIDIA's data sheets; BF16 on tensor cores without sparsity.
struct Gpu {
  const char* name;
  std::int64_t multiprocessors;
  double memory_gb;
  double gb_per_second;
  double tflops;
  double pcie_gb_per_second;  ///< of PCIe 4 and 5 with 16 lanes, as far as copies get
};

constexpr Gpu kGpus[] = {
    {"L4 (g6)", 58, 24, 300, 121, 25},         {"A10G (g5)", 80, 24, 600, 70, 25},
    {"L40S (g6e)", 142, 48, 864, 362, 25},     {"A100 80 GB (p4de)", 108, 80, 2039, 312, 25},
    {"H100 SXM (p5)", 132, 80, 3350, 989, 50},
};

struct Shape {
  const char* name;
  std::int64_t layers;
  std::int64_t experts;
};

constexpr Shape kShapes[] = {{"gpt-oss-20b", 24, 32}, {"gpt-oss-120b", 36, 128}};

constexpr std::int64_t kContext = 1024;
constexpr std::int64_t kBatches[] = {1, 8, 32, 128};
constexpr std::int64_t kPrompts[] = {1024, 8192};

// What is assumed of a GPU that nobody has measured. Decoding reaches 76 % (calm, Mixtral on an H100), 78 % (Hazy's
// megakernel, H100) and 91 to 95 % (calm, RTX 4090) of the bandwidth elsewhere. mma.sync, which the kernels use,
// reaches about two thirds of what an H100's wgmma does.
constexpr double kBandwidthShare = 0.8;
constexpr double kTensorShare = 0.5;
/// Between two kernels of a queue that is never empty (Hazy Research: 1.3 µs even in a graph), and of the host for each
/// kernel or graph that it launches (3 to 5 µs).
constexpr double kGapSeconds = 1.3e-6;
constexpr double kHostLaunchSeconds = 4e-6;

/// Calls of Backend::forward() after which a step of the same shape asks of the GPU what all later ones do: the first
/// is launched kernel by kernel, the second recorded as a graph.
constexpr int kWarmUps = 2;

/// What one call of Backend::forward() asks of the GPU.
Recording record(Backend& backend, std::int64_t sequences, std::int64_t position, std::int64_t tokens) {
  const std::vector<TokenId> ids(static_cast<std::size_t>(tokens));
  // All sequences share the first page: nobody reads it.
  const std::vector<std::int32_t> pages(static_cast<std::size_t>(backend::pages_for(position + tokens)));
  const std::vector<backend::PageTable> page_tables(backend.kv_groups().size(), pages);
  const backend::TokenSampling sampling{.generated_vocab_size = backend.vocab_size()};
  const std::vector<backend::Slice> batch(static_cast<std::size_t>(sequences), {.tokens = ids,
                                                                                .position = position,
                                                                                .page_tables = page_tables,
                                                                                .logits = backend::Logits::kNone,
                                                                                .sampling = &sampling});
  std::vector<backend::SampledToken> sampled(batch.size());
  for (int i = 0; i < kWarmUps; ++i) backend.forward(batch, {}, {}, sampled);
  take_recording();
  backend.forward(batch, {}, {}, sampled);
  return take_recording();
}

/// As if every launch used either the memory or the tensor cores fully.
double limit_seconds(const backend::cuda::Cost& cost, const Gpu& gpu, double bandwidth_share = 1,
                     double tensor_share = 1) {
  return std::max(static_cast<double>(cost.bytes) / (bandwidth_share * gpu.gb_per_second * 1e9),
                  static_cast<double>(cost.flops) / (tensor_share * gpu.tflops * 1e12));
}

double limit_seconds(const Recording& step, const Gpu& gpu) {
  double seconds = 0;
  for (const Launch& launch : step.launches) seconds += limit_seconds(launch.cost, gpu);
  return seconds;
}

double predicted_seconds(const backend::cuda::Cost& cost, const Gpu& gpu) {
  return limit_seconds(cost, gpu, kBandwidthShare, kTensorShare) + kGapSeconds;
}

double predicted_seconds(const Recording& step, const Gpu& gpu) {
  double seconds = 0;
  for (const Launch& launch : step.launches) seconds += predicted_seconds(launch.cost, gpu);
  return std::max(seconds, kHostLaunchSeconds * static_cast<double>(step.host_launches)) +
         static_cast<double>(step.downloaded_bytes) / (gpu.pcie_gb_per_second * 1e9);
}

struct Step {
  std::string name;
  std::int64_t tokens;
  Recording recording;
};

/// All steps of a model on a GPU; nothing where it does not fit, with a KV cache for the largest batch.
std::optional<std::vector<Step>> record_steps(const Shape& shape, const Gpu& gpu) {
  const auto memory = static_cast<std::int64_t>(gpu.memory_gb * 1e9);
  set_device(Device{.name = gpu.name,
                    .compute_capability = 80,
                    .multiprocessors = gpu.multiprocessors,
                    .memory_bytes = memory,
                    .free_bytes = memory});
  const std::int64_t pages = std::ranges::max(kBatches) * backend::pages_for(kContext);
  std::unique_ptr<Backend> backend;
  try {
    backend =
        backend::make_cuda_backend(gpt_oss_shape(shape.layers, shape.experts), backend::KvPlan::of_pages(pages), 1);
  } catch (const backend::cuda::OutOfDeviceMemory&) {
    return std::nullopt;
  }
  std::vector<Step> steps;
  for (const std::int64_t batch : kBatches) {
    steps.push_back({"decode, batch " + std::to_string(batch), batch, record(*backend, batch, kContext - 1, 1)});
  }
  for (const std::int64_t tokens : kPrompts) {
    steps.push_back({"prompt of " + std::to_string(tokens), tokens, record(*backend, 1, 0, tokens)});
  }
  return steps;
}

backend::cuda::Cost total(const std::vector<Launch>& launches) {
  backend::cuda::Cost sum;
  for (const Launch& launch : launches) {
    sum.bytes += launch.cost.bytes;
    sum.flops += launch.cost.flops;
  }
  return sum;
}

std::string range(std::size_t least, std::size_t most) {
  return least == most ? std::to_string(least) : std::to_string(least) + " to " + std::to_string(most);
}

void print_work(const std::vector<std::vector<Step>>& of_gpus) {
  std::printf(
      "| step | GB | GFLOP | kernels | launched by the host | tokens over PCIe, bytes |\n|---|---|---|---|---|---|\n");
  for (std::size_t i = 0; i < of_gpus.front().size(); ++i) {
    const Step& step = of_gpus.front()[i];
    const backend::cuda::Cost sum = total(step.recording.launches);
    std::vector<std::size_t> kernels;
    for (const std::vector<Step>& steps : of_gpus) kernels.push_back(steps[i].recording.launches.size());
    const auto [least, most] = std::ranges::minmax(kernels);
    std::printf("| %s | %.3f | %.0f | %s | %lld | %lld |\n", step.name.c_str(), static_cast<double>(sum.bytes) / 1e9,
                static_cast<double>(sum.flops) / 1e9, range(least, most).c_str(),
                static_cast<long long>(step.recording.host_launches),
                static_cast<long long>(step.recording.downloaded_bytes));
  }
}

void print_speed(const Gpu& gpu, const std::optional<std::vector<Step>>& steps) {
  std::printf("| %s |", gpu.name);
  for (std::size_t i = 0; i < std::size(kBatches) + std::size(kPrompts); ++i) {
    if (!steps) {
      std::printf(" does not fit |");
      continue;
    }
    const Step& step = (*steps)[i];
    const auto tokens = static_cast<double>(step.tokens);
    const double limit = tokens / limit_seconds(step.recording, gpu);
    const double predicted = tokens / predicted_seconds(step.recording, gpu);
    std::printf(" %.0f / %.0f (%.0f %%) |", limit, predicted, 100 * predicted / limit);
  }
  std::printf("\n");
}

void print_kernels(const Step& step, const Gpu& gpu) {
  struct Sum {
    std::size_t launches = 0;
    double megabytes = 0;
    double limit = 0;
    double predicted = 0;
  };
  std::map<std::string, Sum> sums;
  for (const Launch& launch : step.recording.launches) {
    Sum& sum = sums[launch.kernel];
    sum.launches += 1;
    sum.megabytes += static_cast<double>(launch.cost.bytes) / 1e6;
    sum.limit += limit_seconds(launch.cost, gpu);
    sum.predicted += predicted_seconds(launch.cost, gpu);
  }
  std::printf("| kernel | launches | MB | limit, µs | predicted, µs |\n|---|---|---|---|---|\n");
  for (const auto& [kernel, sum] : sums) {
    std::printf("| `%s` | %zu | %.2f | %.1f | %.1f |\n", kernel.c_str(), sum.launches, sum.megabytes, 1e6 * sum.limit,
                1e6 * sum.predicted);
  }
}

void print_model(const Shape& shape) {
  std::vector<std::optional<std::vector<Step>>> of_gpus;
  std::vector<std::vector<Step>> fitting;
  for (const Gpu& gpu : kGpus) {
    of_gpus.push_back(record_steps(shape, gpu));
    if (of_gpus.back()) fitting.push_back(*of_gpus.back());
  }
  std::printf("\n## %s\n\nWork of a step; each sequence has a context of %lld tokens:\n\n", shape.name,
              static_cast<long long>(kContext));
  print_work(fitting);
  std::printf("\nTokens a second, of all sequences together: limit / predicted (share of the limit).\n\n| GPU |");
  for (const Step& step : fitting.front()) std::printf(" %s |", step.name.c_str());
  std::printf("\n|---|");
  for (std::size_t i = 0; i < fitting.front().size(); ++i) std::printf("---|");
  std::printf("\n");
  for (std::size_t i = 0; i < std::size(kGpus); ++i) print_speed(kGpus[i], of_gpus[i]);
  const Gpu& last = kGpus[std::size(kGpus) - 1];
  for (const std::size_t step : {std::size_t{0}, std::size(kBatches) - 1}) {
    std::printf("\nKernels of \"%s\" on an %s:\n\n", fitting.back()[step].name.c_str(), last.name);
    print_kernels(fitting.back()[step], last);
  }
}

void print_all() {
  std::printf(
      "# What GPUs should make of gpt-oss: a prediction\n\n"
      "**Nothing here was measured.** `gpu_model` (bench/gpu) prints this page: the CUDA backend's own host code runs\n"
      "its steps on a GPU that computes nothing and writes down what is launched, with the `cost()` that each kernel\n"
      "states: every byte once, every addition and multiplication. Measurements on GPUs shall replace it.\n\n"
      "- **Limit**: each launch takes the longer of its bytes at the data sheet's bandwidth and its operations at the\n"
      "  data sheet's dense BF16 rate. Nothing else costs anything.\n"
      "- **Predicted**: %.0f %% of that bandwidth, %.0f %% of that rate, %.1f µs between two kernels; but not less "
      "than\n"
      "  %.0f µs for each kernel or CUDA graph that the host launches; then the tokens cross PCIe. The shares are\n"
      "  assumptions (model.cpp says from where).\n"
      "- Left out: that a kernel of few blocks does not fill a GPU (norms and routing of a single token), what is "
      "read\n"
      "  again from the L2 cache, and what is computed only to fill a tile.\n"
      "- Tokens go to experts evenly; a step reads the experts that are then picked by any of its tokens.\n"
      "- Numbers of kernels differ between GPUs where attention is shared out over more multiprocessors, and "
      "merged.\n\n"
      "| GPU | multiprocessors | GB/s | TFLOP/s |\n|---|---|---|---|\n",
      100 * kBandwidthShare, 100 * kTensorShare, 1e6 * kGapSeconds, 1e6 * kHostLaunchSeconds);
  for (const Gpu& gpu : kGpus) {
    std::printf("| %s | %lld | %.0f | %.0f |\n", gpu.name, static_cast<long long>(gpu.multiprocessors),
                gpu.gb_per_second, gpu.tflops);
  }
  for (const Shape& shape : kShapes) print_model(shape);
}

}  // namespace
}  // namespace gpuinfer::bench

int main() { gpuinfer::bench::print_all(); }
