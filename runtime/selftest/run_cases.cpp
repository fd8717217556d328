#include "runtime/selftest/run_cases.hpp"

#include <chrono>
#include <future>
#include <iomanip>
#include <ostream>

namespace gpuinfer::selftest {
namespace {

constexpr int kCaseWidth = 40;
constexpr int kCheckWidth = 34;

void print_row(std::ostream& out, const std::string& name, const std::string& check, const std::string& result) {
  out << std::left << std::setw(kCaseWidth) << name << std::setw(kCheckWidth) << check << result << std::endl;
}

}  // namespace

int run_cases(const std::vector<Case>& cases, const MakeBackend& make_backend, const Tolerance& tolerance,
              std::ostream& out) {
  const auto start = std::chrono::steady_clock::now();
  std::vector<std::future<Expectation>> expectations;
  for (const Case& one : cases) {
    expectations.push_back(
        std::async(std::launch::async, [&] { return compute_expectation(one, tolerance.precision); }));
  }
  print_row(out, "MODEL", "CHECK", "RESULT");
  int checks = 0;
  int failures = 0;
  for (std::size_t i = 0; i < cases.size(); ++i) {
    std::string name = cases[i].name;
    const bool is_mixture = cases[i].shape.config.num_experts > 0;
    run_case(cases[i], expectations[i].get(), is_mixture ? tolerance.mixture : tolerance.dense, make_backend,
             [&](const Outcome& outcome) {
               ++checks;
               if (!outcome.passed) ++failures;
               print_row(out, name, outcome.check, (outcome.passed ? "ok      " : "FAILED  ") + outcome.result);
               name.clear();  // It stands in the first of its rows.
             });
  }
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  out << "\n"
      << checks - failures << " of " << checks << " checks passed in " << std::fixed << std::setprecision(0)
      << elapsed.count() << " s" << std::endl;
  return failures;
}

}  // namespace gpuinfer::selftest
