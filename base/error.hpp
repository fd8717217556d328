// The error that ends up in front of a user: what was wrong, where, and what to do about it.
#pragma once

#include <stdexcept>
#include <string>
#include <utility>

namespace gpuinfer {

/// `what()` says what is wrong and where ("pod.yaml:12:3: unknown key 'imagee'"); `remedy()` says what to do next and
/// may be empty. Programs print it as "error: WHAT" and "  REMEDY" on a line of its own, and exit with 1.
class Error : public std::runtime_error {
 public:
  explicit Error(const std::string& what, std::string remedy = "")
      : std::runtime_error(what), remedy_(std::move(remedy)) {}

  const std::string& remedy() const { return remedy_; }

 private:
  std::string remedy_;
};

}  // namespace gpuinfer
