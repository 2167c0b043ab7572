import type { Server, Socket } from "node:net";
import { type TLSSocket, Server as TlsServer } from "node:tls";
import { AddressPlaces } from "@raft2kube/std/address-places.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { handshakeEnds } from "@raft2kube/std/handshake-ends.ts";
import { paceHandshakes } from "@raft2kube/std/handshake-turns.ts";
import * as limits from "../limits.ts";
import { certificateUser } from "./authentication.ts";

const UNKNOWN = {
  ofAddress: limits.CONNECTIONS_OF_ADDRESS_MAX,
  all: limits.CONNECTIONS_UNKNOWN_MAX,
};
const KNOWN = { ofAddress: limits.CONNECTIONS_OF_USER_MAX, all: limits.CONNECTIONS_KNOWN_MAX };

/**
 * Bounds a server's connections, each of which takes a descriptor of its process, per address and
 * in total. One that has shown a certificate of the cluster counts for its user instead, with
 * bounds of their own: every node has such certificates, and every user of the CA. Connections
 * above the bounds are closed, and none of an address or user that has fewer than another.
 */
export function limitConnections(server: Server, most = UNKNOWN, ofUsers = KNOWN): void {
  if (server instanceof TlsServer) paceHandshakes(server, systemClock({ unref: true }));
  const onEnd = handshakeEnds(server, ({ authorized }) => authorized === true);
  const unknown = new AddressPlaces(most);
  const known = new AddressPlaces(ofUsers);
  server.on("connection", (socket: Socket) => {
    const leave = unknown.take(socket);
    if (leave) onEnd(socket, leave);
  });
  server.on("secureConnection", (socket: TLSSocket) => {
    if (!socket.authorized) return;
    const user = certificateUser(socket)?.name;
    // A user in the place of an address.
    const leave = known.take({ remoteAddress: user, destroy: () => socket.destroy() });
    if (leave) socket.once("close", leave);
  });
}
