import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { DeviceManager } from "../devices/device-allocation.ts";
import { admitsUnderPressure } from "../eviction/plan.ts";
import type { NodePressure } from "../node/pressure.ts";
import { uidOf } from "../pods/pod-identity.ts";
import { AdmissionError } from "../pods/reason-error.ts";
import { admitPod } from "./admit-pod.ts";

export interface AdmissionOptions {
  devices: DeviceManager;
  pressure: { readonly current: NodePressure };
  /** The node's allocatable amounts, as quantities. */
  allocatable(): Record<string, string>;
  /** Pods that hold resources of the node now. */
  admitted: Pod[];
}

/**
 * Admits a pod to this node and reserves its devices. Throws AdmissionError when the node is under
 * pressure, when the pod does not fit, or when devices are missing.
 */
export async function admit(pod: Pod, options: AdmissionOptions): Promise<void> {
  const { devices, pressure, allocatable, admitted } = options;
  if (!admitsUnderPressure(pod, pressure.current)) {
    const pressures = Object.entries(pressure.current);
    const names = pressures.flatMap(([name, under]) => (under ? [name] : []));
    throw new AdmissionError("Evicted", `The node had condition: [${names.join(" ")}].`);
  }
  const others = admitted.filter((one) => uidOf(one) !== uidOf(pod));
  admitPod(pod, others, allocatable());
  await devices.admit(pod);
}
