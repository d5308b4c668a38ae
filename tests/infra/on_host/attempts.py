"""What a program may do where it runs: it tries, and says what happened.

Sent into a unit's confinement by confinement.py.

In:  {"foreign": a folder of this user's outside the unit's state,
      "markers": [files in /tmp and /var/tmp], "ipc": init's IPC namespace,
      "tasks": how many threads to try, "connect": [["198.18.112.157", 22]]}
Out: {"attempt": "done" or "denied: EROFS", ...}. Nothing it makes outlives it.
"""

from __future__ import annotations

import ctypes
import errno
import json
import mmap
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

CLONE_NEWUSER = 0x10000000
ADDR_NO_RANDOMIZE = 0x0040000
PTRACE_TRACEME = 0
LIBC = ctypes.CDLL(None, use_errno=True)


def libc(name: str, *arguments: int) -> int:
    result: int = getattr(LIBC, name)(*map(ctypes.c_long, arguments))
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result


def in_a_child(action: Callable[[], object]) -> None:
    """For what would change this process for good. Raises the child's error as its own."""
    child = os.fork()
    if child == 0:
        try:
            action()
        except OSError as error:
            os._exit(error.errno or errno.EIO)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if code:
        raise OSError(abs(code), "in the child")


def deny(condition: bool, what: str) -> None:
    """For confinements that hide or take away, without an error to raise."""
    if condition:
        raise OSError(errno.EACCES, what)


def write_outside_its_state(asked: dict[str, Any]) -> None:
    path = Path(asked["foreign"], "written")
    path.write_text("x", encoding="utf-8")
    path.unlink()


def list_home(_: dict[str, Any]) -> None:
    list(Path("/home").iterdir())


def see_others_temporary_files(asked: dict[str, Any]) -> None:
    for marker in asked["markers"]:
        Path(marker).stat()


def see_the_console(_: dict[str, Any]) -> None:
    Path("/dev/console").stat()


def see_other_users_processes(_: dict[str, Any]) -> None:
    Path("/proc/1/cmdline").read_bytes()


def see_the_machine_in_proc(_: dict[str, Any]) -> None:
    Path("/proc/version").read_bytes()


def run_a_setuid_program(_: dict[str, Any]) -> None:
    """su waits for a password on stdin: meanwhile its effective user tells whether it is root."""
    asking = subprocess.Popen(
        ["su", "--command=true"],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        time.sleep(0.3)
        status = Path(f"/proc/{asking.pid}/status").read_text("utf-8")
    finally:
        asking.kill()
        asking.wait()
    effective = next(line for line in status.splitlines() if line.startswith("Uid:")).split()[2]
    deny(effective != "0", "su runs as its caller")


def make_a_user_namespace(_: dict[str, Any]) -> None:
    in_a_child(partial(libc, "unshare", CLONE_NEWUSER))


def make_a_setuid_file(_: dict[str, Any]) -> None:
    with tempfile.NamedTemporaryFile() as file:
        Path(file.name).chmod(0o4700)
        deny(not Path(file.name).stat().st_mode & 0o4000, "the bit did not stay")


def run_what_it_wrote(_: dict[str, Any]) -> None:
    """Anywhere it may write."""
    places = ("/tmp", "/var/tmp", "/dev/shm", "/var/cache/agenda", "/var/lib/agenda")  # noqa: S108 - its own
    written = [copy for place in places if (copy := copied_into(Path(place)))]
    try:
        refused = [copy for copy in written if not runs(copy)]
        deny(refused == written, f"none of {len(written)}")
    finally:
        for copy in written:
            copy.unlink()


def copied_into(folder: Path) -> Path | None:
    try:
        return Path(shutil.copy("/usr/bin/true", folder / f"verify-{os.getpid()}"))
    except OSError:
        return None


def runs(program: Path) -> bool:
    try:
        subprocess.run([program], check=True)
    except PermissionError:
        return False
    return True


def map_writable_code(_: dict[str, Any]) -> None:
    mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC).close()


