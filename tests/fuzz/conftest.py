"""How long a fuzz target runs, and what it reached."""


def pytest_addoption(parser):
    parser.addoption("--seconds", type=int, default=20, help="how long each fuzz target runs")


def pytest_terminal_summary(terminalreporter):
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == "fuzzed":
                terminalreporter.write_line(value)
