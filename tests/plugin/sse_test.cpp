// Server-sent events in pieces of every size, and streams that are damaged.
#include "plugin/sse.hpp"

#include <random>
#include <vector>

#include "base/error.hpp"
#include "catch.hpp"

namespace gpuinfer::plugin {

namespace {

std::vector<std::string> events_of(const std::string& stream, std::size_t piece_bytes) {
  std::vector<std::string> events;
  SseParser parser([&](std::string_view data) { events.emplace_back(data); });
  for (std::size_t i = 0; i < stream.size(); i += piece_bytes)
    parser.feed(std::string_view(stream).substr(i, piece_bytes));
  return events;
}

}  // namespace

TEST_CASE("events do not depend on how the stream was cut") {
  const std::string stream =
      ": a comment\n\n"
      "data: {\"a\":1}\n\n"
      "event: x\r\ndata: first\r\ndata: second\r\nid: 7\r\n\r\n"
      "data:no space\r\rdata:  two spaces\n\n"
      "data\n\n"
      "data: \xe2\x82\xac\n\n"
      "data: [DONE]\n\n"
      "data: never ended";
  const std::vector<std::string> expected = {"{\"a\":1}", "first\nsecond", "no space", " two spaces",
                                             "",          "\xe2\x82\xac",  "[DONE]"};
  for (std::size_t piece_bytes = 1; piece_bytes <= stream.size(); ++piece_bytes) {
    INFO(piece_bytes);
    CHECK(events_of(stream, piece_bytes) == expected);
  }
}

TEST_CASE("an event without end is refused before memory runs out") {
  SseParser parser([](std::string_view) {});
  const std::string piece(1 << 20, 'x');
  CHECK_THROWS_AS(
      [&] {
        for (int i = 0; i < 64; ++i) parser.feed(piece);
      }(),
      Error);
}

TEST_CASE("a damaged stream never does more than give other events") {
  const std::string stream =
      "data: {\"choices\":[{\"delta\":{\"content\":\"hi\"}}]}\r\n\r\ndata: a\ndata: b\n\ndata: [DONE]\n\n";
  std::mt19937 random(1);
  for (int round = 0; round < 4000; ++round) {
    std::string damaged = stream;
    for (int change = 0; change < 3; ++change) damaged[random() % damaged.size()] = static_cast<char>(random());
    if (round % 3 == 0) damaged.resize(random() % damaged.size() + 1);
    CHECK(events_of(damaged, 1 + random() % 9).size() <= damaged.size());
  }
}

}  // namespace gpuinfer::plugin
