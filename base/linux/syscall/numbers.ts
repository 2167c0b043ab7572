/**
 * Numbers that several system calls take: the same on x64 and arm64. Those of one call stand beside
 * it.
 */

/** socket(2): families, types, the level of options. */
export const AF_UNIX = 1;
export const AF_INET = 2;
export const AF_INET6 = 10;
export const AF_NETLINK = 16;
export const SOCK_STREAM = 1;
export const SOL_SOCKET = 1;

/** open(2) and the calls that take a directory. */
export const AT_FDCWD = -100;
export const AT_EMPTY_PATH = 0x1000;
export const O_CLOEXEC = 0o2000000;
/** A descriptor of the place, not of the content. */
export const O_PATH = 0o10000000;

/** umount2(2): the mount leaves the tree immediately, and ends once nothing uses it. */
export const MNT_DETACH = 2;

/** ioctl_tty(2): sets the size of a terminal; returns its number below /dev/pts. */
export const TIOCSWINSZ = 0x5414;
export const TIOCGPTN = 0x80045430;

/** errno(3): a symbolic link where none is followed. */
export const ELOOP = 40;
