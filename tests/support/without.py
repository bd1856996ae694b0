"""Runs a command on a kernel that lacks some calls: `without.py renameat2-flags,openat2 COMMAND ...`.

`renameat2-flags` answers EINVAL to every renameat2 with flags, as NFS and 9p do; `openat2` answers ENOSYS, as kernels
before 5.6 do; `links` answers EPERM to every hard link, as FAT and some FUSE file systems do; `locks` answers EOPNOTSUPP to flock.
All by a seccomp filter, which the command inherits.
"""

import ctypes
import errno
import os
import platform
import struct
import sys

NUMBERS = {
    "x86_64": {"renameat2": 316, "openat2": 437, "linkat": 265, "flock": 73},
    "aarch64": {"renameat2": 276, "openat2": 437, "linkat": 37, "flock": 32},
}
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
ALLOW, ERRNO = 0x7FFF0000, 0x00050000
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06
NUMBER_AT, FIFTH_ARGUMENT_AT = 0, 16 + 4 * 8


def instruction(code, yes, no, value):
    return struct.pack("=HBBI", code, yes, no, value)


def program(lacking):
    numbers = NUMBERS[platform.machine()]
    steps = [instruction(LOAD, 0, 0, NUMBER_AT)]
    if "openat2" in lacking:
        steps += [instruction(EQUAL, 0, 1, numbers["openat2"]), instruction(RETURN, 0, 0, ERRNO | errno.ENOSYS)]
    if "links" in lacking:
        steps += [instruction(EQUAL, 0, 1, numbers["linkat"]), instruction(RETURN, 0, 0, ERRNO | errno.EPERM)]
    if "locks" in lacking:
        steps += [instruction(EQUAL, 0, 1, numbers["flock"]), instruction(RETURN, 0, 0, ERRNO | errno.EOPNOTSUPP)]
    if "renameat2-flags" in lacking:
        steps += [
            instruction(EQUAL, 0, 3, numbers["renameat2"]),
            instruction(LOAD, 0, 0, FIFTH_ARGUMENT_AT),
            instruction(EQUAL, 1, 0, 0),
            instruction(RETURN, 0, 0, ERRNO | errno.EINVAL),
        ]
    return steps + [instruction(RETURN, 0, 0, ALLOW)]


def main():
    steps = program(sys.argv[1].split(","))
    code = b"".join(steps)
    buffer = ctypes.create_string_buffer(code, len(code))
    filter_ = ctypes.create_string_buffer(struct.pack("@HP", len(steps), ctypes.addressof(buffer)))
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    if prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filter_, 0, 0):
        sys.exit(f"no filter can be set: {os.strerror(ctypes.get_errno())}")
    os.execvp(sys.argv[2], sys.argv[2:])


main()
