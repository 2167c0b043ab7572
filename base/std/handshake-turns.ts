import type { Clock } from "./clock.ts";
import { Fifo } from "./fifo.ts";
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
  /** Ends a connection's turn, by its address and port. */
  const ends = new Map<string, () => void>();

  const next = (address: string, turns: Turns) => {
    turns.underWay--;
    while (turns.underWay < most && turns.waiting.length > 0) turns.waiting.shift()!();
    if (turns.underWay === 0) addresses.delete(address);
  };
  const start = (socket: Socket, address: string, turns: Turns) => {
    if (socket.destroyed) return;
    addresses.set(address, turns);
    turns.underWay++;
    const key = keyOf(socket);
    const end = () => {
      slow.cancel();
      if (ends.delete(key)) next(address, turns);
    };
    const slow = clock.after(turn_ms, end);
    ends.set(key, end);
    socket.on("close", end);
    for (const listener of listeners) listener.call(server, socket);
  };
  server.on("connection", (socket) => {
    const { remoteAddress: address } = socket;
    // A connection that was reset before it was accepted, or whose port is used again before the
    // last one is closed here: its turn would have another's key.
    if (address === undefined || ends.has(keyOf(socket))) return void socket.destroy();
    const turns = addresses.get(address) ?? { underWay: 0, waiting: new Fifo() };
    if (turns.underWay < most) return start(socket, address, turns);
    socket.on("error", () => socket.destroy());
    turns.waiting.push(() => start(socket, address, turns));
  });
  server.on("secureConnection", (socket) => ends.get(keyOf(socket))?.());
}

const keyOf = ({ remoteAddress = "", remotePort = 0 }: Socket) => `${remoteAddress} ${remotePort}`;
