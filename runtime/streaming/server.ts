import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { NestedShares } from "@raft2kube/std/shares.ts";
import { refuseUpgrade } from "@raft2kube/streaming/upgrade.ts";
import { RuntimeError } from "../errors.ts";
import {
  FORWARDED,
  FORWARDED_OF_NAMESPACE,
  FORWARDED_OF_POD,
  FORWARDED_RESERVED,
  STREAM_CONNECTIONS_MAX,
  STREAM_TOKEN_TTL_MS,
  STREAMS,
  STREAMS_OF_NAMESPACE,
  STREAMS_OF_POD,
  STREAMS_RESERVED,
} from "../limits.ts";

/** Serves one upgrade request. */
export type StreamHandler = (
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
) => Promise<void>;

/** The sandbox whose containers a stream reaches, and its pod's namespace. */
export type Streamed = { readonly sandboxId: string; readonly namespace: string };

interface Waiting {
  handler: StreamHandler;
  timeout: Timer;
  /** Gives its part of the pod's and the namespace's shares back. */
  give: () => void;
}

/** Takes one of a pod's shares. Returns how to give it back; resource-exhausted without one. */
export function takeShare(
  shares: NestedShares,
  { sandboxId, namespace }: Streamed,
  what: string,
): () => void {
  const rights = namespace === "kube-system" ? { may: "reserve" as const } : {};
  const taken = shares.take({ name: sandboxId, ...rights }, { name: namespace, ...rights });
  if (typeof taken === "function") return taken;
  const owners = {
    all: "all pods",
    group: `namespace ${namespace}`,
    owner: `sandbox ${sandboxId}`,
  };
  const message = `as many ${what} of ${owners[taken]} are running as may`;
  throw new RuntimeError("resource-exhausted", message, { remedy: "end some of them first" });
}

/**
 * Serves the URLs that Exec, Attach and PortForward return. A URL has a random token and is valid
 * for one request within a minute; the server listens on loopback only. Only a client of the CRI
 * socket gets a URL.
 */
export class StreamingServer {
  readonly #clock: Clock;
  readonly #server: Server;
  readonly #waiting = new Map<string, Waiting>();
  readonly #sockets = new Set<Duplex>();
  readonly #shares = new NestedShares({
    all: STREAMS,
    reserved: STREAMS_RESERVED,
    eachGroup: STREAMS_OF_NAMESPACE,
    each: STREAMS_OF_POD,
  });
  /** Connections of all port-forwards. */
  readonly forwarded = new NestedShares({
    all: FORWARDED,
    reserved: FORWARDED_RESERVED,
    eachGroup: FORWARDED_OF_NAMESPACE,
    each: FORWARDED_OF_POD,
  });
  readonly #onError: (error: unknown) => void;

  constructor(clock: Clock, onError: (error: unknown) => void) {
    this.#clock = clock;
    this.#onError = onError;
    this.#server = createServer((_, response) => {
      response.writeHead(400).end("an upgrade to SPDY/3.1 or WebSocket is required\n");
    });
    this.#server.maxConnections = STREAM_CONNECTIONS_MAX;
    this.#server.on("error", onError);
    this.#server.on("upgrade", (request, socket, head) => this.#serve(request, socket, head));
  }

  /** Listens on a free port of loopback, in the network namespace of this process. */
  async open(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once("error", reject);
      this.#server.listen(0, "127.0.0.1", resolve);
    });
  }

  /**
   * A URL at which `handler` will serve one request. Throws resource-exhausted when the pod, its
   * namespace or all have too many.
   */
  offer(
    kind: "exec" | "attach" | "portforward",
    streamed: Streamed,
    handler: StreamHandler,
  ): string {
    const give = takeShare(this.#shares, streamed, "execs, attachments and port-forwards");
    const token = randomBytes(16).toString("base64url");
    const timeout = this.#clock.after(STREAM_TOKEN_TTL_MS, () => {
      this.#waiting.delete(token);
      give();
    });
    this.#waiting.set(token, { handler, timeout, give });
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}/${kind}/${token}`;
  }

  async close(): Promise<void> {
    for (const { timeout } of this.#waiting.values()) timeout.cancel();
    this.#waiting.clear();
    for (const socket of this.#sockets) socket.destroy();
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => this.#server.close(() => resolve()));
  }

  #serve(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on("error", () => socket.destroy());
    const token = /^\/[a-z]+\/([\w-]+)(?:\?|$)/.exec(request.url ?? "")?.[1] ?? "";
    const waiting = this.#waiting.get(token);
    this.#waiting.delete(token);
    waiting?.timeout.cancel();
    if (!waiting) {
      refuseUpgrade(socket, 404, "no such stream, or it was used already");
      return;
    }
    this.#sockets.add(socket);
    socket.once("close", () => {
      this.#sockets.delete(socket);
      waiting.give();
    });
    waiting.handler(request, socket, head).catch((error: unknown) => {
      this.#onError(error);
      socket.destroy();
    });
  }
}
