import { closeSync, openSync } from "node:fs";
import type { Socket } from "node:net";
import { adoptDuplicate } from "../socket/socket.ts";
import { check, libc } from "../syscall/libc.ts";
import { O_CLOEXEC, TIOCGPTN, TIOCSWINSZ } from "../syscall/numbers.ts";

const O_RDWR = 2;
const O_NOCTTY = 0o400;
const O_NONBLOCK = 0o4000;
const F_SETFL = 4;

/**
 * The master of a pseudo-terminal, as a stream. It ends with EIO when no process has the other
 * side open.
 */
export interface Terminal {
  readonly socket: Socket;
  resize(size: { width: number; height: number }): void;
}

/** A terminal over its master's descriptor, which is consumed. */
export function terminalOf(master: number): Terminal {
  let socket: Socket;
  try {
    check("fcntl", libc.fcntl(master, F_SETFL, O_NONBLOCK), "the terminal");
    // The stream's descriptor is Node's; this one is for its settings.
    socket = adoptDuplicate(master, { readable: true });
  } catch (error) {
    closeSync(master);
    throw error;
  }
  let open = true;
  socket.once("close", () => {
    open = false;
    closeSync(master);
  });
  return {
    socket,
    resize({ width, height }) {
      if (!open) return;
      // struct winsize: rows, columns, and pixels, which stay 0.
      const size = Buffer.alloc(8);
      size.writeUInt16LE(height, 0);
      size.writeUInt16LE(width, 2);
      check("ioctl", libc.ioctl(master, TIOCSWINSZ, size), "the terminal's size");
    },
  };
}

/** Makes a pseudo-terminal: its master, and the other side for a program's standard streams. */
export function openTerminal(): { terminal: Terminal; slave: number } {
  const flags = O_RDWR | O_NOCTTY | O_CLOEXEC;
  const master = check("posix_openpt", libc.posix_openpt(flags), "a pseudo-terminal");
  const terminal = terminalOf(master);
  try {
    check("grantpt", libc.grantpt(master), "a pseudo-terminal");
    check("unlockpt", libc.unlockpt(master), "a pseudo-terminal");
    const number = Buffer.alloc(4);
    check("ioctl", libc.ioctl(master, TIOCGPTN, number), "the terminal's number");
    return { terminal, slave: openSync(`/dev/pts/${number.readUInt32LE()}`, flags) };
  } catch (error) {
    terminal.socket.destroy();
    throw error;
  }
}
