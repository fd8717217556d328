// One step of the transformer as a sequence of kernels.
#include "runtime/backend/cuda/cuda_backend.hpp"

#include <algorithm>
#include <deque>
#include <exception>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "runtime/backend/check_batch.hpp"
#include "runtime/backend/cpu/thread_pool.hpp"
#include "runtime/backend/cuda/communicator.hpp"
#include "runtime/backend/cuda/device.hpp"
#include "runtime/backend/cuda/device_model.hpp"
#include "runtime/backend/cuda/memory_plan.hpp"
#include "runtime/backend/cuda/rank.hpp"
#include "runtime/backend/cuda/shard.hpp"
#include "runtime/backend/cuda/step.hpp"
#include "runtime/backend/cuda/step_graphs.hpp"
#include "runtime/backend/cuda/token_sampler.hpp"
#include "runtime/backend/cuda/workspace.hpp"

namespace gpuinfer::backend {
namespace cuda {
namespace {

/// The first rank's, where all logits come together.
constexpr int kSamplingDevice = 0;

constexpr const char* kRanksFlag = "--tensor-parallel-size";

class CudaBackend final : public Backend {
 public:
  CudaBackend(const model::Model& model, const KvPlan& kv_plan, int threads, std::int64_t ranks)
      : config_(model.config) {
    std::vector<Shard> shards;
    for (std::int64_t rank = 0; rank < ranks; ++rank) shards.push_back(make_shard(model, rank, ranks));
    std::vector<Device> devices = open_devices(ranks);
    if (ranks > 1) {
      communicator_.emplace(ranks);
      devices = open_devices(ranks);  // NCCL has taken its memory.
    }
    description_ = "cuda (" + (ranks > 1 ? std::to_string(ranks) + " × " : "") + devices.front().name + ")";
    std::vector<GpuLoad> loads;
    for (std::size_t i = 0; i < shards.size(); ++i) {
      loads.push_back({.device = devices[i], .weights_bytes = device_bytes(shards[i])});
    }
    plan_ = plan_memory(loads, shards.front().model.config, kv_plan);
    make_ranks(shards, devices, threads);
  }

  std::string description() const override { return description_; }
  std::int64_t vocab_size() const override { return config_.vocab_size; }
  std::int64_t hidden_size() const override { return config_.hidden_size; }
  std::int64_t max_position_embeddings() const override { return config_.max_position_embeddings; }
  const std::vector<KvGroup>& kv_groups() const override { return plan_.kv_groups; }
  bool samples() const override { return true; }

  /// With several GPUs each would have to be told the tokens that the first one chose.
  bool runs_ahead() const override { return ranks_.size() == 1; }

  void forward(std::span<const Slice> batch, std::span<float> logits, std::span<float> hidden,
               std::span<SampledToken> sampled) override {
    begin(batch, logits, hidden, sampled);
    finish();
  }

  void begin(std::span<const Slice> batch, std::span<float> logits, std::span<float> hidden,
             std::span<SampledToken> sampled) override {
    try {
      check_batch(*this, batch, logits, hidden, sampled);
      check_underway(batch);
      if (failure_) std::rethrow_exception(failure_);
      if (underway_.empty()) wait();  // Where the last step threw, its inputs may still be on their way.
      std::vector<TokenId> tokens(batch.size());
      if (!underway_.empty() && !underway_.back().end) {
        compute_all(with_known_tokens(batch, underway_.back().sampled, tokens), logits, hidden, sampled);
      } else {
        compute_all(batch, logits, hidden, sampled);
      }
    } catch (...) {
      underway_.clear();
      throw;
    }
  }

  void finish() override {
    if (underway_.empty()) throw std::logic_error("no step is under way");
    const StepUnderway step = underway_.front();
    underway_.pop_front();
    if (!step.end) return;
    try {
      first().queue().wait_for(step.end);
    } catch (...) {
      underway_.clear();
      throw;
    }
    std::ranges::copy(step.tokens, step.sampled.begin());
  }

 private:
  static std::vector<Device> open_devices(std::int64_t ranks) {
    if (const int count = count_devices(); count < ranks) {
      throw Error(std::string(kRanksFlag) + " " + std::to_string(ranks) +
                      " needs as many GPUs, and this process sees " + std::to_string(count),
                  "Give the container more GPUs (nvidia.com/gpu), or lower " + std::string(kRanksFlag) + ".");
    }
    std::vector<Device> devices;
    for (int rank = 0; rank < ranks; ++rank) devices.push_back(open_device(rank));
    return devices;
  }

