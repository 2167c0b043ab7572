import type { ContainerStatus, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { newest, quoted, waiting, wrong } from "./explanation.ts";
import type { PodFacts } from "./facts.ts";

/** Why one container of a pod does not run; undefined when it does. */
export function explainContainer(facts: PodFacts, status: ContainerStatus, kind = "Container") {
  const { pod, events } = facts;
  const what = `${kind} ${status.name} of pod ${pod.metadata.name}`;
  const { waiting: paused, terminated } = status.state ?? {};
  if (!paused) {
    if (!terminated || terminated.exitCode === 0) return undefined;
    return wrong(`${what} ended with ${endOf(pod, status)[0]}`, logsOf(pod, status));
  }
  const { reason = "", message = "" } = paused;
  // Others of the reason Failed repeat the container's state.
  const pulls = events.filter((event) => /^Failed to pull/.test(event.message ?? ""));
  const failed = reason === "ImagePullBackOff" ? newest(pulls, "Failed") : undefined;
  const why = (failed?.message ?? message).replace(/^Failed to pull image "[^"]*": /, "");
  if (reason === "CrashLoopBackOff") {
    const [end, remedy] = endOf(pod, status);
    const again = `ends again and again (${status.restartCount} restarts)`;
    return wrong(`${what} ${again}: last with ${end}`, remedy);
  }
  const [, meaning, remedy = ""] = CAUSES.find(([each]) => each.test(reason)) ?? [];
  const textOf = (word: string) => (word === "WHY" ? quoted(why) : status.image);
  const known = meaning?.replace(/IMAGE|WHY/g, textOf);
  if (known) return wrong(`${what} ${known}`, remedy);
  if (["", "ContainerCreating", "PodInitializing"].includes(reason)) return undefined;
  return waiting(`${what} waits: ${reason}${message && `: ${quoted(message)}`}`);
}

const START = "check its command, arguments, mounts and securityContext";

/** Reasons for which the kubelet lets a container wait, what they mean, and the remedy. */
const CAUSES: readonly (readonly [reason: RegExp, meaning: string, remedy: string])[] = [
  [
    /^(ErrImagePull|ImagePullBackOff)$/,
    "has no image: IMAGE cannot be pulled: WHY",
    "check its name, the registry and imagePullSecrets, or load it: r2k image load FILE",
  ],
  [
    /^ErrImageNeverPull$/,
    "has no image: IMAGE is not on the node and its policy is Never",
    "r2k image load FILE, or imagePullPolicy: IfNotPresent",
  ],
  [/^InvalidImageName$/, 'has no image: "IMAGE" is no name', "correct spec.containers[].image"],
  [/^CreateContainerConfigError$/, "cannot be made: WHY", "create that, or mark it optional"],
  [/^(Create|Run)ContainerError$/, "cannot start: WHY", START],
];

/** How a container ended, such as `exit code 1 (Error)`, and the remedy if it does so each time. */
function endOf(pod: Pod, status: ContainerStatus): readonly [end: string, remedy: string] {
  const ended = status.state?.terminated ?? status.lastState?.terminated;
  const log = logsOf(pod, status, "--previous ");
  if (!ended) return ["an unknown result", log];
  const { exitCode, reason, message } = ended;
  if (reason === "OOMKilled") {
    const remedy = "raise resources.limits.memory, or let the program use less";
    return ["more memory than its limit (OOMKilled)", remedy];
  }
  // It has no log.
  if (reason === "StartError") return [`a failed start: ${quoted(message)}`, START];
  const meaning = MEANINGS[exitCode];
  const why = message ? `: ${quoted(message)}` : "";
  const end = `exit code ${exitCode}${meaning ? ` (${meaning})` : ""}${why}`;
  return [end, exitCode === 0 ? "let the command stay in the foreground, or use a Job" : log];
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

const logsOf = (pod: Pod, status: ContainerStatus, of = ""): string =>
  `its log says why: ${logCommand(pod, status, of)}`;

/**
 * The command that shows a container's log. Its name comes from the pod's status, where a stolen
 * node may write any text: one that no container can have is left out.
 */
export function logCommand({ metadata }: Pod, { name }: ContainerStatus, of = ""): string {
  const container = /^[a-z0-9-]+$/.test(name) ? ` -c ${name}` : "";
  return `kubectl logs ${of}-n ${metadata.namespace} ${metadata.name}${container}`;
}
