// webhook/front: connections as they are in the field: slow, silent, many, gone, and on their way out.
#include "webhook/front/front.hpp"

#include <atomic>
#include <map>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "catch.hpp"
#include "kube/certificate.hpp"
#include "tests/webhook/raw_client.hpp"
#include "tests/webhook/scratch.hpp"
#include "webhook/front/tls_context.hpp"

using namespace gpuinfer;
using namespace gpuinfer::webhook;

namespace {

using std::chrono::milliseconds;

/// Counts what a front reports.
struct Reports {
  std::mutex mutex;
  std::map<std::string, int> counts;

  void add(const std::string& what) {
    const std::lock_guard lock(mutex);
    ++counts[what];
  }
  int operator[](const std::string& what) {
    const std::lock_guard lock(mutex);
    return counts[what];
  }
};

/// A front over TLS that answers with the request's method, path and body.
struct Fixture {
  Reports reports;
  kube::KeyedCertificate pair = kube::make_server_certificate(kube::make_authority("a"), {"localhost"});
  Current<Certificate> certificate{Certificate(pair.certificate, pair.key)};
  TlsContext tls = make_tls_context(certificate);
  Front front;

  explicit Fixture(const FrontLimits& limits = {}) : front({0, 2, limits}, tls.get(), answer, events()) {}

  static Response answer(const Request& request) {
    if (request.path == "/throw") throw std::runtime_error("no idea");
    if (request.path == "/large") return {200, std::string(64 << 20, 'x'), "text/plain"};
    return {200, request.method + " " + request.path + " " + request.body + "\n", "text/plain"};
  }

  FrontEvents events() {
    return {[this](int, const std::string& reason, const std::string&) { reports.add(reason); },
            [this](Ending ending) { reports.add(name(ending)); }};
  }

  std::unique_ptr<RawClient> client() const {
    auto client = std::make_unique<RawClient>(front.port());
    REQUIRE(client->start_tls());
    return client;
  }

  /// What a client gets that sends `bytes` and then waits for the end.
  std::string exchange(const std::string& bytes) const {
    const auto sender = client();
    sender->send(bytes);
    return sender->receive_all();
  }
};

const std::string kGet = "GET /x HTTP/1.1\r\nHost: webhook\r\n\r\n";
const std::string kLastGet = "GET /last HTTP/1.1\r\nHost: webhook\r\nConnection: close\r\n\r\n";

}  // namespace

