import type { Server, Socket } from "node:net";
import type { TLSSocket } from "node:tls";
import { type ShareLimits, Shares } from "@raft2kube/std/shares.ts";
import { certifiedUser } from "../authn/client-certificate.ts";
import { ownerOfUser } from "../authn/owner.ts";
import * as limits from "../limits.ts";

/** The bounds of connections: during TLS's handshake, and after it. */
export interface ConnectionLimits {
  readonly handshakes: ShareLimits;
  readonly open: ShareLimits;
}

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
 * Bounds the connections of a server's clients, idle ones too; those above are closed. A connection
 * counts for the user of its verified certificate; without one, and during the handshake, for the
 * address that it comes from, so that pods that connect from a node's address take none of its
 * kubelet's.
 */
export function shareConnections(server: Server, given: ConnectionLimits): void {
  const handshakes = new Shares(given.handshakes);
  const open = new Shares(given.open);
  /** Gives a connection's handshake back, by its address and port. */
  const pending = new Map<string, () => void>();
  const handshakeEnded = (key: string) => {
    pending.get(key)?.();
    pending.delete(key);
  };
  server.on("connection", (socket: Socket) => {
    const owner = addressOwner(socket);
    const key = keyOf(socket);
    if (!handshakes.fits(owner)) return void socket.destroy();
    pending.set(key, handshakes.take(owner));
    socket.once("close", () => handshakeEnded(key));
  });
  server.on("secureConnection", (socket: TLSSocket) => {
    handshakeEnded(keyOf(socket));
    const user = certifiedUser(socket);
    const owner = user === undefined ? addressOwner(socket) : ownerOfUser(user);
    if (!open.fits(owner)) return void socket.destroy();
    socket.once("close", open.take(owner));
  });
}

const addressOwner = ({ remoteAddress = "" }: Socket) => ({ name: `address ${remoteAddress}` });
const keyOf = ({ remoteAddress = "", remotePort = 0 }: Socket) => `${remoteAddress} ${remotePort}`;
