// The API server's clock out of its answers.
#include "kube/server_clock.hpp"

#include "catch.hpp"

namespace gpuinfer::kube {
namespace {

using std::chrono::hours;
using std::chrono::seconds;
using std::chrono::system_clock;

/// Answers with one Date, whatever it is asked.
struct DatedTransport : Transport {
  explicit DatedTransport(std::string text) : date(std::move(text)) {}
  HttpResponse send(const HttpRequest&, const BodyReceiver&, std::stop_token) override {
    return {.status = 200, .headers = {{"date", date}}, .body = ""};
  }
  std::string date;
};

/// By how much the clock is ahead of this machine's after one answer.
hours ahead_after(const std::string& date, const BodyReceiver& receive = {}) {
  ServerClock clock(std::make_unique<DatedTransport>(date));
  clock.send({}, receive, {});
  return std::chrono::round<hours>(clock.now() - system_clock::now());
}

std::string date_in(hours distance) {
  const std::time_t time = system_clock::to_time_t(system_clock::now() + distance);
  char text[64];
  REQUIRE(std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", std::gmtime(&time)) > 0);
  return text;
}

TEST_CASE("the server's clock counts, not ours") {
  CHECK(ahead_after(date_in(hours(0))) == hours(0));
  CHECK(ahead_after(date_in(hours(5000))) == hours(5000));
  CHECK(ahead_after(date_in(hours(-36))) == hours(-36));
}

TEST_CASE("without a date, our own clock has to do") {
  CHECK(ahead_after("") == hours(0));
  CHECK(ahead_after("yesterday") == hours(0));
}

TEST_CASE("the date of an answer that was streamed is too old") {
  CHECK(ahead_after(date_in(hours(7)), [](std::string_view) { return true; }) == hours(0));
}

}  // namespace
}  // namespace gpuinfer::kube
