// webhook/front/request_reader: requests in any pieces, and bytes that are none.
#include "webhook/front/request_reader.hpp"

#include <random>

#include "catch.hpp"
#include "tests/webhook/raw_client.hpp"

using namespace gpuinfer::webhook;
using State = RequestReader::State;

namespace {

const std::string kChunked =
    "POST /mutate?timeout=3s HTTP/1.1\r\nHost: webhook\r\nContent-Type: application/json\r\n"
    "Transfer-Encoding: chunked\r\n\r\n3\r\n{\"a\r\n4;x=y\r\n\":1}\r\n0\r\n\r\n";

}  // namespace

TEST_CASE("a request is the same in one piece and byte by byte") {
  const auto [text, body] = GENERATE(
      values<std::pair<std::string, std::string>>({{post_request("/mutate?timeout=3s", "{\"a\":1}"), "{\"a\":1}"},
                                                   {kChunked, "{\"a\":1}"},
                                                   {post_request("/mutate", ""), ""}}));
  const std::size_t piece = GENERATE(as<std::size_t>{}, 1, 7, 10'000);
  RequestReader reader({});
  for (int round = 0; round < 2; ++round) {
    CHECK(reader.state() == State::kIdle);
    for (std::size_t i = 0; i < text.size(); i += piece) reader.push(std::string_view(text).substr(i, piece));
    REQUIRE(reader.state() == State::kComplete);
    CHECK(reader.keeps_alive());
    const Request request = reader.take();
    CHECK(request.method == "POST");
    CHECK(request.path == "/mutate");
    CHECK(request.content_type == "application/json");
    CHECK(request.body == body);
    CHECK(reader.held_bytes() == 0);
  }
}

TEST_CASE("pipelined requests come out one after the other") {
  RequestReader reader({});
  const std::string third = post_request("/3", "33", "Connection: close\r\n");
  reader.push(post_request("/1", "1") + post_request("/2", "2") + third.substr(0, 20));
  CHECK(reader.take().path == "/1");
  reader.push(third.substr(20, 20));
  CHECK(reader.take().path == "/2");
  CHECK(reader.state() == State::kHeader);
  reader.push(third.substr(40));
  CHECK_FALSE(reader.keeps_alive());
  CHECK(reader.take().body == "33");
  CHECK(reader.state() == State::kIdle);
}

TEST_CASE("a sender that waits for it is to be told to continue, once") {
  RequestReader reader({});
  const std::string request = post_request("/", "body", "Expect: 100-Continue\r\n");
  reader.push(request.substr(0, request.size() - 4));
  CHECK(reader.must_send_continue());
  CHECK_FALSE(reader.must_send_continue());
  reader.push("body");
  CHECK(reader.state() == State::kComplete);

  RequestReader impatient({});
  impatient.push(request.substr(0, request.size() - 2));
  CHECK_FALSE(impatient.must_send_continue());
}

TEST_CASE("what is too large or no HTTP is refused, with the status that says so") {
  const RequestLimits limits{.header_bytes = 300, .body_bytes = 10};
  struct Case {
    std::string bytes;
    int status;
  };
  const Case refused = GENERATE(values<Case>({
      {post_request("/", "12345678901"), 413},
      {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nB\r\n12345678901", 413},
      {"POST / HTTP/1.1\r\nContent-Length: 99999999999999999999\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nX: " + std::string(400, 'x'), 431},
      {"GET /" + std::string(400, 'x'), 431},
      {std::string(20, '\0'), 400},
      {"\x16\x03\x01\x02\x05\x01", 400},
      {"GET / HTTP/9.9\r\n\r\n", 400},
      {"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
      {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n", 400},
  }));
  INFO(refused.bytes);
  RequestReader reader(limits);
  reader.push(refused.bytes);
  REQUIRE(reader.state() == State::kRefused);
  CHECK(reader.refusal().status == refused.status);
  reader.push(post_request("/", "1"));
  CHECK(reader.state() == State::kRefused);
  CHECK(reader.held_bytes() == 0);
}

TEST_CASE("mutated requests are read, refused, or waited for") {
  std::mt19937 random(11);
  const RequestLimits limits{.header_bytes = 1000, .body_bytes = 1000};
  int complete = 0;
  int refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string bytes = random() % 2 == 0 ? kChunked : post_request("/mutate", "{}", "Expect: 100-continue\r\n");
    bytes += bytes;
    for (auto edits = random() % 4; edits > 0; --edits) {
      const std::size_t at = random() % bytes.size();
      switch (random() % 3) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes.erase(at, 1 + random() % 10);
          break;
        default:
          bytes.insert(at, bytes.substr(random() % bytes.size(), random() % 20));
      }
      if (bytes.empty()) bytes = "\n";
    }
    RequestReader reader(limits);
    for (std::size_t at = 0; at < bytes.size();) {
      const std::size_t piece = 1 + random() % 100;
      reader.push(std::string_view(bytes).substr(at, piece));
      at += piece;
      reader.must_send_continue();
      while (reader.state() == State::kComplete) {
        reader.take();
        ++complete;
      }
      CHECK(reader.held_bytes() <= 3000);
    }
    if (reader.state() == State::kRefused) ++refused;
  }
  CHECK(complete > 1000);
  CHECK(refused > 1000);
}
