// Mutation of JSON documents as trees: almost every flipped byte would only make them unreadable.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace gpuinfer::fuzz {

/// For LLVMFuzzerCustomMutator: replaces, removes, doubles, moves or renames a value of the document in `data`, or lets
/// libFuzzer change its bytes (always where they are no JSON). Returns the new size, at most `max_size`.
std::size_t mutate_json(std::uint8_t* data, std::size_t size, std::size_t max_size, unsigned seed);

/// For LLVMFuzzerCustomCrossOver: `first` with a value somewhere replaced by one of `second`'s, in `out`. Returns its
/// size, 0 where one of them is no JSON or the result is too large.
std::size_t cross_json(std::string_view first, std::string_view second, std::uint8_t* out, std::size_t max_out_size,
                       unsigned seed);

}  // namespace gpuinfer::fuzz

/// libFuzzer's own mutation of bytes.
extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);
