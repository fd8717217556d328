// The read bandwidth of this machine in GB/s: the roof of every decode figure in bench/.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <numeric>
#include <thread>
#include <vector>

namespace {

constexpr std::size_t kWordsPerThread = 32 * 1024 * 1024;  // 256 MiB: larger than any cache
constexpr int kRounds = 7;

/// Seconds in which every thread sums its own buffer once.
double read_all(const std::vector<std::vector<std::uint64_t>>& buffers, std::vector<std::uint64_t>& sums) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::jthread> threads;
  for (std::size_t i = 0; i < buffers.size(); ++i) {
    threads.emplace_back(
        [&, i] { sums[i] += std::accumulate(buffers[i].begin(), buffers[i].end(), std::uint64_t{0}); });
  }
  threads.clear();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

}  // namespace

int main(int argc, char** argv) {
  const int threads = argc > 1 ? std::atoi(argv[1]) : static_cast<int>(std::thread::hardware_concurrency());
  if (threads < 1) {
    std::fprintf(stderr, "error: the number of threads must be at least 1\n");
    return 2;
  }
  const std::vector<std::vector<std::uint64_t>> buffers(static_cast<std::size_t>(threads),
                                                        std::vector<std::uint64_t>(kWordsPerThread, 1));
  std::vector<std::uint64_t> sums(buffers.size());
  double best = 1e9;
  for (int round = 0; round < kRounds; ++round) best = std::min(best, read_all(buffers, sums));
  const auto expected = static_cast<std::uint64_t>(kRounds) * kWordsPerThread;
  if (std::any_of(sums.begin(), sums.end(), [&](std::uint64_t sum) { return sum != expected; })) return 1;
  std::printf("%.2f\n", static_cast<double>(threads) * kWordsPerThread * sizeof(std::uint64_t) / best / 1e9);
}
