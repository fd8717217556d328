// Credentials from tokens, files and exec plugins.
#include "kube/credentials.hpp"

#include <fstream>
#include <random>
#include <thread>

#include "base/file.hpp"
#include "base/json.hpp"
#include "catch.hpp"
#include "kube/exec_plugin.hpp"
#include "kube/transport.hpp"
#include "temporary_folder.hpp"

namespace gpuinfer::kube {
namespace {

namespace fs = std::filesystem;

constexpr char kVersion1[] = "client.authentication.k8s.io/v1";

std::string answer(const std::string& status, const std::string& version = kVersion1) {
  return R"({"apiVersion": ")" + version + R"(", "kind": "ExecCredential", "status": {)" + status + "}}";
}

/// An exec plugin that is the shell script `script`.
ExecPlugin plugin(const TemporaryFolder& folder, const std::string& script) {
  ExecPlugin plugin;
  plugin.api_version = kVersion1;
  plugin.command = folder.write("plugin", "#!/bin/sh\n" + script).string();
  fs::permissions(plugin.command, fs::perms::owner_all);
  plugin.interactive = ExecPlugin::Interactive::kNever;
  return plugin;
}

Credentials credentials_of(const ExecPlugin& plugin) {
  User user;
  user.exec = plugin;
  return Credentials(user);
}

/// A script that answers with a token that tells how often it ran.
std::string counting_script(const TemporaryFolder& folder, const std::string& status) {
  const std::string log = (folder.path() / "log").string();
  return "echo run >> " + log + "\nN=$(wc -l < " + log + ")\ncat <<END\n" + answer(status) + "\nEND\n";
}

TEST_CASE("tokens and passwords become Authorization headers") {
  User user;
  CHECK(Credentials(user).current().authorization.empty());
  user.username = "jane";
  user.password = "secret";
  CHECK(Credentials(user).current().authorization == "Basic amFuZTpzZWNyZXQ=");
  user.token = "t";
  CHECK(Credentials(user).current().authorization == "Bearer t");
  CHECK_FALSE(Credentials(user).renew({}));
  user.token = "t\r\nX-Injected: yes";
  CHECK_THROWS_AS(Credentials(user).current(), Error);
}

TEST_CASE("a token file goes before a token, and is read again after a 401") {
  const TemporaryFolder folder;
  User user;
  user.token = "old";
  user.token_file = folder.write("token", "first\n");
  Credentials credentials(user);
  const Credential first = credentials.current();
  CHECK(first.authorization == "Bearer first");
  folder.write("token", "second\n");
  CHECK(credentials.current() == first);
  CHECK(credentials.renew(first));
  CHECK(credentials.current().authorization == "Bearer second");
}

TEST_CASE("an exec plugin runs once, and again when its answer was refused") {
  const TemporaryFolder folder;
  Credentials credentials = credentials_of(plugin(folder, counting_script(folder, R"("token": "t$N")")));
  const Credential first = credentials.current();
  CHECK(first.authorization == "Bearer t1");
  CHECK(credentials.current() == first);
  CHECK(credentials.renew(first));
  const Credential second = credentials.current();
  CHECK(second.authorization == "Bearer t2");
  CHECK(credentials.renew(first));  // late news about the first one
  CHECK(credentials.current() == second);
}

TEST_CASE("an exec plugin runs again when its answer has expired") {
  const TemporaryFolder folder;
  const std::string past = R"("token": "t$N", "expirationTimestamp": "2020-01-01T00:00:00Z")";
  Credentials credentials = credentials_of(plugin(folder, counting_script(folder, past)));
  CHECK(credentials.current().authorization == "Bearer t1");
  CHECK(credentials.current().authorization == "Bearer t2");

  const std::string future = R"("token": "f$N", "expirationTimestamp": "2999-01-01T00:00:00Z")";
  Credentials lasting = credentials_of(plugin(folder, counting_script(folder, future)));
  CHECK(lasting.current().authorization == "Bearer f3");
  CHECK(lasting.current().authorization == "Bearer f3");
}

TEST_CASE("an exec plugin gets its arguments, its variables and the request") {
  const TemporaryFolder folder;
  const std::string log = (folder.path() / "log").string();
  ExecPlugin echo = plugin(folder, "printf '%s\\n' \"$1\" \"$2\" \"$EXTRA\" \"$KUBERNETES_EXEC_INFO\" > " + log +
                                       "\necho '" + answer(R"("token": "t")") + "'");
  echo.args = {"a b", "$HOME"};
  echo.env = {{"EXTRA", "more"}};
  echo.provide_cluster_info = true;
  Cluster cluster;
  cluster.server = "https://h:6443";
  cluster.tls_server_name = "name";
  cluster.certificate_authority = "PEM";
  run_exec_plugin(echo, cluster);

  const Json info = {
      {"apiVersion", kVersion1},
      {"kind", "ExecCredential"},
      {"spec",
       {{"interactive", false},
        {"cluster",
         {{"server", "https://h:6443"}, {"tls-server-name", "name"}, {"certificate-authority-data", "UEVN"}}}}}};
  CHECK(read_file(log) == "a b\n$HOME\nmore\n" + info.dump() + "\n");
}

TEST_CASE("a missing exec plugin is named with its install hint") {
  ExecPlugin missing;
  missing.api_version = kVersion1;
  missing.command = "gpuinfer-no-such-program";
  missing.install_hint = "Install it";
  try {
    run_exec_plugin(missing, {});
    FAIL("nothing was thrown");
  } catch (const Error& error) {
    CHECK_THAT(error.what(), Catch::Contains("'gpuinfer-no-such-program' cannot be started: No such file"));
    CHECK(error.remedy() == "Install it");
  }
}

TEST_CASE("a failing exec plugin is an error") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH(run_exec_plugin(plugin(folder, "exit 7"), {}), Catch::Contains("exit code 7"));
  CHECK_THROWS_WITH(run_exec_plugin(plugin(folder, "kill -9 $$"), {}), Catch::Contains("signal 9"));
  CHECK_THROWS_WITH(run_exec_plugin(plugin(folder, "yes"), {}), Catch::Contains("does not stop writing"));
}

TEST_CASE("a waiting exec plugin and its children end when the request is interrupted") {
  const TemporaryFolder folder;
  const fs::path pid_file = folder.path() / "pid";
  const std::string script = GENERATE("", "trap '' TERM\n");
  const ExecPlugin waiting = plugin(folder, script + "sleep 1000 &\necho $! > " + pid_file.string() + ".new; mv " +
                                                pid_file.string() + ".new " + pid_file.string() + "\nwait\nsleep 1000");
  std::stop_source stop;
  std::jthread interrupter([&] {
    while (!fs::exists(pid_file)) std::this_thread::sleep_for(std::chrono::milliseconds(5));
    stop.request_stop();
  });
  CHECK_THROWS_AS(run_exec_plugin(waiting, {}, stop.get_token()), Interrupted);
  const fs::path command_line = "/proc/" + std::to_string(std::stoi(read_file(pid_file))) + "/cmdline";
  const auto is_running = [&] {
    std::string text;
    std::getline(std::ifstream(command_line), text);
    return !text.empty();  // that of a zombie is empty
  };
  while (is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
}

TEST_CASE("answers of exec plugins") {
  const auto parse = [](const std::string& text) { return parse_exec_credential(text, kVersion1, "login"); };
  const ExecCredential certificate = parse(answer(R"("clientCertificateData": "C", "clientKeyData": "K")"));
  CHECK(certificate.credential == Credential{"", "C", "K"});
  CHECK_FALSE(certificate.expires.has_value());

  const auto expires = [&](const std::string& time) {
    const auto at = parse(answer(R"("token": "t", "expirationTimestamp": ")" + time + "\"")).expires.value();
    return at.time_since_epoch().count();
  };
  CHECK(expires("2026-11-24T18:00:00Z") == 1795543200);
  CHECK(expires("2026-11-24T18:00:00.123456Z") == 1795543200);
  CHECK(expires("2026-11-24T19:30:00+01:30") == 1795543200);

  const std::string bad =
      GENERATE("", "[]", "{}", "text", R"({"kind": "ExecCredential"})",
               answer(R"("token": "t")", "client.authentication.k8s.io/v1beta1"), answer(""), answer(R"("token": 5)"),
               answer(R"("clientCertificateData": "C")"), answer(R"("token": "t", "expirationTimestamp": "tomorrow")"),
               answer(R"("token": "t", "expirationTimestamp": "2026-11-24T18:00:00")"));
  CAPTURE(bad);
  CHECK_THROWS_WITH(parse(bad), Catch::Contains("credential plugin 'login' gave no usable answer"));
}

TEST_CASE("a changed answer is read or refused") {
  const std::string good = answer(
      R"("token": "t", "expirationTimestamp": "2026-11-24T18:00:00.5+01:00", "clientCertificateData": "C", "clientKeyData": "K")");
  std::mt19937 random(5);
  for (int round = 0; round < 5000; ++round) {
    std::string changed = good;
    for (unsigned i = 0; i < 1 + random() % 3; ++i) changed[random() % changed.size()] = static_cast<char>(random());
    if (random() % 4 == 0) changed.resize(random() % changed.size());
    try {
      parse_exec_credential(changed, kVersion1, "login");
    } catch (const Error&) {
    }
  }
}

}  // namespace
}  // namespace gpuinfer::kube
