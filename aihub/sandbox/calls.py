"""The system calls that a confined program may not make, by name and number.

Part of the program that runs inside: it imports nothing but the standard library. A call is denied
where neither namespaces nor Landlock would stop it in both mechanisms: network, other processes,
the kernel's own services, and what hides bytes from whoever counts them (files without a name).
"""

from typing import NamedTuple

X86_64, AARCH64 = "x86_64", "aarch64"
ARCHITECTURES = {X86_64: 0xC000003E, AARCH64: 0xC00000B7}  # AUDIT_ARCH_*


class Call(NamedTuple):
    """A system call's numbers; -1 where an architecture has none."""

    x86_64: int
    aarch64: int


def _same(number: int) -> Call:
    return Call(number, number)  # from 424 on, all architectures count alike


NETWORK = {
    "socket": Call(41, 198),
    "socketpair": Call(53, 199),
    "bind": Call(49, 200),
    "listen": Call(50, 201),
    "accept": Call(43, 202),
    "connect": Call(42, 203),
    "accept4": Call(288, 242),
}
PROCESSES = {
    "fork": Call(57, -1),
    "vfork": Call(58, -1),
    "kill": Call(62, 129),
    "tkill": Call(200, 130),
    "rt_sigqueueinfo": Call(129, 138),
    "rt_tgsigqueueinfo": Call(297, 240),
    "pidfd_send_signal": _same(424),
    "pidfd_open": _same(434),
    "pidfd_getfd": _same(438),
    "ptrace": Call(101, 117),
    "process_vm_readv": Call(310, 270),
    "process_vm_writev": Call(311, 271),
    "process_madvise": _same(440),
    "process_mrelease": _same(448),
    "kcmp": Call(312, 272),
    "setpriority": Call(141, 140),
    "sched_setparam": Call(142, 118),
    "sched_setscheduler": Call(144, 119),
    "sched_setattr": Call(314, 274),
    "sched_setaffinity": Call(203, 122),
    "ioprio_set": Call(251, 30),
    "migrate_pages": Call(256, 238),
    "move_pages": Call(279, 239),
}
KERNEL = {
    "mount": Call(165, 40),
    "umount2": Call(166, 39),
    "pivot_root": Call(155, 41),
    "chroot": Call(161, 51),
    "unshare": Call(272, 97),
    "setns": Call(308, 268),
    "open_tree": _same(428),
    "move_mount": _same(429),
    "fsopen": _same(430),
    "fsconfig": _same(431),
    "fsmount": _same(432),
    "fspick": _same(433),
    "mount_setattr": _same(442),
    "bpf": Call(321, 280),
    "perf_event_open": Call(298, 241),
    "add_key": Call(248, 217),
    "request_key": Call(249, 218),
    "keyctl": Call(250, 219),
    "userfaultfd": Call(323, 282),
    "io_uring_setup": _same(425),
    "io_uring_enter": _same(426),
    "io_uring_register": _same(427),
    "init_module": Call(175, 105),
    "finit_module": Call(313, 273),
    "delete_module": Call(176, 106),
    "kexec_load": Call(246, 104),
    "reboot": Call(169, 142),
    "swapon": Call(167, 224),
    "swapoff": Call(168, 225),
    "acct": Call(163, 89),
    "syslog": Call(103, 116),
    "quotactl": Call(179, 60),
    "settimeofday": Call(164, 170),
    "clock_settime": Call(227, 112),
    "adjtimex": Call(159, 171),
    "clock_adjtime": Call(305, 266),
    "sethostname": Call(170, 161),
    "setdomainname": Call(171, 162),
    "iopl": Call(172, -1),
    "ioperm": Call(173, -1),
    "name_to_handle_at": Call(303, 264),
    "open_by_handle_at": Call(304, 265),
}
# Landlock does not judge changes of a file's owner, times and rights.
ATTRIBUTES = {
    "chmod": Call(90, -1),
    "fchmod": Call(91, 52),
    "fchmodat": Call(268, 53),
    "fchmodat2": _same(452),
    "chown": Call(92, -1),
    "fchown": Call(93, 55),
    "lchown": Call(94, -1),
    "fchownat": Call(260, 54),
    "utime": Call(132, -1),
    "utimes": Call(235, -1),
    "futimesat": Call(261, -1),
    "utimensat": Call(280, 88),
    "setxattr": Call(188, 5),
    "lsetxattr": Call(189, 6),
    "fsetxattr": Call(190, 7),
    "removexattr": Call(197, 14),
    "lremovexattr": Call(198, 15),
    "fremovexattr": Call(199, 16),
    "truncate": Call(76, 45),
    "flock": Call(73, 32),
}
# Every byte that is written stays under a name in the folder, where it is counted.
HIDING = {
    "rename": Call(82, -1),
    "renameat": Call(264, 38),
    "renameat2": Call(316, 276),
    "link": Call(86, -1),
    "linkat": Call(265, 37),
    "symlink": Call(88, -1),
    "symlinkat": Call(266, 36),
    "mknod": Call(133, -1),
    "mknodat": Call(259, 33),
    "memfd_create": Call(319, 279),
    "memfd_secret": _same(447),
    "shmget": Call(29, 194),
    "shmat": Call(30, 196),
    "semget": Call(64, 190),
    "msgget": Call(68, 186),
    "mq_open": Call(240, 180),
}
DENIED = {**NETWORK, **PROCESSES, **KERNEL, **ATTRIBUTES, **HIDING}
# Nothing is removed, though these say so: libraries that tidy up after themselves go on.
PRETENDED = {"unlink": Call(87, -1), "unlinkat": Call(263, 35), "rmdir": Call(84, -1)}
# Their arguments lie in memory, where a filter cannot look: libraries fall back to the older ones.
ABSENT = {"clone3": _same(435), "openat2": _same(437)}

CLONE, TGKILL, PRLIMIT = Call(56, 220), Call(234, 131), Call(302, 261)
OPEN, OPENAT, FCNTL = Call(2, -1), Call(257, 56), Call(72, 25)
