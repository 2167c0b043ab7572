import type { IncomingMessage } from "node:http";
import net from "node:net";
import type { Duplex } from "node:stream";
import { HttpError } from "@raft2kube/client-kube/delegated/http-error.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { paced } from "@raft2kube/streaming/paced.ts";
import { observeSandboxes } from "../cri/observe.ts";
import type { Runtime } from "../cri/runtime.ts";
import { STREAM_CONNECT_MS, STREAM_IDLE_MS } from "../limits.ts";
import type { PodWorkers } from "../sync/pod-workers.ts";
import { findPod, runningContainer } from "./pod-lookup.ts";
import { flag } from "./request-target.ts";

export type StreamingContext = { workers: PodWorkers; runtime: Runtime; clock: Clock };

/**
 * Returns the URL at the runtime's streaming server for an exec, attach or port-forward request.
 * Paths: /exec/NAMESPACE/POD[/UID]/CONTAINER, /portForward/NAMESPACE/POD[/UID].
 */
export async function streamingUrl(
  { workers, runtime }: StreamingContext,
  segments: readonly string[],
  query: URLSearchParams,
): Promise<string> {
  const [what, namespace = "", podName = "", ...rest] = segments;
  if (what === "portForward") {
    const { uid } = findPod(workers, namespace, podName, rest[0]);
    const sandbox = (await observeSandboxes(runtime, uid)).find(({ ready }) => ready);
    if (!sandbox) throw new HttpError(404, `pod "${podName}" is not running`);
    const port = query
      .getAll("port")
      .flatMap((text) => text.split(","))
      .map(portNumber);
    const answer = await runtime.runtime.portForward({ podSandboxId: sandbox.id, port });
    return answer.url;
  }
  const container = rest.at(-1) ?? "";
  const uid = rest.length > 1 ? rest[0] : undefined;
  const worker = findPod(workers, namespace, podName, uid);
  const { id: containerId } = await runningContainer(runtime, worker, container);
  const tty = flag(query, "tty");
  const streams = {
    containerId,
    tty,
    stdin: flag(query, "input") || flag(query, "stdin"),
    stdout: flag(query, "output") || flag(query, "stdout"),
    // A terminal has one output only.
    stderr: !tty && (flag(query, "error") || flag(query, "stderr")),
  };
  if (!streams.stdin && !streams.stdout && !streams.stderr) {
    throw new HttpError(400, "you must specify at least 1 of stdin, stdout, stderr");
  }
  if (what === "attach") return (await runtime.runtime.attach(streams)).url;
  const cmd = query.getAll("command");
  if (cmd.length === 0) throw new HttpError(400, "you must specify a command");
  return (await runtime.runtime.exec({ ...streams, cmd })).url;
}

function portNumber(text: string): number {
  const port = Number(text);
  if (/^[0-9]+$/.test(text) && port > 0 && port < 65_536) return port;
  throw new HttpError(400, `port ${JSON.stringify(text)} is not a number from 1 to 65535`);
}

/** Headers that are not forwarded: they belong to this hop or to the caller's identity. */
const OWN_HEADERS = ["host", "authorization", "content-length"];

/**
 * Tunnels an upgrade request to the runtime's streaming server, bytes unchanged, so that SPDY and
 * WebSocket both end at the runtime. HttpError 502 when it cannot be reached.
 */
export async function tunnelTo(
  url: string,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  const target = new URL(url);
  const connection = await connect(target);
  connection.setTimeout(STREAM_IDLE_MS, () => connection.destroy());
  // Pods' output takes turns: that of one user's streams holds no probes of the others' pods.
  const upstream = paced(connection);
  const end = () => {
    upstream.destroy();
    socket.destroy();
  };
  socket.on("error", end);
  upstream.on("error", end);
  // The client may have gone meanwhile.
  if (socket.destroyed) return end();
  const lines = [`${request.method} ${target.pathname}${target.search} HTTP/1.1`];
  lines.push(`Host: ${target.host}`);
  for (let i = 0; i < request.rawHeaders.length; i += 2) {
    const name = request.rawHeaders[i] ?? "";
    if (OWN_HEADERS.includes(name.toLowerCase())) continue;
    lines.push(`${name}: ${request.rawHeaders[i + 1]}`);
  }
  upstream.write(`${lines.join("\r\n")}\r\n\r\n`);
  if (head.length > 0) upstream.write(head);
  socket.on("close", () => upstream.destroy());
  upstream.on("close", () => socket.end());
  socket.pipe(upstream);
  upstream.pipe(socket);
}

function connect({ hostname, port, protocol }: URL): Promise<net.Socket> {
  if (protocol !== "http:") {
    throw new HttpError(502, `the runtime's streaming address is not http: ${protocol}`);
  }
  return new Promise((resolve, reject) => {
    const host = hostname.replace(/^\[|\]$/g, "");
    const socket = net.connect({ host, port: Number(port), timeout: STREAM_CONNECT_MS });
    const fail = (why: string) => {
      socket.destroy();
      reject(new HttpError(502, `the runtime's streaming server cannot be reached: ${why}`));
    };
    socket.once("timeout", () => fail("it does not answer"));
    socket.on("error", (error) => fail(error.message));
    socket.once("connect", () => {
      socket.removeAllListeners("timeout");
      socket.setTimeout(0);
      socket.setNoDelay(true);
      resolve(socket);
    });
  });
}
