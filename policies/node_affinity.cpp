#include "policies/node_affinity.hpp"

#include <algorithm>

#include "policies/pod.hpp"

namespace gpuinfer::policies {

namespace {

constexpr const char* kRequired = "requiredDuringSchedulingIgnoredDuringExecution";

bool term_speaks_of(const Json& term, std::string_view key) {
  const Json& expressions = member(term, "matchExpressions");
  return std::any_of(expressions.begin(), expressions.end(), [&](const Json& expression) {
    return expression.is_object() && text_at(expression, "key") == key;
  });
}

bool is_empty(const Json& term) {
  return !term.is_object() || (member(term, "matchExpressions").empty() && member(term, "matchFields").empty());
}

Json to_json(const NodeExpression& expression) {
  Json json = {{"key", expression.key}, {"operator", expression.operation}};
  if (!expression.values.empty()) json["values"] = expression.values;
  return json;
}

}  // namespace

std::string to_string(const NodeExpression& expression) {
  if (expression.operation == "Exists") return expression.key + " exists";
  std::string values;
  for (const std::string& value : expression.values) values += (values.empty() ? "" : ", ") + value;
  return expression.key + (expression.operation == "Gt" ? " > " + values : " in (" + values + ")");
}

bool require(Json& pod, const NodeExpression& expression, const std::vector<std::string>& same_labels) {
  const auto any_label = [&](auto predicate) { return std::any_of(same_labels.begin(), same_labels.end(), predicate); };
  const Json& node_selector = member(pod["spec"], "nodeSelector");
  if (any_label([&](const std::string& label) { return node_selector.contains(label); })) return false;

  Json& affinity = pod["spec"]["affinity"];
  Json& terms = list_at(affinity["nodeAffinity"][kRequired], "nodeSelectorTerms");
  if (terms.empty()) {
    terms.push_back({{"matchExpressions", Json::array({to_json(expression)})}});
    return true;
  }
  bool is_changed = false;
  for (Json& term : terms) {
    if (is_empty(term) || any_label([&](const std::string& label) { return term_speaks_of(term, label); })) continue;
    list_at(term, "matchExpressions").push_back(to_json(expression));
    is_changed = true;
  }
  return is_changed;
}

}  // namespace gpuinfer::policies
