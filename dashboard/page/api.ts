import type { Container, PodSpec } from "@raft2kube/api/gen/core/v1.ts";
import type { ObjectMeta } from "@raft2kube/api/gen/meta/v1.ts";
import { answeredError, KubeError, TransportError } from "@raft2kube/client-kube/errors.ts";
import type { KubeObject } from "@raft2kube/client-kube/object/object.ts";
import type { KubeRequest, KubeRequester } from "@raft2kube/client-kube/rest/request.ts";
import type { ResourceType } from "@raft2kube/client-kube/rest/resource.ts";
import { ResourceClient } from "@raft2kube/client-kube/rest/resource-client.ts";
import type { HttpResponse } from "@raft2kube/client-kube/transport/transport.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import type { Forward } from "../server/forwards.ts";

export interface AnyObject extends KubeObject {
  metadata: ObjectMeta & { name: string };
  spec?: Record<string, unknown>;
  status?: Record<string, unknown>;
  [field: string]: unknown;
}

export function containersOf({ spec }: AnyObject): Container[] {
  const { containers, initContainers = [], ephemeralContainers = [] } = spec as unknown as PodSpec;
  return [...containers, ...initContainers, ...(ephemeralContainers as Container[])];
}

const SESSION = "r2k-dashboard-session";

/** Whether people sign in with a token, at a server that is not their own. */
export const byToken = document.getElementById("app")?.dataset["login"] === "token";

/**
 * The session's secret is kept by this origin, port included: a cookie would be sent to every port
 * of the same address, among them those that lead to pods. One that a token gave ends with its tab.
 */
const kept = byToken ? sessionStorage : localStorage;
const secret = (): string => kept.getItem(SESSION) ?? "";
const own = () => ({ "x-r2k-dashboard": secret() });

export const hasSession = (): boolean => secret() !== "";

/** Exchanges a link's ticket or a token for a session. */
export async function signIn(given: string): Promise<void> {
  const answer = await ask("/login", { method: "POST", body: given });
  kept.setItem(SESSION, await answer.text());
}

export function signOut(): void {
  kept.removeItem(SESSION);
  location.reload();
}

const clock = systemClock();
/** The server's clock is ahead of this browser's by so much. */
let ahead_ms = 0;

/** The time by the server's clock, by which ages are counted. */
export const serverNow_ms = (): number => clock.now() + ahead_ms;

async function ask(url: string, init: RequestInit): Promise<Response> {
  const answer = await fetch(url, init).catch(() => {
    init.signal?.throwIfAborted();
    const gone = byToken ? "does not answer" : "has ended: run `r2k dashboard` again";
    throw new TransportError("ENOSERVER", `the dashboard's server ${gone}`);
  });
  const date = Date.parse(answer.headers.get("x-server-date") ?? "");
  if (!Number.isNaN(date)) ahead_ms = date - clock.now();
  if (answer.ok) return answer;
  if (answer.status === 401 && byToken && hasSession()) signOut();
  throw answeredError(answer.status, await answer.text(), url);
}

const JSON_TYPE = "application/json";

function exchange({ method, path, body, signal, ...types }: KubeRequest): Promise<Response> {
  const { accept = JSON_TYPE, contentType = JSON_TYPE } = types;
  const text = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
  const headers = { ...own(), accept, ...(text ? { "content-type": contentType } : {}) };
  return ask(`/kube${path}`, { method, headers, body: text ?? null, signal: signal ?? null });
}

export const kube: KubeRequester = {
  request: async <T>(request: KubeRequest) => (await exchange(request)).json() as Promise<T>,
  send: async (request) => void (await exchange(request)),
  open: async ({ path, accept, signal }) => {
    const kind = accept?.includes("as=Table") ? "table" : "stream";
    const parts = partsOf(openSocket(`/${kind}${path}`), signal);
    return { status: 200, headers: {}, body: parts as unknown as HttpResponse["body"] };
  },
};

export const resource = <T extends KubeObject = AnyObject>(type: ResourceType) =>
  new ResourceClient<T>(kube, type as ResourceType<T>);

export const text = async (path: string) =>
  (await exchange({ method: "GET", path, accept: "*/*" })).text();

/** Asks the dashboard's own server for forwarded ports; resolves with all of them. */
export async function forwards(method: "GET" | "POST" | "DELETE", path = ""): Promise<Forward[]> {
  return (await ask(`/forwards${path}`, { method, headers: own() })).json() as Promise<Forward[]>;
}

/** A WebSocket to the dashboard's server; `protocol` is the API server's. */
export function openSocket(path: string, protocol = "r2k.stream"): WebSocket {
  const url = `${location.origin.replace("http", "ws")}${path}`;
  const socket = new WebSocket(url, [protocol, `r2k.session.${secret()}`]);
  socket.binaryType = "arraybuffer";
  return socket;
}

/** Bytes of a streamed answer that wait for the page to read them. */
const WAITING_BYTES_MAX = 64 << 20;
/** Close codes of the dashboard's server: the answer's end, and the API server's refusal. */
const [ENDED, REFUSED] = [1_000, 4_000];

async function* partsOf(socket: WebSocket, signal?: AbortSignal): AsyncGenerator<Uint8Array> {
  const queue = new ByteLengthQueuingStrategy({ highWaterMark: WAITING_BYTES_MAX });
  const close = () => socket.close();
  const start = (parts: ReadableStreamDefaultController<Uint8Array>) => {
    socket.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => {
      if (parts.desiredSize! > 0) return parts.enqueue(new Uint8Array(data));
      const remedy = "more came than this page can read: ask for less";
      socket.onclose = null;
      parts.error(new TransportError("ETOOBIG", remedy));
    };
    socket.onclose = ({ code, reason: message }) => {
      if (code === ENDED) parts.close();
      else if (code < REFUSED + 100) {
        parts.error(new TransportError("EGONE", message || "the connection was lost"));
      } else parts.error(new KubeError({ code: code - REFUSED, message }));
    };
  };
  const reader = new ReadableStream({ start }, queue).getReader();
  signal?.addEventListener("abort", close);
  if (signal?.aborted) close();
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) yield part.value;
  } finally {
    signal?.removeEventListener("abort", close);
    close();
  }
}
