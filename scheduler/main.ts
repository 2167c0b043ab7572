import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { ResourceClaim } from "@raft2kube/api/gen/resource/v1.ts";
import { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { InformerSet } from "@raft2kube/client-kube/informer/informer-set.ts";
import type { ReadStore } from "@raft2kube/client-kube/informer/store.ts";
import { LeaderElection } from "@raft2kube/client-kube/leader-election.ts";
import { keyOf } from "@raft2kube/client-kube/object/object.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { requestMetrics } from "@raft2kube/client-kube/rest/request-metrics.ts";
import {
  CSI_DRIVERS,
  CSI_NODES,
  CSI_STORAGE_CAPACITIES,
  NAMESPACES,
  NODES,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  POD_DISRUPTION_BUDGETS,
  PODS,
  REPLICA_SETS,
  REPLICATION_CONTROLLERS,
  RESOURCE_CLAIMS,
  SERVICES,
  STATEFUL_SETS,
  STORAGE_CLASSES,
  VOLUME_ATTACHMENTS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { type ServeOptions, serveWherePossible } from "@raft2kube/client-kube/serving/server.ts";
import type { KubeConnection } from "@raft2kube/client-kube/transport/credentials.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Tracer } from "@raft2kube/observe/trace/tracer.ts";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { type Random, systemRandom } from "@raft2kube/std/random.ts";
import { aborted } from "@raft2kube/std/wait.ts";
import { SchedulerCache } from "./cache.ts";
import type { BudgetsOf } from "./disruption-budgets.ts";
import { selectorAlone, withoutLabels } from "./kept-parts.ts";
import { SCHEDULER_BURST, SCHEDULER_QPS } from "./limits.ts";
import { SchedulerMetrics } from "./metrics.ts";
import { Nominator } from "./nominator.ts";
import { defaultBinder } from "./plugins/default-binder.ts";
import { defaultPreemption } from "./plugins/default-preemption.ts";
import type { Workloads } from "./plugins/default-spread.ts";
import { dynamicResources } from "./plugins/dynamic-resources.ts";
import { nodeVolumeLimits, type VolumeLimitsView } from "./plugins/node-volume-limits.ts";
import { topologySpread } from "./plugins/topology-spread.ts";
import { type StorageView, volumeBinding } from "./plugins/volume-binding.ts";
import { volumeRestrictions } from "./plugins/volume-restrictions.ts";
import { volumeZone } from "./plugins/volume-zone.ts";
import { checkProfile, DEFAULT_PROFILE, frameworksOf, type SchedulerProfile } from "./profiles.ts";
import { SchedulingQueue } from "./queue.ts";
import { Scheduler } from "./scheduler.ts";
import { VolumeBinder } from "./volume-binder.ts";
import { watchCluster, watchFor } from "./watch-cluster.ts";

export interface SchedulerOptions {
  /** The apiserver, as `system:kube-scheduler`. */
  connection: KubeConnection;
  /** Whether only the elected one of several instances schedules. Default true. */
  leaderElect?: boolean;
  /** Default: one, `default-scheduler`, with all plugins. */
  profiles?: readonly SchedulerProfile[];
  /** Traces scheduling; its creator closes it. Default not. */
  tracer?: Tracer | undefined;
  /** Where to serve health and metrics. Default nowhere. */
  serve?: ServeOptions;
  /** Unique among the candidates; by default the host's name and a random part. */
  identity?: string;
  clock?: Clock;
  random?: Random;
}

/** The scheduler at work, or in wait for it. */
export interface RunningScheduler {
  close(): Promise<void>;
}

const NAMESPACE_INDEX = "namespace";
const LEASE = { namespace: "kube-system", name: "kube-scheduler" };

/**
 * Starts the scheduler, or its candidacy for the lease. Fails with `UnknownPlugin` or
 * `NoBindPlugin` on a bad profile.
 */
export async function startScheduler(options: SchedulerOptions): Promise<RunningScheduler> {
  const { connection, clock = systemClock() } = options;
  const rate = { qps: SCHEDULER_QPS, burst: SCHEDULER_BURST };
  for (const profile of options.profiles ?? []) checkProfile(profile);
  const metrics = new SchedulerMetrics(clock);
  const observer = requestMetrics(metrics.registry, connection.server);
  const userAgent = "r2k-scheduler";
  const makeClient = () => new KubeClient({ ...connection, ...rate, clock, observer, userAgent });
  const client = makeClient();
  const registries = { "/metrics": metrics.registry, "/metrics/resources": metrics.resources };
  const served =
    options.serve && (await serveWherePossible(options.serve, client, registries, () => new Map()));
  const closeClient = async () => {
    await served?.close();
    client.close();
  };
  if (options.leaderElect === false) {
    const running = run(options, client, clock, metrics);
    return { close: () => running.close().then(closeClient) };
  }
  const election = new LeaderElection({
    client,
    lease: LEASE,
    identity: options.identity ?? `${hostname()}_${randomUUID()}`,
    clock,
    async lead(stop, lost) {
      // When the lease is lost it ends first: nothing is bound beside the next leader.
      const leaders = makeClient();
      const running = run(options, leaders, clock, metrics);
      lost.addEventListener("abort", () => leaders.close(), { once: true });
      await aborted(stop);
      await running.close();
      leaders.close();
    },
  });
  election.start();
  return { close: () => election.close().then(closeClient) };
}

function run(
  options: SchedulerOptions,
  client: KubeClient,
  clock: Clock,
  metrics: SchedulerMetrics,
) {
  const informers = new InformerSet(client, clock);
  const pods = informers.of(PODS);
  const nodes = informers.of(NODES);
  const namespaces = informers.of(NAMESPACES);
  const storage = storageInformers(informers);
  const binder = new VolumeBinder({
    claims: storage.claims,
    claimWriter: client.resource(PERSISTENT_VOLUME_CLAIMS),
    volumeWriter: client.resource(PERSISTENT_VOLUMES),
    clock,
  });
  const view = viewOf(storage);
  const podClient = client.resource(PODS);
  const profileList = options.profiles ?? [DEFAULT_PROFILE];
  const component = profileList[0]?.schedulerName ?? DEFAULT_PROFILE.schedulerName;
  const recorder = new EventRecorder({ client, component, clock });
  const preemptionClients = { pods: podClient, recorder, clock, attempted: metrics.preempted };
  // Not in the set, whose synchronization is awaited: older API servers lack this resource.
  const resource = client.resource(RESOURCE_CLAIMS);
  const resourceClaims = new Informer({ resource, clock });
  const nominator = new Nominator();
  const random = options.random ?? systemRandom;
  const stateful = [
    topologySpread(workloadsOf(informers)),
    volumeRestrictions(view.claims),
    nodeVolumeLimits(view),
    volumeBinding(view, binder),
    volumeZone(view),
    dynamicResources(resourceClaims.store),
    defaultPreemption(preemptionClients, budgetsOf(informers), nominator, random),
    defaultBinder(podClient),
  ];
  const { tracer } = options;
  const timer = (name: string) => metrics.timer(name);
  const profiles = frameworksOf(profileList, stateful, timer, tracer !== undefined);
  const plugins = [...profiles.values()].flatMap((framework) => framework.plugins);
  const queue = new SchedulingQueue({ clock, plugins, incoming: metrics.incoming });
  metrics.follow(queue, () => pods.store.list());
  const cache = new SchedulerCache(namespaces.store);
  const scheduler = new Scheduler({
    pods: podClient,
    cache,
    queue,
    nominator,
    recorder,
    clock,
    random,
    tracer,
    profiles,
    metrics,
    current: (pod) => currentOf(pods.store, pod),
  });
  const isOurs = ({ spec }: Pod) => profiles.has(spec.schedulerName ?? "");
  watchCluster({ pods, nodes, namespaces, cache, queue, nominator, isOurs });
  watchFor("StorageUpdate", Object.values(storage), queue);
  watchFor("ResourceClaimUpdate", [resourceClaims], queue);
  informers.start();
  resourceClaims.start();
  return startWhenSynced({ informers, resourceClaims, scheduler, recorder });
}

/** Returns the pod as the informer has it; undefined if it is deleted or another of its name. */
function currentOf(store: ReadStore<Pod>, pod: Pod): Pod | undefined {
  const found = store.get(keyOf(pod));
  return found?.metadata.uid === pod.metadata.uid ? found : undefined;
}

interface Started {
  readonly informers: InformerSet;
  readonly resourceClaims: Informer<ResourceClaim>;
  readonly scheduler: Scheduler;
  readonly recorder: EventRecorder;
}

function startWhenSynced({ informers, resourceClaims, scheduler, recorder }: Started) {
  let closed = false;
  const starting = Promise.race([informers.synced(), informers.closed]).then(() => {
    if (closed) return;
    logger("scheduler").info("started");
    scheduler.start();
  });
  return {
    async close() {
      closed = true;
      await Promise.all([informers.close(), resourceClaims.close()]);
      await starting;
      await scheduler.close();
      await recorder.close();
    },
  };
}

function workloadsOf(informers: InformerSet): Workloads {
  const services = informers.of(SERVICES, {}, selectorAlone);
  services.index(NAMESPACE_INDEX, ({ metadata }) => [metadata.namespace ?? ""]);
  return {
    services: (namespace) => services.store.by(NAMESPACE_INDEX, namespace),
    replicationControllers: informers.of(REPLICATION_CONTROLLERS, {}, selectorAlone).store,
    replicaSets: informers.of(REPLICA_SETS, {}, selectorAlone).store,
    statefulSets: informers.of(STATEFUL_SETS, {}, selectorAlone).store,
  };
}

function budgetsOf(informers: InformerSet): BudgetsOf {
  const budgets = informers.of(POD_DISRUPTION_BUDGETS);
  budgets.index(NAMESPACE_INDEX, ({ metadata }) => [metadata.namespace ?? ""]);
  return (namespace) => budgets.store.by(NAMESPACE_INDEX, namespace);
}

/** The objects of storage that plugins read. */
const storageInformers = (informers: InformerSet) => ({
  claims: informers.of(PERSISTENT_VOLUME_CLAIMS, {}, withoutLabels),
  volumes: informers.of(PERSISTENT_VOLUMES),
  classes: informers.of(STORAGE_CLASSES),
  csiNodes: informers.of(CSI_NODES),
  drivers: informers.of(CSI_DRIVERS),
  capacities: informers.of(CSI_STORAGE_CAPACITIES),
  attachments: informers.of(VOLUME_ATTACHMENTS),
});

const viewOf = (storage: ReturnType<typeof storageInformers>): StorageView & VolumeLimitsView => ({
  claims: storage.claims.store,
  volumes: storage.volumes.store,
  classes: storage.classes.store,
  csiNodes: storage.csiNodes.store,
  drivers: storage.drivers.store,
  capacities: storage.capacities.store,
  attachments: storage.attachments.store,
});
