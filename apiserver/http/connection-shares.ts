import type { Server, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { AddressPlaces, type PlaceLimits } from "@raft2kube/std/address-places.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { handshakeEnds } from "@raft2kube/std/handshake-ends.ts";
import { paceHandshakes } from "@raft2kube/std/handshake-turns.ts";
import { type ShareLimits, Shares } from "@raft2kube/std/shares.ts";
import { paceHttp } from "@raft2kube/streaming/paced-http.ts";
import { certifiedUser, socketOf } from "../authn/client-certificate.ts";
import { ownerOfConnection } from "../authn/owner.ts";
import * as limits from "../limits.ts";
import type { Incoming } from "../request/context.ts";

/** How to note that the client of a connection without a certificate has shown who it is. */
const unshown = new WeakMap<Socket, () => void>();

/**
 * The bounds of connections: during TLS's handshake, and after it; there also of those without a
 * certificate.
 */
export interface ConnectionLimits {
  readonly handshakes: PlaceLimits;
  readonly unknown: PlaceLimits;
  readonly open: ShareLimits;
}

export const CONNECTION_LIMITS: ConnectionLimits = {
  handshakes: { all: limits.HANDSHAKES_MAX, ofAddress: limits.HANDSHAKES_OF_ADDRESS_MAX },
  unknown: { all: limits.CONNECTIONS_UNKNOWN_MAX, ofAddress: limits.CONNECTIONS_OF_OWNER_MAX },
  open: {
    all: limits.CONNECTIONS_MAX,
    each: limits.CONNECTIONS_OF_OWNER_MAX,
    reserved: limits.CONNECTIONS_OF_OWNER_MAX,
    eachOfReserve: limits.CONNECTIONS_OF_OWNER_MAX / 2,
  },
};

/**
 * Bounds the connections of a server's clients, idle ones too; those above are closed. During the
 * handshake a connection counts for the address that it comes from. All are read in turns but
 * those of the control plane and of administrators over HTTP/2.
 */
export function shareConnections(server: Server, given: ConnectionLimits): void {
  paceHttp(server, pacedOwnerOf);
  paceHandshakes(server, systemClock({ unref: true }));
  const handshakes = new AddressPlaces(given.handshakes);
  const unknown = new AddressPlaces(given.unknown);
  const open = new Shares(given.open);
  const onEnd = handshakeEnds(server);
  server.on("connection", (socket: Socket) => {
    const leave = handshakes.take(socket);
    if (leave) onEnd(socket, leave);
  });
  server.on("secureConnection", (socket: TLSSocket) => {
    const owner = ownerOfConnection(socket);
    if (!open.fits(owner)) return void socket.destroy();
    if (certifiedUser(socket) === undefined) {
      const leave = unknown.take(socket);
      if (!leave) return;
      socket.once("close", leave);
      unshown.set(socket, () => unknown.show(socket));
    }
    socket.once("close", open.take(owner));
  });
}

function pacedOwnerOf(socket: Socket): string | undefined {
  const { alpnProtocol } = socket as TLSSocket;
  const { name, may } = ownerOfConnection(socket as TLSSocket);
  return alpnProtocol === "h2" && may === "all" ? undefined : name;
}

/** Notes that a request was authenticated: its connection is closed after those of strangers. */
export function showOwner(request: Incoming): void {
  unshown.get(socketOf(request))?.();
}