TEST_CASE("a response is what HTTP/1.1 says") {
  CHECK(wire_format({200, "ok\n", "text/plain"}, Persistence::kKeepAlive) ==
        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\n\r\nok\n");
  CHECK(wire_format({405, "{}", "application/json", "POST"}, Persistence::kClose, true) ==
        "HTTP/1.1 405 Method Not Allowed\r\nContent-Type: application/json\r\nContent-Length: 2\r\nAllow: POST\r\n"
        "Connection: close\r\n\r\n");
}

TEST_CASE("a connection carries one request after the other, pipelined or not, in order") {
  Fixture fixture;
  const auto client = fixture.client();
  std::string pipelined;
  for (int i = 0; i < 100; ++i) pipelined += post_request("/" + std::to_string(i), "body");
  client->send(kGet);
  CHECK(client->receive_until("GET /x \n").starts_with("HTTP/1.1 200 OK\r\n"));
  client->send(pipelined + kLastGet);
  const std::string answers = client->receive_all();
  std::size_t at = 0;
  for (int i = 0; i < 100; ++i) {
    at = answers.find("POST /" + std::to_string(i) + " body\n", at);
    REQUIRE(at != std::string::npos);
  }
  CHECK(answers.find("Connection: close\r\n\r\nGET /last \n") != std::string::npos);
  CHECK(eventually([&] { return fixture.reports["closed"] == 1; }));
}

TEST_CASE("HEAD, chunks and single bytes are understood") {
  Fixture fixture;
  CHECK(fixture.exchange("HEAD /x HTTP/1.1\r\nConnection: close\r\n\r\n").ends_with("close\r\n\r\n"));
  CHECK(fixture
            .exchange("PUT /c HTTP/1.1\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
                      "2\r\nab\r\n1\r\nc\r\n0\r\n\r\n")
            .ends_with("PUT /c abc\n"));
  const auto client = fixture.client();
  for (const char byte : post_request("/slow", "but whole")) client->send({&byte, 1});
  CHECK(client->receive_until("\n").starts_with("HTTP/1.1 200"));
  CHECK(fixture.exchange("GET / HTTP/1.0\r\n\r\n").ends_with("GET / \n"));
}

TEST_CASE("a sender that asks whether to go on is told to") {
  Fixture fixture;
  const auto client = fixture.client();
  client->send("POST /e HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n");
  CHECK(client->receive_until("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  client->send("body");
  CHECK(client->receive_until("POST /e body\n").starts_with("HTTP/1.1 200"));

  const std::string refused =
      fixture.exchange("POST /e HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 999999999\r\n\r\n");
  CHECK(refused.starts_with("HTTP/1.1 413 "));
}

TEST_CASE("bad requests get their status, an end, and a name in the metrics") {
  FrontLimits limits;
  limits.request = {.header_bytes = 1000, .body_bytes = 100'000};
  Fixture fixture(limits);
  CHECK(fixture.exchange(post_request("/", std::string(100'001, 'x'))).starts_with("HTTP/1.1 413 "));
  CHECK(fixture.exchange("POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n20000\r\n" + std::string(0x20000, 'x'))
            .starts_with("HTTP/1.1 413 "));
  CHECK(fixture.exchange("GET / HTTP/1.1\r\nX: " + std::string(2000, 'x')).starts_with("HTTP/1.1 431 "));
  CHECK(fixture.exchange("nonsense\r\n\r\n").starts_with("HTTP/1.1 400 "));
  CHECK(fixture.exchange("GET /throw HTTP/1.1\r\nConnection: close\r\n\r\n").starts_with("HTTP/1.1 500 "));
  CHECK(fixture.reports["too_large"] == 2);
  CHECK(fixture.reports["header_too_large"] == 1);
  CHECK(fixture.reports["malformed_http"] == 1);
  CHECK(fixture.reports["failed"] == 1);
}

TEST_CASE("what is not TLS is told so or dropped") {
  Fixture fixture;
  RawClient http(fixture.front.port());
  http.send(kGet);
  CHECK(http.receive_all().ends_with("{\"error\":\"this port speaks HTTPS\"}"));
  RawClient garbage(fixture.front.port());
  garbage.send("SSH-2.0-OpenSSH_9.2\r\n");
  garbage.receive_all();
  { const RawClient gone(fixture.front.port()); }
  CHECK(eventually([&] { return fixture.reports["handshake"] == 3; }));
  CHECK(fixture.reports["plain_http"] == 1);
  CHECK(fixture.exchange(kLastGet).ends_with("GET /last \n"));
}

// Only the limit that a test is about is short: on a slow machine, an honest client may pause longer than that.
constexpr milliseconds kShort{300};

TEST_CASE("a client that does not finish its handshake is given up, while others are served") {
  Fixture fixture({.handshake = kShort});
  RawClient silent(fixture.front.port());
  RawClient half_hello(fixture.front.port());
  half_hello.send("\x16\x03\x01\x02");
  CHECK(eventually([&] {
    RawClient honest(fixture.front.port());
    return honest.start_tls() && honest.send(kLastGet) && honest.receive_all().ends_with("GET /last \n");
  }));
  CHECK(silent.receive_all().empty());
  half_hello.receive_all();
  CHECK(eventually([&] { return fixture.front.connections() == 0; }));
  CHECK(fixture.reports["timeout"] >= 2);
}

TEST_CASE("a request that does not arrive in time is answered with 408, while others are served") {
  Fixture fixture({.header = kShort, .body = kShort});
  const auto slow_header = fixture.client();
  slow_header->send("GET / HTTP/1.1\r\nHost: web");
  const auto slow_body = fixture.client();
  slow_body->send("POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc");
  const auto dripping = fixture.client();
  std::thread drip([&] {  // a byte at a time does not buy more time
    dripping->send("GET / HTTP/1.1\r\nX: ");
    while (dripping->send("x")) std::this_thread::sleep_for(milliseconds(20));
  });
  CHECK(fixture.exchange(kLastGet).ends_with("GET /last \n"));
  CHECK(slow_header->receive_all().starts_with("HTTP/1.1 408 "));
  CHECK(slow_body->receive_all().starts_with("HTTP/1.1 408 "));
  drip.join();
  CHECK(eventually([&] { return fixture.front.connections() == 0; }));
  CHECK(fixture.reports["timeout"] == 3 + 3);  // the answers, and the connections that ended so
}

TEST_CASE("a client that sends nothing more, or takes no answer, is given up") {
  Fixture fixture({.write = kShort, .idle = kShort});
  const auto idle = fixture.client();
  const auto deaf = fixture.client();
  deaf->send("GET /large HTTP/1.1\r\n\r\n");
  CHECK(idle->receive_all().empty());
  CHECK(eventually([&] { return fixture.front.connections() == 0; }));
  CHECK(fixture.reports["idle"] >= 1);
  CHECK(fixture.reports["idle"] + fixture.reports["timeout"] == 2);
}

TEST_CASE("one connection too many ends the one that has waited the longest") {
  FrontLimits limits;
  limits.max_connections = 8;
  Fixture fixture(limits);
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 8; ++i) clients.push_back(fixture.client());
  clients.front()->send(kGet);  // it is no longer the one that has waited the longest
  CHECK(clients.front()->receive_until("GET /x \n").starts_with("HTTP/1.1 200 "));
  clients.push_back(fixture.client());
  CHECK(clients[1]->receive_all().empty());
  CHECK(eventually([&] { return fixture.front.connections() == 8; }));
  CHECK(fixture.reports["evicted"] == 1);
  for (std::size_t i = 0; i < clients.size(); ++i) {
    if (i == 1) continue;
    clients[i]->send(kGet);
    CHECK(clients[i]->receive_until("GET /x \n").starts_with("HTTP/1.1 200 "));
  }
}

TEST_CASE("unfinished bodies share a budget, from which small ones are exempt") {
  FrontLimits limits;
  limits.max_held_bytes = 500'000;
  Fixture fixture(limits);
  const auto unfinished = fixture.client();
  unfinished->send(post_request("/", std::string(400'000, 'x')).substr(0, 300'000));
  CHECK(fixture.exchange(post_request("/", std::string(600'000, 'x'))).starts_with("HTTP/1.1 503 "));
  CHECK(fixture.reports["busy"] == 1);
  CHECK(fixture.exchange(post_request("/small", "x", "Connection: close\r\n")).ends_with("POST /small x\n"));
}

TEST_CASE("a client that comes back resumes its session") {
  Fixture fixture;
  const auto first = fixture.client();
  first->send(kGet);
  first->receive_until("GET /x \n");  // the ticket has come before it
  const std::unique_ptr<SSL_SESSION, void (*)(SSL_SESSION*)> session(SSL_get1_session(first->tls()), SSL_SESSION_free);
  RawClient second(fixture.front.port());
  CHECK(second.start_tls(session.get()));
  CHECK(SSL_session_reused(second.tls()) == 1);
  second.send(kLastGet);
  CHECK(second.receive_all().ends_with("GET /last \n"));
}

TEST_CASE("every request that is sent before and during the drain is answered") {
  Fixture fixture;
  std::atomic<int> answered = 0;
  std::atomic<int> lost = 0;
  std::atomic<int> asked_to_close = 0;
  std::atomic<bool> may_connect = true;
  std::vector<std::thread> clients;
  for (int i = 0; i < 4; ++i) {
    clients.emplace_back([&] {
      while (may_connect) {
        RawClient client(fixture.front.port());
        if (!client.start_tls()) {
          ++lost;
          continue;
        }
        for (bool goes_on = true; goes_on && may_connect;) {
          client.send(kGet);
          const std::string answer = client.receive_until("GET /x \n");
          answer.starts_with("HTTP/1.1 200 ") ? ++answered : ++lost;
          if (answer.find("Connection: close") != std::string::npos) {
            ++asked_to_close;
            goes_on = false;
          }
        }
      }
    });
  }
  const auto idle = fixture.client();
  CHECK(eventually([&] { return answered > 100; }));
  std::thread cluster([&] {  // which learns of the end after a while, and sends requests elsewhere
    eventually([&] { return asked_to_close > 20; });
    may_connect = false;
  });
  fixture.front.drain(milliseconds(5000), milliseconds(10'000));
  cluster.join();
  for (std::thread& client : clients) client.join();
  CHECK(lost == 0);
  CHECK(asked_to_close > 20);
  CHECK(idle->receive_all().empty());
  CHECK(fixture.front.connections() == 0);
  CHECK_FALSE(RawClient(fixture.front.port()).is_connected());
}
