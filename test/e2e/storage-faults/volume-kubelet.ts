import { join } from "node:path";
import type { Node, PersistentVolumeClaim, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { isConflict, isNotFound, undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { keyOf, nameOf } from "@raft2kube/client-kube/object/object.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import {
  NODES,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  PODS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { runWorkers } from "@raft2kube/client-kube/workers.ts";
import type { CsiDrivers } from "@raft2kube/kubelet/plugins/csi-drivers.ts";
import { NO_OBJECTS, type PodObjects } from "@raft2kube/kubelet/pods/pod-objects.ts";
import { podDir, podsDir } from "@raft2kube/kubelet/pods/pod-paths.ts";
import { csiPlugin } from "@raft2kube/kubelet/volumes/csi.ts";
import { csiObjects } from "@raft2kube/kubelet/volumes/csi-objects.ts";
import { PodVolumes } from "@raft2kube/kubelet/volumes/pod-volumes.ts";
import { VolumesInUse } from "@raft2kube/kubelet/volumes/volumes-in-use.ts";
import { removePath } from "@raft2kube/linux/beneath/remove-tree.ts";
import { namesIn } from "@raft2kube/linux/file/names-in.ts";
import { mountPointsBelow } from "@raft2kube/linux/mount/mountinfo.ts";
import { WorkQueue } from "@raft2kube/reconcile/workqueue.ts";
import type { Clock } from "@raft2kube/std/clock.ts";

export interface VolumeKubeletOptions {
  readonly client: KubeClient;
  readonly nodeName: string;
  readonly rootDir: string;
  readonly drivers: Pick<CsiDrivers, "require" | "list">;
  readonly clock: Clock;
}

const WORKERS = 8;
const STATUS = "status";
/** A running pod is looked at again after this. */
const SYNC_MS = 20_000;

/**
 * The kubelet's volumes without its containers: the pods of a node are ready as soon as their
 * volumes are, and gone as soon as these are. Volumes, their reconstruction and the order of
 * reports are the kubelet's own code.
 */
export class VolumeKubelet {
  readonly #options: VolumeKubeletOptions;
  readonly #inUse: VolumesInUse;
  readonly #volumes: PodVolumes;
  readonly #pods: Informer<Pod>;
  readonly #claims: Informer<PersistentVolumeClaim>;
  readonly #nodes: Informer<Node>;
  readonly #queue: WorkQueue;
  /** Uids of pods that are on the disk alone. */
  readonly #orphans: WorkQueue;
  readonly #reports: WorkQueue;
  #working: Promise<unknown> = Promise.resolve();

  private constructor(options: VolumeKubeletOptions, inUse: VolumesInUse) {
    const { client, nodeName, rootDir, drivers, clock } = options;
    this.#options = options;
    this.#inUse = inUse;
    const objects = csiObjects(client, clock);
    const csi = { rootDir, nodeName, drivers: drivers as CsiDrivers, objects, inUse, clock };
    const paths = { rootDir, podLogsDir: join(rootDir, "logs"), containerLogsDir: undefined };
    const plugins = [csiPlugin(csi)];
    this.#volumes = new PodVolumes({ plugins, paths, objects: podObjects(client), clock });
    const selection = { fieldSelector: `spec.nodeName=${nodeName}` };
    this.#pods = new Informer({ resource: client.resource(PODS), selection, clock });
    const claims = client.resource(PERSISTENT_VOLUME_CLAIMS);
    this.#claims = new Informer({ resource: claims, clock });
    const itself = { fieldSelector: `metadata.name=${nodeName}` };
    const nodes = client.resource(NODES);
    this.#nodes = new Informer({ resource: nodes, selection: itself, clock });
    const backOff = { clock, pauses: { first_ms: 200, most_ms: 2_000 } };
    this.#queue = new WorkQueue({ ...backOff, workers: WORKERS });
    this.#orphans = new WorkQueue(backOff);
    this.#reports = new WorkQueue(backOff);
  }

  /** Finds what an earlier kubelet has mounted, and starts. */
  static async start(options: VolumeKubeletOptions): Promise<VolumeKubelet> {
    const kubelet = new VolumeKubelet(options, await VolumesInUse.find(options.rootDir));
    kubelet.#start();
    return kubelet;
  }

  async close(): Promise<void> {
    for (const queue of [this.#queue, this.#orphans, this.#reports]) queue.close();
    await Promise.all([this.#pods, this.#claims, this.#nodes].map((each) => each.close()));
    await this.#working;
  }

  #start(): void {
    const look = (pod: Pod) => this.#queue.add(keyOf(pod));
    this.#pods.handle({ added: look, updated: look });
    // A claim of a running pod may wait for its volume to grow here.
    this.#claims.handle({ updated: () => this.#pods.store.list().forEach(look) });
    const node = ({ status }: Node) => this.#inUse.sawAttached(status?.volumesAttached);
    this.#nodes.handle({ added: node, updated: node });
    this.#inUse.onChange(() => this.#reports.add(STATUS));
    this.#reports.add(STATUS);
    this.#pods.start();
    this.#claims.start();
    this.#nodes.start();
    this.#working = Promise.all([
      runWorkers("kubelet-pods", this.#queue, (key) => this.#reconcile(key)),
      runWorkers("kubelet-orphans", this.#orphans, (uid) => this.#reclaim(uid)),
      runWorkers("kubelet-status", this.#reports, () => this.#report()),
      this.#sweep(),
    ]);
  }

  /** Pods that were deleted while no kubelet ran. */
  async #sweep(): Promise<void> {
    await this.#pods.synced;
    const known = new Set(this.#pods.store.list().map(({ metadata }) => metadata.uid));
    for (const uid of await namesIn(podsDir(this.#paths))) {
      if (!known.has(uid)) this.#orphans.add(uid);
    }
  }

  get #paths() {
    const { rootDir } = this.#options;
    return { rootDir, podLogsDir: "", containerLogsDir: undefined };
  }

  async #reconcile(key: string): Promise<{ again_ms: number } | void> {
    const pod = this.#pods.store.get(key);
    if (!pod) return;
    const pods = this.#options.client.resource(PODS);
    const { uid = "" } = pod.metadata;
    if (pod.metadata.deletionTimestamp) {
      await this.#reclaim(uid);
      const options = { gracePeriodSeconds: 0, preconditions: { uid } };
      try {
        await pods.delete(nameOf(pod), options);
      } catch (thrown) {
        if (!isNotFound(thrown)) throw thrown;
      }
      return;
    }
    await this.#volumes.setUp(pod);
    if (pod.status?.phase === "Running") return { again_ms: SYNC_MS };
    try {
      const now = timeText(this.#options.clock.now());
      await pods.updateStatus({ ...pod, status: running(pod, now) });
    } catch (thrown) {
      if (!isNotFound(thrown) && !isConflict(thrown)) throw thrown;
    }
  }

  async #reclaim(uid: string): Promise<void> {
    await this.#volumes.tearDown(uid);
    const dir = podDir(this.#paths, uid);
    const [inside] = mountPointsBelow(dir);
    if (inside !== undefined) throw new Error(`${inside} is still mounted`);
    await removePath(dir);
  }

  async #report(): Promise<void> {
    const { client, nodeName } = this.#options;
    const volumesInUse = this.#inUse.list();
    const name = { name: nodeName, subresource: "status" };
    await client.resource(NODES).patch(name, "merge", { status: { volumesInUse } });
    this.#inUse.shown(volumesInUse);
  }
}

function running(pod: Pod, now: string): Pod["status"] {
  const conditions = ["Ready", "ContainersReady"].map((type) => ({
    type,
    status: "True" as const,
    lastTransitionTime: now,
  }));
  return { ...pod.status, phase: "Running", startTime: now, conditions };
}

function podObjects(client: KubeClient): PodObjects {
  const claims = client.resource(PERSISTENT_VOLUME_CLAIMS);
  const volumes = client.resource(PERSISTENT_VOLUMES);
  return {
    ...NO_OBJECTS,
    claim: (namespace, name) => undefinedIfNotFound(claims.get({ namespace, name })),
    persistentVolume: (_, name) => undefinedIfNotFound(volumes.get({ name })),
  };
}
