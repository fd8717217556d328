// Which steps are recorded, and which launched as they are.
#include "runtime/backend/cuda/step_graphs.hpp"

#include "catch.hpp"
#include "simt/gpu.hpp"

namespace gpuinfer::backend::cuda {
namespace {

/// Runs steps that launch nothing, on the GPU that tests/simt plays.
class Runs {
 public:
  Runs() { simt::gpu() = {}; }
  ~Runs() { simt::gpu() = {}; }
  Runs(const Runs&) = delete;
  Runs& operator=(const Runs&) = delete;

  void run(std::int64_t tokens) {
    graphs_.run({.tokens = tokens}, queue_, [this] { ++launched_; });
  }
  /// How often the launches were asked for: as they are, or to be recorded.
  std::int64_t launched() const { return launched_; }

 private:
  Queue queue_;
  StepGraphs graphs_;
  std::int64_t launched_ = 0;
};

TEST_CASE("a shape is recorded when it comes again, and then launched as one graph") {
  Runs runs;
  runs.run(1);
  CHECK(simt::gpu().recorded == 0);
  runs.run(2);
  CHECK(simt::gpu().recorded == 0);
  for (int i = 0; i < 3; ++i) runs.run(1);
  CHECK(simt::gpu().recorded == 1);
  CHECK(simt::gpu().graph_launches == 3);
  CHECK(runs.launched() == 3);
}

TEST_CASE("of too many shapes the one is forgotten that was not used for longest") {
  Runs runs;
  const auto most = static_cast<std::int64_t>(StepGraphs::kMostGraphs);
  for (std::int64_t tokens = 1; tokens <= most; ++tokens) {
    runs.run(tokens);
    runs.run(tokens);
  }
  CHECK(simt::gpu().recorded == most);
  runs.run(1);
  runs.run(most + 1);
  const std::int64_t launched = runs.launched();
  runs.run(1);
  CHECK(runs.launched() == launched);
  runs.run(2);
  CHECK(runs.launched() == launched + 1);
  CHECK(simt::gpu().recorded == most);
}

TEST_CASE("a GPU that cannot record is asked once, and every step is launched") {
  Runs runs;
  simt::gpu().records = false;
  for (int i = 0; i < 4; ++i) runs.run(1);
  runs.run(2);
  runs.run(2);
  CHECK(runs.launched() == 6);
  CHECK(simt::gpu().graph_launches == 0);
}

}  // namespace
}  // namespace gpuinfer::backend::cuda
