#include "base/base64.hpp"

#include <openssl/evp.h>

#include <limits>
#include <memory>

namespace gpuinfer {

namespace {

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }
unsigned char* bytes_of(std::string& text) { return reinterpret_cast<unsigned char*>(text.data()); }

}  // namespace

std::string base64_encode(std::string_view bytes) {
  std::string text((bytes.size() + 2) / 3 * 4 + 1, '\0');  // EVP_EncodeBlock ends with a NUL
  text.resize(
      static_cast<std::size_t>(EVP_EncodeBlock(bytes_of(text), bytes_of(bytes), static_cast<int>(bytes.size()))));
  return text;
}

std::optional<std::string> base64_decode(std::string_view text) {
  if (text.size() > static_cast<std::size_t>(std::numeric_limits<int>::max())) return std::nullopt;
  const std::unique_ptr<EVP_ENCODE_CTX, decltype(&EVP_ENCODE_CTX_free)> context(EVP_ENCODE_CTX_new(),
                                                                                &EVP_ENCODE_CTX_free);
  EVP_DecodeInit(context.get());
  std::string bytes(text.size() / 4 * 3 + 3, '\0');
  int size = 0;
  int rest = 0;
  if (EVP_DecodeUpdate(context.get(), bytes_of(bytes), &size, bytes_of(text), static_cast<int>(text.size())) < 0 ||
      EVP_DecodeFinal(context.get(), bytes_of(bytes) + size, &rest) != 1) {
    return std::nullopt;
  }
  bytes.resize(static_cast<std::size_t>(size + rest));
  return bytes;
}

}  // namespace gpuinfer
