import type { Node, Service } from "@raft2kube/api/gen/core/v1.ts";
import type { EndpointSlice } from "@raft2kube/api/gen/discovery/v1.ts";
import { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import { Informer, trimMetadata } from "@raft2kube/client-kube/informer/informer.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { ENDPOINT_SLICES, NODES, SERVICES } from "@raft2kube/client-kube/rest/resources.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Tracer } from "@raft2kube/observe/trace/tracer.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { modeNamed, removeOthers } from "./apply/modes.ts";
import { HealthChecks, isEligible, serveHealthz, serveMetrics } from "./health-checks.ts";
import { ProxyLoop, type SyncState } from "./loop.ts";
import { MODE_NAMES, type ModeName } from "./mode-names.ts";
import { apiServerAddresses } from "./reserved.ts";

export interface ProxyOptions {
  /** Reads Services, EndpointSlices and its node, records events (`system:node-proxier`). */
  client: KubeClient;
  nodeName: string;
  /** The range of all pods; connections from outside it to a ClusterIP are masqueraded. */
  clusterCidr?: string;
  /** Ranges of addresses that serve node ports; by default all except loopback. */
  nodePortAddresses?: string[];
  /** The kind of rules. Default nftables. */
  mode?: ModeName;
  /** IPVS mode: how a virtual server chooses. Default rr. */
  ipvsScheduler?: string;
  /** IPVS mode: the node answers ARP for an address only on the interface that has it. */
  strictArp?: boolean;
  tracer?: Tracer | undefined;
  clock: Clock;
}

/** A running proxy. */
export interface Proxy {
  /** Resolves when the rules are applied for the first time. */
  readonly ready: Promise<void>;
  state(): ProxyState;
  /** Keeps the rules. */
  close(): Promise<void>;
}

/** The kind of rules, and the outcome of applying them. */
export interface ProxyState extends SyncState {
  readonly mode: ModeName;
}

/** Services of this proxy, and slices that are more than DNS records (as upstream's). */
const PROXIED = {
  labelSelector: "!service.kubernetes.io/service-proxy-name",
  fieldSelector: "spec.clusterIP!=None",
};
const REACHED = { labelSelector: "!service.kubernetes.io/headless" };

/**
 * Starts the proxy in the network namespace of this process. `ready` resolves when the rules are
 * applied for the first time; then those of other modes are removed. `close` keeps the rules:
 * connections and Services work without the proxy, except in userspace mode. Fails with
 * `unknown-mode`.
 */
export async function startProxy(options: ProxyOptions): Promise<Proxy> {
  const { client, nodeName, clock } = options;
  const mode = options.mode ?? MODE_NAMES[0];
  const log = logger("proxy");
  const events = new EventRecorder({ client, component: "kube-proxy", host: nodeName, clock });
  const nodes = new Informer<Node>({
    resource: client.resource(NODES),
    selection: { fieldSelector: `metadata.name=${nodeName}` },
    transform: trimMetadata,
    clock,
  });
  const loop: ProxyLoop = new ProxyLoop({
    services: new Informer<Service>({
      resource: client.resource(SERVICES),
      selection: PROXIED,
      transform: trimMetadata,
      clock,
    }),
    slices: new Informer<EndpointSlice>({
      resource: client.resource(ENDPOINT_SLICES),
      selection: REACHED,
      transform: trimMetadata,
      clock,
    }),
    rules: modeNamed(mode).create({ ...options, log }),
    async removeOthers() {
      const removed = await removeOthers(mode);
      if (removed.length > 0) log.info("removed the rules of former modes", { removed });
    },
    healthChecks: new HealthChecks(() => loop.isHealthy, { log, clock }),
    nodes,
    nodeName,
    apiServers: () => apiServerAddresses(client.server),
    tracer: options.tracer,
    events,
    clock,
    log,
  });
  void loop.start();
  const healthz = serveHealthz(
    () => loop.state,
    () => isEligible(nodes.store.get(nodeName)),
    { log, clock },
  );
  const metrics = serveMetrics(loop.metrics.registry, mode, { log, clock });
  return {
    ready: loop.ready,
    state: () => ({ mode, ...loop.state }),
    async close() {
      for (const server of [healthz, metrics]) {
        server.close();
        server.closeAllConnections();
      }
      await Promise.all([loop.close(), events.close()]);
    },
  };
}

/** Removes the rules of all modes in the network namespace of this process. */
export async function cleanup(): Promise<void> {
  await removeOthers();
}
