import type { Container, Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { Init } from "@raft2kube/proto/codec.ts";
import type { CDIDevice, Device, Mount } from "@raft2kube/proto/gen/cri.ts";

/** The devices' part of one container's CRI configuration. */
export interface DeviceAllocation {
  envs: { key: string; value: string }[];
  mounts: Init<Mount>[];
  devices: Init<Device>[];
  cdiDevices: Init<CDIDevice>[];
  annotations: Record<string, string>;
}

/** Extended resources the node offers now, as quantities by resource name. */
export interface DeviceCapacity {
  capacity: Record<string, string>;
  /** Only healthy devices. */
  allocatable: Record<string, string>;
}

/** The pods the kubelet holds devices for, asked by the device side (reconciling, podresources). */
export interface ActivePods {
  /** Pods that are admitted and not yet terminated. */
  list(): Pod[];
}

/** The seam between pods and device plugins; implemented in `devices/`. */
export interface DeviceManager {
  /**
   * Reserves devices for each container of the pod that asks for some, when the pod is admitted.
   * Asked again for the same pod (kubelet restart) it keeps what is reserved. Throws AdmissionError
   * with reason `UnexpectedAdmissionError` when too few healthy devices are free.
   */
  admit(pod: Pod): Promise<void>;
  /** Returns a container's allocation; the same at every restart of the container. */
  allocate(pod: Pod, container: Container): Promise<DeviceAllocation>;
  /** Runs just before the container starts: PreStartContainer where the plugin wants it. */
  preStart(pod: Pod, container: Container): Promise<void>;
  /** Frees what the pod holds. Unknown pods are fine. */
  release(podUid: string): Promise<void>;
  /**
   * Frees what all other pods hold. Called once after a start, when every pod of the node is known:
   * some may have gone while no kubelet ran.
   */
  retain(podUids: ReadonlySet<string>): Promise<void>;
  capacity(): DeviceCapacity;
  /** Calls back when capacity() changed, so that the Node's status follows immediately. */
  onChange(listener: () => void): { close(): void };
}
