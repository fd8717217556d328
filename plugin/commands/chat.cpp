// `chat`: asks a deployed model, once or in a conversation.
#include "plugin/chat.hpp"

#include <unistd.h>

#include <iostream>
#include <iterator>
#include <memory>

#include "plugin/commands/commands.hpp"
#include "plugin/example.hpp"
#include "plugin/interrupt.hpp"
#include "plugin/output.hpp"
#include "plugin/target.hpp"

namespace gpuinfer::plugin {

namespace {

struct ChatOptions {
  std::string name;
  std::vector<std::string> prompt;
  std::string system;
  SamplingOptions sampling;
  bool local = false;
};

constexpr const char* kHelp =
    "/help            this text\n"
    "/clear           forget the conversation\n"
    "/system [TEXT]   show the system prompt, or set it and forget the conversation\n"
    "/exit            leave (so does Ctrl-D)\n"
    "Ctrl-C ends the answer under way.\n";

/// Asks and prints the answer as it comes; how fast it came goes to standard error where a person looks.
void answer(Chat& chat, const std::string& prompt, const std::function<bool()>& interrupted) {
  bool line_ended = true;
  const auto print = [&](std::string_view text) {
    std::cout << text << std::flush;
    line_ended = text.ends_with('\n');
    return std::cout.good() && !interrupted();
  };
  const auto end_line = [&] {
    if (!line_ended) std::cout << std::endl;
  };
  try {
    const AnswerStats stats = chat.ask(prompt, print);
    end_line();
    if (is_terminal(STDERR_FILENO))
      std::cerr << paint("[" + describe(stats) + "]", Colour::kDim, wants_colour(STDERR_FILENO)) << '\n';
  } catch (...) {
    end_line();
    throw;
  }
}

/// Obeys a line that starts with a slash; false ends the conversation.
bool obey(Chat& chat, const std::string& line) {
  const std::size_t space = line.find(' ');
  const std::string command = line.substr(0, space);
  const std::string text = space == std::string::npos ? "" : line.substr(space + 1);
  if (command == "/exit" || command == "/quit") return false;
  if (command == "/clear") {
    chat.clear();
  } else if (command == "/system") {
    if (!text.empty()) chat.set_system(text);
    std::cerr << (chat.system().empty() ? "no system prompt" : chat.system()) << '\n';
  } else {
    if (command != "/help") std::cerr << "unknown command " << command << '\n';
    std::cerr << kHelp;
  }
  return true;
}

void converse(Chat& chat, const std::string& model) {
  std::cerr << "Chatting with " << model << ". /help shows the commands, Ctrl-D leaves.\n";
  const std::string prompt_sign = paint("> ", Colour::kCyan, wants_colour(STDERR_FILENO));
  std::string line;
  while (std::cerr << prompt_sign << std::flush, std::getline(std::cin, line)) {
    if (line.find_first_not_of(" \t") == std::string::npos) continue;
    if (line.front() == '/') {
      if (!obey(chat, line)) return;
      continue;
    }
    try {
      const InterruptGuard guard;
      answer(chat, line, [&] { return guard.requested(); });
    } catch (const Error& error) {
      print_error(error);  // the conversation goes on
    }
  }
  std::cerr << '\n';
}

/// The words of the command line, or what is piped in; empty for a conversation.
std::string one_shot_prompt(const ChatOptions& options) {
  std::string prompt;
  for (const std::string& word : options.prompt) prompt += (prompt.empty() ? "" : " ") + word;
  if (!prompt.empty() || is_terminal(STDIN_FILENO)) return prompt;
  prompt.assign(std::istreambuf_iterator<char>(std::cin), {});
  while (prompt.ends_with('\n')) prompt.pop_back();
  if (prompt.empty())
    throw Error("there is no prompt: standard input is empty",
                "give one: kubectl gpuinfer chat " + options.name + " \"What is machine learning?\"");
  return prompt;
}

void chat_with(const ChatOptions& options, const GlobalOptions& global) {
  const std::string prompt = one_shot_prompt(options);
  Target target = reach(options.name, options.local, global);
  Chat chat(*target.server, target.model, options.system, options.sampling);
  if (prompt.empty()) {
    converse(chat, target.model);
  } else {
    answer(chat, prompt, [] { return false; });
  }
}

}  // namespace

void add_chat_command(CLI::App& program, GlobalOptions& global) {
  auto options = std::make_shared<ChatOptions>();
  CLI::App* chat = program.add_subcommand("chat", "Talk to a deployed model, or ask it one question");
  chat->add_option("NAME", options->name, "The deployment's name")->type_name("")->required();
  chat->add_option("PROMPT", options->prompt,
                   "One question (default: standard input if it is not a terminal, else a conversation)")
      ->type_name("");
  chat->add_option("--system", options->system, "The system prompt")->type_name("TEXT");
  chat->add_option("--temperature", options->sampling.temperature, "0 always takes the likeliest token")
      ->type_name("NUMBER")
      ->check(quiet(CLI::Range(0.0, 2.0)));
  chat->add_option("--top-p", options->sampling.top_p, "Sample from the likeliest tokens up to this probability")
      ->type_name("NUMBER")
      ->check(quiet(CLI::Range(0.0, 1.0)));
  chat->add_option("--max-tokens", options->sampling.max_tokens, "The longest answer")
      ->type_name("NUMBER")
      ->check(quiet(CLI::PositiveNumber));
  chat->add_option("--seed", options->sampling.seed, "The same seed gives the same answer")->type_name("NUMBER");
  add_local_option(*chat, options->local);
  add_global_options(*chat, global);
  add_examples(*chat, {{"A conversation", "kubectl gpuinfer chat smollm2-135m"},
                       {"One question", "kubectl gpuinfer chat smollm2-135m \"What is machine learning?\""},
                       {"From a pipe, always the same answer",
                        "echo \"Name three oceans.\" | kubectl gpuinfer chat smollm2-135m --temperature 0"}});
  chat->callback([options, &global] { chat_with(*options, global); });
}

}  // namespace gpuinfer::plugin
