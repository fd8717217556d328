// policies/node_affinity: expressions reach every term that a node could fit.
#include "policies/node_affinity.hpp"

#include "catch.hpp"

using namespace gpuinfer;
using namespace gpuinfer::policies;

namespace {

const NodeExpression kCategory{"category", "In", {"g", "p"}};

/// The pod's node selector terms after category was required of a pod that had `terms`.
Json terms_after(const std::string& terms, bool expected_change) {
  Json pod = {{"spec", Json::object()}};
  pod["/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms"_json_pointer] =
      Json::parse(terms);
  CHECK(require(pod, kCategory, {"category", "instance-type"}) == expected_change);
  return pod
      ["/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms"_json_pointer];
}

const std::string kAdded = R"({"key": "category", "operator": "In", "values": ["g", "p"]})";

}  // namespace

TEST_CASE("a pod without affinity gets one term") {
  Json pod = Json::parse(R"({"spec": {"affinity": {"podAffinity": {}, "nodeAffinity": null}}})");
  CHECK(require(pod, kCategory, {"category"}));
  CHECK(require(pod, {"memory", "Gt", {"7"}}, {"memory"}));
  CHECK(pod["spec"]["affinity"]["nodeAffinity"] ==
        Json::parse(
            R"({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [)" +
            kAdded + R"(, {"key": "memory", "operator": "Gt", "values": ["7"]}]}]}})"));
  CHECK(pod["spec"]["affinity"].contains("podAffinity"));
  CHECK_FALSE(require(pod, kCategory, {"category"}));
}

TEST_CASE("every term gets the expression, because a node has to fit only one of them") {
  CHECK(terms_after(R"([{"matchExpressions": [{"key": "a", "operator": "Exists"}]}, {"matchFields": [{"key": "n"}]}])",
                    true) ==
        Json::parse(R"([{"matchExpressions": [{"key": "a", "operator": "Exists"}, )" + kAdded +
                    R"(]}, {"matchFields": [{"key": "n"}], "matchExpressions": [)" + kAdded + "]}]"));
}

TEST_CASE("a term that settles the question itself keeps what it says, the others get the expression") {
  CHECK(terms_after(R"([{"matchExpressions": [{"key": "instance-type", "operator": "In", "values": ["x"]}]},
                        {"matchExpressions": [{"key": "a", "operator": "Exists"}]}])",
                    true) ==
        Json::parse(R"([{"matchExpressions": [{"key": "instance-type", "operator": "In", "values": ["x"]}]},
                        {"matchExpressions": [{"key": "a", "operator": "Exists"}, )" +
                    kAdded + "]}]"));
}

TEST_CASE("a term without conditions fits no node, and must not begin to") {
  const std::string terms = R"([{}, {"matchExpressions": []}, null])";
  CHECK(terms_after(terms, false) == Json::parse(terms));
}

TEST_CASE("a label in the nodeSelector settles the question") {
  Json pod = Json::parse(R"({"spec": {"nodeSelector": {"category": "c"}}})");
  const Json before = pod;
  CHECK_FALSE(require(pod, kCategory, {"category"}));
  CHECK(pod == before);
}

TEST_CASE("expressions read well") {
  CHECK(to_string(kCategory) == "category in (g, p)");
  CHECK(to_string({"generation", "Gt", {"4"}}) == "generation > 4");
  CHECK(to_string({"nvme", "Exists", {}}) == "nvme exists");
}
