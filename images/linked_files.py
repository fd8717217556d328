"""The files that a program was made of and that are not ours, as the build knows them: nothing that is linked or compiled in can be forgotten."""

import os
import pathlib
import re
import shlex
import subprocess


def linked_archives(build: pathlib.Path, program: pathlib.Path) -> list[pathlib.Path]:
    """Archives and objects from outside of the build folder: the linker names them when it links once more, to nowhere."""
    target = program.relative_to(build)
    command = shlex.split(ninja(build, "commands", "-s", target).splitlines()[-1].removeprefix(": && ").removesuffix(" && :"))
    command[command.index("-o") + 1] = os.devnull
    trace = subprocess.run([*command, "-Wl,--trace"], cwd=build, check=True, capture_output=True, text=True).stdout
    files = {build.joinpath(line).resolve() for line in trace.splitlines()}
    return sorted(file for file in files if file.suffix in (".a", ".o") and build not in file.parents)


def included_headers(build: pathlib.Path, program: pathlib.Path) -> list[pathlib.Path]:
    """Headers from outside of the repository that any object of the program was compiled with."""
    compiled = [line for line in ninja(build, "inputs", program.relative_to(build)).splitlines() if line.endswith((".o", ".gch"))]
    headers = {build.joinpath(path).resolve() for path in re.findall(r"^    (\S.*)$", ninja(build, "deps", *compiled), re.MULTILINE)}
    repository = pathlib.Path(__file__).resolve().parent.parent
    return sorted(header for header in headers if repository not in header.parents)


def ninja(build: pathlib.Path, tool: str, *arguments) -> str:
    return subprocess.run(["ninja", "-C", build, "-t", tool, *arguments], check=True, capture_output=True, text=True).stdout
