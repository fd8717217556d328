// The grammars of what policy documents and annotations hold, and how messages call them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "policies/names.hpp"

namespace gpuinfer::policies {

/// What a text must be, and how a message calls that ("the name of a namespace").
struct Grammar {
  bool (*accepts)(std::string_view);
  const char* description;
};

bool is_namespace_glob(std::string_view text);
bool is_extended_resource(std::string_view text);  ///< a resource with a domain: nvidia.com/gpu
bool is_registry_or_empty(std::string_view text);  ///< HOST[:PORT][/PATH]; a host of ECR must be a right one
bool is_upstream(std::string_view text);           ///< HOST[/PATH], where Docker Hub is docker.io
bool is_rewrite_target(std::string_view text);
bool is_image_reference(std::string_view text);
bool is_image_of_models(std::string_view text);  ///< an image reference with one "{model}" in its path
bool is_absolute_path(std::string_view text);
bool is_folder(std::string_view text);  ///< a relative path that stays below its root
bool is_url_path(std::string_view text);
bool is_duration(std::string_view text);  ///< as Go writes it: 30m, 1h30m
bool is_environment_variable(std::string_view text);
bool is_zone(std::string_view text);
bool is_zone_id(std::string_view zone);           ///< usw2-az1, where a name ends in a letter: us-west-2a
bool is_node_label_value(std::string_view text);  ///< the value of a label, not empty

/// What is wrong with a list of zones that are some names and some IDs; empty where nothing is.
std::string problem_of_zones(const std::vector<std::string>& zones);

inline constexpr Grammar kDocumentName{is_dns_subdomain, "a name of lower-case letters, digits, '-' and '.'"};
inline constexpr Grammar kNamespaceGlob{is_namespace_glob,
                                        "the name of a namespace, in which * stands for any characters"};
inline constexpr Grammar kLabelKey{is_label_key, "the key of a label, such as app.kubernetes.io/name"};
inline constexpr Grammar kLabelValue{is_label_value, "the value of a label"};
inline constexpr Grammar kImageGlob{[](std::string_view text) { return !text.empty(); },
                                    "an image reference, in which * stands for any characters"};
inline constexpr Grammar kDeviceName{is_extended_resource, "the name of an extended resource, such as nvidia.com/gpu"};
inline constexpr Grammar kRegistry{is_registry_or_empty, "HOST[:PORT][/PATH], or empty"};
inline constexpr Grammar kUpstream{is_upstream,
                                   "a registry's host, such as ghcr.io (docker.io for Docker Hub), or HOST/PATH"};
inline constexpr Grammar kRewriteTarget{is_rewrite_target,
                                        "a repository prefix, such as github, HOST[/PREFIX], or empty"};
inline constexpr Grammar kImageName{is_image_reference, "an image reference"};
inline constexpr Grammar kImageOfModels{is_image_of_models, "an image reference with {model} in its path"};
inline constexpr Grammar kClaimName{is_dns_subdomain, "the name of a PersistentVolumeClaim"};
inline constexpr Grammar kSecretNameOrEmpty{
    [](std::string_view text) { return text.empty() || is_dns_subdomain(text); }, "the name of a Secret, or empty"};
inline constexpr Grammar kStoreName{is_dns_label, "a store's name, such as s3"};
inline constexpr Grammar kStoreOrClaimName{is_dns_subdomain,
                                           "a store's name such as s3, or the name of a PersistentVolumeClaim"};
inline constexpr Grammar kPath{is_absolute_path, "an absolute path, such as /models"};
inline constexpr Grammar kRelativePath{is_folder, "a folder's name or relative path, such as gpuinfer/models"};
inline constexpr Grammar kUrlPath{is_url_path, "the path of a URL, such as /health"};
inline constexpr Grammar kDurationOrAlways{[](std::string_view text) { return text == "always" || is_duration(text); },
                                           "a duration, such as 30m, or always"};
inline constexpr Grammar kVariableName{is_environment_variable, "the name of an environment variable"};
inline constexpr Grammar kAnyText{[](std::string_view) { return true; }, "a string"};
inline constexpr Grammar kRegionOrEmpty{
    [](std::string_view text) { return text.empty() || (is_dns_label(text) && text.find('-') < text.size()); },
    "a region, such as us-west-2, or empty"};
inline constexpr Grammar kZone{is_zone, "a zone's name, such as us-west-2a, or its ID, such as usw2-az1"};
inline constexpr Grammar kInstanceCategory{is_node_label_value, "an instance category, such as g"};
inline constexpr Grammar kInstanceFamily{is_node_label_value, "an instance family, such as g6e"};
inline constexpr Grammar kGpuName{is_node_label_value, "a GPU's name as nodes are labelled, such as l40s"};
inline constexpr Grammar kCapacityType{
    [](std::string_view text) { return text == "on-demand" || text == "spot" || text == "reserved"; },
    "on-demand, spot or reserved"};
inline constexpr Grammar kProvisioner{[](std::string_view text) { return text == "auto-mode" || text == "karpenter"; },
                                      "auto-mode or karpenter"};
inline constexpr Grammar kReaction{[](std::string_view text) { return text == "warn" || text == "deny"; },
                                   "warn or deny"};
inline constexpr Grammar kInjectWhom{[](std::string_view text) { return text == "annotated" || text == "selected"; },
                                     "annotated or selected"};

}  // namespace gpuinfer::policies
