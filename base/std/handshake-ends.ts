/** A connection, or what encrypts it. */
interface Socket {
  readonly remoteAddress?: string | undefined;
  readonly remotePort?: number | undefined;
  /** Whether the certificate of what encrypts it was verified. */
  readonly authorized?: boolean;
  on(event: "close", listener: () => void): unknown;
}

/** A server of Node's for TLS. */
interface Server {
  on(event: "secureConnection", listener: (secured: Socket) => void): unknown;
}

/**
 * Returns what calls `ended` once for a connection: after its handshake, if that `isEnd`, or when
 * it is closed. Node shows the former with another socket, which is found by address and port. A
 * port may be used again before its last connection is closed here, which then ends its own.
 */
export function handshakeEnds(
  server: Server,
  isEnd: (secured: Socket) => boolean = () => true,
): (socket: Socket, ended: () => void) => () => void {
  const pending = new Map<string, () => void>();
  server.on("secureConnection", (secured) => {
    if (isEnd(secured)) pending.get(keyOf(secured))?.();
  });
  return (socket, ended) => {
    const key = keyOf(socket);
    let isOver = false;
    const end = () => {
      if (isOver) return;
      isOver = true;
      if (pending.get(key) === end) pending.delete(key);
      ended();
    };
    pending.set(key, end);
    socket.on("close", end);
    return end;
  };
}

const keyOf = ({ remoteAddress = "", remotePort = 0 }: Socket) => `${remoteAddress} ${remotePort}`;
