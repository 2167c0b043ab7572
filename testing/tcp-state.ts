import { readFileSync } from "node:fs";

/** The state and the timer of an open connection with keep-alive (get_tcp4_sock of the kernel). */
const [ESTABLISHED, KEEP_ALIVE] = ["01", "02"];

/**
 * Whether one side of a TCP connection over IPv4 is open, and the kernel will ask the other whether
 * it is still there. The connection is named by its ports, this side's first.
 */
export function isProbed(own: number, other: number): boolean {
  const [from, to] = [own, other].map((port) => port.toString(16).toUpperCase().padStart(4, "0"));
  const table = readFileSync("/proc/thread-self/net/tcp", "utf8");
  const line = `:${from} [0-9A-F]{8}:${to} ${ESTABLISHED} \\S+ ${KEEP_ALIVE}:`;
  return new RegExp(line).test(table);
}
