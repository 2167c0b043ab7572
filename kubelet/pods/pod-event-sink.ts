import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { logger } from "@raft2kube/observe/log.ts";
import { fullNameOf } from "./pod-identity.ts";

export type PodEventReason =
  | "Pulling"
  | "Pulled"
  | "Created"
  | "Started"
  | "Failed"
  | "Killing"
  | "BackOff"
  | "ErrImageNeverPull"
  | "FailedToRetrieveImagePullSecret"
  | "InspectFailed"
  | "InvalidImageName"
  | "Unhealthy"
  | "ProbeWarning"
  | "FailedSync"
  | "FailedMount"
  | "FailedCreatePodSandBox"
  | "SandboxChanged"
  | "FailedKillPod"
  | "FailedPostStartHook"
  | "FailedPreStopHook"
  | "FailedPrepareDynamicResources"
  | "UnexpectedAdmissionError"
  | "Evicted"
  | "DNSConfigForming"
  | "NetworkNotReady"
  | (string & {});

/**
 * Records events about pods, with upstream's reasons. `container` becomes the event's field path.
 */
export interface PodEventSink {
  record(
    pod: Pod,
    type: "Normal" | "Warning",
    reason: PodEventReason,
    message: string,
    container?: string,
  ): void;
}

/** Returns a sink that logs events, for a kubelet without an API server. */
export function logEvents(): PodEventSink {
  const log = logger("kubelet-events");
  return {
    record(pod, type, reason, message, container) {
      const about = { pod: fullNameOf(pod), reason, ...(container ? { container } : {}) };
      if (type === "Warning") log.warn(message, about);
      else log.info(message, about);
    },
  };
}
