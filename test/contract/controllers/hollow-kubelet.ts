import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { isConflict, isNotFound, TransportError } from "@raft2kube/client-kube/errors.ts";
import { Informer } from "@raft2kube/client-kube/informer/informer.ts";
import { keyOf, nameOf } from "@raft2kube/client-kube/object/object.ts";
import { microTimeText, timeText } from "@raft2kube/client-kube/object/time.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { LEASES, NODES, PODS } from "@raft2kube/client-kube/rest/resources.ts";
import { runWorkers } from "@raft2kube/client-kube/workers.ts";
import { WorkQueue } from "@raft2kube/reconcile/workqueue.ts";
import { delay } from "@raft2kube/std/wait.ts";
import type { ControlPlane } from "./control-plane.ts";

export interface HollowKubelet {
  readonly name: string;
  /** Stops to renew its lease and to act, as if the machine had lost its power. */
  close(): Promise<void>;
}

export interface HollowOptions {
  allocatable?: Record<string, string>;
  labels?: Record<string, string>;
  /** Where its API answers on 127.0.0.1; by default nowhere. */
  port?: number;
  /** How often the lease is renewed; by default each ten seconds. */
  renew_ms?: number;
  /** Whether a pod ever gets ready; by default all do. */
  getsReady?(pod: Pod): boolean;
  /** The exit code of a pod that ends by itself; by default none does. */
  exitCode?(pod: Pod): number | undefined;
}

/**
 * A kubelet without containers: a node that is Ready, whose pods run and are ready as soon as they
 * are seen and gone as soon as they are deleted. It is a client like the real one, under its
 * identity.
 */
export async function startHollowKubelet(
  plane: Pick<ControlPlane, "clock" | "connection">,
  name: string,
  options: HollowOptions = {},
): Promise<HollowKubelet> {
  const { clock } = plane;
  const connection = await plane.connection(`system:node:${name}`, ["system:nodes"]);
  const client = new KubeClient({ ...connection, clock, qps: 1_000, burst: 1_000 });
  await register(client, name, options, clock.now());
  const writer = client.resource(PODS);
  const selection = { fieldSelector: `spec.nodeName=${name}` };
  const pods = new Informer<Pod>({ resource: writer, selection, clock });
  const queue = new WorkQueue({ clock, workers: 8 });
  const number = [...name].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 250, 1);
  let address = 1;
  const reconcile = async (key: string) => {
    const pod = pods.store.get(key);
    if (!pod) return;
    try {
      if (pod.metadata.deletionTimestamp) {
        const { uid } = pod.metadata;
        await writer.delete(nameOf(pod), { gracePeriodSeconds: 0, preconditions: { uid } });
        return;
      }
      if (pod.status?.phase === "Succeeded" || pod.status?.phase === "Failed") return;
      const code = pod.status?.phase === "Running" ? options.exitCode?.(pod) : undefined;
      if (code !== undefined) {
        await writer.updateStatus({ ...pod, status: endedStatus(pod, code, clock.now()) });
        return;
      }
      const ready = options.getsReady?.(pod) ?? true;
      const condition = pod.status?.conditions?.find(({ type }) => type === "Ready");
      const reported = condition?.status === (ready ? "True" : "False");
      if (pod.status?.phase === "Running" && reported) return;
      const podIP = pod.status?.podIP ?? `10.244.${number}.${address++ % 250}`;
      await writer.updateStatus({ ...pod, status: runningStatus(pod, podIP, ready, clock.now()) });
    } catch (thrown) {
      if (!isNotFound(thrown) && !isConflict(thrown)) throw thrown;
    }
  };
  const look = (pod: Pod) => queue.add(keyOf(pod));
  pods.handle({ added: look, updated: look });
  const ending = new AbortController();
  const renewing = renewLease(client, name, options.renew_ms ?? 10_000, ending.signal);
  pods.start();
  const working = runWorkers("hollow-kubelet", queue, reconcile);
  return {
    name,
    async close() {
      queue.close();
      ending.abort();
      await renewing;
      await pods.close();
      await working;
      client.close();
    },
  };
}

async function register(
  client: KubeClient,
  name: string,
  { allocatable, labels, port }: HollowOptions,
  now_ms: number,
): Promise<void> {
  const amounts = { cpu: "8", memory: "16Gi", pods: "110", ...allocatable };
  const now = timeText(now_ms);
  const conditions = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"].map((type) => ({
    type,
    status: type === "Ready" ? "True" : "False",
    lastHeartbeatTime: now,
    lastTransitionTime: now,
  }));
  const nodes = client.resource(NODES);
  await nodes.create({
    metadata: { name, labels: { "kubernetes.io/hostname": name, ...labels } },
    spec: {},
  });
  const place =
    port === undefined
      ? {}
      : {
          addresses: [{ type: "InternalIP", address: "127.0.0.1" }],
          daemonEndpoints: { kubeletEndpoint: { Port: port } },
        };
  const status = { capacity: amounts, allocatable: amounts, conditions, ...place };
  await nodes.patch({ name, subresource: "status" }, "strategic", { status });
  const leases = client.resource(LEASES);
  await leases.create({
    metadata: { namespace: "kube-node-lease", name },
    spec: { holderIdentity: name, leaseDurationSeconds: 40, renewTime: microTimeText(now_ms) },
  });
}

async function renewLease(
  client: KubeClient,
  name: string,
  renew_ms: number,
  signal: AbortSignal,
): Promise<void> {
  const leases = client.resource(LEASES);
  for (;;) {
    await delay(client.clock, renew_ms, signal);
    if (signal.aborted) return;
    try {
      const lease = await leases.get({ namespace: "kube-node-lease", name });
      const renewTime = microTimeText(client.clock.now());
      await leases.update({ ...lease, spec: { ...lease.spec, renewTime } });
    } catch (thrown) {
      // While the apiserver is away: the next renewal is soon enough.
      if (!(thrown instanceof TransportError)) throw thrown;
    }
  }
}

function runningStatus(pod: Pod, podIP: string, ready: boolean, now_ms: number): Pod["status"] {
  const now = timeText(now_ms);
  const condition = (type: string, value: boolean) => {
    return { type, status: value ? "True" : "False", lastTransitionTime: now };
  };
  return {
    ...pod.status,
    phase: "Running",
    podIP,
    podIPs: [{ ip: podIP }],
    startTime: now,
    conditions: [
      condition("PodScheduled", true),
      condition("Initialized", true),
      condition("ContainersReady", ready),
      condition("Ready", ready),
    ],
    containerStatuses: pod.spec.containers.map(({ name, image = "" }) => ({
      name,
      image,
      imageID: image,
      ready,
      restartCount: 0,
      state: { running: { startedAt: now } },
    })),
  };
}

function endedStatus(pod: Pod, exitCode: number, now_ms: number): Pod["status"] {
  const now = timeText(now_ms);
  const notReady = { type: "Ready", status: "False" as const, lastTransitionTime: now };
  const others = pod.status?.conditions?.filter(({ type }) => type !== "Ready") ?? [];
  return {
    ...pod.status,
    phase: exitCode === 0 ? "Succeeded" : "Failed",
    conditions: [...others, notReady],
    containerStatuses: pod.status?.containerStatuses?.map((each) => ({
      ...each,
      ready: false,
      state: { terminated: { exitCode, startedAt: now, finishedAt: now } },
    })),
  };
}
