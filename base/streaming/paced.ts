import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { systemClock } from "@raft2kube/std/clock.ts";
import { InputTurns } from "@raft2kube/std/input-turns.ts";
import { PacedSocket } from "@raft2kube/std/paced-socket.ts";

/** What one turn of this process takes from the clients of all its streams together. */
const turns = new InputTurns(systemClock());

/**
 * A client's upgraded connection, whose input takes turns with that of others: 64 KiB in frames of
 * eight bytes take 40 ms to parse, and one user may have hundreds of connections.
 */
export const paced = (socket: Duplex): Duplex => new PacedSocket(socket as Socket, turns);
