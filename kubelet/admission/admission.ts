import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { succeeds } from "@raft2kube/std/errors.ts";
import type { DeviceManager } from "../devices/device-allocation.ts";
import { admitsUnderPressure, isCritical } from "../eviction/plan.ts";
import { KINDS, type NodePressure } from "../node/pressure.ts";
import { uidOf } from "../pods/pod-identity.ts";
import { AdmissionError, PreemptionError } from "../pods/reason-error.ts";
import { admitPod, portConflicts } from "./admit-pod.ts";
import { choosePreempted } from "./preemption.ts";

export interface AdmissionOptions {
  devices: DeviceManager;
  pressure: { readonly current: NodePressure };
  /** The node's allocatable amounts, as quantities. */
  allocatable(): Record<string, string>;
  /** Pods that hold resources of the node now. */
  admitted: Pod[];
  /** Whether this one of them is being stopped. */
  isLeaving(pod: Pod): boolean;
  /** Ends a pod for a critical one. */
  preempt(pod: Pod): void;
}

const CONDITIONS = { memory: "MemoryPressure", disk: "DiskPressure", pid: "PIDPressure" };

/**
 * Admits a pod to this node and reserves its devices. Throws AdmissionError immediately when the
 * node is under pressure or the pod does not fit, PreemptionError when a critical pod will fit once
 * others have ended; rejects with AdmissionError when devices are missing. A pod that already holds
 * resources is only given its devices.
 */
export function admit(pod: Pod, options: AdmissionOptions): Promise<void> {
  const { devices, pressure, allocatable, admitted } = options;
  const others = admitted.filter((one) => uidOf(one) !== uidOf(pod));
  // An earlier process admitted it: a pod that came since does not end it.
  if (others.length < admitted.length) return devices.admit(pod);
  if (!admitsUnderPressure(pod, pressure.current)) {
    const names = KINDS.filter((kind) => pressure.current[kind]).map((kind) => CONDITIONS[kind]);
    throw new AdmissionError("Evicted", `The node had condition: [${names.join(" ")}]. `);
  }
  try {
    admitPod(pod, others, allocatable());
  } catch (thrown) {
    if (!isCritical(pod) || !isShortage(thrown)) throw thrown;
    preemptFor(pod, others, options, thrown);
  }
  return devices.admit(pod);
}

/** Whether the node lacks a resource, which the end of other pods would free. */
function isShortage(thrown: unknown): thrown is AdmissionError {
  return thrown instanceof AdmissionError && thrown.reason.startsWith("OutOf");
}

/** Ends pods for a critical one, unless those that are leaving make room; throws in any case. */
function preemptFor(
  pod: Pod,
  others: Pod[],
  { allocatable, isLeaving, preempt }: AdmissionOptions,
  shortage: AdmissionError,
): never {
  const staying = others.filter((one) => !isLeaving(one));
  const node = allocatable();
  // Once, and not for each that may stay.
  const conflicting = new Set(staying.filter(portConflicts(pod)));
  const fits = (left: Pod[]) => {
    return succeeds(
      () => admitPod(pod, left, node, (one) => conflicting.has(one)),
      (thrown) => thrown instanceof AdmissionError,
    );
  };
  const victims = choosePreempted(pod, staying, fits);
  if (!victims) throw shortage;
  for (const victim of victims) preempt(victim);
  throw new PreemptionError(pod);
}