def change_personality(_: dict[str, Any]) -> None:
    in_a_child(partial(libc, "personality", ADDR_NO_RANDOMIZE))


def open_a_netlink_socket(_: dict[str, Any]) -> None:
    socket.socket(socket.AF_NETLINK, socket.SOCK_RAW).close()


def make_an_io_uring(_: dict[str, Any]) -> None:
    """Its sockets are of any family, whatever its unit allows; 425 on every machine."""
    parameters = ctypes.create_string_buffer(120)
    os.close(libc("syscall", 425, 1, ctypes.addressof(parameters)))


def change_its_priority(_: dict[str, Any]) -> None:
    in_a_child(partial(os.setpriority, os.PRIO_PROCESS, 0, 5))


def be_traced(_: dict[str, Any]) -> None:
    in_a_child(partial(libc, "ptrace", PTRACE_TRACEME, 0, 0, 0))


def could_hold_capabilities(_: dict[str, Any]) -> None:
    status = dict(line.split(":\t") for line in open_status() if ":\t" in line)
    deny(int(status["CapBnd"], 16) == 0, "the bounding set is empty")


def open_status() -> list[str]:
    return Path("/proc/self/status").read_text("utf-8").splitlines()


def know_other_users(_: dict[str, Any]) -> None:
    ranges = Path("/proc/self/uid_map").read_text("utf-8").splitlines()
    known = sum(int(line.split()[2]) for line in ranges)
    deny(known < 100, f"{known} user ids")


def write_what_others_read(_: dict[str, Any]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "file")
        path.touch()
        deny(not path.stat().st_mode & 0o077, "the umask took it away")


def share_memory_with_other_programs(asked: dict[str, Any]) -> None:
    deny(str(Path("/proc/self/ns/ipc").readlink()) != asked["ipc"], "an IPC namespace of its own")


def start_many_threads(asked: dict[str, Any]) -> None:
    stop = threading.Event()
    started = []
    try:
        for _ in range(asked["tasks"]):
            thread = threading.Thread(target=stop.wait)
            thread.start()
            started.append(thread)
    except RuntimeError as error:
        raise OSError(errno.EAGAIN, f"after {len(started)}") from error
    finally:
        stop.set()
        for thread in started:
            thread.join()


def connect(address: str, port: int, _: dict[str, Any]) -> None:
    socket.create_connection((address, port), timeout=3).close()


ATTEMPTS: dict[str, Callable[[dict[str, Any]], None]] = {
    "write outside its state": write_outside_its_state,
    "list /home": list_home,
    "see other programs' temporary files": see_others_temporary_files,
    "see the console device": see_the_console,
    "see other users' processes": see_other_users_processes,
    "see the machine in /proc": see_the_machine_in_proc,
    "run a setuid program": run_a_setuid_program,
    "make a user namespace": make_a_user_namespace,
    "make a setuid file": make_a_setuid_file,
    "run what it wrote": run_what_it_wrote,
    "map writable code": map_writable_code,
    "change its personality": change_personality,
    "open a netlink socket": open_a_netlink_socket,
    "make an io_uring": make_an_io_uring,
    "change its priority": change_its_priority,
    "be traced": be_traced,
    "hold capabilities": could_hold_capabilities,
    "know other users": know_other_users,
    "write what others read": write_what_others_read,
    "share memory with other programs": share_memory_with_other_programs,
    "start many threads": start_many_threads,
}


def outcome(attempt: Callable[[dict[str, Any]], None], asked: dict[str, Any]) -> str:
    try:
        attempt(asked)
    except OSError as error:
        return f"denied: {errno.errorcode.get(error.errno or 0, type(error).__name__)}"
    return "done"


def main() -> None:
    asked = json.load(sys.stdin)
    answer = {name: outcome(attempt, asked) for name, attempt in ATTEMPTS.items()}
    for address, port in asked["connect"]:
        answer[f"connect to {address}:{port}"] = outcome(partial(connect, address, port), asked)
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
