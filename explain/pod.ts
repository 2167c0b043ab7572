import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { isPodReady, podCondition } from "@raft2kube/client-kube/object/pod-state.ts";
import { explainClaim } from "./claim.ts";
import { explainContainer, logCommand } from "./container.ts";
import { type Explanation, listed, newest, quoted, waiting, well, wrong } from "./explanation.ts";
import type { PodFacts } from "./facts.ts";
import { explainUnschedulable } from "./scheduling.ts";

/** Explains why a pod is Pending, not ready, failed or still there. */
export function explainPod(facts: PodFacts): Explanation {
  const { what, pod } = facts;
  const { phase } = pod.status ?? {};
  if (pod.metadata.deletionTimestamp) return explainLeaving(facts);
  if (phase === "Failed") return explainFailed(facts);
  if (phase === "Succeeded") return well(`${what} has done its work: all containers succeeded`);
  return pod.spec.nodeName ? explainOnNode(facts) : explainWithoutNode(facts);
}

function explainLeaving({ what, pod, nodes, now_ms }: PodFacts): Explanation {
  const { finalizers = [], deletionTimestamp } = pod.metadata;
  const lost = nodeTrouble(pod, nodes);
  if (lost) return wrong(`${what} is being deleted, but ${lost.what}`, lost.remedy);
  if (finalizers.length > 0) {
    const sentence = `${what} is being deleted and waits for ${listed(finalizers)}`;
    return waiting(sentence, "the controller of that finalizer removes it; check that it runs");
  }
  const left_s = Math.round((Date.parse(deletionTimestamp!) - now_ms) / 1_000);
  const left = left_s > 0 ? `has ${left_s} s left to end` : "has been asked to end";
  return waiting(`${what} is being deleted and ${left}`);
}

function explainFailed(facts: PodFacts): Explanation {
  const { what, pod } = facts;
  const { reason, message, containerStatuses = [] } = pod.status ?? {};
  if (reason) {
    const free = "request what it needs, and free the resource on the node";
    const remedy = reason === "Evicted" ? free : "a controller makes a new pod; delete this one";
    return wrong(`${what} failed: ${reason}: ${quoted(message)}`, remedy);
  }
  const [found] = containerStatuses.flatMap((each) => explainContainer(facts, each) ?? []);
  return found ?? wrong(`${what} failed`, "kubectl logs, and kubectl describe pod, say more");
}

const wrongClaim = ({ claims }: PodFacts): Explanation | undefined =>
  claims.map(explainClaim).find(({ state }) => state === "wrong");

function explainWithoutNode(facts: PodFacts): Explanation {
  const { what, pod, nodes } = facts;
  const { schedulingGates = [], schedulerName = "default-scheduler" } = pod.spec;
  if (schedulingGates.length > 0) {
    const gates = listed(schedulingGates.map(({ name }) => name));
    const sentence = `${what} is held back by the scheduling gate ${gates}`;
    return waiting(sentence, "whoever set it removes it from spec.schedulingGates");
  }
  const { status, message = "" } = podCondition(pod, "PodScheduled") ?? {};
  if (status === "False") {
    const blocked = wrongClaim(facts);
    if (blocked && /claim|persistent volumes/i.test(message)) {
      return { ...blocked, sentence: `${what} is Pending: ${blocked.sentence}` };
    }
    const nominated = pod.status?.nominatedNodeName;
    if (!nominated) return explainUnschedulable(pod, message, nodes);
    return waiting(`${what} waits until pods of lower priority have left node ${nominated}`);
  }
  if (schedulerName === "default-scheduler") {
    const remedy = "if it stays so, check that it runs: r2k status";
    return waiting(`${what} waits for the scheduler, which has not tried it`, remedy);
  }
  const sentence = `${what} waits for a scheduler named ${schedulerName}, which has not tried it`;
  return wrong(sentence, "start it, or remove spec.schedulerName");
}

