// gpuinfer-webhook: the admission server.
#include <CLI/CLI.hpp>
#include <iostream>
#include <map>
#include <memory>

#include "base/error.hpp"
#include "base/log.hpp"
#include "base/termination.hpp"
#include "base/version.hpp"
#include "kube/kubeconfig.hpp"
#include "webhook/certificate_files.hpp"
#include "webhook/rotation/rotation.hpp"
#include "webhook/server.hpp"

namespace {

constexpr int kUsageError = 2;

/// Where the certificate comes from: from files, or from a Secret in which the webhook keeps an authority of its own.
struct CertificateOptions {
  std::filesystem::path tls_cert;
  std::filesystem::path tls_key;
  std::string service;
  gpuinfer::webhook::RotationObjects objects = {.namespace_name = "", .secret = ""};
  gpuinfer::webhook::RotationSettings rotation;
};

std::unique_ptr<gpuinfer::webhook::Rotation> start_rotation(CertificateOptions options) {
  const gpuinfer::kube::Connection connection = gpuinfer::kube::load_connection({});
  options.objects.namespace_name = connection.namespace_name;
  const std::string short_name = options.service + "." + connection.namespace_name;
  options.rotation.dns_names = {short_name + ".svc", short_name};
  return std::make_unique<gpuinfer::webhook::Rotation>(connection, options.objects, options.rotation);
}

/// Serves with the certificates of `source` until a signal comes.
template <typename Source>
int serve(const gpuinfer::webhook::ServerOptions& options, gpuinfer::Termination& termination,
          std::unique_ptr<Source> source) {
  gpuinfer::webhook::Server server(options, source->certificate());
  source->keep_current(server);
  gpuinfer::log(gpuinfer::LogLevel::kInfo, "serving",
                {{"version", gpuinfer::kVersion}, {"port", server.port()}, {"metrics_port", server.metrics_port()}});
  const int signal = termination.wait();
  gpuinfer::log(gpuinfer::LogLevel::kInfo, "stopping", {{"signal", signal}});
  source.reset();  // it talks to the server
  return 0;
}

int run(const gpuinfer::webhook::ServerOptions& options, const CertificateOptions& certificate) {
  gpuinfer::Termination termination;
  if (!certificate.objects.secret.empty()) return serve(options, termination, start_rotation(certificate));
  using gpuinfer::webhook::CertificateFiles;
  return serve(options, termination,
               std::make_unique<CertificateFiles>(certificate.tls_cert, certificate.tls_key, options.reload_interval));
}

/// --tls-cert and --tls-key, or --tls-secret with what belongs to it.
void add_certificate_options(CLI::App& app, CertificateOptions& options) {
  const std::map<std::string, int> kUnits = {{"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
  const auto add_duration = [&](const std::string& name, std::chrono::seconds& value, const std::string& what) {
    const std::string default_text = std::to_string(value.count()) + "s";
    return app
        .add_option_function<int>(
            name, [&value](int seconds) { value = std::chrono::seconds(seconds); }, what)
        ->transform(CLI::AsNumberWithUnit(kUnits))
        ->type_name("DURATION")
        ->default_str(default_text);
  };
  CLI::Option* cert =
      app.add_option("--tls-cert", options.tls_cert, "Certificate chain, PEM; read again when it changes");
  CLI::Option* key = app.add_option("--tls-key", options.tls_key, "Its private key, PEM; read again when it changes");
  CLI::Option* secret = app.add_option(
      "--tls-secret", options.objects.secret,
      "Instead of the files: the Secret, in the webhook's namespace, in which it keeps an authority of its own");
  cert->needs(key);
  key->needs(cert);
  secret->excludes(cert)->excludes(key);
  CLI::Option* configuration = app.add_option("--webhook-configuration", options.objects.configuration,
                                              "The MutatingWebhookConfiguration whose caBundle it keeps up to date")
                                   ->capture_default_str();
  CLI::Option* service = app.add_option("--service", options.service, "The Service that the API server calls");
  service->default_val("gpuinfer-webhook");
  CLI::Option* lifetime = add_duration("--certificate-lifetime", options.rotation.certificate_lifetime,
                                       "How long a certificate is valid; it is renewed when a third of that is left");
  CLI::Option* authority_lifetime = add_duration("--authority-lifetime", options.rotation.authority_lifetime,
                                                 "How long an authority is valid, likewise");
  CLI::Option* overlap = add_duration("--rotation-overlap", options.rotation.overlap,
                                      "How long a changed caBundle must have been there before it is relied on");
  for (CLI::Option* option : {configuration, service, lifetime, authority_lifetime, overlap}) option->needs(secret);
  app.callback([cert, secret] {
    if (!*cert && !*secret) throw CLI::RequiredError("--tls-secret, or --tls-cert and --tls-key,");
  });
}

}  // namespace

int main(int argc, char** argv) {
  gpuinfer::webhook::ServerOptions options;
  CertificateOptions certificate;
  bool is_verbose = false;
  int drain_seconds = 5;
  CLI::App app("Changes pods that ask for it (gpuinfer.dev/inject: \"true\") on their way into the cluster.",
               "gpuinfer-webhook");
  app.set_version_flag("--version", std::string(gpuinfer::kVersion));
  add_certificate_options(app, certificate);
  app.add_option("--policy", options.policies,
                 "InjectionPolicy documents, or a folder of *.yaml; repeatable; read again when they change "
                 "(default: built in)")
      ->allow_extra_args(false);
  app.add_option("--port", options.port, "HTTPS port of /mutate")->capture_default_str()->check(CLI::Range(0, 65535));
  app.add_option("--metrics-port", options.metrics_port, "HTTP port of /healthz, /readyz, /metrics and /status")
      ->capture_default_str()
      ->check(CLI::Range(0, 65535));
  app.add_option("--workers", options.workers, "Threads that answer (default: one for each core, at most 8)")
      ->capture_default_str()
      ->check(CLI::Range(1, 64));
  app.add_option("--max-connections", options.limits.max_connections,
                 "Open connections; one more closes the one that has been idle the longest")
      ->capture_default_str()
      ->check(CLI::Range(16, 100'000));
  app.add_option("--drain-seconds", drain_seconds,
                 "At the end, how long it goes on answering while Kubernetes sends reviews elsewhere")
      ->capture_default_str()
      ->check(CLI::Range(0, 600));
  app.add_flag("--verbose", is_verbose, "Log reviews that changed nothing, too");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsageError;
  }
  options.drain_notice = std::chrono::seconds(drain_seconds);
  if (is_verbose) gpuinfer::set_log_level(gpuinfer::LogLevel::kDebug);
  try {
    return run(options, certificate);
  } catch (const gpuinfer::Error& error) {
    std::cerr << "error: " << error.what() << "\n";
    if (!error.remedy().empty()) std::cerr << "  " << error.remedy() << "\n";
    return 1;
  }
}
