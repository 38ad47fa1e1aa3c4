# SPDX-License-Identifier: Apache-2.0
"""Builds every subject, or says which packages it wants."""

import os
import pathlib
import shutil
import subprocess
import sys

from subjects import SUBJECTS

HERE = pathlib.Path(__file__).resolve().parent.parent
SHARED = HERE / "Sources" / "CCompare"
BUILT = HERE / ".build" / "peers"
ICEORYX = sorted(pathlib.Path("/usr/include/iceoryx").glob("v2.*"))


def quietly(command):
    """Runs a command; its output only if it fails."""
    result = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if result.returncode:
        print(result.stdout, file=sys.stderr)
    return result.returncode == 0


def includes():
    return [f"-I{SHARED / 'include'}"] + [f"-isystem{path}" for path in ICEORYX]


def lacks(subject):
    """The packages to install for this subject: a header or its daemon is not there."""
    if subject.daemon and not shutil.which(subject.daemon):
        return subject.packages
    for header in subject.headers:
        text = f"#include <{header}>\n"
        check = subprocess.run(["c++", "-std=c++17", "-fsyntax-only", *includes(), "-x", "c++", "-"], input=text,
                               text=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        if check.returncode:
            return subject.packages
    return ()


def install(packages):
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    subprocess.run(["apt-get", "update", "-qq"], env=environment)
    subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages], env=environment,
                   stdout=subprocess.DEVNULL, check=True)


def build_package():
    """The subjects of this package, in release; the directory of their programs."""
    swift = ["swift", "build", "-c", "release", "--package-path", str(HERE)]
    if not quietly(swift):
        sys.exit("compare: the package does not build")
    return pathlib.Path(subprocess.run(swift + ["--show-bin-path"], capture_output=True, text=True).stdout.strip())


def build_peer(subject):
    """The program of one peer, or None."""
    source = HERE / "Peers" / subject.source
    if source.suffix == ".py":
        return [sys.executable, str(source)]
    program, shared = BUILT / subject.name, BUILT / "compare.o"
    inputs = [source, SHARED / "compare.c", SHARED / "include" / "compare.h"]
    if program.exists() and all(program.stat().st_mtime > path.stat().st_mtime for path in inputs):
        return [str(program)]
    BUILT.mkdir(parents=True, exist_ok=True)
    compiler = ["cc"] if source.suffix == ".c" else ["c++", "-std=c++17"]
    built = quietly(["cc", "-O3", *includes(), "-c", str(SHARED / "compare.c"), "-o", str(shared)]) and quietly(
        [*compiler, "-O3", *includes(), str(source), str(shared), *subject.libraries, "-o", str(program)])
    return [str(program)] if built else None


def build_all(wanted, may_install):
    """Name of subject → command; and name → why it is left out."""
    missing = {s.name: lacks(s) for s in SUBJECTS if s.name in wanted and s.packages}
    if may_install and any(missing.values()):
        install(sorted({package for packages in missing.values() for package in packages}))
        missing = {s.name: lacks(s) for s in SUBJECTS if s.name in wanted and s.packages}
    programs, left_out = {}, {}
    directory = build_package()
    for subject in SUBJECTS:
        if subject.name not in wanted:
            continue
        if missing.get(subject.name):
            left_out[subject.name] = "not installed: apt-get install " + " ".join(missing[subject.name])
        elif subject.product:
            program = directory / subject.product
            if program.exists():
                programs[subject.name] = [str(program), subject.name]
            else:
                left_out[subject.name] = f"{subject.product} is not a product of the package"
        elif (program := build_peer(subject)) is not None:
            programs[subject.name] = program + [subject.name]
        else:
            left_out[subject.name] = "it does not build"
    return programs, left_out
