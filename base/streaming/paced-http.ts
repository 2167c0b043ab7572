import type { Server, Socket } from "node:net";
import { Server as TlsServer } from "node:tls";
import { systemClock } from "@raft2kube/std/clock.ts";
import { InputTurns } from "@raft2kube/std/input-turns.ts";
import { clientOf } from "@raft2kube/std/ip.ts";
import { SHORT_TURN_MS } from "@raft2kube/std/limits.ts";
import { PacedSocket } from "./paced-socket.ts";

/** The turns that the connections of this process's servers share. */
const turns = new InputTurns(systemClock(), SHORT_TURN_MS);

/**
 * Makes the connections of a new server take turns of the event loop, in rotation over their
 * owners; one for which `ownerOf` returns undefined is read as Node does. Node reads 2 MB of each
 * in one turn, which in chunks or records of TLS of one byte take a second to parse, before it is
 * known who sent them.
 */
export function paceHttp(
  server: Server,
  ownerOf: (socket: Socket) => string | undefined = addressOf,
): void {
  const event = server instanceof TlsServer ? "secureConnection" : "connection";
  const [serve] = server.listeners(event) as [(socket: Socket | PacedSocket) => void];
  server.off(event, serve);
  server.prependListener(event, (socket: Socket) => {
    const owner = ownerOf(socket);
    serve.call(server, owner === undefined ? socket : new PacedSocket(socket, turns, owner));
  });
}

const addressOf = ({ remoteAddress = "" }: Socket): string => clientOf(remoteAddress);
