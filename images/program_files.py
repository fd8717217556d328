"""The files that a program needs to run in an otherwise empty image: itself, its shared libraries, and a little of /etc."""

import os
import pathlib
import re
import subprocess
import tempfile

from oci_image import Entry

USER_ID = 65532
CERTIFICATES = pathlib.Path("/etc/ssl/certs/ca-certificates.crt")

PASSWD = f"""\
root:x:0:0:root:/:/sbin/nologin
nonroot:x:{USER_ID}:{USER_ID}:nonroot:/:/sbin/nologin
"""
GROUP = f"""\
root:x:0:
nonroot:x:{USER_ID}:
"""


def program_files(program: pathlib.Path, libraries: list[str]) -> list[Entry]:
    """`program` becomes /usr/bin/<name>, stripped; every library stands where the dynamic loader looked for it on this machine."""
    return [
        Entry(f"usr/bin/{program.name}", stripped(program), 0o755),
        *(Entry(library, pathlib.Path(library).read_bytes(), 0o755) for library in libraries),
        Entry(str(CERTIFICATES), CERTIFICATES.read_bytes()),
        Entry("etc/passwd", PASSWD.encode()),
        Entry("etc/group", GROUP.encode()),
        Entry("etc/nsswitch.conf", b"passwd: files\ngroup: files\nhosts: files dns\n"),
        Entry("tmp", None, 0o1777),
    ]


def shared_libraries(program: pathlib.Path) -> list[str]:
    """The paths of everything that the dynamic loader maps for `program`, the loader itself included."""
    output = subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout
    if missing := re.findall(r"^\s*(\S+) => not found", output, re.MULTILINE):
        raise FileNotFoundError(f"{program} needs libraries that are not installed: {', '.join(missing)}")
    return sorted(set(re.findall(r"(/\S+) \(0x", output)))


def stripped(program: pathlib.Path) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, program.name)
        subprocess.run(["strip", "--strip-all", "-o", copy, program], check=True)
        return pathlib.Path(copy).read_bytes()
