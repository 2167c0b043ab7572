import type { Server, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { systemClock } from "@raft2kube/std/clock.ts";
import { handshakeEnds } from "@raft2kube/std/handshake-ends.ts";
import { paceHandshakes } from "@raft2kube/std/handshake-turns.ts";
import { type ShareLimits, Shares } from "@raft2kube/std/shares.ts";
import { ownerOfAddress, ownerOfConnection } from "../authn/owner.ts";
import * as limits from "../limits.ts";

/** The bounds of connections: during TLS's handshake, and after it. */
export type ConnectionLimits = { readonly handshakes: ShareLimits; readonly open: ShareLimits };

export const CONNECTION_LIMITS: ConnectionLimits = {
  handshakes: { all: limits.HANDSHAKES_MAX, each: limits.HANDSHAKES_OF_ADDRESS_MAX, reserved: 0 },
  open: {
    all: limits.CONNECTIONS_MAX,
    each: limits.CONNECTIONS_OF_OWNER_MAX,
    reserved: limits.CONNECTIONS_OF_OWNER_MAX,
    eachOfReserve: limits.CONNECTIONS_OF_OWNER_MAX / 2,
  },
};

/**
 * Bounds the connections of a server's clients, idle ones too; those above are closed. During the
 * handshake a connection counts for the address that it comes from.
 */
export function shareConnections(server: Server, given: ConnectionLimits): void {
  paceHandshakes(server, systemClock({ unref: true }));
  const handshakes = new Shares(given.handshakes);
  const open = new Shares(given.open);
  const onEnd = handshakeEnds(server);
  server.on("connection", (socket: Socket) => {
    const owner = ownerOfAddress(socket);
    if (!handshakes.fits(owner)) return void socket.destroy();
    onEnd(socket, handshakes.take(owner));
  });
  server.on("secureConnection", (socket: TLSSocket) => {
    const owner = ownerOfConnection(socket);
    if (!open.fits(owner)) return void socket.destroy();
    socket.once("close", open.take(owner));
  });
}
