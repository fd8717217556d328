// Container image references, by the grammar of github.com/distribution/reference.
#pragma once

#include <string>
#include <string_view>

namespace gpuinfer::policies {

/// A reference in its full form: "nginx" is docker.io / library/nginx with neither tag nor digest.
struct ImageReference {
  std::string registry;    ///< host with an optional port; every name of Docker Hub becomes "docker.io"
  std::string repository;  ///< path without the host; Docker Hub's official images have their "library/"
  std::string tag;         ///< without ":", may be empty
  std::string digest;      ///< without "@", may be empty; tag and digest may both be there
};

/// Throws Error that says which part breaks the grammar.
ImageReference parse_image_reference(std::string_view text);

/// REGISTRY/REPOSITORY[:TAG][@DIGEST].
std::string to_string(const ImageReference& reference);

/// True where the first part of a reference, or of its beginning, is a host: it has a "." or a ":", or is "localhost".
bool names_registry(std::string_view text);

/// "docker.io" for its aliases (index.docker.io, registry-1.docker.io), any other host as it is.
std::string_view canonical_registry(std::string_view host);

}  // namespace gpuinfer::policies
