import type { ContainerStatus, Event, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { newest } from "./events.ts";
import { type Explanation, quoted, waiting, wrong } from "./explanation.ts";

/** Why one container of a pod does not run; undefined when it does. */
export function explainContainer(
  pod: Pod,
  status: ContainerStatus,
  events: readonly Event[],
  isInit: boolean,
): Explanation | undefined {
  const kind = isInit ? "Init container" : "Container";
  const what = `${kind} ${status.name} of pod ${pod.metadata.name}`;
  const { waiting: paused, terminated } = status.state ?? {};
  if (paused) return explainWaiting(pod, what, status, events);
  if (terminated && terminated.exitCode !== 0) {
    return wrong(`${what} ended with ${endOf(status)}`, logsOf(pod, status, false));
  }
  return undefined;
}

function explainWaiting(
  pod: Pod,
  what: string,
  status: ContainerStatus,
  events: readonly Event[],
): Explanation | undefined {
  const { reason = "", message = "" } = status.state?.waiting ?? {};
  const end = endOf(status);
  switch (reason) {
    case "ErrImagePull":
    case "ImagePullBackOff": {
      const failed = newest(events, "Failed");
      const why = quoted(reason === "ErrImagePull" || !failed ? message : (failed.message ?? ""));
      return wrong(
        `${what} has no image: ${status.image} cannot be pulled: ${why}`,
        "check the image's name, the registry and imagePullSecrets; " +
          "r2k image load FILE loads one without a registry",
      );
    }
    case "ErrImageNeverPull":
      return wrong(
        `${what} has no image: ${status.image} is not on the node and its policy is Never`,
        "r2k image load FILE, or imagePullPolicy: IfNotPresent",
      );
    case "InvalidImageName":
      return wrong(
        `${what} has no image: "${status.image}" is no name of one`,
        "correct spec.containers[].image",
      );
    case "CreateContainerConfigError":
      return wrong(
        `${what} cannot be made: ${quoted(message)}`,
        "create the ConfigMap, Secret or key that it names, or mark it optional",
      );
    case "CrashLoopBackOff":
      return wrong(
        `${what} ends again and again (${status.restartCount} restarts): last with ${end}`,
        crashRemedy(pod, status),
      );
    case "CreateContainerError":
    case "RunContainerError":
      return wrong(
        `${what} cannot be started: ${quoted(message)}`,
        "check its command, arguments, mounts and securityContext",
      );
    default:
      return reason === "" || reason === "ContainerCreating" || reason === "PodInitializing"
        ? undefined
        : waiting(`${what} waits: ${reason}${message && `: ${quoted(message)}`}`);
  }
}

/** `exit code 1 (Error)`, `signal 9 because it used more memory than its limit`. */
function endOf({ state, lastState }: ContainerStatus): string {
  const ended = state?.terminated ?? lastState?.terminated;
  if (!ended) return "an unknown result";
  const { exitCode, reason, message } = ended;
  if (reason === "OOMKilled") return "more memory than its limit (OOMKilled)";
  const why = message ? `: ${quoted(message)}` : "";
  const meaning = MEANINGS[exitCode];
  return `exit code ${exitCode}${meaning ? ` (${meaning})` : ""}${why}`;
}

/** Exit codes as shells use them. */
const MEANINGS: Readonly<Record<number, string>> = {
  0: "a success, but its restartPolicy starts it again",
  126: "the command cannot be executed",
  127: "the command was not found",
  137: "killed: SIGKILL",
  139: "a segmentation fault",
  143: "ended on request: SIGTERM",
};

function crashRemedy(pod: Pod, status: ContainerStatus): string {
  const ended = status.lastState?.terminated ?? status.state?.terminated;
  if (ended?.reason === "OOMKilled") {
    return "raise resources.limits.memory, or let the program use less";
  }
  if (ended?.exitCode === 0) return "let the command stay in the foreground, or use a Job";
  return logsOf(pod, status, true);
}

function logsOf({ metadata }: Pod, { name }: ContainerStatus, previous: boolean): string {
  const pod = `-n ${metadata.namespace} ${metadata.name}`;
  return `its log says why: kubectl logs ${previous ? "--previous " : ""}${pod} -c ${name}`;
}
