import { request as httpRequest, type IncomingMessage } from "node:http";
import { type Agent, request as httpsRequest } from "node:https";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import { ApiError } from "@raft2kube/apimachinery/errors/api-error.ts";
import { badRequest, serviceUnavailable } from "@raft2kube/apimachinery/errors/catalog.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { boundInterimAnswers } from "@raft2kube/streaming/interim.ts";
import { streamTurns } from "@raft2kube/streaming/paced.ts";
import { PacedSocket } from "@raft2kube/streaming/paced-socket.ts";
import { ownerOf } from "../../authn/owner.ts";
import { protocolsWithoutToken } from "../../authn/websocket-token.ts";
import { headerOf, type RequestContext } from "../../request/context.ts";
import type { ApiServer } from "../server.ts";
import { refusalText } from "./backend-refusal.ts";
import { backendTurn } from "./backend-turns.ts";
import { connectionTo } from "./forward.ts";

const log = logger("apiserver");

const SOCKET_LISTENERS_MAX = 20;

/** The address of a tunnel's other end. */
export interface TunnelEnd {
  host: string;
  port: number;
  path: string;
  /** Agent for TLS backends. */
  agent: Agent | undefined;
  /** The client's headers that go along; by default those of the protocol. */
  headers?: Readonly<Record<string, string | string[]>>;
}

/** Headers that the protocol spoken through the tunnel needs; credentials are not among them. */
const PROTOCOL_HEADERS = [
  "upgrade",
  "sec-websocket-key",
  "sec-websocket-version",
  "sec-websocket-extensions",
  "x-stream-protocol-version",
];

/**
 * Hands the client's connection to a backend that agrees to the same upgrade. Bytes flow freely
 * only after the backend's 101; a refusal is read, returned to the client, and ends both
 * connections, so that no client can keep talking to the backend with this server's credentials
 * (CVE-2018-1002105).
 */
export async function tunnel(
  server: Pick<ApiServer, "closing">,
  context: RequestContext,
  end: TunnelEnd,
): Promise<void> {
  const client = context.upgrade;
  if (client === undefined) throw badRequest("Upgrade request required");
  await backendTurn(context);
  const { answer, socket, head } = await agree(context, end);
  // The response would frame the bytes that follow, so it is detached from the connection.
  context.response.detachSocket(client.socket as Socket);
  client.socket.write(switchingProtocols(answer));
  if (head.length > 0) client.socket.write(head);
  if (client.head.length > 0) socket.write(client.head);
  await relay(server, client.socket, socket);
}

type Agreed = { answer: IncomingMessage; socket: Duplex; head: Buffer };

function agree(context: RequestContext, end: TunnelEnd): Promise<Agreed> {
  const headers: Record<string, string | string[]> = { ...end.headers, connection: "Upgrade" };
  for (const name of PROTOCOL_HEADERS) {
    const value = headerOf(context.request, name);
    if (value !== "") headers[name] = value;
  }
  // A token among the protocols is for this server alone.
  const protocols = protocolsWithoutToken(context.request).join(", ");
  if (protocols !== "") headers["sec-websocket-protocol"] = protocols;
  return new Promise((resolve, reject) => {
    const { host, port, path, agent } = end;
    const method = context.request.method ?? "POST";
    const send = agent ? httpsRequest : httpRequest;
    const connection = connectionTo(ownerOf(context).name, end, inStreamTurns);
    const request = send({ host, port, path, method, headers, ...connection });
    boundInterimAnswers(request);
    request.on("upgrade", (answer, socket, head) => {
      // Until both are joined, and after.
      socket.on("error", () => socket.destroy());
      resolve({ answer, socket, head });
    });
    request.on("response", (answer) => {
      refusalText(answer)
        .then((text) => refusal(answer.statusCode ?? 502, text))
        .then(reject, reject)
        .finally(() => request.destroy());
    });
    request.on("error", (error) => {
      reject(serviceUnavailable(`error dialing backend ${host}:${port}: ${error.message}`));
    });
    context.signal.addEventListener("abort", () => request.destroy(), { once: true });
    if (context.signal.aborted) request.destroy();
    request.end();
  });
}

const inStreamTurns = (owner: string, socket: Socket): Duplex =>
  new PacedSocket(socket, streamTurns, owner);

function refusal(code: number, text: string): ApiError {
  const safe = code >= 400 ? code : 502;
  const message = text === "" ? `unable to upgrade connection: the backend answered ${code}` : text;
  const reason = safe === 400 ? "BadRequest" : "InternalError";
  return new ApiError({ code: safe, reason, message });
}

function switchingProtocols(answer: IncomingMessage): string {
  const lines = ["HTTP/1.1 101 Switching Protocols"];
  for (let i = 0; i + 1 < answer.rawHeaders.length; i += 2) {
    lines.push(`${answer.rawHeaders[i]}: ${answer.rawHeaders[i + 1]}`);
  }
  return `${lines.join("\r\n")}\r\n\r\n`;
}

/** Bytes both ways until both sides have ended; a side that breaks takes the other with it. */
async function relay(
  server: Pick<ApiServer, "closing">,
  client: Duplex,
  backend: Duplex,
): Promise<void> {
  const cut = () => {
    client.destroy();
    backend.destroy();
  };
  server.closing.addEventListener("abort", cut, { once: true });
  // Two pipes and the server itself listen to each.
  for (const side of [client, backend]) side.setMaxListeners(SOCKET_LISTENERS_MAX);
  const outcomes = await Promise.allSettled([pipeline(client, backend), pipeline(backend, client)]);
  for (const outcome of outcomes) {
    if (outcome.status === "rejected") {
      log.debug("a tunnel broke", { reason: messageOf(outcome.reason) });
    }
  }
  server.closing.removeEventListener("abort", cut);
  cut();
}
