import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { systemClock } from "@raft2kube/std/clock.ts";
import { InputTurns } from "@raft2kube/std/input-turns.ts";
import { SHORT_TURN_MS } from "@raft2kube/std/limits.ts";
import { PacedSocket } from "./paced-socket.ts";

/** The turns that all streams of this process share, whose data comes from clients and pods. */
export const streamTurns = new InputTurns(systemClock(), SHORT_TURN_MS);

/**
 * Makes the input of a client's upgraded connection take turns with that of others: 64 KiB in
 * frames of eight bytes take 4 ms to parse (40 ms on busy cores), and one user may have hundreds of
 * connections.
 */
export const paced = (socket: Duplex): Duplex => new PacedSocket(socket as Socket, streamTurns);
