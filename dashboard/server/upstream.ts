import type { Agent } from "node:http";
import type { Readable } from "node:stream";
import { type ClientPair, pairReader } from "@raft2kube/client-kube/transport/client-pair.ts";
import {
  type KubeConnection,
  type TokenReader,
  tokenReader,
} from "@raft2kube/client-kube/transport/credentials.ts";
import { agentOf, http1Transport } from "@raft2kube/client-kube/transport/http1.ts";
import type {
  HttpRequest,
  HttpResponse,
  Transport,
} from "@raft2kube/client-kube/transport/transport.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { WebSocket } from "ws";
import { ANSWER_TIMEOUT_MS, MESSAGE_BYTES_MAX, WAITING_BYTES_MAX } from "../limits.ts";

/** Reads a text, of which no part is read after so many characters. */
export async function textOf(stream: Readable, chars_max: number): Promise<string> {
  let text = "";
  for await (const part of stream.setEncoding("utf8")) {
    text += part as string;
    if (text.length > chars_max) break;
  }
  return text;
}

/** Sends a message; the side that it comes from is paused while the other reads slowly. */
export function sendOn(
  from: { pause(): void; resume(): void },
  to: WebSocket,
  data: Buffer,
  binary = true,
): void {
  to.send(data, { binary }, () => {
    if (to.bufferedAmount < WAITING_BYTES_MAX) from.resume();
  });
  if (to.bufferedAmount > WAITING_BYTES_MAX) from.pause();
}

/** An API server, reached with the rights of a kubeconfig's user. */
export class Upstream {
  readonly #connection: KubeConnection;
  readonly #pair: () => ClientPair;
  readonly #token: TokenReader | undefined;
  readonly #clock: Clock;
  readonly #transport: Transport;
  /** The agent of other users, whose requests share no connections. */
  readonly #once: Agent;

  /** `agent` is for connections without a client certificate. */
  constructor(connection: KubeConnection, clock: Clock, agent?: Agent) {
    this.#connection = connection;
    this.#pair = pairReader(connection, clock);
    this.#clock = clock;
    this.#token = connection.token === undefined ? undefined : tokenReader(connection.token, clock);
    const { server, ca } = connection;
    const kept = agent ?? agentOf(connection, { keepAlive: true, maxFreeSockets: 8 });
    this.#transport = http1Transport(connection, clock, kept);
    this.#once = agent ?? agentOf({ server, ca }, { keepAlive: false });
  }

  /**
   * The same API server, with the rights of a token alone and a connection for each request; only
   * this one is closed.
   */
  as(token: string): Upstream {
    const { server, ca, tlsServerName } = this.#connection;
    return new Upstream({ server, ca, tlsServerName, token }, this.#clock, this.#once);
  }

  /** Sends a request; resolves with the head of the answer. Throws when it is ended before. */
  async send(request: Omit<HttpRequest, "timeout_ms">): Promise<HttpResponse> {
    const headers = { ...request.headers, ...(await this.#authorization()) };
    const timeout_ms = ANSWER_TIMEOUT_MS;
    const answer = await this.#transport.send({ ...request, headers, timeout_ms });
    if (answer.status === 401) this.#token?.rejected();
    return answer;
  }

  /** Opens a WebSocket; the caller listens to its events. */
  async socket(path: string, protocol: string): Promise<WebSocket> {
    const base = this.#connection.server.replace(/^http/, "ws").replace(/\/$/, "");
    const url = new URL(base + path);
    if (url.origin !== new URL(base).origin) throw new TypeError(`"${path}" is no path`);
    const { ca, tlsServerName: servername } = this.#connection;
    const socket = new WebSocket(url, protocol, {
      ca,
      ...this.#pair(),
      ...(servername ? { servername } : {}),
      headers: await this.#authorization(),
      maxPayload: MESSAGE_BYTES_MAX,
      handshakeTimeout: ANSWER_TIMEOUT_MS,
      perMessageDeflate: false,
    });
    // Its close follows, for which the caller waits.
    return socket.on("error", () => socket.terminate());
  }

  close(): void {
    this.#transport.close();
    this.#once.destroy();
  }

  async #authorization(): Promise<Record<string, string>> {
    return this.#token ? { authorization: `Bearer ${await this.#token.read()}` } : {};
  }
}
