import { connect, type TLSSocket } from "node:tls";
import { waitFor } from "../../../../testing/wait.ts";
import type { Case } from "./cases.ts";

/** A server, and a token that may do everything. */
export type Target = { readonly port: number; readonly token: string };

/**
 * The server's answer: of a frame its first byte, and its payload without the parts that differ
 * from run to run.
 */
export interface Outcome {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly frames: readonly { readonly first: number; readonly payload: string }[];
  readonly message: string | undefined;
}

/** Sends one request and waits for what the case says. */
export async function exchange({ port, token }: Target, each: Case): Promise<Outcome> {
  const init = { host: "127.0.0.1", port, rejectUnauthorized: false, ALPNProtocols: ["http/1.1"] };
  const socket = connect(init);
  const received = new Received(socket);
  socket.write(requestText(each, token));
  try {
    await waitFor(`the head: ${each.what}`, () => received.head !== undefined);
    if (each.sends) socket.write(Buffer.from(each.sends, "hex"));
    await waitFor(`the rest: ${each.what}`, () => received.has(each.until));
    return received.outcome();
  } finally {
    socket.destroy();
  }
}

function requestText({ path, headers = {}, protocols }: Case, token: string): string {
  const whole: Record<string, string | undefined> = {
    Host: "x",
    Connection: "Upgrade",
    Upgrade: "websocket",
    Origin: "https://example.org",
    "Sec-WebSocket-Version": "13",
    // The key of RFC 6455's example, whose answer is known.
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    ...(protocols ? { "Sec-WebSocket-Protocol": protocols(token) } : {}),
    ...(protocols ? {} : { Authorization: `Bearer ${token}` }),
    ...headers,
  };
  const lines = Object.entries(whole)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${value}`);
  return [`GET ${path} HTTP/1.1`, ...lines, "", ""].join("\r\n");
}

const HEAD_END = "\r\n\r\n";
const SHOWN = [
  "upgrade",
  "sec-websocket-accept",
  "sec-websocket-protocol",
  "sec-websocket-version",
];

class Received {
  #bytes: Buffer = Buffer.alloc(0);
  #ended = false;

  constructor(socket: TLSSocket) {
    socket.on("data", (bytes: Buffer) => (this.#bytes = Buffer.concat([this.#bytes, bytes])));
    socket.on("error", () => (this.#ended = true));
    socket.on("close", () => (this.#ended = true));
    socket.on("end", () => (this.#ended = true));
  }

  get head(): string | undefined {
    const end = this.#bytes.indexOf(HEAD_END);
    return end < 0 ? undefined : this.#bytes.subarray(0, end).toString("latin1");
  }

  get #rest(): Buffer {
    return this.#bytes.subarray(this.#bytes.indexOf(HEAD_END) + HEAD_END.length);
  }

  has(until: number | "end"): boolean {
    if (until === "end") return this.#ended;
    if (this.#status !== 101) return this.#message !== undefined || this.#ended;
    return this.#frames.length >= until;
  }

  outcome(): Outcome {
    const lines = this.head!.split("\r\n")
      .slice(1)
      .map((line) => line.split(": "));
    const headers = Object.fromEntries(
      lines
        .map(([name = "", value = ""]) => [name.toLowerCase(), value] as const)
        .filter(([name]) => SHOWN.includes(name)),
    );
    const upgraded = this.#status === 101;
    const frames = upgraded ? this.#frames : [];
    const message = upgraded ? undefined : this.#message;
    return { status: this.#status, headers, frames, message };
  }

  get #status(): number {
    return Number(/^HTTP\/1\.1 (\d+)/.exec(this.head ?? "")?.[1]);
  }

  /** The words of a Status, "" of another answer in JSON; undefined before it is whole. */
  get #message(): string | undefined {
    const text = this.#rest.toString("utf8");
    const said = /"?message"?: ?['"](only the following media types|[^'"]*)/.exec(text)?.[1];
    if (said !== undefined) return said;
    return text.trimEnd().endsWith("}") ? "" : undefined;
  }

  get #frames(): Outcome["frames"] {
    const frames: { first: number; payload: string }[] = [];
    let rest = this.#rest;
    for (;;) {
      const length = lengthOf(rest);
      if (length === undefined || rest.length < length.head + length.payload) return frames;
      const payload = rest.subarray(length.head, length.head + length.payload);
      frames.push({ first: rest[0]!, payload: normalised(payload) });
      rest = rest.subarray(length.head + length.payload);
    }
  }
}

function lengthOf(frame: Buffer): { head: number; payload: number } | undefined {
  if (frame.length < 4)
    return frame.length >= 2 && frame[1]! < 126 ? { head: 2, payload: frame[1]! } : undefined;
  if (frame[1] === 126) return { head: 4, payload: frame.readUInt16BE(2) };
  if (frame[1] !== 127) return { head: 2, payload: frame[1]! };
  return frame.length < 10 ? undefined : { head: 10, payload: Number(frame.readBigUInt64BE(2)) };
}

/** Removes values that differ for each server: uids, times, revisions. */
function normalised(payload: Buffer): string {
  const text = payload.toString("latin1");
  if (!text.startsWith("{")) return text.replaceAll(/[^ -~]+/g, " ").slice(0, START_LETTERS);
  const recorded = JSON.stringify(JSON.parse(text), inOrder)
    .replaceAll(UID, "UID")
    .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ/g, "TIME")
    .replaceAll(/"resourceVersion":"\d+"/g, `"resourceVersion":"N"`)
    .replaceAll(/"cells":\["one",1,"[^"]*"\]/g, `"cells":["one",1,"AGE"]`);
  return text.endsWith("\n") ? `${recorded}\n` : recorded;
}

/** Bytes of protobuf before uids and times, whose lengths differ. */
const START_LETTERS = 34;
const UID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g;

/** Members in order of their names, without descriptions, which are each server's own. */
function inOrder(_name: string, value: unknown): unknown {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return value;
  const members = Object.entries(value).filter(([name]) => name !== "description");
  return Object.fromEntries(members.sort(([a], [b]) => (a < b ? -1 : 1)));
}
