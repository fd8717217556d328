#include "webhook/one_line.hpp"

#include <string_view>

namespace gpuinfer::webhook {

std::string one_line(std::string text, std::size_t max_bytes) {
  constexpr std::string_view kEllipsis = "…";
  for (char& c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) c = ' ';
  }
  if (text.size() <= max_bytes) return text;
  std::size_t end = max_bytes - kEllipsis.size();
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  text.resize(end);
  return text.append(kEllipsis);
}

}  // namespace gpuinfer::webhook
