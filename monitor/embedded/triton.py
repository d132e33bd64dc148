"""The embedded inference server: the real tritonserver from the nvidia-pytriton wheel, CPU only, on loopback.

Where that wheel has no binary for this platform or this Python, the same model logic runs in a process of ours that
speaks the same protocol (`monitor.embedded.kserve`), and the facts say so.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, Final

from monitor.embedded.free_ports import LOOPBACK
from monitor.embedded.part import Command, Part, accepts
from monitor.embedded.progress import OnProgress, unheard
from monitor.errors import Misconfigured

SHM_BYTES: Final = 4 * 1024 * 1024  # per model instance at first; it grows by SHM_GROWTH_BYTES
SHM_GROWTH_BYTES: Final = 1024 * 1024
LOOK_EVERY_S: Final = 1.0


@dataclass(frozen=True)
class TritonBinary:
    """The server, its Python backend and the backend's stub for the running Python, as the wheel holds them."""

    server: Path
    backend: Path
    stub: Path
    libraries: tuple[Path, ...]

    def environment(self) -> dict[str, str]:
        """The server's environment: its libraries, and our interpreter for the models.

        The stub starts Python in isolated mode: it heeds neither PYTHONHOME nor PYTHONPATH, but takes the first python3
        on PATH for itself, and with it that one's virtual environment and packages.
        """
        paths = [str(path) for path in self.libraries]
        if inherited := os.environ.get("LD_LIBRARY_PATH"):
            paths.append(inherited)
        return {
            "LD_LIBRARY_PATH": os.pathsep.join(paths),
            "PATH": self.path(),
        }

    def path(self) -> str:
        """PATH with our interpreter first, and with the system's folders: the server starts the stub through bash."""
        return os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""), os.defpath))


def find_triton() -> TritonBinary | str:
    """The server that runs here, or why there is none."""
    if sys.platform != "linux":
        return f"the wheel nvidia-pytriton has no binary for {sys.platform}"
    spec = find_spec("pytriton")
    if spec is None or not spec.submodule_search_locations:
        return "the package nvidia-pytriton is not installed"
    root = Path(spec.submodule_search_locations[0])
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    found = TritonBinary(
        server=root / "tritonserver" / "bin" / "tritonserver",
        backend=root / "tritonserver" / "backends" / "python",
        stub=root / "tritonserver" / "python_backend_stubs" / python / "triton_python_backend_stub",
        libraries=(root.parent / "nvidia_pytriton.libs", Path(sysconfig.get_config_var("LIBDIR") or "")),
    )
    if not found.server.exists():
        return f"the wheel nvidia-pytriton has no server for {sysconfig.get_platform()}"
    if not found.stub.exists():
        return f"the wheel nvidia-pytriton has no stub for Python {python}"
    if not _is_ours(Path(sys.executable).with_name("python3")):
        return (
            f"{Path(sys.executable).parent} has no python3 that is the running Python, which the stub needs"
        )
    if shutil.which("bash", path=found.path()) is None:
        return "Triton starts its Python backend through bash, and there is none"
    if missing := _missing_libraries(found):
        return f"libraries that Triton needs are missing: {', '.join(missing)}"
    return found


def _is_ours(python3: Path) -> bool:
    return python3.exists() and python3.resolve() == Path(sys.executable).resolve()


