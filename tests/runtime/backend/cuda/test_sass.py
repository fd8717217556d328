"""The machine code of every kernel in gpuinfer-server, for each GPU it was built for, against the budget that stands above the kernel:

    // budget: 128 registers, 33792 shared bytes, HMMA, LDG.128
    // budget <2, 8>: ...                                          of one instance of a template

`registers` and `shared bytes` are limits (without the latter there is none to be had), an instruction is one that must occur: its name and what its
modifiers must hold. Nothing may lie in local memory; `stack bytes`, with the reason beside it, allow some.
"""

import concurrent.futures
import dataclasses
import itertools
import os
import pathlib
import re
import subprocess

import pytest

REPOSITORY = pathlib.Path(__file__).resolve().parents[4]
KERNELS = REPOSITORY / "runtime" / "backend" / "cuda"
PROGRAMS = pathlib.Path(os.environ["GPUINFER_BIN"])
# What ships; and kernels that nothing launches yet, which the linker leaves out.
FILES = [PROGRAMS / "gpuinfer-server", PROGRAMS.parent / "runtime" / "backend" / "cuda" / "sampling.cu.o"]
CMAKE = (REPOSITORY / "cmake" / "cuda.cmake").read_text()
TARGETS = re.search(r"set\(GPUINFER_CUDA_TARGETS ([\d ]+)\)", CMAKE)[1].split()
LIMITS = ("registers", "shared bytes", "stack bytes")


@dataclasses.dataclass
class Budget:
    limits: dict
    instructions: list


@dataclasses.dataclass
class Kernel:
    """What one target's code takes, under the names of a budget's limits."""
    takes: dict
    instructions: list


# --- Budgets, as the sources state them. ---


def parse_budget(text):
    limits, instructions = {}, []
    for item in text.split(", "):
        if limit := re.fullmatch(rf"(\d+) ({'|'.join(LIMITS)})", item):
            limits[limit[2]] = int(limit[1])
        elif re.fullmatch(r"[A-Z0-9.]+", item):
            instructions.append(item)
        else:
            raise ValueError(f"{item!r} is no part of a budget")
    if "registers" not in limits:
        raise ValueError(f"no registers in {text!r}")
    return Budget(limits, instructions)


def parse_budgets(source):
    """By kernel, or kernel<arguments>: a budget belongs to the next kernel below it."""
    budgets = {}
    for budget in re.finditer(r"^// budget(?: (<.*>))?: (.*)$", source, re.MULTILINE):
        kernel = re.search(r"\b(\w+_kernel)\(", source[budget.end():])
        if kernel is None:
            raise ValueError(f"no kernel below {budget[0]!r}")
        budgets[kernel[1] + (budget[1] or "")] = parse_budget(budget[2])
    return budgets


def budget_of(budgets, name):
    return budgets.get(name) or budgets.get(name.partition("<")[0])


# --- Machine code, as cuobjdump prints it. ---


def short_name(function):
    """kernel<arguments> of a C++ declaration, without namespaces and casts."""
    function = re.sub(r"\(anonymous namespace\)::|\(int\)|\b\w+::", "", function)
    return re.search(r"\b\w+_kernel(?:<.*>)?(?=\()", function)[0]


def names_of(functions):
    demangled = subprocess.run(["c++filt"], input="\n".join(functions), capture_output=True, text=True, check=True).stdout.splitlines()
    return {function: short_name(name) for function, name in zip(functions, demangled)}


def parse_kernels(target, usage, sass):
    """From `cuobjdump -res-usage` and `cuobjdump -sass` of one target."""
    takes = {}
    reserved = 1024 if int(target) >= 90 else 0  # Of each block that has shared memory at all, by the system (CUDA programming guide).
    for function, numbers in re.findall(r"^ *Function (\S+):\n *(REG:.*)$", usage, re.MULTILINE):
        fields = {name: int(number) for name, number in re.findall(r"(\w+):(\d+)", numbers)}
        takes[function] = {"registers": fields["REG"], "shared bytes": max(0, fields["SHARED"] - reserved),
                           "stack bytes": fields["STACK"] + fields["LOCAL"]}
    names = names_of(list(takes))
    kernels = {}
    for part in re.split(r"^\t\tFunction : ", sass, flags=re.MULTILINE)[1:]:
        function = part.partition("\n")[0]
        instructions = re.findall(r"^\s+/\*[0-9a-f]{4,}\*/\s+(?:@!?\w+ )?([A-Z][A-Z0-9._]*)", part, re.MULTILINE)
        kernels[names[function]] = Kernel(takes[function], instructions)
    return kernels


