import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { namesIn } from "@raft2kube/linux/file/names-in.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { failureLog } from "@raft2kube/reconcile/failure-log.ts";
import { Runner } from "@raft2kube/reconcile/runner.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { GRACE_ANNOTATION } from "../containers/container-config.ts";
import { everyContainer, everySandbox } from "../cri/every.ts";
import type { Runtime } from "../cri/runtime.ts";
import type { DeviceManager } from "../devices/device-allocation.ts";
import { ORPHAN_GRACE_S_MAX } from "../limits.ts";
import { uidOf } from "../pods/pod-identity.ts";
import { POD_NAME_LABEL, POD_NAMESPACE_LABEL, POD_UID_LABEL } from "../pods/pod-labels.ts";
import { type PodPaths, podsDir } from "../pods/pod-paths.ts";
import type { PodWorkers } from "../sync/pod-workers.ts";

const log = logger("kubelet");

export interface SweepPorts {
  readonly clock: Clock;
  readonly runtime: Runtime;
  readonly paths: PodPaths;
  readonly devices: Pick<DeviceManager, "retain">;
}

/** Stops and removes pods that no source knows, once all `sources` are synced. */
export function sweepOrphans(
  { runtime, paths, devices, clock }: SweepPorts,
  workers: PodWorkers,
  sources: (Promise<void> | undefined)[],
): Runner {
  const sweep = new Runner({
    clock,
    async run() {
      const found = await orphans(runtime, paths, (uid) => workers.get(uid) !== undefined);
      for (const pod of found) workers.sweep(pod);
      // Devices of a pod that vanished between its admission and its sandbox are freed only here.
      await devices.retain(new Set(workers.list().map(({ pod }) => uidOf(pod))));
    },
    report: failureLog(log, "no look for left-over pods"),
  });
  void Promise.all(sources).then(() => sweep.request());
  return sweep;
}

/**
 * Returns the pods that the runtime or the disk has but no source knows: they were deleted while no
 * kubelet ran, or one ended while it removed them. Each has no containers in its spec: enough to
 * stop and remove it. It has ORPHAN_GRACE_S_MAX at most to end, since its author may have given it
 * years, and nothing says any more what limits it has.
 */
async function orphans(
  { runtime }: Runtime,
  paths: PodPaths,
  isKnown: (podUid: string) => boolean,
): Promise<Pod[]> {
  const found = new Map<string, Pod>();
  for (const every of [everySandbox(runtime), everyContainer(runtime)]) {
    for await (const { labels, annotations } of every) {
      const uid = labels[POD_UID_LABEL];
      const [name, namespace] = [labels[POD_NAME_LABEL], labels[POD_NAMESPACE_LABEL]];
      const grace_s = Math.min(Number(annotations[GRACE_ANNOTATION] ?? 0), ORPHAN_GRACE_S_MAX);
      if (uid && name && namespace) found.set(uid, remainsOf({ uid, name, namespace, grace_s }));
    }
  }
  // The logs are removed last: of some pods they alone are left.
  for (const logs of await namesIn(paths.podLogsDir)) {
    const [namespace = "", name = "", uid] = logs.split("_");
    if (uid && !found.has(uid)) found.set(uid, remainsOf({ uid, name, namespace, grace_s: 0 }));
  }
  for (const uid of await namesIn(podsDir(paths))) {
    if (!found.has(uid)) found.set(uid, remainsOf({ uid, name: uid, namespace: "", grace_s: 0 }));
  }
  return [...found.values()].filter(({ metadata }) => !isKnown(metadata.uid ?? ""));
}

function remainsOf(of: { uid: string; name: string; namespace: string; grace_s: number }): Pod {
  const { grace_s: terminationGracePeriodSeconds, ...metadata } = of;
  return { metadata, spec: { containers: [], terminationGracePeriodSeconds } };
}
