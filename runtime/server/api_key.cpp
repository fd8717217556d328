#include "runtime/server/api_key.hpp"

#include <openssl/crypto.h>

#include "runtime/server/api_error.hpp"

namespace gpuinfer::server {

void check_api_key(std::string_view authorization, const std::string& api_key) {
  constexpr std::string_view kScheme = "Bearer ";
  const std::string_view given = authorization.starts_with(kScheme) ? authorization.substr(kScheme.size()) : "";
  if (given.size() == api_key.size() && CRYPTO_memcmp(given.data(), api_key.data(), api_key.size()) == 0) return;
  throw ApiError(401, "authentication_error",
                 "The request needs the header 'Authorization: Bearer KEY' with this server's API key.", "",
                 "invalid_api_key");
}

}  // namespace gpuinfer::server