def cmake_variable(name):
    found = re.search(rf"^{name}:\w+=(.*)$", (PROGRAMS.parent / "CMakeCache.txt").read_text(), re.MULTILINE)
    return found[1] if found else ""


def is_off(value):
    return value in ("", "OFF") or value.endswith("NOTFOUND")


def cuobjdump(file, *arguments):
    tool = pathlib.Path(cmake_variable("GPUINFER_NVCC")).with_name("cuobjdump")
    path = f"{tool.parent}:{os.environ['PATH']}"  # It calls nvdisasm.
    return subprocess.run([tool, *arguments, file], capture_output=True, text=True, check=True,
                          env=dict(os.environ, PATH=path)).stdout


# --- The comparison. ---


def is_instance(instruction, wanted):
    name, *modifiers = instruction.split(".")
    return name == wanted.split(".")[0] and set(wanted.split(".")[1:]) <= set(modifiers)


MEMORY = ("LD", "LDG", "LDGSTS", "ST", "STG", "ATOM", "ATOMG", "RED", "REDG")


def early_accesses(kernel):
    """To memory, before the kernel has waited for the one before it (ptx/overlap.cuh; GPUs before sm_90 need not)."""
    early = itertools.takewhile(lambda one: one.split(".")[0] != "ACQBULK", kernel.instructions)
    return [one for one in early if one.split(".")[0] in MEMORY]


def violations(kernel, budget):
    found = [f"{taken} {what}, and the budget is {budget.limits.get(what, 0)}"
             for what, taken in kernel.takes.items() if taken > budget.limits.get(what, 0)]
    found += [f"no {wanted}" for wanted in budget.instructions if not any(is_instance(one, wanted) for one in kernel.instructions)]
    if "stack bytes" not in budget.limits:
        local = [one for one in kernel.instructions if one.split(".")[0] in ("LDL", "STL")]
        found += [f"{len(local)} accesses to local memory ({local[0]})"] if local else []
    return found


@pytest.fixture(scope="module")
def budgets():
    result = {}
    for source in sorted(KERNELS.glob("*.cu")):
        result |= parse_budgets(source.read_text())
    return result


@pytest.fixture(scope="module")
def kernels():
    """By target, then by name."""
    if is_off(cmake_variable("GPUINFER_CUDA")) or is_off(cmake_variable("GPUINFER_NVCC")):
        pytest.skip("this tree was built without CUDA: scripts/install-cuda fetches the compiler, then configure it anew")
    def read(target):
        found = {}
        for file in FILES:
            found |= parse_kernels(target, cuobjdump(file, "-res-usage", "-arch", f"sm_{target}"), cuobjdump(file, "-sass", "-arch", f"sm_{target}"))
        return found

    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return dict(zip(TARGETS, pool.map(read, TARGETS)))


@pytest.mark.parametrize("target", TARGETS)
def test_kernels_keep_to_their_budgets(target, budgets, kernels):
    found = []
    for name, kernel in sorted(kernels[target].items()):
        budget = budget_of(budgets, name)
        found += [f"{name}: {what}" for what in (violations(kernel, budget) if budget else ["no budget"])]
    assert not found, f"on sm_{target}:\n" + "\n".join(found)


@pytest.mark.parametrize("target", [target for target in TARGETS if int(target) >= 90])
def test_kernels_wait_before_they_touch_memory(target, kernels):
    found = {name: early_accesses(kernel) or ["nothing to wait with"] for name, kernel in kernels[target].items()
             if early_accesses(kernel) or not {"ACQBULK", "PREEXIT"} <= set(kernel.instructions)}
    assert not found, f"on sm_{target}"


