"""Which file system a folder lies on: locks and the shared index of SQLite's log hold only on one that is local."""

import os
from pathlib import Path

TABLE = Path("/proc/self/mountinfo")
"""The kernel's list of mounts. Where there is none (not Linux), nothing is known and nothing refused."""

_NAMES = (
    "9p afs beegfs ceph cifs coda davfs fuse.ceph fuse.cephfs fuse.davfs2 fuse.gcsfuse fuse.glusterfs "
    "fuse.goofys fuse.juicefs fuse.rclone fuse.s3fs fuse.smbnetfs fuse.sshfs gfs2 glusterfs gpfs lustre ncpfs nfs nfs3 "
    "nfs4 ocfs2 orangefs prl_fs smb2 smb3 smbfs vboxsf vmhgfs fuse.vmhgfs-fuse"
)
NETWORK = frozenset(_NAMES.split())
"""Types of file systems that are reached over a network, or through a host that keeps locks to itself."""


def network_type(folder: Path) -> str | None:
    """The type of the network file system that a folder lies on; None when it is local or nothing is known."""
    try:
        table = TABLE.read_text("utf-8", "surrogateescape")
    except OSError:
        return None
    place = os.path.realpath(folder)
    best, found = -1, ""
    for line in table.splitlines():
        before, _, after = line.partition(" - ")
        fields = before.split(" ")
        if len(fields) < 5 or not after:
            continue
        point = _plain(fields[4])
        inside = place == point or place.startswith(f"{point.rstrip('/')}/")
        if inside and len(point) >= best:  # of two mounts on one point the later one is seen
            best, found = len(point), after.split(" ")[0]
    return found if found in NETWORK else None


def _plain(text: str) -> str:
    """A path of the kernel's list: blanks and the like are written as octal numbers."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
