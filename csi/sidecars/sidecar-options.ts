import type { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import type { InformerSet } from "@raft2kube/client-kube/informer/informer-set.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { DriverIdentity } from "./driver-identity.ts";

/** The common options of the provisioner and the resizer of a driver. */
export interface SidecarOptions {
  client: KubeClient;
  driver: DriverIdentity;
  /** The node of this sidecar, where each node has one of its own. */
  nodeName: string | undefined;
  /** Whether CreateVolume gets the names of claim and volume. */
  extraCreateMetadata: boolean;
  informers: InformerSet;
  events: EventRecorder;
  clock: Clock;
}
