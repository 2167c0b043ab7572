import type { Server, Socket } from "node:net";
import { Server as TlsServer } from "node:tls";
import { systemClock } from "@raft2kube/std/clock.ts";
import { handshakeEnds } from "@raft2kube/std/handshake-ends.ts";
import { paceHandshakes } from "@raft2kube/std/handshake-turns.ts";
import { CONNECTIONS_OF_ADDRESS_MAX, CONNECTIONS_UNKNOWN_MAX } from "../limits.ts";

/**
 * Bounds the connections without a certificate of the cluster, per address and in total: each takes
 * a descriptor of the node's process, which every pod can connect to. Connections above the bounds
 * are closed. Those of the API server do not count after its certificate is verified.
 */
export function limitConnections(
  server: Server,
  most = { ofAddress: CONNECTIONS_OF_ADDRESS_MAX, all: CONNECTIONS_UNKNOWN_MAX },
): void {
  if (server instanceof TlsServer) paceHandshakes(server, systemClock({ unref: true }));
  const onEnd = handshakeEnds(server, ({ authorized }) => authorized === true);
  const unknown = new Map<string, number>();
  let all = 0;
  const count = (address: string, by: 1 | -1) => {
    const own = (unknown.get(address) ?? 0) + by;
    if (own === 0) unknown.delete(address);
    else unknown.set(address, own);
    all += by;
  };
  server.on("connection", (socket: Socket) => {
    const { remoteAddress: address = "" } = socket;
    const own = unknown.get(address) ?? 0;
    if (own >= most.ofAddress || all >= most.all) return void socket.destroy();
    count(address, 1);
    onEnd(socket, () => count(address, -1));
  });
}
