// The grammars of names that users write in annotations and policy documents.
#pragma once

#include <string_view>

namespace gpuinfer::policies {

/// RFC 1123 label, the name of a container: at most 63 of [a-z0-9-], not starting or ending with "-".
bool is_dns_label(std::string_view name);

/// RFC 1123 subdomain, the name of a claim: labels with dots between them, at most 253 characters.
bool is_dns_subdomain(std::string_view name);

/// The key of a label or an annotation: [SUBDOMAIN/]NAME.
bool is_label_key(std::string_view key);

/// The value of a label: empty, or at most 63 of [A-Za-z0-9._-], the first and last of which are letters or digits.
bool is_label_value(std::string_view value);

/// A model's folder below the mount: one to four parts of [A-Za-z0-9._-] with "/" between them, none of which starts
/// with a dot (so there is no way out of the mount).
bool is_model_name(std::string_view name);

}  // namespace gpuinfer::policies
