import { randomBytes } from "node:crypto";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { refuseUpgrade } from "@raft2kube/streaming/upgrade.ts";
import { RuntimeError } from "../errors.ts";
import { STREAM_TOKEN_TTL_MS, STREAM_TOKENS, STREAMS } from "../limits.ts";

/** Serves one upgrade request. */
export type StreamHandler = (
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
) => Promise<void>;

interface Waiting {
  handler: StreamHandler;
  timeout: Timer;
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
  readonly #onError: (error: unknown) => void;

  constructor(clock: Clock, onError: (error: unknown) => void) {
    this.#clock = clock;
    this.#onError = onError;
    this.#server = createServer((_, response) => {
      response.writeHead(400).end("an upgrade to SPDY/3.1 or WebSocket is required\n");
    });
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

  /** A URL at which `handler` will serve one request. */
  offer(kind: "exec" | "attach" | "portforward", handler: StreamHandler): string {
    if (this.#waiting.size >= STREAM_TOKENS) {
      throw new RuntimeError("resource-exhausted", `${STREAM_TOKENS} streaming URLs are unused`);
    }
    if (this.#sockets.size >= STREAMS) {
      const message = `${STREAMS} execs, attachments and port-forwards are running`;
      throw new RuntimeError("resource-exhausted", message);
    }
    const token = randomBytes(16).toString("base64url");
    const timeout = this.#clock.after(STREAM_TOKEN_TTL_MS, () => this.#waiting.delete(token));
    this.#waiting.set(token, { handler, timeout });
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
    socket.once("close", () => this.#sockets.delete(socket));
    waiting.handler(request, socket, head).catch((error: unknown) => {
      this.#onError(error);
      socket.destroy();
    });
  }
}