def _missing_libraries(found: TritonBinary) -> list[str]:
    """What the loader can't find: a statically linked Python, say, has no libpython for the stub."""
    environment = {**os.environ, "LD_LIBRARY_PATH": found.environment()["LD_LIBRARY_PATH"], "LC_ALL": "C"}
    try:
        listing = subprocess.run(
            ["ldd", str(found.server), str(found.stub)],
            capture_output=True,
            text=True,
            env=environment,
            timeout=20,
            check=False,
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return []  # no ldd (musl): let the server itself say what it misses
    return sorted({line.split()[0] for line in listing.splitlines() if "not found" in line})


class TritonPart(Part):
    """`address` is gRPC's host:port; `http_address` is "" where our own server stands in."""

    name: ClassVar[str] = "triton"
    port_names: ClassVar[tuple[str, ...]] = ("grpc", "http", "metrics")
    grace_s: float = 2.0  # it keeps nothing, and polls for its own end by the second: 3 s unhurried

    def __init__(
        self,
        folder: Path,
        repository: Path,
        *,
        also: Sequence[Path] = (),
        binary: TritonBinary | str | None = None,
        on_progress: OnProgress = unheard,
        ports: Mapping[str, int] | None = None,
    ) -> None:
        """Serves every model of `repository`, and those of the model folders `also` that it has none of the name of. `binary` None:
        looked for; a string: why our own server stands in."""
        super().__init__(folder, on_progress=on_progress, ports=ports)
        self._repository = repository.absolute()
        self._also = tuple(path.absolute() for path in also)
        self._binary = binary
        self._prefix = ""
        self._processes: frozenset[int] = frozenset()

    @property
    def address(self) -> str:
        return f"{LOOPBACK}:{self.ports['grpc']}"

    @property
    def http_address(self) -> str:
        """host:port of the HTTP endpoint."""
        return f"{LOOPBACK}:{self.ports['http']}" if isinstance(self._binary, TritonBinary) else ""

    @property
    def models(self) -> tuple[str, ...]:
        """The models that are served, by name."""
        return tuple(sorted(self._model_folders()))

    def _model_folders(self) -> dict[str, Path]:
        """By name. None where the repository has no model at all: it was meant to have some."""
        own = {path.parent.name: path.parent for path in self._repository.glob("*/config.pbtxt")}
        also = {path.name: path for path in self._also if own and (path / "config.pbtxt").is_file()}
        return also | own

    def last_words(self) -> str:
        """Why models failed to load, or else the end of the log: a page of options comes after the reason."""
        failures = [line for line in self.tail(200).splitlines() if re.match(r"E\d{4} |error:", line)]
        return "\n".join(failures) or self.tail()

    async def died(self) -> int:
        """See Part. Triton never starts a model process again that has died, and calls its model ready all the same: then
        the whole server is ended, to be started anew."""
        ended = asyncio.ensure_future(super().died())
        try:
            while not ended.done():
                await asyncio.wait((ended,), timeout=LOOK_EVERY_S)
                there = await asyncio.to_thread(model_processes, self._prefix)
                if self.is_running and not self._changing.locked() and self._processes - there:
                    await self.kill()
            return ended.result()
        finally:
            ended.cancel()

    async def _command(self) -> Command:
        if not self.models:
            raise Misconfigured(
                f"no model (NAME/config.pbtxt) in the model repository {self._repository}",
                "set WATCHKEEPER_EMBEDDED__MODEL_REPOSITORY to a Triton model repository",
            )
        if self._binary is None:
            self._binary = await asyncio.to_thread(find_triton)
        self.facts |= {"models": ", ".join(self.models)}
        served = await asyncio.to_thread(_lay_out_models, self._model_folders(), self.folder / "models")
        if isinstance(self._binary, str):
            self.facts |= {"server": "in-process (KServe v2 gRPC)", "why": self._binary}
            arguments = ["--repository", str(served), "--grpc-port", str(self.ports["grpc"])]
            return Command([sys.executable, "-m", "monitor.embedded.kserve", *arguments])
        backends = await asyncio.to_thread(_lay_out_backend, self._binary, self.folder / "backends")
        self.facts |= {"server": "tritonserver (CPU)"}
        # One prefix a start: what a killed server left can't be taken for ours, and two stacks don't meet.
        self._prefix = prefix = f"watchkeeper-{secrets.token_hex(4)}-"
        options = {
            "--model-repository": served,
            "--backend-directory": backends,
            "--backend-config": f"python,shm-region-prefix-name={prefix}",
            "--grpc-address": LOOPBACK,
            "--grpc-port": self.ports["grpc"],
            "--http-address": LOOPBACK,
            "--http-port": self.ports["http"],
            "--http-thread-count": 2,
            "--metrics-address": LOOPBACK,
            "--metrics-port": self.ports["metrics"],
            "--allow-gpu-metrics": "false",
            "--exit-timeout-secs": 5,
        }
        arguments = [str(self._binary.server)]
        arguments += [f"{option}={value}" for option, value in options.items()]
        arguments += [
            f"--backend-config=python,shm-default-byte-size={SHM_BYTES}",
            f"--backend-config=python,shm-growth-byte-size={SHM_GROWTH_BYTES}",
        ]
        return Command(arguments, self._binary.environment(), scratch=f"/dev/shm/{prefix}")  # noqa: S108

    async def _probe(self) -> bool:
        ports = self.ports.values() if self.http_address else (self.ports["grpc"],)
        for port in ports:
            if not await accepts(port):
                return False
        from tritonclient.grpc.aio import InferenceServerClient  # type: ignore[import-untyped]  # ships no types
        from tritonclient.utils import InferenceServerException  # type: ignore[import-untyped]  # ships no types

        client = InferenceServerClient(self.address)
        try:
            for model in self.models:
                if not await client.is_model_ready(model, client_timeout=3.0):
                    return False
        except InferenceServerException:
            return False
        finally:
            await client.close()
        self._processes = await asyncio.to_thread(model_processes, self._prefix)
        return True


def model_processes(prefix: str) -> frozenset[int]:
    """The processes that run a model's Python for the server of this prefix, which is on their command line."""
    found = []
    for folder in Path("/proc").glob("[0-9]*") if prefix else ():
        try:
            command = (folder / "cmdline").read_bytes()
        except OSError:  # it has ended meanwhile
            continue
        if b"triton_python_backend_stub" in command and prefix.encode() in command:
            found.append(int(folder.name))
    return frozenset(found)


def _lay_out_models(models: Mapping[str, Path], folder: Path) -> Path:
    """The repository as the server may see it, as links: tritonserver takes every folder for a model, and ours holds others too (the
    scorer, guards that have no weights here). Returns `folder`."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, model in models.items():
        (folder / name).symlink_to(model)
    return folder


def _lay_out_backend(binary: TritonBinary, folder: Path) -> Path:
    """The layout that tritonserver expects, as links: FOLDER/python/ holds backend and stub. Returns FOLDER."""
    python = folder / "python"
    python.mkdir(parents=True, exist_ok=True)
    for source in (*(path for path in binary.backend.iterdir() if path.is_file()), binary.stub):
        link = python / source.name
        link.unlink(missing_ok=True)
        link.symlink_to(source)
    return folder
