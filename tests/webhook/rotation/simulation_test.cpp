// Months of rotation in seconds: replicas that crash, lose answers, hear nothing for a while and get in each other's
// way, in front of API servers that lag behind. No certificate is ever served that one of the API servers would refuse.
#include <deque>
#include <memory>
#include <random>
#include <set>

#include "base/log.hpp"
#include "catch.hpp"
#include "tests/webhook/rotation/fake_cluster.hpp"
#include "webhook/rotation/ca_bundle.hpp"
#include "webhook/rotation/rotator.hpp"

namespace gpuinfer::webhook {
namespace {

using std::chrono::seconds;
using std::chrono::sys_seconds;

const std::string kName = "gpuinfer-webhook.test.svc";

RotationSettings fast() {
  RotationSettings settings;
  settings.dns_names = {kName};
  settings.authority_lifetime = seconds(150);
  settings.certificate_lifetime = seconds(45);
  settings.overlap = seconds(5);
  return settings;
}

class Simulation {
 public:
  Simulation(unsigned seed, int replicas) : random_(seed), replicas_(static_cast<std::size_t>(replicas)) {
    for (Replica& replica : replicas_) start(replica);
    cluster_->before_put = [this] { interfere(); };
  }

  /// One second of everybody's life.
  void second() {
    now_ += seconds(1);
    for (Replica& replica : replicas_) live(replica);
    const std::string bundle = read_ca_bundle(cluster_->object(kConfigurationPath)).value();
    bundles_.push_front(bundle);
    if (bundles_.size() > kLongestLag) bundles_.pop_back();
    for (const Replica& replica : replicas_) check_served(replica);
    if (!bundle.empty()) authorities_.insert(kube::inspect_certificates(bundle).front().fingerprint);
  }

  std::set<std::string> authorities_, certificates_;  ///< all that there ever were
  std::size_t largest_bundle_ = 0;

 private:
  struct Replica {
    std::unique_ptr<Rotator> rotator;
    kube::KeyedCertificate served;
    sys_seconds deaf_until{};
  };

  /// API servers read a changed configuration within as many seconds, less than the overlap.
  static constexpr std::size_t kLongestLag = 4;

  bool one_in(unsigned n) { return random_() % n == 0; }

  void start(Replica& replica) {
    replica.served = {};
    replica.rotator = std::make_unique<Rotator>(
        kube::Client(cluster_, "test"), RotationObjects{.namespace_name = "test"}, fast(),
        RotationClocks{.api_server = [this] { return now_; },
                       .monotonic = [this] { return std::chrono::steady_clock::time_point(now_.time_since_epoch()); }},
        [&replica](const kube::KeyedCertificate& certificate) { replica.served = certificate; });
  }

  void live(Replica& replica) {
    if (one_in(60)) start(replica);
    // Shorter than what is left of a certificate when it is renewed: after that, nobody can help.
    if (one_in(80)) replica.deaf_until = now_ + seconds(random_() % 10);
    if (now_ < replica.deaf_until || one_in(3)) return;
    cluster_->loses_next_answer = one_in(10);
    try {
      replica.rotator->turn();
    } catch (const kube::TransportError&) {
    }
    if (!replica.served.certificate.empty()) certificates_.insert(replica.served.certificate);
  }

  /// Somebody else takes a turn between a replica's reading and its writing.
  void interfere() {
    if (interfering_ || !one_in(4)) return;
    interfering_ = true;
    try {
      replicas_[random_() % replicas_.size()].rotator->turn();
    } catch (const kube::TransportError&) {
    }
    interfering_ = false;
  }

  void check_served(const Replica& replica) {
    if (replica.served.certificate.empty()) return;  // not ready: no API server calls it
    for (const std::string& bundle : bundles_) {
      if (bundle.empty()) continue;  // the first seconds of the installation
      // The same pair again can only fail by its age: a look now and then will do.
      if (!checked_.emplace(replica.served.certificate, bundle).second && !one_in(20)) continue;
      INFO("at " << now_.time_since_epoch().count() << " s");
      REQUIRE(kube::is_trusted(replica.served.certificate, bundle, kName, now_));
      largest_bundle_ = std::max(largest_bundle_, kube::inspect_certificates(bundle).size());
    }
  }

  std::mt19937 random_;
  std::shared_ptr<FakeCluster> cluster_ = std::make_shared<FakeCluster>();
  sys_seconds now_{std::chrono::days(20000)};
  std::vector<Replica> replicas_;
  std::deque<std::string> bundles_;                        ///< of the last seconds, the newest first
  std::set<std::pair<std::string, std::string>> checked_;  ///< certificate and bundle
  bool interfering_ = false;
};

TEST_CASE("no API server ever meets a certificate that it does not trust") {
  set_log_level(LogLevel::kError);
  for (unsigned seed = 1; seed <= 3; ++seed) {
    CAPTURE(seed);
    Simulation simulation(seed, 1 + static_cast<int>(seed % 3));
    for (int i = 0; i < 700; ++i) simulation.second();
    CHECK(simulation.authorities_.size() >= 5);
    CHECK(simulation.certificates_.size() >= 15);
    CHECK(simulation.largest_bundle_ <= 4);
  }
}

}  // namespace
}  // namespace gpuinfer::webhook
