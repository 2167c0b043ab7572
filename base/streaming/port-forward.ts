import type { Duplex, Writable } from "node:stream";
import type { Clock } from "@raft2kube/std/clock.ts";

/** One connection that a client wants made: bytes both ways, and words when it fails. */
export type ForwardedConnection = { port: number; data: Duplex; error: Writable };

export interface PortForwardOptions {
  clock: Clock;
  /** Ports named when the session was asked for; the oldest WebSocket protocol knows only these. */
  ports: number[];
  /** Called for each; ends `data` and `error` when it is done. */
  onConnection: (connection: ForwardedConnection) => void;
}
