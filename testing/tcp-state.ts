import { readFileSync } from "node:fs";

/** What net/ipv4/tcp_ipv4.c (get_tcp4_sock) prints of a state and of a timer. */
const ESTABLISHED = "01";
const KEEP_ALIVE = "02";

/**
 * The state and the timer of one side of a TCP connection over IPv4, which is named by its ports,
 * this side's first; undefined once it is gone.
 */
function stateOf(own: number, other: number): { state: string; timer: string } | undefined {
  const [from, to] = [own, other].map((port) => port.toString(16).toUpperCase().padStart(4, "0"));
  const table = readFileSync("/proc/thread-self/net/tcp", "utf8");
  const [, state, timer] =
    new RegExp(`:${from} [0-9A-F]{8}:${to} (\\w\\w) \\S+ (\\w\\w):`).exec(table) ?? [];
  return state && timer ? { state, timer } : undefined;
}

/** Whether that side of a connection is open. */
export const isOpen = (own: number, other: number): boolean =>
  stateOf(own, other)?.state === ESTABLISHED;

/** Whether it is open, and the kernel will ask the other side whether it is still there. */
export const isProbed = (own: number, other: number): boolean =>
  isOpen(own, other) && stateOf(own, other)?.timer === KEEP_ALIVE;
