import type { Agent } from "node:http";
import type { Readable } from "node:stream";
import { pairReader } from "@raft2kube/client-kube/transport/client-pair.ts";
import { type KubeConnection, tokenReader } from "@raft2kube/client-kube/transport/credentials.ts";
import { agentOf, http1Transport } from "@raft2kube/client-kube/transport/http1.ts";
import type { HttpRequest, HttpResponse } from "@raft2kube/client-kube/transport/transport.ts";
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
export function sendOn(from: { pause(): void; resume(): void }, to: WebSocket, data: Buffer): void {
  to.send(data, () => {
    if (to.bufferedAmount < WAITING_BYTES_MAX) from.resume();
  });
  if (to.bufferedAmount > WAITING_BYTES_MAX) from.pause();
}

/** An API server, reached with the rights of a user. */
export interface Upstream {
  /** Returns the same with a token's rights alone and a connection per request: not to close. */
  as(token: string): Upstream;
  /** Sends a request; resolves with the head of the answer. Throws when it is ended before. */
  send(request: Omit<HttpRequest, "timeout_ms">): Promise<HttpResponse>;
  /** Opens a WebSocket; the caller listens to its events. */
  socket(path: string, protocol: string): Promise<WebSocket>;
  close(): void;
}

/** Returns the API server of a kubeconfig; `agent` is for connections without a certificate. */
export function upstreamTo(connection: KubeConnection, clock: Clock, agent?: Agent): Upstream {
  const { server, ca, tlsServerName } = connection;
  const pair = pairReader(connection, clock);
  const token = connection.token === undefined ? undefined : tokenReader(connection.token, clock);
  const kept = agent ?? agentOf(connection, { keepAlive: true, maxFreeSockets: 8 });
  const transport = http1Transport(connection, clock, kept);
  /** The agent of other users, whose requests share no connections. */
  const once = agent ?? agentOf({ server, ca }, { keepAlive: false });
  const authorization = async (): Promise<Record<string, string>> =>
    token ? { authorization: `Bearer ${await token.read()}` } : {};
  return {
    as: (other) => upstreamTo({ server, ca, tlsServerName, token: other }, clock, once),
    async send(request) {
      const headers = { ...request.headers, ...(await authorization()) };
      const answer = await transport.send({ ...request, headers, timeout_ms: ANSWER_TIMEOUT_MS });
      if (answer.status === 401) token?.rejected();
      return answer;
    },
    async socket(path, protocol) {
      const base = server.replace(/^http/, "ws").replace(/\/$/, "");
      const url = new URL(base + path);
      if (url.origin !== new URL(base).origin) throw new TypeError(`"${path}" is no path`);
      const socket = new WebSocket(url, protocol, {
        ca,
        ...pair(),
        ...(tlsServerName && { servername: tlsServerName }),
        headers: await authorization(),
        maxPayload: MESSAGE_BYTES_MAX,
        handshakeTimeout: ANSWER_TIMEOUT_MS,
        perMessageDeflate: false,
      });
      // Its close follows, for which the caller waits.
      return socket.on("error", () => socket.terminate());
    },
    close() {
      transport.close();
      once.destroy();
    },
  };
}
