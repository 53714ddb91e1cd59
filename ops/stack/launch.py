"""Becomes another program that dies with its starter. Run as a script, with the standard library only.

    launch.py --parent PID --signal N [--server DIR ...] -- PROGRAM [ARGUMENT ...]

Promise: when the thread that started it ends, by SIGKILL too, the kernel sends signal N to the program; a
starter that was already gone is noticed. With `--server`, and only as root, the program runs as a user
without powers that owns the named folders (PostgreSQL refuses uid 0) and reaches them below folders that only
root may enter.
"""

import ctypes
import os
import sys
from pathlib import Path

NOBODY = 65534
PR_SET_PDEATHSIG, PR_SET_SECUREBITS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE = 1, 28, 47, 2
SECBIT_NO_SETUID_FIXUP = 1 << 2
CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_SETGID, CAP_SETUID, CAP_SETPCAP = 0, 1, 6, 7, 8
CAPABILITY_VERSION_3 = 0x20080522
CLONE_NEWUSER = 0x10000000

libc = ctypes.CDLL(None, use_errno=True)


def checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


def die_with(parent: int, signal: int) -> None:
    """Ask for `signal` at the starter's end. After every change of user: the kernel forgets the wish then."""
    checked(libc.prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0), "prctl")
    if os.getppid() != parent:
        sys.exit("the starter is gone")


def may_become_nobody() -> bool:
    """Whether root here has the powers to be another user at all (a container may have taken them)."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    powers = int(status["CapEff"], 16)
    wanted = (CAP_CHOWN, CAP_DAC_OVERRIDE, CAP_SETGID, CAP_SETUID, CAP_SETPCAP)
    return all(powers >> power & 1 for power in wanted) and is_mapped(NOBODY)


def is_mapped(uid: int) -> bool:
    """Whether this user namespace knows `uid`; a rootless one often knows only 0."""
    ranges = (line.split() for line in Path("/proc/self/uid_map").read_text().splitlines())
    return any(int(first) <= uid < int(first) + int(count) for first, _, count in ranges)


def give(folders: list[Path], owner: int) -> None:
    """Make `owner` the owner of each folder and all below, unless it already is."""
    for top in folders:
        if top.stat().st_uid == owner:
            continue
        for path in [*top.rglob("*"), top]:
            os.chown(path, owner, owner, follow_symlinks=False)


def become_nobody() -> None:
    """Change to an existing unprivileged user, keeping one power: to enter folders that only root may.

    The secure bit keeps that power through the change of user, and in `access()` too, by which PostgreSQL
    looks for its programs: without the bit the kernel answers it as for a user without any power.
    """
    checked(libc.prctl(PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP, 0, 0, 0), "prctl")
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    header = (ctypes.c_uint32 * 2)(CAPABILITY_VERSION_3, 0)
    kept = 1 << CAP_DAC_OVERRIDE
    checked(libc.capset(header, (ctypes.c_uint32 * 6)(kept, kept, kept, 0, 0, 0)), "capset")
    checked(libc.prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, CAP_DAC_OVERRIDE, 0, 0), "prctl")


def rename_root() -> None:
    """Stay the same user outside, but be called NOBODY inside a user namespace of one's own."""
    outer_user, outer_group = os.geteuid(), os.getegid()
    checked(libc.unshare(CLONE_NEWUSER), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{NOBODY} {outer_user} 1")
    Path("/proc/self/gid_map").write_text(f"{NOBODY} {outer_group} 1")


def leave_root(folders: list[Path]) -> None:
    """Stop being root in whichever way this machine allows, as the owner of the folders."""
    if may_become_nobody():
        give(folders, NOBODY)
        become_nobody()
    else:
        give(folders, 0)
        rename_root()


def main(arguments: list[str]) -> None:
    split = arguments.index("--")
    options, command = arguments[:split], arguments[split + 1 :]
    named = list(zip(options[::2], options[1::2], strict=True))
    folders = [Path(value) for name, value in named if name == "--server"]
    if folders and os.geteuid() == 0:
        try:
            leave_root(folders)
        except OSError as error:
            sys.exit(
                f"ERROR: root may not act as another user here ({error}); start Heshi as an ordinary user"
            )
    die_with(int(dict(named)["--parent"]), int(dict(named)["--signal"]))
    os.execv(command[0], command)  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