  void make_ranks(const std::vector<Shard>& shards, const std::vector<Device>& devices, int threads) {
    std::vector<Queue> queues;
    for (const Shard& shard : shards) {
      use_device(static_cast<int>(shard.rank));
      queues.emplace_back();
    }
    ThreadPool pool(threads);
    std::vector<DeviceModel> models = upload_shards(shards, pool, queues);
    for (std::size_t i = 0; i < shards.size(); ++i) {
      ranks_.emplace_back(shards[i], devices[i], std::move(queues[i]), std::move(models[i]), plan_);
    }
    use_device(kSamplingDevice);
    sampler_.emplace();
  }

  Rank& first() { return ranks_.front(); }

  void check_underway(std::span<const Slice> batch) const {
    if (underway_.size() > (runs_ahead() ? 1 : 0)) throw std::logic_error("too many steps are under way");
    const std::size_t chosen = underway_.empty() ? 0 : underway_.back().sampled.size();
    const auto follows_any = [&](const Slice& slice) { return !slice.follows || *slice.follows < chosen; };
    if (!std::ranges::all_of(batch, follows_any)) throw std::invalid_argument("batch: a token follows none");
  }

  /// One portion of a batch after the other. Only what is chosen from a single one can be waited for later.
  void compute_all(std::span<const Slice> batch, std::span<float> logits, std::span<float> hidden,
                   std::span<SampledToken> sampled) {
    const std::vector<std::vector<Slice>> portions = cut_batch(batch, kStepTokens);
    if (runs_ahead() && portions.size() == 1 && logits.empty() && hidden.empty()) {
      launch(portions.front(), {}, {});
      underway_.push_back({.end = first().queue().mark(), .tokens = sampler_->tokens(), .sampled = sampled});
      return;
    }
    underway_.push_back({.sampled = sampled});
    for (const std::vector<Slice>& portion : portions) {
      const auto numbers = [](std::size_t rows, std::int64_t columns) {
        return rows * static_cast<std::size_t>(columns);
      };
      const std::size_t logits_size = numbers(count_logits_rows(portion), config_.vocab_size);
      const std::size_t hidden_size = numbers(count_hidden_rows(portion), config_.hidden_size);
      compute(portion, logits.first(logits_size), hidden.first(hidden_size));
      std::ranges::copy(sampler_->tokens(), sampled.begin());
      logits = logits.subspan(logits_size);
      hidden = hidden.subspan(hidden_size);
      sampled = sampled.subspan(sampler_->tokens().size());
    }
  }

  /// All layers for the tokens of `slices`; the tokens that they ask for are sampler_'s then.
  void compute(std::span<const Slice> slices, std::span<float> logits, std::span<float> hidden) {
    try {
      launch(slices, logits, hidden);
      wait();
    } catch (const OutOfDeviceMemory&) {
      throw;
    } catch (const Error&) {
      if (communicator_) failure_ = std::current_exception();
      throw;
    }
  }

  /// The same, which has happened when the queue has been waited for.
  void launch(std::span<const Slice> slices, std::span<float> logits, std::span<float> hidden) {
    for (Rank& rank : ranks_) rank.begin(slices, plan_.kv_groups);
    use_device(kSamplingDevice);
    sampler_->begin(first().step().rows, first().queue());
    run(first().step());
    download_hidden(slices, hidden);
    compute_logits(first().step(), logits);
  }

  /// From token ids to work().normalized.
  void run(const Step& step) {
    if (communicator_) return run_together();
    const auto launches = [&] {
      for (std::size_t part = 0; part < first().parts(); ++part) first().run(part);
    };
    if (step.shape) {
      graphs_.run(*step.shape, first().queue(), launches);
    } else {
      launches();
    }
  }

  /// The same on several GPUs. Graphs end where ranks give each other something: those with NCCL's kernels in them that
  /// one thread launches on several GPUs may wait for each other ("Using NCCL with CUDA Graphs": requirements).
  void run_together() {
    for (std::size_t part = 0; part < first().parts(); ++part) {
      const std::int64_t numbers = first().step().tokens * config_.hidden_size;
      if (part > 0) gather(&Workspace::branch, &Workspace::branches, 1, numbers);
      for (Rank& rank : ranks_) rank.run_by_graph(part);
    }
  }

