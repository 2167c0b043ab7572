import type { Node, Service } from "@raft2kube/api/gen/core/v1.ts";
import { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import { InformerSet } from "@raft2kube/client-kube/informer/informer-set.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { NODES, SERVICES } from "@raft2kube/client-kube/rest/resources.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock, Timer } from "@raft2kube/std/clock.ts";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { Budget, type ProxyPort } from "../apply/userspace/proxy-port.ts";
import { openTcpPort } from "../apply/userspace/tcp-port.ts";
import { HOST_CONNECTIONS_MAX, HOST_PORTS_MAX, HOST_RETRY_MS, SYNC_DELAY_MS } from "../limits.ts";
import { type HostPort, hostPorts, nodeTargets } from "./plan.ts";

const LOOPBACK = "127.0.0.1";

export interface HostPortsOptions {
  /** As `system:kube-proxy`: lists Services and Nodes, writes events; closed here. */
  client: KubeClient;
  clock: Clock;
}

/**
 * Serves the node ports of TCP on the loopback address of the host, in the namespace of this
 * process: a connection is passed on to a node. A port that another program has is an event of its
 * Service, and tried again.
 */
export function startHostPorts(options: HostPortsOptions): { close(): Promise<void> } {
  const { client, clock } = options;
  const informers = new InformerSet(client, clock);
  const services = informers.of<Service>(SERVICES);
  const nodes = informers.of<Node>(NODES);
  const ports = new HostPorts(options);
  let timer: Timer | undefined;
  let running: Promise<void> = Promise.resolve();
  const later = (after_ms: number) => {
    timer ??= clock.after(after_ms, () => {
      timer = undefined;
      running = running.then(async () => {
        await ports.sync(hostPorts(services.store.list()), nodes.store.list());
        if (ports.waiting && !timer) later(HOST_RETRY_MS);
      });
    });
  };
  const soon = () => {
    if (!services.hasSynced || !nodes.hasSynced) return;
    timer?.cancel();
    timer = undefined;
    later(SYNC_DELAY_MS);
  };
  services.handle({ added: soon, updated: soon, deleted: soon });
  nodes.handle({ added: soon, updated: soon, deleted: soon });
  void Promise.all([services.synced, nodes.synced]).then(soon);
  informers.start();
  return {
    async close() {
      timer?.cancel();
      await informers.close();
      await running;
      await ports.close();
      client.close();
    },
  };
}

class HostPorts {
  readonly #clock: Clock;
  readonly #events: EventRecorder;
  readonly #log = logger("host-ports");
  readonly #open = new Map<number, ProxyPort>();
  /** Ports that could not be opened, with the Service that has an event of it. */
  readonly #refused = new Map<number, string>();
  readonly #budget: Budget;
  #closed = false;

  constructor({ client, clock }: HostPortsOptions) {
    this.#clock = clock;
    this.#budget = new Budget({ most: HOST_CONNECTIONS_MAX, clock, log: this.#log });
    this.#events = new EventRecorder({ client, component: "r2k-host-ports", clock });
  }

  /** Whether a port is to be tried again. */
  get waiting(): boolean {
    return this.#refused.size > 0 && !this.#closed;
  }

  async sync(wanted: ReadonlyMap<number, HostPort>, nodes: readonly Node[]): Promise<void> {
    for (const [port, open] of this.#open) {
      if (wanted.has(port)) continue;
      open.close(true);
      this.#open.delete(port);
    }
    for (const port of this.#refused.keys()) if (!wanted.has(port)) this.#refused.delete(port);
    for (const host of wanted.values()) {
      if (!this.#open.has(host.port)) await this.#tryOpen(host);
      this.#open.get(host.port)?.update(nodeTargets(nodes, host.port), undefined);
    }
  }

  async #tryOpen(host: HostPort): Promise<void> {
    if (this.#closed) return;
    if (this.#open.size >= HOST_PORTS_MAX) {
      this.#refuse(host, `${HOST_PORTS_MAX} ports are served already`);
      return;
    }
    const context = { clock: this.#clock, log: this.#log, budget: this.#budget };
    try {
      this.#open.set(host.port, await openTcpPort(LOOPBACK, context, host.port));
      this.#refused.delete(host.port);
    } catch (thrown) {
      const taken = isErrno(thrown, "EADDRINUSE");
      this.#refuse(host, taken ? "another program listens there" : messageOf(thrown));
    }
  }

  #refuse({ port, service }: HostPort, why: string): void {
    if (this.#refused.get(port) === service) return;
    this.#refused.set(port, service);
    const message = `${LOOPBACK}:${port} of the host does not serve the node port: ${why}`;
    this.#log.warn(message, { service });
    const [namespace = "", name = ""] = service.split("/");
    const about = { apiVersion: "v1", kind: "Service", namespace, name };
    this.#events.record(about, "Warning", "HostPortInUse", message);
  }

  async close(): Promise<void> {
    this.#closed = true;
    for (const open of this.#open.values()) open.close(true);
    this.#open.clear();
    await this.#events.close();
  }
}
