#include "webhook/front/connection_table.hpp"

#include "webhook/front/connection.hpp"

namespace gpuinfer::webhook {

void ConnectionTable::add(const std::shared_ptr<Connection>& connection) {
  const std::lock_guard lock(mutex_);
  connections_.emplace(connection.get(), connection);
}

void ConnectionTable::remove(const Connection* connection) {
  const std::lock_guard lock(mutex_);
  connections_.erase(connection);
  if (connections_.empty()) empty_.notify_all();
}

std::size_t ConnectionTable::size() const {
  const std::lock_guard lock(mutex_);
  return connections_.size();
}

std::vector<std::shared_ptr<Connection>> ConnectionTable::all() const {
  std::vector<std::shared_ptr<Connection>> all;
  const std::lock_guard lock(mutex_);
  all.reserve(connections_.size());
  for (const auto& [address, weak] : connections_) {
    if (std::shared_ptr<Connection> connection = weak.lock()) all.push_back(std::move(connection));
  }
  return all;
}

std::shared_ptr<Connection> ConnectionTable::longest_waiting() const {
  std::shared_ptr<Connection> longest;
  for (const std::shared_ptr<Connection>& connection : all()) {
    const auto since = connection->waiting_since();
    if (since && (!longest || *since < longest->waiting_since())) longest = connection;
  }
  return longest;
}

void ConnectionTable::wait_until_empty(std::chrono::milliseconds patience) {
  std::unique_lock lock(mutex_);
  empty_.wait_for(lock, patience, [this] { return connections_.empty(); });
}

}  // namespace gpuinfer::webhook
