import { randomUUID } from "node:crypto";
import { hostname } from "node:os";
import type {
  Namespace,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  Pod,
} from "@raft2kube/api/gen/core/v1.ts";
import type { ResourceClaim } from "@raft2kube/api/gen/resource/v1.ts";
import type { StorageClass } from "@raft2kube/api/gen/storage/v1.ts";
import { type Clock, systemClock } from "@raft2kube/std/clock.ts";
import { type Random, systemRandom } from "@raft2kube/std/random.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { KubeConnection } from "@raft2kube/client-kube/credentials.ts";
import { EventRecorder } from "@raft2kube/client-kube/events.ts";
import { Informer } from "@raft2kube/client-kube/informer.ts";
import { InformerSet } from "@raft2kube/client-kube/informer-set.ts";
import { LeaderElection } from "@raft2kube/client-kube/leader-election.ts";
import { keyOf } from "@raft2kube/client-kube/object.ts";
import {
  NAMESPACES,
  NODES,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  PODS,
  RESOURCE_CLAIMS,
  STORAGE_CLASSES,
} from "@raft2kube/client-kube/resources.ts";
import { KubeClient } from "@raft2kube/client-kube/rest.ts";
import { SchedulerCache } from "./cache.ts";
import type { Plugin } from "./framework.ts";
import { SCHEDULER_BURST, SCHEDULER_QPS } from "./limits.ts";
import { dynamicResources } from "./plugins/dynamic-resources.ts";
import { volumeRestrictions } from "./plugins/volume-restrictions.ts";
import { volumeBinding } from "./plugins/volume-binding.ts";
import { checkProfile, DEFAULT_PROFILE, pluginsOf, type SchedulerProfile } from "./profiles.ts";
import { SchedulingQueue } from "./queue.ts";
import { Scheduler } from "./scheduler.ts";
import { VolumeBinder } from "./volume-binder.ts";
import { watchCluster, watchFor } from "./watch-cluster.ts";

export interface SchedulerOptions {
  /** The apiserver, as `system:kube-scheduler`. */
  connection: KubeConnection;
  /** One of several instances works at a time. Default true. */
  leaderElect?: boolean;
  /** Default: one, `default-scheduler`, with all plugins. */
  profiles?: readonly SchedulerProfile[];
  /** Unique among the candidates; by default the host's name and a random part. */
  identity?: string;
  clock?: Clock;
  random?: Random;
}

const LEASE = { namespace: "kube-system", name: "kube-scheduler" };

/** Starts the scheduler, or stands for election to. Fails with `UnknownPlugin` on a bad profile. */
export async function startScheduler(
  options: SchedulerOptions,
): Promise<{ close(): Promise<void> }> {
  const { connection, clock = systemClock() } = options;
  const rate = { qps: SCHEDULER_QPS, burst: SCHEDULER_BURST };
  const client = new KubeClient({ ...connection, ...rate, clock, userAgent: "r2k-scheduler" });
  for (const profile of options.profiles ?? []) checkProfile(profile);
  const closeClient = () => client.close();
  if (options.leaderElect === false) {
    const running = run(options, client, clock);
    return { close: () => running.close().then(closeClient) };
  }
  const election = new LeaderElection({
    client,
    lease: LEASE,
    identity: options.identity ?? `${hostname()}_${randomUUID()}`,
    clock,
    async lead(signal) {
      const running = run(options, client, clock);
      if (!signal.aborted) {
        await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
      }
      await running.close();
    },
  });
  election.start();
  return { close: () => election.close().then(closeClient) };
}

function run(options: SchedulerOptions, client: KubeClient, clock: Clock) {
  const informers = new InformerSet(client, clock);
  const pods = informers.of<Pod>(PODS);
  const nodes = informers.of<Node>(NODES);
  const namespaces = informers.of<Namespace>(NAMESPACES);
  const claims = informers.of<PersistentVolumeClaim>(PERSISTENT_VOLUME_CLAIMS);
  const volumes = informers.of<PersistentVolume>(PERSISTENT_VOLUMES);
  const classes = informers.of<StorageClass>(STORAGE_CLASSES);
  const binder = new VolumeBinder({
    claims,
    claimWriter: client.resource<PersistentVolumeClaim>(PERSISTENT_VOLUME_CLAIMS),
    volumeWriter: client.resource<PersistentVolume>(PERSISTENT_VOLUMES),
    clock,
  });
  const storage = { claims: claims.store, volumes: volumes.store, classes: classes.store };
  // Not one of the set, which is waited for: older API servers do not have this resource.
  const resource = client.resource<ResourceClaim>(RESOURCE_CLAIMS);
  const devices = new Informer({ resource, clock });
  const stateful = [
    volumeRestrictions(claims.store),
    volumeBinding(storage, binder),
    dynamicResources(devices.store),
  ];
  const profiles = new Map<string, readonly Plugin[]>();
  for (const profile of options.profiles ?? [DEFAULT_PROFILE]) {
    profiles.set(profile.schedulerName, pluginsOf(profile, stateful));
  }
  const [component = DEFAULT_PROFILE.schedulerName] = profiles.keys();
  const recorder = new EventRecorder({ client, component, clock });
  const queue = new SchedulingQueue({ clock, plugins: [...profiles.values()].flat() });
  const cache = new SchedulerCache(namespaces.store);
  const scheduler = new Scheduler({
    pods: client.resource<Pod>(PODS),
    cache,
    queue,
    recorder,
    clock,
    random: options.random ?? systemRandom,
    profiles,
    current(pod) {
      const found = pods.store.get(keyOf(pod));
      return found?.metadata.uid === pod.metadata.uid ? found : undefined;
    },
  });
  const isOurs = (pod: Pod) => profiles.has(pod.spec.schedulerName ?? "");
  watchCluster({ pods, nodes, namespaces, cache, queue, isOurs });
  pods.handle({ deleted: (pod) => scheduler.forget(pod) });
  watchFor("volumes", [claims, volumes, classes], queue);
  watchFor("resource-claims", [devices], queue);
  informers.start();
  devices.start();
  let closed = false;
  const starting = Promise.race([informers.synced(), informers.closed]).then(() => {
    if (closed) return;
    logger("scheduler").info("started", { profiles: [...profiles.keys()] });
    scheduler.start();
  });
  return {
    async close() {
      closed = true;
      await Promise.all([informers.close(), devices.close()]);
      await starting;
      await scheduler.close();
      await recorder.close();
    },
  };
}
