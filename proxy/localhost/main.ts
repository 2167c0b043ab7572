import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import { InformerSet } from "@raft2kube/client-kube/informer/informer-set.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { NODES, SERVICES } from "@raft2kube/client-kube/rest/resources.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { Budget, type ProxyPort } from "../apply/userspace/proxy-port.ts";
import { openTcpPort } from "../apply/userspace/tcp-port.ts";
import { openUdpPort } from "../apply/userspace/udp-port.ts";
import {
  HOST_CONNECTIONS_MAX,
  HOST_PORTS_MAX,
  HOST_RETRY_MS,
  HOST_UDP_CLIENTS_MAX,
  SYNC_DELAY_MS,
} from "../limits.ts";
import { type HostPort, type HostProtocol, hostPorts, targetsOf } from "./plan.ts";

const LOOPBACK = "127.0.0.1";
const OPEN = { TCP: openTcpPort, UDP: openUdpPort } as const;

export interface HostPortsOptions {
  /** Lists Services and Nodes, writes events (`system:node-proxier`); closed here. */
  client: KubeClient;
  /** The range of cluster IPs to which this machine has a route. */
  serviceCidr: string;
  clock: Clock;
}

/**
 * Serves the node ports of TCP and UDP on the loopback address of the host, in the namespace of
 * this process: a connection, and a UDP client's packets, are passed on to a node. A port that
 * another program has is an event of its Service, and tried again.
 */
export function startHostPorts(options: HostPortsOptions): { close(): Promise<void> } {
  const { client, clock, serviceCidr } = options;
  const informers = new InformerSet(client, clock);
  const services = informers.of(SERVICES);
  const nodes = informers.of(NODES);
  const ports = new HostPorts(options);
  const syncs = new Runner({
    clock,
    min_ms: SYNC_DELAY_MS,
    async run() {
      await ports.sync(hostPorts(services.store.list(), serviceCidr), nodes.store.list());
      return ports.waiting ? HOST_RETRY_MS : Infinity;
    },
    report: failureLog(logger("host-ports"), "node ports are not served at localhost"),
  });
  informers.follow(() => syncs.request());
  return {
    async close() {
      await informers.close();
      await syncs.close();
      await ports.close();
      client.close();
    },
  };
}

class HostPorts {
  readonly #clock: Clock;
  readonly #events: EventRecorder;
  readonly #log = logger("host-ports");
  /** Open ports by protocol and number. */
  readonly #open = new Map<string, ProxyPort>();
  /** Ports that could not be opened, with the Service that has an event about it. */
  readonly #refused = new Map<string, string>();
  /** Apart: a UDP client counts until it is idle, and must not keep connections out. */
  readonly #budgets: Readonly<Record<HostProtocol, Budget>>;
  #closed = false;

  constructor({ client, clock }: HostPortsOptions) {
    this.#clock = clock;
    const log = this.#log;
    this.#budgets = {
      TCP: new Budget({ most: HOST_CONNECTIONS_MAX, clock, log }),
      UDP: new Budget({ most: HOST_UDP_CLIENTS_MAX, clock, log }),
    };
    this.#events = new EventRecorder({ client, component: "r2k-host-ports", clock });
  }

  /** Whether a port is to be tried again. */
  get waiting(): boolean {
    return this.#refused.size > 0 && !this.#closed;
  }

  async sync(wanted: ReadonlyMap<string, HostPort>, nodes: readonly Node[]): Promise<void> {
    for (const [key, open] of this.#open) {
      if (wanted.has(key)) continue;
      open.close(true);
      this.#open.delete(key);
    }
    for (const key of this.#refused.keys()) if (!wanted.has(key)) this.#refused.delete(key);
    for (const [key, host] of wanted) {
      if (!this.#open.has(key)) await this.#tryOpen(key, host);
      this.#open.get(key)?.update(targetsOf(nodes, host), host.affinity_s);
    }
  }

  async #tryOpen(key: string, host: HostPort): Promise<void> {
    if (this.#closed) return;
    if (this.#open.size >= HOST_PORTS_MAX) {
      this.#refuse(key, host, `${HOST_PORTS_MAX} ports are served already`);
      return;
    }
    const { protocol, port } = host;
    const context = { clock: this.#clock, log: this.#log, budget: this.#budgets[protocol] };
    try {
      this.#open.set(key, await OPEN[protocol](LOOPBACK, context, port));
      this.#refused.delete(key);
    } catch (thrown) {
      const taken = isErrno(thrown, "EADDRINUSE");
      this.#refuse(key, host, taken ? "another program listens there" : messageOf(thrown));
    }
  }

  #refuse(key: string, { port, protocol, service }: HostPort, why: string): void {
    if (this.#refused.get(key) === service) return;
    this.#refused.set(key, service);
    const place = `${LOOPBACK}:${port} (${protocol})`;
    const message = `${place} of the host does not serve the node port: ${why}`;
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
