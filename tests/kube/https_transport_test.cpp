// The real transport against real servers on the loopback interface.
#include "kube/https_transport.hpp"

#include <httplib.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

#include "catch.hpp"
#include "kube/certificate.hpp"
#include "kube/client.hpp"
#include "kube/loopback_proxy.hpp"
#include "kube/openssl.hpp"
#include "temporary_folder.hpp"

namespace gpuinfer::kube {
namespace {

/// One authority for all tests of this file, and certificates of it.
struct Pki {
  KeyedCertificate authority = make_authority("test authority");
  KeyedCertificate server = make_server_certificate(authority, {"localhost", "api.example"});
  KeyedCertificate client = make_server_certificate(authority, {"jane"});
};

const Pki& pki() {
  static const Pki pki;
  return pki;
}

/// Asks each client for a certificate, but takes those without one too, as an API server does.
bool set_up_server(SSL_CTX& context) {
  const auto certificates = read_certificates(pki().server.certificate);
  const KeyPointer key = read_private_key(pki().server.key);
  const auto authorities = read_certificates(pki().authority.certificate);
  X509_STORE_add_cert(SSL_CTX_get_cert_store(&context), authorities.front().get());
  // The test's client certificate is one for servers; whose it is matters here, not what for.
  SSL_CTX_set_purpose(&context, X509_PURPOSE_ANY);
  SSL_CTX_set_verify(&context, SSL_VERIFY_PEER, nullptr);
  return SSL_CTX_use_certificate(&context, certificates.front().get()) == 1 &&
         SSL_CTX_use_PrivateKey(&context, key.get()) == 1;
}

/// A server on a free port of 127.0.0.1, with these routes.
class LoopbackServer {
 public:
  using Routes = std::function<void(httplib::Server&)>;

