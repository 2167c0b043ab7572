import { randomInt } from "node:crypto";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { resourcePath } from "@raft2kube/client-kube/rest/resource.ts";
import { PODS } from "@raft2kube/client-kube/rest/resources.ts";
import type { WebSocket } from "ws";
import { FORWARD_CONNECTIONS_MAX, FORWARDS_MAX, WAITING_BYTES_MAX } from "../limits.ts";
import type { Upstream } from "./upstream.ts";

/** A pod's port at a port of a loopback address of this machine. */
export interface Forward {
  readonly namespace: string;
  readonly pod: string;
  readonly port: number;
  /** An address of its own: a browser sends cookies of one address to all of its ports. */
  readonly host: string;
  readonly local: number;
}

const PROTOCOL = "v4.channel.k8s.io";
const DATA = 0;

/** Ports of pods at loopback, each connection in a WebSocket of its own. */
export class Forwards {
  readonly #upstream: Upstream;
  readonly #open = new Map<number, { forward: Forward; server: Server; sockets: Set<Socket> }>();

  constructor(upstream: Upstream) {
    this.#upstream = upstream;
  }

  list(): Forward[] {
    return [...this.#open.values()].map(({ forward }) => forward);
  }

  /** Opens a port; undefined when there are too many. */
  async add(namespace: string, pod: string, port: number): Promise<Forward | undefined> {
    if (this.#open.size >= FORWARDS_MAX) return undefined;
    const address = { namespace, name: pod, subresource: "portforward" };
    const path = `${resourcePath(PODS, address)}?ports=${port}`;
    const sockets = new Set<Socket>();
    const server = createServer({ pauseOnConnect: true }, (socket) => {
      sockets.add(socket);
      socket.once("close", () => sockets.delete(socket));
      socket.on("error", () => socket.destroy());
      this.#upstream.socket(path, PROTOCOL).then(
        (channel) => connect(socket, channel),
        () => socket.destroy(),
      );
    });
    server.maxConnections = FORWARD_CONNECTIONS_MAX;
    const host = `127.${randomInt(1, 255)}.${randomInt(256)}.${randomInt(1, 255)}`;
    await new Promise<void>((resolve, reject) => {
      server.on("error", reject);
      server.listen(0, host, resolve);
    });
    const forward = { namespace, pod, port, host, local: (server.address() as AddressInfo).port };
    this.#open.set(forward.local, { forward, server, sockets });
    return forward;
  }

  /** Closes a port with its connections; false when it is not open. */
  remove(local: number): boolean {
    const found = this.#open.get(local);
    if (!found) return false;
    this.#open.delete(local);
    found.server.close();
    for (const socket of found.sockets) socket.destroy();
    return true;
  }

  close(): void {
    for (const local of this.#open.keys()) this.remove(local);
  }
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
    socket.on("data", (data) => {
      channel.send(Buffer.concat([Buffer.of(DATA), data]), () => socket.resume());
      if (channel.bufferedAmount > WAITING_BYTES_MAX) socket.pause();
    });
    socket.resume();
  });
}
