import { once } from "node:events";
import { type IncomingMessage, request } from "node:http";
import type { Duplex } from "node:stream";
import { buffer, text } from "node:stream/consumers";
import { SpdyConnection } from "@raft2kube/streaming/spdy/connection.ts";
import type { SpdyStream } from "@raft2kube/streaming/spdy/stream.ts";
import { WebSocket } from "ws";

export interface Ended {
  stdout: string;
  stderr: string;
  /** Content of the error stream. */
  status: string;
}

/** A command under way, as a client sees it. */
export interface Session {
  write(text: string): void;
  /** Ends standard input, where the protocol can. */
  endInput(): void;
  resize(width: number, height: number): void;
  /** All standard output so far. */
  output(): string;
  ended: Promise<Ended>;
  abandon(): void;
}

export type Wanted = { stdin?: boolean; stderr?: boolean; tty?: boolean };

async function spdyUpgrade(url: string, protocol: string): Promise<Duplex> {
  const upgrade = request(url, {
    method: "POST",
    headers: { Connection: "Upgrade", Upgrade: "SPDY/3.1", "X-Stream-Protocol-Version": protocol },
  });
  upgrade.end();
  const [response, socket, head] = (await once(upgrade, "upgrade")) as [
    IncomingMessage,
    Duplex,
    Buffer,
  ];
  if (response.headers["x-stream-protocol-version"] !== protocol) throw new Error("not agreed");
  if (head.length > 0) socket.unshift(head);
  return socket;
}

const resizeText = (width: number, height: number) =>
  `${JSON.stringify({ Width: width, Height: height })}\n`;

/** A client as kubectl up to 1.29 is: SPDY/3.1, protocol 4. */
export async function spdySession(url: string, wanted: Wanted): Promise<Session> {
  const socket = await spdyUpgrade(url, "v4.channel.k8s.io");
  const connection = new SpdyConnection(socket, { role: "client", onStream: () => undefined });
  const open = (streamtype: string) => connection.open({ streamtype });
  const error = await open("error");
  error.end();
  const stdin = wanted.stdin ? await open("stdin") : undefined;
  const stdout = await open("stdout");
  const stderr = wanted.stderr ? await open("stderr") : undefined;
  const resize = wanted.tty ? await open("resize") : undefined;
  let seen = "";
  stdout.on("data", (chunk: Buffer) => (seen += chunk.toString()));
  const status = text(error);
  const errors = stderr ? text(stderr) : Promise.resolve("");
  const ended = Promise.all([once(stdout, "end"), errors, status]).then(
    ([, stderrText, statusText]) => ({ stdout: seen, stderr: stderrText, status: statusText }),
  );
  // A client that abandons a session does not wait for its end.
  ended.catch(() => undefined);
  return {
    write: (data) => void stdin?.write(data),
    endInput: () => void stdin?.end(),
    resize: (width, height) => void resize?.write(resizeText(width, height)),
    output: () => seen,
    ended,
    abandon: () => connection.destroy(),
  };
}

/** A client as kubectl from 1.30 on is: WebSocket with channels. */
export async function webSocketSession(
  url: string,
  wanted: Wanted,
  protocol: string,
): Promise<Session> {
  const socket = new WebSocket(url.replace(/^http/, "ws"), protocol);
  const seen = ["", "", "", ""];
  socket.on("message", (message: Buffer) => {
    const channel = message[0]!;
    if (channel < seen.length) seen[channel] += message.subarray(1).toString();
  });
  await once(socket, "open");
  const send = (channel: number, data: string) =>
    socket.send(Buffer.concat([Buffer.of(channel), Buffer.from(data)]));
  const ended = once(socket, "close").then(() => ({
    stdout: seen[1]!,
    stderr: seen[2]!,
    status: seen[3]!,
  }));
  return {
    write: (data) => wanted.stdin && send(0, data),
    endInput: () => socket.send(Buffer.of(255, 0)),
    resize: (width, height) => send(4, resizeText(width, height)),
    output: () => seen[1]!,
    ended,
    abandon: () => socket.terminate(),
  };
}

/** Sends a request to a port of a pod by port-forward over SPDY; resolves with answer and error. */
export async function forwarded(url: string, port: number, data: string) {
  const socket = await spdyUpgrade(url, "portforward.k8s.io");
  const connection = new SpdyConnection(socket, { role: "client", onStream: () => undefined });
  const headers = { port: String(port), requestid: "0" };
  const error: SpdyStream = await connection.open({ ...headers, streamtype: "error" });
  error.end();
  const stream = await connection.open({ ...headers, streamtype: "data" });
  stream.on("error", () => undefined);
  const failure = text(error);
  const answer = buffer(stream).catch(() => Buffer.alloc(0));
  stream.end(data);
  const result = { answer: (await answer).toString(), error: await failure };
  connection.destroy();
  return result;
}
