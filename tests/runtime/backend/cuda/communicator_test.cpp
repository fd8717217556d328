// What communicator.cpp asks of NCCL, and what it makes of NCCL's failures.
#include "runtime/backend/cuda/communicator.hpp"

#include <cstdlib>

#include "base/error.hpp"
#include "catch.hpp"

namespace gpuinfer::backend::cuda {
namespace {

/// How the fake NCCL fails, for as long as it lives.
struct Fake {
  explicit Fake(const char* settings) { setenv("GPUINFER_FAKE_NCCL", settings, 1); }
  ~Fake() { unsetenv("GPUINFER_FAKE_NCCL"); }
  Fake(const Fake&) = delete;
  Fake& operator=(const Fake&) = delete;
};

TEST_CASE("what every rank has stands side by side on all of them") {
  for (const std::int64_t ranks : {2, 4}) {
    for (const std::int64_t rows : {1, 3}) {
      constexpr std::int64_t kColumns = 5;
      Communicator communicator(ranks);
      std::vector<std::vector<float>> parts;
      std::vector<std::vector<float>> wholes;
      for (std::int64_t rank = 0; rank < ranks; ++rank) {
        std::vector<float>& part = parts.emplace_back();
        for (std::int64_t i = 0; i < rows * kColumns; ++i) part.push_back(static_cast<float>(100 * rank + i));
        wholes.emplace_back(static_cast<std::size_t>(ranks * rows * kColumns));
      }
      std::vector<Communicator::Member> members;
      for (std::size_t rank = 0; rank < parts.size(); ++rank) {
        members.push_back({.part = parts[rank].data(), .whole = wholes[rank].data()});
      }
      communicator.gather(members, rows, kColumns);
      std::vector<float> expected;
      for (std::int64_t row = 0; row < rows; ++row) {
        for (const std::vector<float>& part : parts) {
          expected.insert(expected.end(), part.begin() + row * kColumns, part.begin() + (row + 1) * kColumns);
        }
      }
      for (const std::vector<float>& whole : wholes) CHECK(whole == expected);
    }
  }
}

TEST_CASE("NCCL's failures are errors that say how to learn more") {
  {
    const Fake fake("init=2");
    try {
      const Communicator communicator(2);
      FAIL("it works");
    } catch (const Error& error) {
      CHECK(error.what() == std::string("NCCL fails to bring the GPUs together: unhandled system error"));
      CHECK_THAT(error.remedy(), Catch::Contains("NCCL_DEBUG"));
    }
  }
  Communicator communicator(2);
  const Fake fake("gathers=0");
  float numbers[3] = {};
  const Communicator::Member members[] = {{.part = numbers, .whole = numbers + 1},
                                          {.part = numbers, .whole = numbers + 1}};
  CHECK_THROWS_WITH(communicator.gather(members, 1, 1), Catch::Contains("NCCL fails to gather: internal error"));
}

}  // namespace
}  // namespace gpuinfer::backend::cuda
