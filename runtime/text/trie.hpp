// A trie over the bytes of tokens.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace gpuinfer::text {

/// Finds which tokens a text begins with. The values are whatever the caller counts its tokens by.
class Trie {
 public:
  static constexpr std::uint32_t kNoValue = UINT32_MAX;

  /// A string that is there already gets the new value. `bytes` is not empty.
  void insert(std::string_view bytes, std::uint32_t value) {
    std::uint32_t at = 0;
    for (const char byte : bytes) {
      std::uint32_t next = child(at, byte);
      if (next == 0) {
        next = static_cast<std::uint32_t>(nodes_.size());
        nodes_[at].children.emplace_back(byte, next);
        nodes_.emplace_back();
      }
      at = next;
    }
    nodes_[at].value = value;
  }

  /// Calls `found(length, value)` for every token that `text` begins with, the shortest first.
  template <class Found>
  void find_prefixes(std::string_view text, Found found) const {
    std::uint32_t at = 0;
    for (std::size_t length = 1; length <= text.size(); ++length) {
      at = child(at, text[length - 1]);
      if (at == 0) return;
      if (nodes_[at].value != kNoValue) found(length, nodes_[at].value);
    }
  }

 private:
  struct Node {
    std::vector<std::pair<char, std::uint32_t>> children;
    std::uint32_t value = kNoValue;
  };

  /// 0, the root, where there is none.
  std::uint32_t child(std::uint32_t node, char byte) const {
    for (const auto& [first, next] : nodes_[node].children) {
      if (first == byte) return next;
    }
    return 0;
  }

  std::vector<Node> nodes_{1};
};

}  // namespace gpuinfer::text
