// Text that remembers who wrote each part of it, so that what a user wrote can never become a special token.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace gpuinfer::text {

enum class Origin {
  kUser,      ///< from a request: characters that look like a special token are only characters
  kTemplate,  ///< from the model's own files: may spell special tokens
};

/// Valid UTF-8 with an origin for every byte. What a chat template does with strings keeps the origins.
class MarkedText {
 public:
  MarkedText() = default;
  /// Bytes that are not UTF-8 become U+FFFD, as they would for Hugging Face's `tokenizers`.
  MarkedText(std::string_view text, Origin origin);

  const std::string& str() const { return text_; }
  bool empty() const { return text_.empty(); }
  std::size_t size() const { return text_.size(); }

  void append(const MarkedText& other);
  void append(std::string_view text, Origin origin) { append(MarkedText(text, origin)); }

  /// Bytes `begin` up to `end`, which lie within the text and between characters.
  MarkedText slice(std::size_t begin, std::size_t end) const;

  /// The same text and origins, with each byte changed by `function`, which maps ASCII to ASCII and leaves the rest
  /// alone.
  template <class Function>
  MarkedText map_bytes(Function function) const {
    MarkedText result = *this;
    for (char& byte : result.text_) byte = function(byte);
    return result;
  }

  /// Whether all bytes from `begin` up to `end` are of that origin; `begin < end`.
  bool is_all(Origin origin, std::size_t begin, std::size_t end) const;

 private:
  /// Neighbours differ in origin.
  struct Run {
    std::size_t end;
    Origin origin;
  };

  /// The origin of everything between the last run and `end`.
  void extend(std::size_t end, Origin origin);

  std::string text_;
  std::vector<Run> runs_;
};

}  // namespace gpuinfer::text
