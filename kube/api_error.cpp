#include "kube/api_error.hpp"

#include <sstream>
#include <vector>

#include "kube/json_field.hpp"

namespace gpuinfer::kube {

namespace {

/// What a request is about, in the words of RBAC.
struct Access {
  std::string verb;            ///< "patch"
  std::string resource;        ///< "deployments.apps", "pods/log"
  std::string namespace_name;  ///< empty: cluster-wide
};

std::vector<std::string> segments_of(const std::string& path) {
  std::vector<std::string> segments;
  std::istringstream stream(path.substr(0, path.find('?')));
  for (std::string segment; std::getline(stream, segment, '/');) {
    if (!segment.empty()) segments.push_back(segment);
  }
  return segments;
}

Access access_of(const HttpRequest& request) {
  const std::vector<std::string> segments = segments_of(request.path);
  const bool is_core = !segments.empty() && segments[0] == "api";
  std::size_t next = is_core ? 2 : 3;  // after /api/VERSION or /apis/GROUP/VERSION
  const auto take = [&] { return next < segments.size() ? segments[next++] : std::string(); };

  Access access;
  if (next + 2 < segments.size() && segments[next] == "namespaces") {
    ++next;
    access.namespace_name = take();
  }
  access.resource = take();
  if (!is_core && segments.size() > 1) access.resource += "." + segments[1];
  const std::string name = take();
  if (const std::string subresource = take(); !subresource.empty()) access.resource += "/" + subresource;

  if (request.method == "GET") {
    const bool is_watch = request.path.find("watch=") != std::string::npos;
    access.verb = is_watch ? "watch" : name.empty() ? "list" : "get";
  } else if (request.method == "POST") {
    access.verb = "create";
  } else if (request.method == "PUT") {
    access.verb = "update";
  } else if (request.method == "PATCH") {
    access.verb = "patch";
  } else if (request.method == "DELETE") {
    access.verb = "delete";
  }
  return access;
}

std::string without_subresource(const std::string& resource) { return resource.substr(0, resource.find('/')); }

std::string can_i(const Access& access) {
  const std::string where = access.namespace_name.empty() ? "" : " -n " + access.namespace_name;
  // kubectl takes a subresource as a flag of its own.
  const std::size_t slash = access.resource.find('/');
  const std::string subresource =
      slash == std::string::npos ? "" : " --subresource=" + access.resource.substr(slash + 1);
  return "kubectl auth can-i " + access.verb + " " + without_subresource(access.resource) + subresource + where;
}

std::string remedy_for(const HttpRequest& request, int code, const std::string& reason, const std::string& message) {
  const Access access = access_of(request);
  const auto says = [&](const char* words) { return message.find(words) != std::string::npos; };
  switch (code) {
    case 401:
      return "the API server does not know you: log in again (on EKS: `aws sts get-caller-identity`, then "
             "`aws eks update-kubeconfig --name CLUSTER`)";
    case 403:
      if (!says("is forbidden: User") && !says("cannot")) {
        return "an admission rule of the cluster refused it; its administrator knows why";
      }
      return "ask the cluster's administrator for the verb '" + access.verb + "' on '" + access.resource + "'; `" +
             can_i(access) + "` tells when you have it";
    case 404:
      // The former for an unknown kind of a group that exists, the latter for an unknown group.
      if (says("could not find the requested resource") || says("404 page not found")) {
        return "this cluster does not know '" + access.resource + "': what provides it may not be installed";
      }
      if (access.namespace_name.empty()) return "";
      return "look with `kubectl get " + without_subresource(access.resource) + " -n " + access.namespace_name + "`";
    case 409:
      if (reason == "AlreadyExists") return "choose another name or delete it first";
      if (access.verb == "patch") return "another tool owns these fields; --force takes them over";
      return "it was changed meanwhile; try again";
    case 422:
      return "the object is not valid for this cluster; see the field named above";
    case 429:
      return "the API server is overloaded; try again later";
    case 504:
      return "the API server waited too long for something behind it; try again";
    default:
      break;
  }
  if (says("no endpoints available")) return "no pod of the service is ready: see `kubectl gpuinfer status`";
  if (says("error trying to reach service"))
    return "the pod does not answer: see `kubectl gpuinfer status` and its logs";
  return code >= 500 ? "see the API server's health with `kubectl get --raw '/readyz?verbose'`" : "";
}

/// The start of a body that is no Status, on one line.
std::string excerpt(const std::string& body) {
  constexpr std::size_t kMaxBytes = 300;
  std::string text;
  for (const char c : body.substr(0, kMaxBytes)) text += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  text.erase(text.find_last_not_of(' ') + 1);
  return text + (body.size() > kMaxBytes ? "…" : "");
}

}  // namespace

ApiError api_error(const HttpRequest& request, const HttpResponse& response) {
  Json status = Json::parse(response.body, nullptr, /*allow_exceptions=*/false);
  if (!status.is_object() || text_at(status, "/kind") != "Status") status = nullptr;
  const std::string reason = status.is_null() ? "" : text_at(status, "/reason");
  std::string message = status.is_null() ? "" : text_at(status, "/message");
  if (message.empty()) message = excerpt(response.body);
  const std::string what = "the API server answered " + std::to_string(response.status) + " to " + request.method +
                           " " + request.path.substr(0, request.path.find('?')) +
                           (message.empty() ? "" : ": " + message);
  return ApiError(what, remedy_for(request, response.status, reason, message), response.status, reason,
                  std::move(status));
}

}  // namespace gpuinfer::kube
