import type { Read } from "@raft2kube/explain/gather.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import type { Forward } from "../server/forwards.ts";

interface OwnerReference {
  apiVersion: string;
  kind: string;
  name: string;
  uid: string;
  controller?: boolean;
}

/** An object of any kind, as far as every kind has it. */
export interface AnyObject {
  apiVersion?: string;
  kind?: string;
  metadata: {
    name: string;
    namespace?: string;
    uid?: string;
    creationTimestamp?: string;
    labels?: Record<string, string>;
    annotations?: Record<string, string>;
    ownerReferences?: OwnerReference[];
    deletionTimestamp?: string;
    managedFields?: unknown;
    resourceVersion?: string;
  };
  spec?: Record<string, unknown>;
  status?: Record<string, unknown>;
  [field: string]: unknown;
}

/** A refusal of the API server, or its absence (status 502). */
export class ApiError extends Error {
  readonly status: number;
  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
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

/** Ends the session in this tab, and shows the form to sign in. */
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
    throw new ApiError(
      502,
      byToken
        ? "the dashboard's server does not answer"
        : "the dashboard's server has ended: run `r2k dashboard` again",
    );
  });
  const date = Date.parse(answer.headers.get("x-server-date") ?? "");
  if (!Number.isNaN(date)) ahead_ms = date - clock.now();
  if (answer.ok) return answer;
  if (answer.status === 401 && byToken && hasSession()) signOut();
  const text = await answer.text();
  let message = text;
  try {
    message = (JSON.parse(text) as { message?: string }).message ?? text;
  } catch (thrown) {
    if (!(thrown instanceof SyntaxError)) throw thrown;
  }
  throw new ApiError(answer.status, message.slice(0, 2_000));
}

export async function get<T = AnyObject>(path: string, accept = "application/json"): Promise<T> {
  return (await ask(`/kube${path}`, { headers: { ...own(), accept } })).json() as Promise<T>;
}

export async function send<T = AnyObject>(
  method: string,
  path: string,
  body?: unknown,
  type = "application/json",
): Promise<T> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const headers = { ...own(), accept: "application/json", "content-type": type };
  return (await ask(`/kube${path}`, { method, headers, body: text ?? null })).json() as Promise<T>;
}

export async function text(path: string): Promise<string> {
  return (await ask(`/kube${path}`, { headers: { ...own(), accept: "*/*" } })).text();
}

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

/** Reads for explanations. */
export const read: Read = async (path) => {
  try {
    return await get<AnyObject>(path);
  } catch (thrown) {
    if (thrown instanceof ApiError && thrown.status === 404) return "none";
    if (thrown instanceof ApiError && thrown.status === 403) return "forbidden";
    throw thrown;
  }
};

const LINE_CHARS_MAX = 16_384;

/** Lines of a streamed answer; a longer line is cut, and ends with what it lost. */
export function lines(
  path: string,
  onLine: (line: string) => void,
  onEnd: (why: string, status: number) => void,
  longest = LINE_CHARS_MAX,
): () => void {
  const socket = openSocket(`/stream${path}`);
  const decoder = new TextDecoder();
  let [line, lost] = ["", 0];
  const add = (part: string) => {
    const free = Math.max(0, longest - line.length);
    line += part.slice(0, free);
    lost += Math.max(0, part.length - free);
  };
  const flush = () => {
    const whole = lost > 0 ? `${line} ... (${lost.toLocaleString("en")} more characters)` : line;
    [line, lost] = ["", 0];
    onLine(whole);
  };
  socket.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => {
    const parts = decoder.decode(data, { stream: true }).split("\n");
    parts.forEach((part, i) => {
      if (i > 0) flush();
      add(part);
    });
  };
  socket.onclose = ({ code, reason }) => {
    if (line) flush();
    onEnd(reason, code);
  };
  return () => {
    socket.onclose = socket.onmessage = null;
    socket.close();
  };
}
