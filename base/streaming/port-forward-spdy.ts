import type { Duplex } from "node:stream";
import type { Timer } from "@raft2kube/std/clock.ts";
import { STREAM_CREATION_TIMEOUT_MS, STREAMS } from "./limits.ts";
import type { PortForwardOptions } from "./port-forward.ts";
import { SpdyConnection } from "./spdy/connection.ts";
import type { SpdyStream } from "./spdy/stream.ts";

/** Two streams with the same request id make one connection. */
type Pair = { data?: SpdyStream; error?: SpdyStream; timeout: Timer };

function portOf(stream: SpdyStream): number | undefined {
  const port = Number(stream.headers["port"]);
  return Number.isInteger(port) && port > 0 && port < 65_536 ? port : undefined;
}

/** Serves port-forward over a SPDY connection until it ends. */
export async function forwardOverSpdy(socket: Duplex, options: PortForwardOptions): Promise<void> {
  const { clock } = options;
  const pairs = new Map<string, Pair>();
  const pairOf = (id: string): Pair => {
    const known = pairs.get(id);
    if (known) return known;
    const timeout = options.clock.after(STREAM_CREATION_TIMEOUT_MS, () => drop(id));
    const pair: Pair = { timeout };
    pairs.set(id, pair);
    return pair;
  };
  const drop = (id: string) => {
    const pair = pairs.get(id);
    pairs.delete(id);
    pair?.timeout.cancel();
    pair?.data?.destroy();
    pair?.error?.destroy();
  };
  const onStream = (stream: SpdyStream) => {
    const type = stream.headers["streamtype"];
    const port = portOf(stream);
    const known = type === "data" || type === "error";
    if (!known || port === undefined || pairs.size >= STREAMS) {
      stream.destroy();
      return;
    }
    // Clients without request ids (before 1.4) open both streams in turn.
    const id = stream.headers["requestid"] ?? String(stream.id - (type === "data" ? 2 : 0));
    const pair = pairOf(id);
    if (pair[type]) {
      stream.destroy();
      return;
    }
    stream.reply();
    pair[type] = stream;
    if (!pair.data || !pair.error) return;
    pairs.delete(id);
    pair.timeout.cancel();
    pair.error.resume();
    options.onConnection({ port, data: pair.data, error: pair.error });
  };
  const connection = new SpdyConnection(socket, { role: "server", clock, onStream });
  await connection.closed;
  for (const id of pairs.keys()) drop(id);
}
