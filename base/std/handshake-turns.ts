import type { Clock } from "./clock.ts";
import { Fifo } from "./fifo.ts";
import { handshakeEnds } from "./handshake-ends.ts";
import { HANDSHAKE_TURN_MS, HANDSHAKES_UNDER_WAY_MAX } from "./limits.ts";

interface Socket {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  readonly destroyed: boolean;
  on(event: "close" | "error", listener: () => void): unknown;
  destroy(): unknown;
}

/** A server of Node's for TLS. */
interface Server {
  rawListeners(event: "connection"): readonly unknown[];
  removeAllListeners(event: "connection"): unknown;
  on(event: "connection" | "secureConnection", listener: (socket: Socket) => void): unknown;
}

interface Turns {
  underWay: number;
  readonly waiting: Fifo<() => void>;
}

/**
 * Lets some TLS handshakes of each address be under way, and those beyond wait, unread: what one
 * address sends in all its connections would else be one turn of the event loop, which those of
 * others wait for three times. To be called before others listen for connections.
 */
export function paceHandshakes(
  server: Server,
  clock: Clock,
  { most, turn_ms } = { most: HANDSHAKES_UNDER_WAY_MAX, turn_ms: HANDSHAKE_TURN_MS },
): void {
  const listeners = server.rawListeners("connection") as ((socket: Socket) => void)[];
  server.removeAllListeners("connection");
  const addresses = new Map<string, Turns>();
  const onEnd = handshakeEnds(server);

  const next = (address: string, turns: Turns) => {
    turns.underWay--;
    while (turns.underWay < most && turns.waiting.length > 0) turns.waiting.shift()!();
    if (turns.underWay === 0) addresses.delete(address);
  };
  const start = (socket: Socket, address: string, turns: Turns) => {
    if (socket.destroyed) return;
    addresses.set(address, turns);
    turns.underWay++;
    const end = onEnd(socket, () => {
      slow.cancel();
      next(address, turns);
    });
    const slow = clock.after(turn_ms, end);
    for (const listener of listeners) listener.call(server, socket);
  };
  server.on("connection", (socket) => {
    const { remoteAddress: address } = socket;
    // A connection that was reset before it was accepted.
    if (address === undefined) return void socket.destroy();
    const turns = addresses.get(address) ?? { underWay: 0, waiting: new Fifo() };
    if (turns.underWay < most) return start(socket, address, turns);
    socket.on("error", () => socket.destroy());
    turns.waiting.push(() => start(socket, address, turns));
  });
}
