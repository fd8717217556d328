// The open connections of a front.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

namespace gpuinfer::webhook {

class Connection;

/// Knows every connection from its start to its end, without keeping it alive.
class ConnectionTable {
 public:
  void add(const std::shared_ptr<Connection>& connection);
  void remove(const Connection* connection);

  std::size_t size() const;
  std::vector<std::shared_ptr<Connection>> all() const;
  /// The one that has been waiting for its client the longest; null where all are being answered.
  std::shared_ptr<Connection> longest_waiting() const;
  /// Returns when there is none left, or after `patience`.
  void wait_until_empty(std::chrono::milliseconds patience);

 private:
  mutable std::mutex mutex_;
  std::condition_variable empty_;
  std::unordered_map<const Connection*, std::weak_ptr<Connection>> connections_;
};

}  // namespace gpuinfer::webhook
