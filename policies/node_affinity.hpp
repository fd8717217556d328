// Required node affinity of a pod: what its node's labels must say.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/json.hpp"

namespace gpuinfer::policies {

/// One node selector requirement. `values` is empty for Exists.
struct NodeExpression {
  std::string key;
  std::string operation;  ///< "In", "Gt", "Exists"
  std::vector<std::string> values;
};

/// "LABEL in (a, b)", "LABEL > 4", "LABEL exists".
std::string to_string(const NodeExpression& expression);

/// Adds `expression` to the pod: to every one of its required node selector terms, because a node has to fit only one
/// of them; to a term of its own where there are none. A term without any condition fits no node and stays so. What the
/// pod says itself counts: nothing is added where its nodeSelector, or to a term that, has one of the labels
/// `same_labels` already. True where something was added.
bool require(Json& pod, const NodeExpression& expression, const std::vector<std::string>& same_labels);

}  // namespace gpuinfer::policies
