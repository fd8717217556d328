#include "runtime/server/connection_threads.hpp"

#include <utility>

namespace gpuinfer::server {

void ConnectionThreads::enqueue(std::function<void()> connection) {
  const std::lock_guard lock(mutex_);
  waiting_.push_back(std::move(connection));
  if (waiting_.size() > idle_ && threads_.size() < limit_) {
    threads_.emplace_back([this] { serve(); });
  }
  waiting_count_ = waiting_.size();
  changed_.notify_one();
}

void ConnectionThreads::shutdown() {
  {
    const std::lock_guard lock(mutex_);
    shutdown_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void ConnectionThreads::serve() {
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_;
    changed_.wait(lock, [this] { return shutdown_ || !waiting_.empty(); });
    --idle_;
    if (waiting_.empty()) return;
    const std::function<void()> connection = std::move(waiting_.front());
    waiting_.pop_front();
    waiting_count_ = waiting_.size();
    lock.unlock();
    connection();
    lock.lock();
  }
}

}  // namespace gpuinfer::server
