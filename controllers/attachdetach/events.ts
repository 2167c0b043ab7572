import type { PersistentVolume, Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import { listed } from "@raft2kube/std/listed.ts";

/** Events about pods whose volumes are attached, or are not. The texts are upstream's. */

const FAILED = "FailedAttachVolume";

export function recordAttached(
  recorder: EventRecorder,
  volume: PersistentVolume,
  pods: readonly Pod[],
): void {
  const message = `AttachVolume.Attach succeeded for volume "${volume.metadata.name}" `;
  for (const pod of pods) recorder.record(pod, "Normal", "SuccessfulAttachVolume", message);
}

export function recordFailed(
  recorder: EventRecorder,
  volume: PersistentVolume,
  pods: readonly Pod[],
  why: string,
): void {
  const message = `AttachVolume.Attach failed for volume "${volume.metadata.name}" : ${why}`;
  for (const pod of pods) recorder.record(pod, "Warning", FAILED, message);
}

/** Reports to each pod why it does not get a volume that is attached to another node. */
export function recordRefused(
  recorder: EventRecorder,
  volume: PersistentVolume,
  pods: readonly Pod[],
  holders: readonly Pod[],
): void {
  for (const pod of pods) {
    const message = `Multi-Attach error for volume "${volume.metadata.name}" ${refusal(pod, holders)}`;
    recorder.record(pod, "Warning", FAILED, message);
  }
}

/** Names the pods that have the volume; those of other namespaces are only counted. */
export function refusal(pod: Pod, holders: readonly Pod[]): string {
  if (holders.length === 0) {
    return "Volume is already exclusively attached to one node and can't be attached to another";
  }
  const { namespace } = pod.metadata;
  const local = holders.filter(({ metadata }) => metadata.namespace === namespace);
  const others = `${holders.length - local.length} pod(s) in different namespaces`;
  if (local.length === 0) return `Volume is already used by ${others}`;
  const names = local.map(({ metadata: { name = "" } }) => name);
  const used = `Volume is already used by pod(s) ${listed(names)}`;
  return local.length === holders.length ? used : `${used} and ${others}`;
}