def test_every_kernel_and_every_budget_was_found(budgets, kernels):
    declared = {name for source in KERNELS.glob("*.cu") for name in re.findall(r"\b(\w+_kernel)\(", source.read_text())}
    names = {target: set(by_name) for target, by_name in kernels.items()}
    assert {name.partition("<")[0] for name in names[TARGETS[0]]} == declared
    assert all(of_target == names[TARGETS[0]] for of_target in names.values())
    assert {name.partition("<")[0] for name in budgets} == declared
    assert {name for name in budgets if "<" in name} <= names[TARGETS[0]]


# --- That it can fail. ---

SOURCE = """
// budget: 40 registers, LDG.128
// budget <2>: 80 registers, 512 shared bytes, 16 stack bytes, HMMA
template <int kRows>
GPU_KERNEL(kThreads) copy_kernel(const Copy step) {
"""


def test_a_budget_belongs_to_the_kernel_below_it():
    budgets = parse_budgets(SOURCE)
    assert budget_of(budgets, "copy_kernel<1>").limits == {"registers": 40}
    assert budget_of(budgets, "copy_kernel<2>") == Budget({"registers": 80, "shared bytes": 512, "stack bytes": 16}, ["HMMA"])
    assert budget_of(budgets, "other_kernel") is None
    for wrong in ("registers", "64 register", "HMMA"):
        with pytest.raises(ValueError):
            parse_budget(wrong)


@pytest.mark.parametrize("takes, instructions, expected", [
    ((40, 0, 0), ["LDG.E.EF.128", "EXIT"], []),
    ((41, 0, 0), ["LDG.E.128"], ["41 registers, and the budget is 40"]),
    ((8, 4, 8), ["LDG.E.128"], ["4 shared bytes, and the budget is 0", "8 stack bytes, and the budget is 0"]),
    ((8, 0, 0), ["LDG.E.64", "LDGSTS.E.128"], ["no LDG.128"]),
    ((8, 0, 0), ["LDG.E.128", "STL.64", "LDL"], ["2 accesses to local memory (STL.64)"]),
])
def test_what_is_over_budget_is_named(takes, instructions, expected):
    kernel = Kernel(dict(zip(LIMITS, takes)), instructions)
    assert violations(kernel, parse_budget("40 registers, LDG.128")) == expected


def test_what_is_read_before_the_wait_is_named():
    assert early_accesses(Kernel({}, ["CCTL.E.PF2", "ACQBULK", "LDG.E.128"])) == []
    assert early_accesses(Kernel({}, ["LDG.E", "STS", "ACQBULK", "STG.E"])) == ["LDG.E"]


def test_the_listings_of_cuobjdump_are_understood():
    function = "_ZN8gpuinfer7backend4cuda12_GLOBAL__N_111copy_kernelILi2ENS1_7ExpertsEEEvNS1_4CopyE"
    usage = f"Resource usage:\n Function {function}:\n  REG:96 STACK:16 SHARED:1664 LOCAL:0 CONSTANT[0]:400 TEXTURE:0\n"
    sass = (f"\t\tFunction : {function}\n\t.headerflags\t@\"EF_CUDA_SM80\"\n"
            "        /*0000*/                   MOV R1, c[0x0][0x28] ;     /* 0x00000a0000017a02 */\n"
            "                                                              /* 0x000fe40000000f00 */\n"
            "        /*0010*/              @!P0 LDG.E.128 R4, [R2.64] ;    /* 0x0000000402048981 */\n"
            "        /*12340*/              @P0 STL [R1], R4 ;             /* 0x0000000402048981 */\n")
    kernel = parse_kernels("89", usage, sass)["copy_kernel<2, Experts>"]
    assert kernel == Kernel({"registers": 96, "shared bytes": 1664, "stack bytes": 16}, ["MOV", "LDG.E.128", "STL"])
    assert parse_kernels("90", usage, sass)["copy_kernel<2, Experts>"].takes["shared bytes"] == 640
