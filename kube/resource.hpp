// Where in the REST API an object lives.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.hpp"

namespace gpuinfer::kube {

/// A kind of object, as API discovery describes it.
struct Resource {
  std::string api_version;  ///< "v1", "apps/v1"
  std::string kind;         ///< "Deployment"
  std::string plural;       ///< "deployments"
  bool namespaced = true;
};

/// The kinds that this project creates or reads; other kinds need discovery (Client::path_of).
std::optional<Resource> known_resource(std::string_view api_version, std::string_view kind);

/// "/apis/apps/v1/namespaces/NAMESPACE/deployments/NAME". An empty `name` gives the collection, an empty
/// `namespace_name` that of all namespaces. Each part is percent-encoded.
std::string resource_path(const Resource& resource, std::string_view namespace_name, std::string_view name = "");

/// The same for a known kind. Throws Error where the kind is not known.
std::string resource_path(std::string_view api_version, std::string_view kind, std::string_view namespace_name,
                          std::string_view name = "");

/// "Deployment/smollm2-135m": how messages name an object.
std::string object_name(const Json& object);

/// Query parameters in order; values are encoded by with_query().
using Query = std::vector<std::pair<std::string, std::string>>;

/// `path`, "?" and `query`, percent-encoded; empty values are left out.
std::string with_query(std::string path, const Query& query);

/// Percent-encodes everything but RFC 3986's unreserved characters.
std::string percent_encode(std::string_view text);

}  // namespace gpuinfer::kube