function explainOnNode(facts: PodFacts): Explanation {
  const { what, pod, nodes } = facts;
  const trouble = nodeTrouble(pod, nodes);
  if (trouble) return wrong(`${what} is not looked after: ${trouble.what}`, trouble.remedy);
  const { initContainerStatuses = [], containerStatuses = [] } = pod.status ?? {};
  for (const status of initContainerStatuses) {
    const found = explainContainer(facts, status, "Init container");
    if (found) return found;
    if (status.state?.running && !status.started && !isSidecar(pod, status.name)) {
      const sentence = `${what} waits for its init container ${status.name} to end`;
      return waiting(sentence, logCommand(pod, status));
    }
  }
  const [found] = containerStatuses.flatMap((each) => explainContainer(facts, each) ?? []);
  if (found) return found;
  const isStarting = containerStatuses.some(({ state }) => !state?.running);
  if (isStarting || containerStatuses.length === 0) return explainPreparation(facts);
  return explainReadiness(facts);
}

const isSidecar = ({ spec }: Pod, name: string): boolean =>
  spec.initContainers?.find((each) => each.name === name)?.restartPolicy === "Always";

/** The steps before a container starts: volumes, then the sandbox with its network, then images. */
function explainPreparation(facts: PodFacts): Explanation {
  const { what, pod, events } = facts;
  const last = newest(events, "Pulling", "Pulled", "Created");
  const volume = newest(events, "FailedMount", "FailedAttachVolume");
  if (volume && !last) {
    const missing = /(configmap|secret)s? "([a-z0-9.-]+)" not found/i.exec(volume.message ?? "");
    const remedy = missing ? `create the ${missing[1]} ${missing[2]}` : wrongClaim(facts)?.remedy;
    const otherwise = "check that the volume exists and that its driver runs on the node";
    return wrong(`${what} waits for a volume: ${quoted(volume.message)}`, remedy ?? otherwise);
  }
  const sandbox = newest(events, "FailedCreatePodSandBox");
  if (sandbox && !last) {
    const sentence = `${what} has no sandbox: ${quoted(sandbox.message)}`;
    return wrong(sentence, "r2k doctor checks the node's runtime and network");
  }
  const pulling = newest(events, "Pulling", "Pulled");
  const step = pulling?.reason === "Pulling" ? "its image is being pulled" : "its node prepares it";
  return waiting(`${what} starts on node ${pod.spec.nodeName}: ${step}`);
}

function explainReadiness({ what, pod, events }: PodFacts): Explanation {
  if (isPodReady(pod)) return well(`${what} runs and is ready`);
  const idle = (pod.status?.containerStatuses ?? []).filter((status) => !status.ready);
  const names = listed(idle.map((status) => status.name));
  if (names) {
    const probe = newest(events, "Unhealthy");
    if (!probe) return waiting(`${what} runs; ${names} has not passed its readiness probe yet`);
    const sentence = `${what} runs but is not ready: container ${names}: ${quoted(probe.message)}`;
    return wrong(sentence, "check the probe's path and port, and the container's log");
  }
  const gates = (pod.spec.readinessGates ?? []).map(({ conditionType }) => conditionType);
  const open = gates.find((type) => podCondition(pod, type)?.status !== "True");
  if (open) return waiting(`${what} runs but waits for its readiness gate ${open}`);
  return waiting(`${what} runs; its node has not reported it ready yet`);
}

function nodeTrouble({ spec: { nodeName } }: Pod, nodes: PodFacts["nodes"]) {
  if (!nodes || !nodeName) return undefined;
  const node = nodes.find(({ metadata }) => metadata.name === nodeName);
  if (!node) return { what: `its node ${nodeName} no longer exists`, remedy: "delete the pod" };
  const ready = node.status?.conditions?.find(({ type }) => type === "Ready");
  if (ready?.status === "True") return undefined;
  const why = quoted(ready?.message ?? "it reports no status");
  const remedy = `start the node: r2k node start ${nodeName}`;
  return { what: `its node ${nodeName} is not Ready: ${why}`, remedy };
}
