// The kinds of damage of mutations.hpp.
#include "mutations.hpp"

#include <algorithm>
#include <array>
#include <limits>
#include <random>

namespace gpuinfer::model {
namespace {

void overwrite_number(std::string& bytes, std::size_t position, std::mt19937_64& random) {
  constexpr std::uint64_t kMaximum = std::numeric_limits<std::uint64_t>::max();
  const std::array<std::uint64_t, 10> numbers = {
      0, 1, 0xFF, 0x7FFFFFFF, 0xFFFFFFFF, 1ULL << 40, kMaximum / 2, kMaximum - 31, kMaximum, random()};
  const std::uint64_t number = numbers[random() % numbers.size()];
  const std::size_t width = random() % 2 == 0 ? 8 : 4;
  const std::string_view text(reinterpret_cast<const char*>(&number), width);
  bytes.replace(position, std::min(width, bytes.size() - position), text);
}

void mutate_once(std::string& bytes, std::size_t range, std::mt19937_64& random) {
  const std::size_t position = random() % std::min(range, bytes.size());
  const std::size_t length = 1 + random() % 40;
  switch (random() % 5) {
    case 0:
      bytes[position] = static_cast<char>(bytes[position] ^ (1 << random() % 8));
      break;
    case 1:
      bytes[position] = static_cast<char>(random());
      break;
    case 2:
      overwrite_number(bytes, position, random);
      break;
    case 3:
      bytes.erase(position, std::min(length, bytes.size() - position - 1));
      break;
    default:
      bytes.insert(position, bytes.substr(random() % bytes.size(), length));
      break;
  }
}

}  // namespace

std::string mutate(std::string valid, std::size_t range, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const std::uint64_t changes = 1 + random() % 4;
  for (std::uint64_t i = 0; i < changes; ++i) mutate_once(valid, range, random);
  return valid;
}

}  // namespace gpuinfer::model
