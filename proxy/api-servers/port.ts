import { once } from "node:events";
import { createServer, type Server, type Socket } from "node:net";
import type { Logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import { Balancer } from "../apply/userspace/balancer.ts";
import { dial, join, SOCKET } from "../apply/userspace/tcp-port.ts";
import { API_CONNECT_TIMEOUTS_MS, API_CONNECTIONS_MAX } from "../limits.ts";
import { keyOf, type Target } from "../plan/model.ts";

interface Parts {
  readonly host: string;
  readonly port: number;
  readonly log: Logger;
  readonly clock: Clock;
}

/** A port of this machine whose connections are passed on to API servers, as bytes. */
export class ServerPort {
  readonly #parts: Parts;
  readonly #balancer: Balancer;
  readonly #server: Server;
  /** The clients' ends of connections, by their server. */
  readonly #clients = new Map<string, Set<Socket>>();

  private constructor(parts: Parts) {
    this.#parts = parts;
    this.#balancer = new Balancer(parts.clock);
    this.#server = createServer({ pauseOnConnect: true, ...SOCKET }, (client) => {
      client.on("error", () => client.destroy());
      this.#serve(client).catch((thrown: unknown) => {
        parts.log.error("a connection could not be served", { error: messageOf(thrown) });
        client.resetAndDestroy();
      });
    });
    this.#server.maxConnections = API_CONNECTIONS_MAX;
  }

  /** Rejects with Node's error when another program listens there. */
  static async open(parts: Parts): Promise<ServerPort> {
    const opened = new ServerPort(parts);
    const { host, port, log } = parts;
    opened.#server.listen({ host, port, exclusive: true });
    await once(opened.#server, "listening");
    opened.#server.on("error", (error) => log.warn("a port failed", { error: messageOf(error) }));
    return opened;
  }

  /** Sets where later connections go, and ends those of `leave`. */
  update(use: readonly Target[], leave: readonly Target[]): void {
    this.#balancer.update(use, undefined);
    for (const server of leave) {
      for (const client of this.#clients.get(keyOf(server)) ?? []) client.resetAndDestroy();
    }
  }

  /**
   * The first server that accepts gets the connection; without one it is reset, as in userspace
   * mode.
   */
  async #serve(client: Socket): Promise<void> {
    const order = this.#balancer.order("");
    for (const [at, timeout_ms] of API_CONNECT_TIMEOUTS_MS.entries()) {
      const target = order[at % order.length];
      if (!target) break;
      const server = await dial(target, timeout_ms, client);
      if (client.destroyed) return void server?.destroy();
      if (!server) continue;
      this.#track(client, keyOf(target));
      return join(client, server, this.#parts.clock);
    }
    client.resetAndDestroy();
  }

  #track(client: Socket, server: string): void {
    const clients = this.#clients.get(server) ?? new Set();
    this.#clients.set(server, clients.add(client));
    client.once("close", () => clients.delete(client));
  }

  close(): void {
    this.#server.close();
    for (const clients of this.#clients.values()) for (const client of clients) client.destroy();
  }
}
