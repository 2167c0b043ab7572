import type { Server, Socket } from "node:net";
import { Server as TlsServer } from "node:tls";
import { AddressPlaces } from "@raft2kube/std/address-places.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { handshakeEnds } from "@raft2kube/std/handshake-ends.ts";
import { paceHandshakes } from "@raft2kube/std/handshake-turns.ts";
import { CONNECTIONS_OF_ADDRESS_MAX, CONNECTIONS_UNKNOWN_MAX } from "../limits.ts";

/**
 * Bounds the connections without a certificate of the cluster, per address and in total: each takes
 * a descriptor of the node's process, which every pod can connect to. Connections above the bounds
 * are closed, and none of an address that has fewer than another. Those of the API server do not
 * count after its certificate is verified.
 */
export function limitConnections(
  server: Server,
  most = { ofAddress: CONNECTIONS_OF_ADDRESS_MAX, all: CONNECTIONS_UNKNOWN_MAX },
): void {
  if (server instanceof TlsServer) paceHandshakes(server, systemClock({ unref: true }));
  const onEnd = handshakeEnds(server, ({ authorized }) => authorized === true);
  const unknown = new AddressPlaces(most);
  server.on("connection", (socket: Socket) => {
    const leave = unknown.take(socket);
    if (leave) onEnd(socket, leave);
  });
}
