import { systemClock } from "@raft2kube/std/clock.ts";
import type { Read } from "@raft2kube/explain/gather.ts";

/** An object of any kind, as far as every kind has it. */
export interface AnyObject {
  apiVersion?: string;
  kind?: string;
  metadata: {
    name: string; namespace?: string; uid?: string; creationTimestamp?: string;
    labels?: Record<string, string>; annotations?: Record<string, string>;
    ownerReferences?: { apiVersion: string; kind: string; name: string }[];
    deletionTimestamp?: string; managedFields?: unknown; generation?: number;
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

const OWN = { "x-r2k-dashboard": "1" };

const clock = systemClock();
/** The server's clock is ahead of this browser's by so much. */
let ahead_ms = 0;

/** The time by the server's clock, by which ages are counted. */
export const serverNow_ms = (): number => clock.now() + ahead_ms;

async function ask(url: string, init: RequestInit): Promise<Response> {
  const answer = await fetch(url, init).catch(() => {
    throw new ApiError(502, "the dashboard's server has ended: run `r2k dashboard` again");
  });
  const date = Date.parse(answer.headers.get("x-server-date") ?? "");
  if (!Number.isNaN(date)) ahead_ms = date - clock.now();
  if (answer.ok) return answer;
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
  return (await ask(`/kube${path}`, { headers: { ...OWN, accept } })).json() as Promise<T>;
}

export async function send<T = AnyObject>(
  method: string, path: string, body?: unknown, type = "application/json",
): Promise<T> {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const headers = { ...OWN, accept: "application/json", "content-type": type };
  return (await ask(`/kube${path}`, { method, headers, body: text ?? null })).json() as Promise<T>;
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
  path: string, onLine: (line: string) => void, onEnd: (why: string, status: number) => void,
  longest = LINE_CHARS_MAX,
): () => void {
  const socket = new WebSocket(`ws://${location.host}/stream${path}`);
  socket.binaryType = "arraybuffer";
  const decoder = new TextDecoder();
  let [line, lost] = ["", 0];
  const add = (part: string) => {
    const free = Math.max(0, longest - line.length);
    line += part.slice(0, free);
    lost += Math.max(0, part.length - free);
  };
  const flush = () => {
    onLine(lost > 0 ? `${line} ... (${lost.toLocaleString("en")} more characters)` : line);
    [line, lost] = ["", 0];
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
