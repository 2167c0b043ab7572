import { randomInt } from "node:crypto";
import { once } from "node:events";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { addAbortSignal } from "node:stream";
import { HttpError } from "@raft2kube/client-kube/delegated/http-error.ts";
import { resourcePath } from "@raft2kube/client-kube/rest/resource.ts";
import { PODS } from "@raft2kube/client-kube/rest/resources.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { WebSocket } from "ws";
import { FORWARD_CONNECTIONS_MAX, FORWARDS_MAX } from "../limits.ts";
import { sendOn, type Upstream } from "./upstream.ts";

/** A pod's port at a port of a loopback address of this machine. */
export interface Forward {
  readonly namespace: string;
  readonly pod: string;
  readonly port: number;
  /** An address of its own: a browser sends cookies of one address to all of its ports. */
  readonly host: string;
  readonly local: number;
}

const log = logger("dashboard");
const PROTOCOL = "v4.channel.k8s.io";
const DATA = 0;

export type Forwards = ReturnType<typeof forwardsTo>;

/** Returns ports of pods at loopback, each connection in a WebSocket of its own. */
export function forwardsTo(upstream: Upstream) {
  const open = new Map<number, { forward: Forward; end: AbortController }>();
  const remove = (local: number): void => {
    open.get(local)?.end.abort();
    open.delete(local);
  };
  /** Opens a port. Throws HttpError when there are too many. */
  const add = async (namespace: string, pod: string, port: number): Promise<void> => {
    if (open.size >= FORWARDS_MAX)
      throw new HttpError(503, "too many ports are forwarded: end one");
    const address = { namespace, name: pod, subresource: "portforward" };
    const path = `${resourcePath(PODS, address)}?ports=${port}`;
    const end = new AbortController();
    const server = createServer({ pauseOnConnect: true }, (socket) => {
      const failed = () => socket.destroy();
      addAbortSignal(end.signal, socket).on("error", failed);
      upstream.socket(path, PROTOCOL).then((channel) => connect(socket, channel), failed);
    });
    server.maxConnections = FORWARD_CONNECTIONS_MAX;
    server.on("error", (error) => {
      log.warn("a connection to a forwarded port was not accepted", { reason: messageOf(error) });
    });
    const host = `127.${randomInt(1, 255)}.${randomInt(256)}.${randomInt(1, 255)}`;
    await once(server.listen({ host, port: 0, signal: end.signal }), "listening");
    const { port: local } = server.address() as AddressInfo;
    open.set(local, { forward: { namespace, pod, port, host, local }, end });
  };
  const list = (): Forward[] => [...open.values()].map(({ forward }) => forward);
  const close = () => [...open.keys()].forEach(remove);
  return { list, add, remove, close };
}

/** A channel's first message is its port (two bytes); then come data, or why it ended. */
function connect(socket: Socket, channel: WebSocket): void {
  const begun = new Set<number>();
  channel.on("error", () => socket.destroy());
  channel.once("close", () => socket.end());
  socket.once("close", () => channel.close());
  channel.on("message", (data: Buffer) => {
    const of = data[0]!;
    if (!begun.has(of)) return void begun.add(of);
    if (of !== DATA) return void socket.destroy();
    if (!socket.write(data.subarray(1))) {
      channel.pause();
      socket.once("drain", () => channel.resume());
    }
  });
  channel.once("open", () => {
    socket.on("data", (data) => sendOn(socket, channel, Buffer.concat([Buffer.of(DATA), data])));
    socket.resume();
  });
}
