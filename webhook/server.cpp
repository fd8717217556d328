#include "webhook/server.hpp"

#include <array>
#include <ctime>
#include <utility>

#include "base/log.hpp"
#include "base/version.hpp"
#include "webhook/operations_handler.hpp"
#include "webhook/review_handler.hpp"

namespace gpuinfer::webhook {

namespace {

/// RFC 3339 in UTC.
std::string to_text(std::chrono::system_clock::time_point time) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm utc{};
  gmtime_r(&seconds, &utc);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text.data();
}

}  // namespace

Server::Server(const ServerOptions& options, Certificate certificate)
    : options_(options),
      certificate_(std::move(certificate)),
      policies_(options.policies, options.reload_interval, metrics_),
      tls_(make_tls_context(certificate_)),
      https_({options.port, options.workers, options.limits}, tls_.get(), ReviewHandler(policies_, metrics_),
             {.on_refused_request =
                  [this](int status, const std::string& reason, const std::string& message) {
                    report_bad_request(metrics_, status, reason, message);
                  },
              .on_ended_connection = [this](Ending ending) { metrics_.count_ended_connection(name(ending)); }}),
      http_({.port = options.metrics_port}, nullptr,
            OperationsHandler{.reason_not_ready = [this] { return reason_not_ready(); },
                              .metrics = [this] { return metrics_.text(https_.connections()); },
                              .status = [this] { return status(); }},
            {.on_refused_request = [](int, const std::string&, const std::string&) {},
             .on_ended_connection = [](Ending) {}}) {
  metrics_.set_certificate(certificate_.get()->not_after(), false);
}

Server::~Server() {
  is_stopping_ = true;
  https_.drain(options_.drain_notice, options_.drain_patience);
}

void Server::use_certificate(Certificate certificate) {
  metrics_.set_certificate(certificate.not_after(), false);
  metrics_.count_certificate_reload(true);
  log(LogLevel::kInfo, "new connections use the new certificate", {{"expires", to_text(certificate.not_after())}});
  certificate_.set(std::move(certificate));
  certificate_error_.set("");
}

void Server::report_unusable_certificate(const Error& error) {
  metrics_.set_certificate(certificate_.get()->not_after(), true);
  metrics_.count_certificate_reload(false);
  log(LogLevel::kError, "the changed certificate is not usable; the last one stays", {{"error", error.what()}});
  certificate_error_.set(error.what());
}

std::string Server::reason_not_ready() const {
  if (is_stopping_) return "stopping";
  if (certificate_.get()->not_after() <= std::chrono::system_clock::now()) return "the certificate has expired";
  return "";
}

Json Server::status() const {
  const PolicyStatus policies = policies_.status();
  return {{"version", kVersion},
          {"notReady", reason_not_ready()},
          {"connections", https_.connections()},
          {"policy",
           {{"documents", policies.documents},
            {"generation", policies.generation},
            {"hash", policies.hash},
            {"error", policies.error}}},
          {"certificate",
           {{"expires", to_text(certificate_.get()->not_after())},
            {"pem", certificate_.get()->pem()},
            {"error", *certificate_error_.get()}}}};
}

}  // namespace gpuinfer::webhook