  LoopbackServer(std::unique_ptr<httplib::Server> server, const Routes& routes) : server_(std::move(server)) {
    server_->set_keep_alive_max_count(1000);
    routes(*server_);
    port_ = server_->bind_to_any_port("127.0.0.1");
    thread_ = std::thread([this] { server_->listen_after_bind(); });
    while (!server_->is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  LoopbackServer(const LoopbackServer&) = delete;
  LoopbackServer& operator=(const LoopbackServer&) = delete;
  ~LoopbackServer() {
    server_->stop();
    thread_.join();
  }

  int port() const { return port_; }

 private:
  std::unique_ptr<httplib::Server> server_;
  int port_ = 0;
  std::thread thread_;
};

std::unique_ptr<LoopbackServer> serve_tls(const LoopbackServer::Routes& routes) {
  return std::make_unique<LoopbackServer>(std::make_unique<httplib::SSLServer>(set_up_server), routes);
}

/// A connection to `host`:`port` that trusts the tests' authority.
Connection connection_to(int port, const std::string& host = "localhost") {
  Connection connection;
  connection.context = "test";
  connection.cluster.server = "https://" + host + ":" + std::to_string(port);
  connection.cluster.certificate_authority = pki().authority.certificate;
  connection.namespace_name = "default";
  return connection;
}

HttpResponse get(const Connection& connection, const std::string& path) {
  HttpRequest request;
  request.path = path;
  return https_transport(connection)->send(request, {}, {});
}

const char kOk[] = R"({"ok": true})";

void ok(const httplib::Request&, httplib::Response& response) { response.set_content(kOk, "application/json"); }

TEST_CASE("a server of the right authority and name is talked to") {
  const auto server = serve_tls([](httplib::Server& s) { s.Get("/x", ok); });
  const HttpResponse response = get(connection_to(server->port()), "/x");
  CHECK(response.status == 200);
  CHECK(response.body == kOk);
  CHECK(response.headers.find("Content-Type")->second == "application/json");
}

TEST_CASE("a server of the wrong authority or name is not") {
  std::atomic<int> requests = 0;
  const auto server = serve_tls(
      [&](httplib::Server& s) { s.Get("/x", [&](const httplib::Request&, httplib::Response&) { ++requests; }); });
  Connection connection = connection_to(server->port());

  SECTION("authority") {
    connection.cluster.certificate_authority = make_authority("another").certificate;
    CHECK_THROWS_WITH(get(connection, "/x"), Catch::Contains("TLS: the server's certificate is not accepted: "));
  }
  SECTION("host name") {
    CHECK_THROWS_WITH(get(connection_to(server->port(), "127.0.0.1"), "/x"),
                      Catch::Contains("it is not for '127.0.0.1'"));
  }
  SECTION("tls-server-name") {
    connection.cluster.tls_server_name = "elsewhere";
    CHECK_THROWS_WITH(get(connection, "/x"), Catch::Contains("it is not for 'elsewhere'"));
  }
  SECTION("system authorities") {
    connection.cluster.certificate_authority.clear();
    CHECK_THROWS_AS(get(connection, "/x"), TransportError);
  }
  CHECK(requests == 0);
}

TEST_CASE("tls-server-name stands for the host") {
  const auto server = serve_tls([](httplib::Server& s) { s.Get("/x", ok); });
  Connection connection = connection_to(server->port(), "127.0.0.1");
  connection.cluster.tls_server_name = "api.example";
  CHECK(get(connection, "/x").status == 200);
}

TEST_CASE("insecure-skip-tls-verify takes any certificate") {
  const auto server = serve_tls([](httplib::Server& s) { s.Get("/x", ok); });
  Connection connection = connection_to(server->port(), "127.0.0.1");
  connection.cluster.certificate_authority.clear();
  connection.cluster.insecure_skip_tls_verify = true;
  CHECK(get(connection, "/x").status == 200);
}

TEST_CASE("a client certificate is shown") {
  const auto server = serve_tls([](httplib::Server& s) {
    s.Get("/whoami", [](const httplib::Request& request, httplib::Response& response) {
      const CertificatePointer certificate(SSL_get1_peer_certificate(request.ssl));
      std::array<char, 100> name{};
      if (certificate)
        X509_NAME_get_text_by_NID(X509_get_subject_name(certificate.get()), NID_commonName, name.data(), name.size());
      response.set_content(name.data(), "text/plain");
    });
  });
  Connection connection = connection_to(server->port());
  CHECK(get(connection, "/whoami").body.empty());
  connection.user.client_certificate = pki().client.certificate;
  connection.user.client_key = pki().client.key;
  CHECK(get(connection, "/whoami").body == "jane");
  connection.user.client_key = pki().server.key;
  CHECK_THROWS_WITH(get(connection, "/whoami"), Catch::Contains("do not fit together"));
}

TEST_CASE("requests go out as asked, with credentials") {
  std::string seen;
  const auto server = serve_tls([&](httplib::Server& s) {
    s.Patch("/prefix/a/.*", [&](const httplib::Request& request, httplib::Response& response) {
      seen = request.target + " " + request.get_header_value("Content-Type") + " " +
             request.get_header_value("Authorization") + " " + request.get_header_value("Impersonate-User") + " " +
             std::to_string(request.get_header_value_count("Impersonate-Group")) + " " +
             request.get_header_value("X-More") + " " + request.body;
      response.status = 201;
    });
  });
  Connection connection = connection_to(server->port());
  connection.cluster.server += "/prefix";
  connection.user.token = "t";
  connection.user.impersonate = "jane";
  connection.user.impersonate_groups = {"a", "b"};
  HttpRequest request;
  request.method = "PATCH";
  request.path = "/a/b%2Fc?x=y%20z";
  request.body = "{}";
  request.content_type = "application/apply-patch+yaml";
  request.headers = {{"X-More", "yes"}};
  CHECK(https_transport(connection)->send(request, {}, {}).status == 201);
  CHECK(seen == "/prefix/a/b%2Fc?x=y%20z application/apply-patch+yaml Bearer t jane 2 yes {}");
}

TEST_CASE("a refused token is renewed once") {
  const TemporaryFolder folder;
  int requests = 0;
  const auto server = serve_tls([&](httplib::Server& s) {
    s.Get("/x", [&](const httplib::Request& request, httplib::Response& response) {
      ++requests;
      folder.write("token", "second");
      response.status = request.get_header_value("Authorization") == "Bearer second" ? 200 : 401;
    });
    s.Get("/never", [&](const httplib::Request&, httplib::Response& response) {
      ++requests;
      response.status = 401;
    });
  });
  Connection connection = connection_to(server->port());
  connection.user.token_file = folder.write("token", "first");
  CHECK(get(connection, "/x").status == 200);
  CHECK(requests == 2);
  CHECK(get(connection, "/never").status == 401);
  CHECK(requests == 4);
}

TEST_CASE("connections are used again") {
  std::mutex mutex;
  std::set<int> client_ports;
  const auto server = serve_tls([&](httplib::Server& s) {
    s.Get("/x", [&](const httplib::Request& request, httplib::Response& response) {
      const std::lock_guard lock(mutex);
      client_ports.insert(request.remote_port);
      ok(request, response);
    });
  });
  const auto transport = https_transport(connection_to(server->port()));
  for (int i = 0; i < 3; ++i) CHECK(transport->send({.path = "/x"}, {}, {}).status == 200);
  CHECK(client_ports.size() == 1);

  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 10; ++j) good += transport->send({.path = "/x"}, {}, {}).status == 200 ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(good == 40);
  CHECK(client_ports.size() <= 5);
}

/// Lets a server wait for what a test says.
class Gate {
 public:
  void open() {
    const std::lock_guard lock(mutex_);
    is_open_ = true;
    changed_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return is_open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_open_ = false;
};

TEST_CASE("a stream arrives piece by piece") {
  Gate first_piece_seen;
  const auto server = serve_tls([&](httplib::Server& s) {
    s.Post("/v1/chat", [&](const httplib::Request&, httplib::Response& response) {
      response.set_chunked_content_provider("text/event-stream", [&](std::size_t, httplib::DataSink& sink) {
        sink.write("data: 1\n\n", 9);
        first_piece_seen.wait();  // nothing comes after the first piece before that has arrived
        sink.write("data: 2\n\n", 9);
        sink.done();
        return true;
      });
    });
  });
  HttpRequest request;
  request.method = "POST";
  request.path = "/v1/chat";
  request.body = "{}";
  std::string text;
  const HttpResponse response = https_transport(connection_to(server->port()))
                                    ->send(request,
                                           [&](std::string_view piece) {
                                             text += piece;
                                             if (text == "data: 1\n\n") first_piece_seen.open();
                                             return true;
                                           },
                                           {});
  CHECK(text == "data: 1\n\ndata: 2\n\n");
  CHECK(response.status == 200);
  CHECK(response.body.empty());
}

/// A route that sends one piece and then nothing until `gate` opens.
void stall(httplib::Server& server, Gate& gate) {
  server.Get("/stall", [&](const httplib::Request&, httplib::Response& response) {
    response.set_chunked_content_provider("text/plain", [&](std::size_t, httplib::DataSink& sink) {
      sink.write("x", 1);
      gate.wait();
      sink.done();
      return true;
    });
  });
  server.Get("/x", ok);
}

TEST_CASE("a receiver may stop or throw, and the transport lives on") {
  Gate gate;
  const auto server = serve_tls([&](httplib::Server& s) { stall(s, gate); });
  const auto transport = https_transport(connection_to(server->port()));
  CHECK(transport->send({.path = "/stall"}, [](std::string_view) { return false; }, {}).status == 200);
  const BodyReceiver thrower = [](std::string_view) -> bool { throw Error("thrown by the receiver"); };
  CHECK_THROWS_WITH(transport->send({.path = "/stall"}, thrower, {}), "thrown by the receiver");
  gate.open();
  CHECK(transport->send({.path = "/x"}, {}, {}).body == kOk);
}

TEST_CASE("a request is interrupted from another thread") {
  Gate gate;
  const auto server = serve_tls([&](httplib::Server& s) { stall(s, gate); });
  const auto transport = https_transport(connection_to(server->port()));
  std::stop_source stop;
  std::jthread interrupter;
  const BodyReceiver receive = [&](std::string_view) {
    interrupter = std::jthread([&] { stop.request_stop(); });
    return true;
  };
  CHECK_THROWS_AS(transport->send({.path = "/stall", .timeout = std::chrono::seconds(0)}, receive, stop.get_token()),
                  Interrupted);
  CHECK_THROWS_AS(transport->send({.path = "/x"}, {}, stop.get_token()), Interrupted);
  gate.open();
  CHECK(transport->send({.path = "/x"}, {}, {}).status == 200);
}

TEST_CASE("a request is interrupted from within its receiver") {
  Gate gate;
  const auto server = serve_tls([&](httplib::Server& s) { stall(s, gate); });
  std::stop_source stop;
  const BodyReceiver receive = [&](std::string_view) { return stop.request_stop(); };
  CHECK_THROWS_AS(https_transport(connection_to(server->port()))->send({.path = "/stall"}, receive, stop.get_token()),
                  Interrupted);
  gate.open();
}

TEST_CASE("requests are interrupted at any moment") {
  Gate gate;
  const auto server = serve_tls([&](httplib::Server& s) { stall(s, gate); });
  const auto transport = https_transport(connection_to(server->port()));
  for (int round = 0; round < 60; ++round) {
    std::stop_source stop;
    std::jthread interrupter([&] {
      std::this_thread::sleep_for(std::chrono::microseconds(round * 100));
      stop.request_stop();
    });
    CHECK_THROWS_AS(transport->send({.path = "/stall"}, {}, stop.get_token()), Interrupted);
  }
  gate.open();
}

TEST_CASE("a silent server is given up") {
  Gate gate;
  const auto server = serve_tls([&](httplib::Server& s) { stall(s, gate); });
  CHECK_THROWS_WITH(https_transport(connection_to(server->port()))
                        ->send({.path = "/stall", .timeout = std::chrono::seconds(1)}, {}, {}),
                    Catch::Contains("silent for 1 seconds"));
  gate.open();
}

TEST_CASE("what cannot be reached says so") {
  SECTION("nothing listens") {
    int port = 0;
    {
      port = serve_tls([](httplib::Server&) {})->port();
    }
    try {
      get(connection_to(port), "/x");
      FAIL("nothing was thrown");
    } catch (const TransportError& error) {
      CHECK_THAT(error.what(), Catch::Contains("cannot reach the API server https://localhost:") &&
                                   Catch::Contains("nothing answers there"));
      CHECK_THAT(error.remedy(), Catch::Contains("context 'test'"));
    }
  }
  SECTION("no TLS there") {
    const LoopbackServer plain(std::make_unique<httplib::Server>(), [](httplib::Server& s) { s.Get("/x", ok); });
    CHECK_THROWS_WITH(get(connection_to(plain.port()), "/x"), Catch::Contains("TLS: "));
  }
  SECTION("no such host") { CHECK_THROWS_AS(get(connection_to(1, "no-such-host.invalid"), "/x"), TransportError); }
}

TEST_CASE("without TLS, as behind `kubectl proxy`") {
  const LoopbackServer plain(std::make_unique<httplib::Server>(), [](httplib::Server& s) { s.Get("/x", ok); });
  Connection connection = connection_to(plain.port());
  connection.cluster.server = "http://127.0.0.1:" + std::to_string(plain.port());
  CHECK(get(connection, "/x").body == kOk);
}

TEST_CASE("through a proxy") {
  const auto server = serve_tls([](httplib::Server& s) { s.Get("/x", ok); });
  Connection connection = connection_to(server->port());
  SECTION("that connects") {
    LoopbackProxy proxy("200 Connection established", server->port());
    connection.cluster.proxy_url = proxy.url("jane:secret");
    CHECK(get(connection, "/x").body == kOk);
    CHECK_THAT(proxy.request(),
               Catch::StartsWith("CONNECT localhost:" + std::to_string(server->port()) + " HTTP/1.1\r\n") &&
                   Catch::Contains("Proxy-Authorization: Basic amFuZTpzZWNyZXQ=\r\n"));
  }
  SECTION("that refuses") {
    LoopbackProxy proxy("407 Proxy Authentication Required", server->port());
    connection.cluster.proxy_url = proxy.url("jane:wrong");
    CHECK_THROWS_WITH(get(connection, "/x"), Catch::Contains("through the proxy 127.0.0.1:") &&
                                                 Catch::Contains("answers 407 Proxy Authentication Required") &&
                                                 !Catch::Contains("wrong"));
  }
  SECTION("that relays, where there is no TLS") {
    LoopbackProxy proxy("204 No Content", server->port());
    connection.cluster.server = "http://api.example:8001/prefix";
    connection.cluster.proxy_url = proxy.url("jane:secret");
    CHECK(get(connection, "/x").status == 204);
    CHECK_THAT(proxy.request(), Catch::StartsWith("GET http://api.example:8001/prefix/x HTTP/1.1\r\n"));
  }
}

TEST_CASE("servers and proxies of other kinds are refused") {
  Connection connection = connection_to(1);
  connection.cluster.proxy_url = "socks5://proxy:1080";
  CHECK_THROWS_WITH(https_transport(connection), Catch::Contains("'socks5' is not supported"));
  connection.cluster.proxy_url.clear();
  connection.cluster.server = "ftp://h";
  CHECK_THROWS_AS(https_transport(connection), Error);
}

TEST_CASE("a whole client over TLS") {
  const auto server = serve_tls([](httplib::Server& s) {
    s.Get("/api/v1/namespaces/default/pods/p", [](const httplib::Request&, httplib::Response& response) {
      response.status = 404;
      response.set_content(
          R"({"kind": "Status", "code": 404, "reason": "NotFound", "message": "pods \"p\" not found"})",
          "application/json");
    });
  });
  Client client(connection_to(server->port()));
  CHECK_FALSE(client.find("/api/v1/namespaces/default/pods/p").has_value());
  CHECK_THROWS_WITH(client.get("/api/v1/namespaces/default/pods/p"), Catch::Contains("pods \"p\" not found"));
}

}  // namespace
}  // namespace gpuinfer::kube
