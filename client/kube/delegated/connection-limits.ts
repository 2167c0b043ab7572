import type { Server, Socket } from "node:net";
import { type TLSSocket, Server as TlsServer } from "node:tls";
import { systemClock } from "@raft2kube/std/clock.ts";
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
  const unknown = new Map<string, Set<string>>();
  let all = 0;
  const leave = (address: string, key: string) => {
    const own = unknown.get(address);
    if (!own?.delete(key)) return;
    all--;
    if (own.size === 0) unknown.delete(address);
  };
  server.on("connection", (socket: Socket) => {
    const [address, key] = placeOf(socket);
    const own = unknown.get(address) ?? new Set();
    // A port may be used again before its last connection is closed here: that is still counted.
    const isUsed = own.has(key);
    if (isUsed || own.size >= most.ofAddress || all >= most.all) return void socket.destroy();
    unknown.set(address, own.add(key));
    all++;
    socket.once("close", () => leave(address, key));
  });
  server.on("secureConnection", (socket: TLSSocket) => {
    if (socket.authorized) leave(...placeOf(socket));
  });
}

function placeOf({ remoteAddress = "", remotePort = 0 }: Socket): [address: string, key: string] {
  return [remoteAddress, `${remoteAddress} ${remotePort}`];
}
