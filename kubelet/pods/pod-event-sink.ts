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
 * Tells users what happened to a pod, in upstream's words. `container` names the container that it
 * concerns, which becomes the event's field path.
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

/** A kubelet without API server tells its log. */
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