  /// [rows, columns] of every rank to [rows, ranks, columns] on all of them.
  void gather(DeviceArray<float> Workspace::*part, DeviceArray<float> Workspace::*whole, std::int64_t rows,
              std::int64_t columns) {
    std::vector<Communicator::Member> members;
    for (Rank& rank : ranks_) {
      members.push_back(
          {.part = (rank.work().*part).data(), .whole = (rank.work().*whole).data(), .stream = rank.queue().stream()});
    }
    communicator_->gather(members, rows, columns);
  }

  /// Until all GPUs are done. One that has failed does not give the others its part: nobody may wait for these alone.
  void wait() {
    if (communicator_) {
      while (!std::ranges::all_of(ranks_, [](Rank& rank) { return rank.queue().is_done(); })) {
        std::this_thread::yield();
      }
    }
    for (Rank& rank : ranks_) rank.queue().wait();
  }

  void download_hidden(std::span<const Slice> slices, std::span<float> hidden) {
    if (hidden.empty()) return;
    const auto columns = static_cast<std::size_t>(config_.hidden_size);
    std::size_t tokens = 0;
    for (const Slice& slice : slices) tokens += slice.tokens.size();
    std::vector<Bfloat16> rows(tokens * columns);
    first().queue().download(std::as_writable_bytes(std::span(rows)), first().work().normalized.data());
    wait();
    std::span<const Bfloat16> rest = rows;
    for (const Slice& slice : slices) {
      const std::span<const Bfloat16> of_slice = rest.first(slice.tokens.size() * columns);
      rest = rest.subspan(of_slice.size());
      if (!slice.hidden) continue;
      std::ranges::transform(of_slice, hidden.begin(), widen);
      hidden = hidden.subspan(of_slice.size());
    }
  }

  /// And gives of each row what is wanted: the logits, the next token.
  void compute_logits(const Step& step, std::span<float> logits) {
    const bool is_shared = first().has_part_of_head();
    const std::span<Rank> ranks = is_shared ? std::span(ranks_) : std::span(ranks_).first(1);
    for (Rank& rank : ranks) rank.select_logits_rows();
    for (std::int64_t begin = 0; begin < step.logits_rows; begin += kLogitsRows) {
      const std::int64_t rows = std::min(kLogitsRows, step.logits_rows - begin);
      for (Rank& rank : ranks) rank.compute_logits(begin, rows);
      if (is_shared) {
        gather(&Workspace::logits_part, &Workspace::logits, rows, config_.vocab_size / std::ssize(ranks_));
      }
      use_device(kSamplingDevice);
      sampler_->sample(begin, config_.vocab_size, first().work(), first().queue());
      logits = download_logits(
          std::span(step.rows).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(rows)), logits);
    }
    sampler_->download(first().work(), first().queue());
  }

  /// Of those rows of the first GPU's logits that are wanted, and returns where the next ones go.
  std::span<float> download_logits(std::span<const LogitsRow> rows, std::span<float> logits) {
    const auto size = static_cast<std::size_t>(config_.vocab_size);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      if (!rows[i].wanted) continue;
      first().queue().download(std::as_writable_bytes(logits.first(size)), first().work().logits.data() + i * size);
      logits = logits.subspan(size);
    }
    return logits;
  }

  /// Where `end` is null, the step is done, and its tokens are in `sampled`.
  struct StepUnderway {
    Mark end = {};
    std::span<const SampledToken> tokens = {};  ///< where they arrive
    std::span<SampledToken> sampled = {};
  };

  model::ModelConfig config_;  ///< of the whole model
  std::string description_;
  MemoryPlan plan_;
  std::vector<Rank> ranks_;
  StepGraphs graphs_;
  std::deque<StepUnderway> underway_;
  std::optional<TokenSampler> sampler_;  ///< of the first GPU, which has to be the current one when it is made
  /// Of one of several GPUs: no step can be computed any more, because the others may wait for it.
  std::exception_ptr failure_;
  /// Where there are several GPUs. The first to go: what the others wait for is given up.
  std::optional<Communicator> communicator_;
};

}  // namespace
}  // namespace cuda

std::unique_ptr<Backend> make_cuda_backend(const model::Model& model, const KvPlan& kv_plan, int threads,
                                           std::int64_t gpus) {
  return std::make_unique<cuda::CudaBackend>(model, kv_plan, threads, gpus);
}

}  // namespace gpuinfer::backend
