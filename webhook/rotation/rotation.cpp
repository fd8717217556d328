#include "webhook/rotation/rotation.hpp"

#include <utility>

#include "base/log.hpp"
#include "kube/https_transport.hpp"
#include "kube/server_clock.hpp"
#include "webhook/server.hpp"

namespace gpuinfer::webhook {

namespace {

using std::chrono::seconds;

constexpr seconds kAfterFailure{5};
constexpr seconds kFirstCertificateWithin{30};

void log_failure(const Error& error) {
  log(LogLevel::kWarning, "the certificates could not be looked after; what is served stays",
      {{"error", error.what()}, {"remedy", error.remedy()}});
}

/// "/api/v1/namespaces/n/secrets/x" is the object x of the collection before it.
std::pair<std::string, std::string> collection_and_name(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return {path.substr(0, slash), path.substr(slash + 1)};
}

}  // namespace

Rotation::Rotation(const kube::Connection& connection, RotationObjects objects, RotationSettings settings)
    : transport_(std::make_shared<kube::ServerClock>(kube::https_transport(connection))),
      client_(transport_, connection.namespace_name),
      rotator_(client_, std::move(objects), std::move(settings), {.api_server = [this] { return transport_->now(); }},
               [this](const kube::KeyedCertificate& pair) { serve(pair); }) {
  wait_for_first_certificate();
}

Rotation::~Rotation() {
  for (std::jthread* thread : {&turning_, &watching_secret_, &watching_configuration_}) thread->request_stop();
}

void Rotation::serve(const kube::KeyedCertificate& pair) {
  Certificate certificate(pair.certificate, pair.key);
  if (server_ == nullptr) {
    first_ = std::move(certificate);
  } else {
    server_->use_certificate(std::move(certificate));
  }
}

void Rotation::wait_for_first_certificate() {
  const auto deadline = std::chrono::steady_clock::now() + kFirstCertificateWithin;
  while (!first_) {
    try {
      if (rotator_.turn() > seconds(0) && !first_) std::this_thread::sleep_for(seconds(1));
    } catch (const Error& error) {
      // The network of a new pod, or its permissions, may need a moment.
      if (std::chrono::steady_clock::now() > deadline) throw;
      log_failure(error);
      std::this_thread::sleep_for(seconds(1));
    }
    if (!first_ && std::chrono::steady_clock::now() > deadline) {
      throw Error("the Secret does not come to hold a usable certificate");
    }
  }
}

void Rotation::keep_current(Server& server) {
  server_ = &server;
  watching_secret_ = std::jthread([this](const std::stop_token& stop) { watch(rotator_.secret_path(), stop); });
  watching_configuration_ =
      std::jthread([this](const std::stop_token& stop) { watch(rotator_.configuration_path(), stop); });
  turning_ = std::jthread([this](const std::stop_token& stop) { take_turns(stop); });
}

void Rotation::take_turns(const std::stop_token& stop) {
  std::string last_failure;
  while (!stop.stop_requested()) {
    seconds wait = kAfterFailure;
    try {
      wait = rotator_.turn(stop);
      last_failure.clear();
    } catch (const kube::Interrupted&) {
      return;
    } catch (const Error& error) {
      if (last_failure != error.what()) log_failure(error);
      last_failure = error.what();
    }
    if (wait > seconds(0)) pause(wait, stop);
  }
}

void Rotation::pause(seconds duration, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  changed_.wait_for(lock, stop, duration, [this] { return has_news_; });
  has_news_ = false;
}

void Rotation::watch(const std::string& path, const std::stop_token& stop) {
  const auto [collection, name] = collection_and_name(path);
  const kube::Selector only_this = {.labels = "", .fields = "metadata.name=" + name};
  while (!stop.stop_requested()) {
    try {
      client_.watch(
          collection, only_this,
          [this](const kube::WatchEvent&) {
            const std::lock_guard lock(mutex_);
            has_news_ = true;
            changed_.notify_one();
            return true;
          },
          stop);
    } catch (const Error&) {
      // take_turns() meets the same obstacle, and says so.
    }
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable_any never;
    never.wait_for(lock, stop, kAfterFailure, [] { return false; });
  }
}

}  // namespace gpuinfer::webhook
