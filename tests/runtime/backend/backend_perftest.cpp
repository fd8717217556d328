// How fast a backend computes prompts and single tokens, and how far that is from this machine's memory bandwidth.
//
//   backend_perftest MODEL [--backend cpu] [--threads 0] [--prompt 512] [--generate 128] [--streams 1] [--repeat 3]
#include <algorithm>
#include <cstdio>
#include <ctime>
#include <iostream>
#include <memory>
#include <numeric>
#include <thread>
#include <vector>

#include <CLI/CLI.hpp>

#include "base/error.hpp"
#include "runtime/backend/cpu/huge_buffer.hpp"
#include "runtime/backend/cpu/thread_count.hpp"
#include "runtime/backend/kv_plan.hpp"
#include "runtime/backend/select.hpp"

namespace gpuinfer::backend {
namespace {

double seconds(clockid_t clock = CLOCK_MONOTONIC) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

/// What a step took: by the clock, and of all threads' time on a core (with one thread, the second is the speed on an
/// idle machine, however busy this one is).
struct Time {
  double wall = 0;
  double cpu = 0;

  static Time now() { return {seconds(), seconds(CLOCK_PROCESS_CPUTIME_ID)}; }
  Time& operator+=(const Time& other) {
    wall += other.wall;
    cpu += other.cpu;
    return *this;
  }
  Time operator-(const Time& other) const { return {wall - other.wall, cpu - other.cpu}; }
};

struct Options {
  std::string model;
  std::string backend = "cpu";
  int threads = 0;
  std::int64_t prompt = 512;
  std::int64_t generate = 128;
  std::int64_t streams = 1;
  int repeat = 3;
};

/// Bytes per second that `threads` threads read from memory together.
double read_bandwidth(int threads) {
  constexpr std::size_t kBytes = std::size_t{256} << 20;
  HugeBuffer buffer(kBytes);
  std::ranges::fill(buffer.bytes(), std::byte{1});
  const std::span words(reinterpret_cast<const std::uint64_t*>(buffer.bytes().data()), kBytes / 8);
  std::vector<std::uint64_t> sums(static_cast<std::size_t>(threads) * 8);
  double best = 0;
  for (int round = 0; round < 5; ++round) {
    const double begin = seconds();
    {
      std::vector<std::jthread> readers;
      for (int t = 0; t < threads; ++t) {
        readers.emplace_back([&, t] {
          const std::size_t share = words.size() / static_cast<std::size_t>(threads);
          const auto part = words.subspan(static_cast<std::size_t>(t) * share, share);
          sums[static_cast<std::size_t>(t) * 8] += std::accumulate(part.begin(), part.end(), std::uint64_t{0});
        });
      }
    }
    best = std::max(best, static_cast<double>(kBytes) / (seconds() - begin));
  }
  if (std::accumulate(sums.begin(), sums.end(), std::uint64_t{0}) == 0) std::puts("(nothing read)");
  return best;
}

/// Bytes of weights that a step reads.
std::int64_t weight_bytes(const model::Weights& weights) {
  std::size_t bytes = weights.lm_head.bytes.size();
  for (const model::LayerWeights& layer : weights.layers) {
    const model::Mlp& mlp = layer.experts.front();
    for (const model::Linear* linear : {&layer.q, &layer.k, &layer.v, &layer.o, &mlp.gate, &mlp.up, &mlp.down}) {
      bytes += linear->weight.bytes.size();
    }
  }
  return static_cast<std::int64_t>(bytes);
}

/// `streams` sequences with tokens made up; their content has no influence on speed.
class Load {
 public:
  Load(Backend& backend, std::int64_t streams, std::int64_t length) : backend_(backend) {
    const std::int64_t pages = pages_for(length);
    for (std::int64_t s = 0; s < streams; ++s) {
      auto& table = pages_.emplace_back(static_cast<std::size_t>(pages));
      std::iota(table.begin(), table.end(), static_cast<std::int32_t>(s * pages));
      tables_.emplace_back(backend.kv_groups().size(), table);
    }
    logits_.resize(static_cast<std::size_t>(streams * backend.vocab_size()));
  }

