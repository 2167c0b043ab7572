import { Agent, request as httpRequest, type IncomingMessage } from "node:http";
import { type AgentOptions, request as httpsRequest, Agent as TlsAgent } from "node:https";
import { pipeline, type Readable } from "node:stream";
import { TransportError } from "@raft2kube/client-kube/errors.ts";
import {
  type KubeConnection,
  type TokenReader,
  tokenReader,
} from "@raft2kube/client-kube/transport/credentials.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { WebSocket } from "ws";
import { ANSWER_TIMEOUT_MS, MESSAGE_BYTES_MAX, REVIEW_BYTES_MAX } from "../limits.ts";

/** The parts of a request besides its headers. */
export interface Sending {
  /** A stream needs a header for its length, or for its transfer in chunks. */
  readonly body?: Readable | string;
  /** Ends the request and its answer. */
  readonly signal?: AbortSignal;
}

/** Reads a text, of which no part is read after so many characters. */
export async function textOf(stream: Readable, chars_max: number): Promise<string> {
  let text = "";
  for await (const part of stream.setEncoding("utf8")) {
    text += part as string;
    if (text.length > chars_max) break;
  }
  return text;
}

/** An API server, reached with the rights of a kubeconfig's user. */
export class Upstream {
  readonly #connection: KubeConnection;
  readonly #token: TokenReader | undefined;
  readonly #clock: Clock;
  readonly #agent: Agent;
  /** The agent of other users, whose requests share no connections. */
  readonly #once: Agent;

  /** `agent` is for connections without a client certificate. */
  constructor(connection: KubeConnection, clock: Clock, agent?: Agent) {
    this.#connection = connection;
    this.#clock = clock;
    this.#token = connection.token === undefined ? undefined : tokenReader(connection.token, clock);
    const { server, ca, cert, key } = connection;
    const agentOf = (options: AgentOptions) =>
      server.startsWith("http:") ? new Agent(options) : new TlsAgent(options);
    this.#agent = agent ?? agentOf({ keepAlive: true, maxFreeSockets: 8, ca, cert, key });
    this.#once = agent ?? agentOf({ keepAlive: false, ca });
  }

  /**
   * The same API server, with the rights of a token alone and a connection for each request; only
   * this one is closed.
   */
  as(token: string): Upstream {
    const { server, ca, tlsServerName } = this.#connection;
    return new Upstream({ server, ca, tlsServerName, token }, this.#clock, this.#once);
  }

  /** Creates an object; resolves with the answer, which is JSON. */
  async post(path: string, object: object): Promise<{ status: number; body: unknown }> {
    const headers = { "content-type": "application/json", accept: "application/json" };
    const answer = await this.send("POST", path, headers, { body: JSON.stringify(object) });
    const text = await textOf(answer, REVIEW_BYTES_MAX);
    return { status: answer.statusCode ?? 0, body: JSON.parse(text) };
  }

  /** Sends a request; resolves with the head of the answer. Throws when it is ended before. */
  async send(
    method: string,
    path: string,
    headers: Record<string, string>,
    { body, signal }: Sending = {},
  ): Promise<IncomingMessage> {
    const url = this.#url(path);
    const all = { ...headers, ...(await this.#authorization()) };
    return new Promise((resolve, reject) => {
      const { tlsServerName: servername } = this.#connection;
      const request = url.protocol === "http:" ? httpRequest : httpsRequest;
      const call = request(url, {
        method,
        headers: all,
        agent: this.#agent,
        signal,
        ...(servername ? { servername } : {}),
      });
      call.setTimeout(ANSWER_TIMEOUT_MS, () => {
        call.destroy(new TransportError("ETIMEDOUT", `${method} ${path}: no answer in time`));
      });
      call.once("response", (answer) => {
        // A watch may be silent for long; the server ends it.
        call.setTimeout(0);
        if (answer.statusCode === 401) this.#token?.rejected();
        resolve(answer);
      });
      call.on("error", reject);
      if (typeof body === "object") pipeline(body, call, () => undefined);
      else call.end(body);
    });
  }

  /** Opens a WebSocket; the caller listens to its events. */
  async socket(path: string, protocol: string): Promise<WebSocket> {
    const url = this.#url(path);
    url.protocol = url.protocol === "http:" ? "ws:" : "wss:";
    const { ca, cert, key, tlsServerName: servername } = this.#connection;
    const authorization = await this.#authorization();
    const socket = new WebSocket(url, protocol, {
      ca,
      cert,
      key,
      ...(servername ? { servername } : {}),
      headers: authorization,
      maxPayload: MESSAGE_BYTES_MAX,
      handshakeTimeout: ANSWER_TIMEOUT_MS,
      perMessageDeflate: false,
    });
    // Its close follows, for which the caller waits.
    return socket.on("error", () => socket.terminate());
  }

  close(): void {
    this.#agent.destroy();
    this.#once.destroy();
  }

  async #authorization(): Promise<Record<string, string>> {
    return this.#token ? { authorization: `Bearer ${await this.#token.read()}` } : {};
  }

  #url(path: string): URL {
    const base = this.#connection.server.replace(/\/$/, "");
    const url = new URL(base + path);
    if (url.origin !== new URL(base).origin) throw new TypeError(`"${path}" is no path`);
    return url;
  }
}
