// The threads that serve connections: as many as are needed, up to a limit.
#pragma once

#include <httplib.h>

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <list>
#include <mutex>
#include <thread>
#include <vector>

namespace gpuinfer::server {

/// A stream holds its thread until its last token, so there may have to be hundreds; an idle server should not pay for
/// them.
class ConnectionThreads : public httplib::TaskQueue {
 public:
  /// Connections beyond `limit` wait for a thread; `waiting` says how many.
  ConnectionThreads(std::size_t limit, std::atomic<std::size_t>& waiting) : limit_(limit), waiting_count_(waiting) {}

  void enqueue(std::function<void()> connection) override;
  /// Serves what was accepted, then ends all threads.
  void shutdown() override;

 private:
  void serve();

  std::size_t limit_;
  std::atomic<std::size_t>& waiting_count_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::list<std::function<void()>> waiting_;
  std::vector<std::thread> threads_;
  std::size_t idle_ = 0;
  bool shutdown_ = false;
};

}  // namespace gpuinfer::server