  /// Runs the next `count` tokens of every stream in one step.
  Time step(std::int64_t count) {
    std::vector<TokenId> tokens(static_cast<std::size_t>(count));
    for (TokenId& token : tokens) token = static_cast<TokenId>(random_ = (random_ * 1103515245 + 12345) % 1000);
    std::vector<Slice> batch;
    for (std::size_t s = 0; s < pages_.size(); ++s)
      batch.push_back({tokens, position_, tables_[batch.size()], Logits::kLast});
    position_ += count;
    const Time begin = Time::now();
    backend_.forward(batch, logits_, {});
    return Time::now() - begin;
  }

 private:
  Backend& backend_;
  std::vector<std::vector<std::int32_t>> pages_;
  std::vector<std::vector<PageTable>> tables_;  ///< of each stream: its pages for every KV group
  std::vector<float> logits_;
  std::int64_t position_ = 0;
  std::int64_t random_ = 1;
};

/// Tokens per second of several rounds.
class Rates {
 public:
  void add(std::int64_t tokens, Time time) {
    wall_.push_back(static_cast<double>(tokens) / time.wall);
    cpu_.push_back(static_cast<double>(tokens) / time.cpu);
  }
  double wall() const { return median(wall_); }
  double cpu() const { return median(cpu_); }

 private:
  static double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
  }
  std::vector<double> wall_, cpu_;
};

void run(const Options& options) {
  const double begin = seconds();
  const auto model = std::make_shared<const model::Model>(model::load_model(model::find_model(options.model)));
  const double loaded = seconds();
  const std::int64_t length = options.prompt + options.generate;
  const std::int64_t pages = pages_for(length) * options.streams;
  const auto backend = make_backend(options.backend, model, KvPlan::of_pages(pages), options.threads);
  const double ready = seconds();

  const int threads = options.threads > 0 ? options.threads : usable_cpus();
  const double bandwidth = read_bandwidth(threads);
  const auto bytes = static_cast<double>(weight_bytes(model->weights));
  std::printf("%s on %s\n", options.model.c_str(), backend->description().c_str());
  std::printf("load %.3f s, prepare %.3f s; weights %.1f MB; read bandwidth %.1f GB/s\n", loaded - begin,
              ready - loaded, bytes / 1e6, bandwidth / 1e9);

  Rates prompt;
  Rates decode;
  for (int i = 0; i < options.repeat; ++i) {
    Load load(*backend, options.streams, length);
    prompt.add(options.streams * options.prompt, load.step(options.prompt));
    Time time;
    for (std::int64_t token = 0; token < options.generate; ++token) time += load.step(1);
    decode.add(options.streams * options.generate, time);
  }
  const double weights_per_second = decode.wall() / static_cast<double>(options.streams) * bytes;
  std::printf("prompt %2ld x %4ld: %7.1f tokens/s (%7.1f per second of CPU)\n", options.streams, options.prompt,
              prompt.wall(), prompt.cpu());
  std::printf(
      "decode %2ld x %4ld: %7.1f tokens/s (%7.1f per second of CPU), weights at %.1f GB/s, %.0f %% of the bandwidth\n",
      options.streams, options.generate, decode.wall(), decode.cpu(), weights_per_second / 1e9,
      100 * weights_per_second / bandwidth);
}

}  // namespace
}  // namespace gpuinfer::backend

int main(int argc, char** argv) {
  gpuinfer::backend::Options options;
  CLI::App app("Prompt and decode speed of a backend");
  app.add_option("model", options.model, "A .gguf file or a folder")->required();
  app.add_option("--backend", options.backend, "auto, cpu or reference")->capture_default_str();
  app.add_option("--threads", options.threads, "0: all that this process may use")->capture_default_str();
  app.add_option("--prompt", options.prompt, "Tokens of each prompt")->capture_default_str();
  app.add_option("--generate", options.generate, "Tokens after it, one by one")->capture_default_str();
  app.add_option("--streams", options.streams, "Sequences in one batch")->capture_default_str();
  app.add_option("--repeat", options.repeat, "Rounds; the median counts")->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    gpuinfer::backend::run(options);
  } catch (const gpuinfer::Error& error) {
    std::cerr << "error: " << error.what() << "\n  " << error.remedy() << "\n";
    return 1;
  }
  return 0;
}
