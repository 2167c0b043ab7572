import type { ContainerStatus, Event, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { own } from "@raft2kube/std/own.ts";
import { type Explanation, newest, quoted, waiting, wrong } from "./explanation.ts";

/** Why one container of a pod does not run; undefined when it does. */
export function explainContainer(
  pod: Pod,
  status: ContainerStatus,
  events: readonly Event[],
  kind = "Container",
): Explanation | undefined {
  const what = `${kind} ${status.name} of pod ${pod.metadata.name}`;
  const { waiting: paused, terminated } = status.state ?? {};
  if (!paused) {
    if (!terminated || terminated.exitCode === 0) return undefined;
    return wrong(`${what} ended with ${endOf(status)}`, logsOf(pod, status));
  }
  const { reason = "", message = "" } = paused;
  const failed = reason === "ImagePullBackOff" ? newest(events, "Failed") : undefined;
  const known = own(WAITING, reason)?.(pod, status, quoted(failed ? failed.message : message));
  if (known) return wrong(`${what} ${known[0]}`, known[1]);
  if (["", "ContainerCreating", "PodInitializing"].includes(reason)) return undefined;
  return waiting(`${what} waits: ${reason}${message && `: ${quoted(message)}`}`);
}

/** A part of a sentence, and the remedy. */
type Reason = (pod: Pod, status: ContainerStatus, why: string) => [what: string, remedy: string];

const noImage: Reason = (_, { image }, why) => [
  `has no image: ${image} cannot be pulled: ${why}`,
  "check the image's name, the registry and imagePullSecrets; " +
    "r2k image load FILE loads one without a registry",
];
const noStart: Reason = (_, __, why) => [
  `cannot be started: ${why}`,
  "check its command, arguments, mounts and securityContext",
];

/** Explanations of the reasons for which the kubelet lets a container wait. */
const WAITING: Readonly<Record<string, Reason>> = {
  ErrImagePull: noImage,
  ImagePullBackOff: noImage,
  ErrImageNeverPull: (_, { image }) => [
    `has no image: ${image} is not on the node and its policy is Never`,
    "r2k image load FILE, or imagePullPolicy: IfNotPresent",
  ],
  InvalidImageName: (_, { image }) => [
    `has no image: "${image}" is no name of one`,
    "correct spec.containers[].image",
  ],
  CreateContainerConfigError: (_, __, why) => [
    `cannot be made: ${why}`,
    "create the ConfigMap, Secret or key that it names, or mark it optional",
  ],
  CrashLoopBackOff: (pod, status) => [
    `ends again and again (${status.restartCount} restarts): last with ${endOf(status)}`,
    crashRemedy(pod, status),
  ],
  CreateContainerError: noStart,
  RunContainerError: noStart,
};

/** `exit code 1 (Error)`, `signal 9 because it used more memory than its limit`. */
function endOf({ state, lastState }: ContainerStatus): string {
  const ended = state?.terminated ?? lastState?.terminated;
  if (!ended) return "an unknown result";
  const { exitCode, reason, message } = ended;
  if (reason === "OOMKilled") return "more memory than its limit (OOMKilled)";
  const meaning = MEANINGS[exitCode];
  const why = message ? `: ${quoted(message)}` : "";
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
  const { reason, exitCode } = status.lastState?.terminated ?? status.state?.terminated ?? {};
  if (reason === "OOMKilled") return "raise resources.limits.memory, or let the program use less";
  if (exitCode === 0) return "let the command stay in the foreground, or use a Job";
  return logsOf(pod, status, "--previous ");
}

const logsOf = ({ metadata }: Pod, { name }: ContainerStatus, of = ""): string =>
  `its log says why: kubectl logs ${of}-n ${metadata.namespace} ${metadata.name} -c ${name}`;
