// Reading kubeconfig files by kubectl's rules.
#include "kube/kubeconfig.hpp"

#include <random>

#include "base/base64.hpp"
#include "base/file.hpp"
#include "catch.hpp"
#include "kube/certificate.hpp"
#include "temporary_folder.hpp"

namespace gpuinfer::kube {
namespace {

namespace fs = std::filesystem;

const fs::path kSample = "kube/testdata/kubeconfig.yaml";

/// A kubeconfig of one context "c", with these lines below `cluster:` and `user:`.
std::string kubeconfig(const std::string& cluster, const std::string& user) {
  return "current-context: c\n"
         "contexts: [{name: c, context: {cluster: c, user: u}}]\n"
         "clusters:\n- name: c\n  cluster:\n    server: https://h\n" +
         cluster + "users:\n- name: u\n  user:\n    username: x\n" + user;
}

Connection load(const fs::path& file, const std::string& context = "") {
  return Kubeconfig::load({file}).connection(context);
}

TEST_CASE("the current context of a kubeconfig as EKS writes it") {
  const Connection connection = load(kSample);
  CHECK(connection.context == "eks");
  CHECK(connection.namespace_name == "models");
  CHECK(connection.cluster.server == "https://ABC.gr7.us-west-2.eks.amazonaws.com");
  CHECK(connection.cluster.tls_server_name == "api.example");
  CHECK(connection.cluster.proxy_url == "http://proxy:3128");
  CHECK_FALSE(connection.cluster.insecure_skip_tls_verify);
  REQUIRE(connection.user.exec.has_value());
  const ExecPlugin& plugin = *connection.user.exec;
  CHECK(plugin.api_version == "client.authentication.k8s.io/v1beta1");
  CHECK(plugin.command == "aws");
  CHECK(plugin.args == std::vector<std::string>{"--region", "us-west-2", "eks", "get-token", "--cluster-name", "gpu"});
  CHECK(plugin.env == std::map<std::string, std::string>{{"AWS_PROFILE", "work"}});
  CHECK(plugin.install_hint == "Install the AWS CLI");
  CHECK(plugin.provide_cluster_info);
  CHECK(plugin.interactive == ExecPlugin::Interactive::kIfAvailable);
}

TEST_CASE("another context by its name") {
  const Connection connection = load(kSample, "local");
  CHECK(connection.user.token == "secret");
  CHECK(connection.user.impersonate == "jane");
  CHECK(connection.user.impersonate_groups == std::vector<std::string>{"developers", "ops"});
  CHECK(connection.cluster.insecure_skip_tls_verify);
  CHECK(connection.namespace_name.empty());
  CHECK(load(kSample, "anonymous").user.token.empty());
  CHECK(Kubeconfig::load({kSample}).contexts() ==
        std::vector<std::string>{"eks", "local", "anonymous", "no-cluster", "no-user"});
}

TEST_CASE("names that lead nowhere") {
  CHECK_THROWS_WITH(load(kSample, "typo"), "kube/testdata/kubeconfig.yaml: no context is called 'typo'");
  CHECK_THROWS_WITH(load(kSample, "no-cluster"), "kube/testdata/kubeconfig.yaml: no cluster is called 'missing'");
  CHECK_THROWS_WITH(load(kSample, "no-user"), "kube/testdata/kubeconfig.yaml: no user is called 'missing'");
  try {
    load(kSample, "typo");
  } catch (const Error& error) {
    CHECK_THAT(error.remedy(), Catch::Contains("kubectl config get-contexts"));
  }
}

TEST_CASE("of several files the first to name a thing wins") {
  const TemporaryFolder folder;
  const fs::path first = folder.write("first", "clusters: [{name: a, cluster: {server: 'https://first'}}]\n");
  const fs::path second = folder.write(
      "second",
      "current-context: x\n"
      "clusters: [{name: a, cluster: {server: 'https://second'}}, {name: b, cluster: {server: 'https://b'}}]\n"
      "contexts: [{name: x, context: {cluster: a}}, {name: y, context: {cluster: b}}]\n");
  const fs::path third = folder.write("third", "current-context: y\n");
  const Kubeconfig config = Kubeconfig::load({first, second, third});
  CHECK(config.connection("").cluster.server == "https://first");
  CHECK(config.connection("y").cluster.server == "https://b");
}

TEST_CASE("paths belong to the folder of their file") {
  const TemporaryFolder folder;
  const KeyedCertificate pair = make_authority("ca");
  folder.write("pki/ca.crt", pair.certificate);
  folder.write("pki/me.key", pair.key);
  const fs::path file = folder.write(
      "config", kubeconfig("    certificate-authority: pki/ca.crt\n",
                           "    client-certificate-data: " + base64_encode(pair.certificate) +
                               "\n    client-certificate: not/read\n"
                               "    client-key: pki/me.key\n"
                               "    tokenFile: token\n"
                               "    exec: {apiVersion: client.authentication.k8s.io/v1, command: ./bin/login, "
                               "interactiveMode: Never}\n"));
  const Connection connection = load(file);
  CHECK(connection.cluster.certificate_authority == pair.certificate);
  CHECK(connection.user.client_certificate == pair.certificate);
  CHECK(connection.user.client_key == pair.key);
  CHECK(connection.user.token_file == folder.path() / "token");
  CHECK(fs::path(connection.user.exec->command).lexically_normal() == folder.path() / "bin/login");
  CHECK(connection.user.exec->interactive == ExecPlugin::Interactive::kNever);
}

TEST_CASE("what is wrong is named with its place") {
  struct Case {
    std::string text;
    std::string message;
  };
  const Case wrong = GENERATE(values<Case>({
      {"clusters: {a: b}\n", ":1:11: 'clusters' must be a sequence"},
      {"clusters: [text]\n", ":1:12: must be a mapping"},
      {"clusters:\n- cluster: {}\n", ":2:3: 'name' is missing"},
      {"a: b: c\n", ":1:"},
      {"[]\n", ":1:1: must be a mapping"},
      {"current-context: [1]\n", ":1:18: 'current-context' must be a string"},
      {kubeconfig("    server: https://again\n", ""), ":7:"},
      {kubeconfig("    insecure-skip-tls-verify: sure\n", ""),
       ":7:31: 'insecure-skip-tls-verify' must be true or false"},
      {kubeconfig("    certificate-authority: missing\n", ""), ":7:28: 'certificate-authority' "},
      {kubeconfig("    certificate-authority-data: '*'\n", ""), "'certificate-authority-data' is not base64"},
      {kubeconfig("    certificate-authority-data: YWJj\n", ""), "no PEM certificate"},
      {kubeconfig("    proxy-url: proxy\n", ""), "'proxy' is no URL"},
      {kubeconfig("", "    client-key-data: YWJj\n"), "has a client certificate or a client key, but not both"},
      {kubeconfig("", "    auth-provider: {name: gcp}\n"), "'auth-provider' was removed"},
      {kubeconfig("", "    exec: {command: aws}\n"), "'apiVersion' is missing"},
      {kubeconfig("", "    exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: aws}\n"),
       "is not supported"},
      {kubeconfig("", "    exec: {apiVersion: client.authentication.k8s.io/v1, command: aws}\n"),
       "'interactiveMode' must be"},
      {kubeconfig("", "    exec: text\n"), "must be a mapping"},
      {"contexts: [{name: c, context: {}}]\ncurrent-context: c\n", "'cluster' is missing"},
      {"contexts: []\n", ": no current context is set"},
  }));
  CAPTURE(wrong.text);
  const TemporaryFolder folder;
  CHECK_THROWS_WITH(load(folder.write("config", wrong.text)),
                    Catch::StartsWith((folder.path() / "config").string()) && Catch::Contains(wrong.message));
}

TEST_CASE("which files are read") {
  const TemporaryFolder folder;
  const fs::path a = folder.write("a", "");
  const fs::path b = folder.write("b", "");
  Environment environment;
  CHECK(kubeconfig_files({}, environment).empty());
  environment.home = folder.path().string();
  CHECK(kubeconfig_files({}, environment).empty());
  const fs::path standard = folder.write(".kube/config", "");
  CHECK(kubeconfig_files({}, environment) == std::vector{standard});
  environment.kubeconfig = a.string() + "::" + (folder.path() / "missing").string() + ":" + b.string();
  CHECK(kubeconfig_files({}, environment) == std::vector{a, b});
  ConnectionFlags flags;
  flags.kubeconfig = "missing";
  CHECK(kubeconfig_files(flags, environment) == std::vector<fs::path>{"missing"});
  CHECK_THROWS_AS(load_connection(flags, environment), Error);
}

TEST_CASE("the command line goes before the file") {
  ConnectionFlags flags;
  flags.kubeconfig = kSample.string();
  CHECK(load_connection(flags, Environment()).namespace_name == "models");
  flags.context = "local";
  CHECK(load_connection(flags, Environment()).namespace_name == "default");
  flags.namespace_name = "mine";
  CHECK(load_connection(flags, Environment()).namespace_name == "mine");
}

TEST_CASE("a pod uses its service account, but only without a kubeconfig") {
  const TemporaryFolder folder;
  folder.write("token", "t");
  folder.write("ca.crt", "PEM");
  folder.write("namespace", "models");
  Environment environment;
  environment.service_account = folder.path();
  CHECK_THROWS_WITH(load_connection({}, environment), Catch::Contains("no kubeconfig found"));
  environment.service_host = "fd00::1";
  environment.service_port = "443";
  const Connection connection = load_connection({}, environment);
  CHECK(connection.context == "in-cluster");
  CHECK(connection.cluster.server == "https://[fd00::1]:443");
  CHECK(connection.cluster.certificate_authority == "PEM");
  CHECK(connection.user.token_file == folder.path() / "token");
  CHECK(connection.namespace_name == "models");

  environment.kubeconfig = fs::absolute(kSample).string();
  CHECK(load_connection({}, environment).context == "eks");
}

TEST_CASE("a changed kubeconfig is read or refused") {
  const TemporaryFolder folder;
  const std::string sample = read_file(kSample);
  std::mt19937 random(3);
  for (int round = 0; round < 2000; ++round) {
    std::string changed = sample;
    for (unsigned i = 0; i < 1 + random() % 3; ++i) {
      switch (random() % 3) {
        case 0:
          changed[random() % changed.size()] = static_cast<char>(random());
          break;
        case 1:
          changed.erase(random() % changed.size(), random() % 20);
          break;
        default:
          changed.insert(random() % changed.size(), changed.substr(random() % changed.size(), random() % 20));
      }
    }
    const fs::path file = folder.write("config", changed);
    try {
      load(file, round % 2 == 0 ? "" : "local");
    } catch (const Error&) {
    }
  }
}

}  // namespace
}  // namespace gpuinfer::kube
