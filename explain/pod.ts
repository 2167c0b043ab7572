import type { Event, Node, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { isPodReady, podCondition } from "@raft2kube/client-kube/object/pod-state.ts";
import { explainContainer } from "./container.ts";
import { newest } from "./events.ts";
import { type Explanation, listed, quoted, waiting, well, wrong } from "./explanation.ts";
import { explainUnschedulable } from "./scheduling.ts";

/** Facts that explain a pod; undefined: they could not be read. */
export interface PodFacts {
  readonly pod: Pod;
  readonly events: readonly Event[];
  readonly nodes?: readonly Node[] | undefined;
  /** Why its claims are not bound. */
  readonly claims?: readonly Explanation[];
  readonly now_ms: number;
}

/** Explains why a pod is Pending, not ready, failed or still there. */
export function explainPod(facts: PodFacts): Explanation {
  const { pod } = facts;
  const name = pod.metadata.name ?? "";
  if (pod.metadata.deletionTimestamp) return explainLeaving(facts);
  switch (pod.status?.phase) {
    case "Succeeded":
      return well(`Pod ${name} has done its work: all containers ended with success`);
    case "Failed":
      return explainFailed(facts);
    default:
      return pod.spec.nodeName ? explainOnNode(facts) : explainWithoutNode(facts);
  }
}

function explainLeaving({ pod, nodes, now_ms }: PodFacts): Explanation {
  const { name, finalizers = [], deletionTimestamp } = pod.metadata;
  const lost = nodeTrouble(pod, nodes);
  if (lost) return wrong(`Pod ${name} is being deleted, but ${lost.what}`, lost.remedy);
  const late_s = Math.round((now_ms - Date.parse(deletionTimestamp!)) / 1_000);
  if (finalizers.length > 0) {
    const sentence = `Pod ${name} is being deleted and waits for ${listed(finalizers)}`;
    return waiting(sentence, "the controller of that finalizer removes it; check that it runs");
  }
  const left = late_s < 0 ? `has ${-late_s} s left to end` : "has been asked to end";
  return waiting(`Pod ${name} is being deleted and ${left}`);
}

function explainFailed({ pod, events }: PodFacts): Explanation {
  const { name } = pod.metadata;
  const { reason, message = "", containerStatuses = [] } = pod.status ?? {};
  if (reason === "Evicted") {
    const remedy = "request what it needs, and free the resource on the node";
    return wrong(`Pod ${name} was evicted: ${quoted(message)}`, remedy);
  }
  if (reason) {
    const remedy = "a controller makes a new pod; delete this one";
    return wrong(`Pod ${name} failed: ${reason}: ${quoted(message)}`, remedy);
  }
  const found = containerStatuses.flatMap(
    (status) => explainContainer(pod, status, events, false) ?? [],
  );
  const unknown = `kubectl logs ${name} and kubectl describe pod ${name}`;
  return found[0] ?? wrong(`Pod ${name} failed`, unknown);
}

function explainWithoutNode({ pod, nodes, claims = [] }: PodFacts): Explanation {
  const { name } = pod.metadata;
  const gates = (pod.spec.schedulingGates ?? []).map((gate) => gate.name);
  if (gates.length > 0) {
    const sentence = `Pod ${name} is held back by the scheduling gate ${listed(gates)}`;
    return waiting(sentence, "whoever set it removes it from spec.schedulingGates");
  }
  const { schedulerName = "default-scheduler" } = pod.spec;
  const condition = podCondition(pod, "PodScheduled");
  if (condition?.status === "False") {
    const blocked = claims.find(({ state }) => state === "wrong");
    const message = condition.message ?? "";
    if (blocked && /claim|persistent volumes/i.test(message)) {
      const sentence = `Pod ${name} is Pending because of its claim: ${blocked.sentence}`;
      return wrong(sentence, blocked.remedy ?? "");
    }
    const nominated = pod.status?.nominatedNodeName;
    if (nominated) {
      return waiting(`Pod ${name} waits until pods of lower priority have left node ${nominated}`);
    }
    return explainUnschedulable(pod, message, nodes);
  }
  return schedulerName === "default-scheduler"
    ? waiting(
        `Pod ${name} waits for the scheduler, which has not tried it yet`,
        "if it stays so, check that the scheduler runs: r2k status",
      )
    : wrong(
        `Pod ${name} waits for a scheduler named ${schedulerName}, which has not tried it`,
        `start that scheduler, or remove spec.schedulerName`,
      );
}

function explainOnNode(facts: PodFacts): Explanation {
  const { pod, nodes, events } = facts;
  const { name } = pod.metadata;
  const trouble = nodeTrouble(pod, nodes);
  if (trouble) return wrong(`Pod ${name} is not looked after: ${trouble.what}`, trouble.remedy);
  const { initContainerStatuses = [], containerStatuses = [] } = pod.status ?? {};
  for (const status of initContainerStatuses) {
    const found = explainContainer(pod, status, events, true);
    if (found) return found;
    if (status.state?.running && !status.started && !isSidecar(pod, status.name)) {
      const sentence = `Pod ${name} waits for its init container ${status.name} to end`;
      return waiting(sentence, `kubectl logs ${name} -c ${status.name}`);
    }
  }
  for (const status of containerStatuses) {
    const found = explainContainer(pod, status, events, false);
    if (found) return found;
  }
  const all =
    containerStatuses.length > 0 && containerStatuses.every(({ state }) => state?.running);
  return all ? explainReadiness(facts) : explainPreparation(facts);
}

const isSidecar = ({ spec }: Pod, name: string): boolean =>
  spec.initContainers?.find((each) => each.name === name)?.restartPolicy === "Always";

/** The steps before a container starts: volumes, then the sandbox with its network, then images. */
function explainPreparation({ pod, events, claims = [] }: PodFacts): Explanation {
  const { name } = pod.metadata;
  const since = newest(events, "Pulling", "Pulled", "Created");
  const volume = newest(events, "FailedMount", "FailedAttachVolume");
  if (volume && !since) {
    const claim = claims.find(({ state }) => state === "wrong");
    const missing = /(configmap|secret)s? "([^"]+)" not found/i.exec(volume.message ?? "");
    const remedy = missing ? `create the ${missing[1]} ${missing[2]}` : claim?.remedy;
    return wrong(
      `Pod ${name} waits for a volume: ${quoted(volume.message ?? "")}`,
      remedy ?? "check that the volume exists and that its driver runs on the node",
    );
  }
  const sandbox = newest(events, "FailedCreatePodSandBox");
  if (sandbox && !since) {
    const sentence = `Pod ${name} has no sandbox: ${quoted(sandbox.message ?? "")}`;
    return wrong(sentence, "r2k doctor checks the node's runtime and network");
  }
  const pulling = newest(events, "Pulling", "Pulled");
  const step = pulling?.reason === "Pulling" ? "its image is being pulled" : "its node prepares it";
  return waiting(`Pod ${name} starts on node ${pod.spec.nodeName}: ${step}`);
}

function explainReadiness({ pod, events }: PodFacts): Explanation {
  const { name } = pod.metadata;
  if (isPodReady(pod)) return well(`Pod ${name} runs and is ready`);
  const idle = (pod.status?.containerStatuses ?? []).filter((status) => !status.ready);
  const probe = newest(events, "Unhealthy");
  if (idle.length > 0) {
    const names = listed(idle.map((status) => status.name));
    return probe
      ? wrong(
          `Pod ${name} runs but is not ready: container ${names}: ${quoted(probe.message ?? "")}`,
          "check the probe's path and port, and the container's log",
        )
      : waiting(`Pod ${name} runs; container ${names} has not passed its readiness probe yet`);
  }
  const gates = (pod.spec.readinessGates ?? [])
    .map(({ conditionType }) => conditionType)
    .filter((type) => podCondition(pod, type)?.status !== "True");
  return gates.length > 0
    ? waiting(`Pod ${name} runs but waits for its readiness gate ${listed(gates)}`)
    : waiting(`Pod ${name} runs; its node has not reported it ready yet`);
}

/** The trouble of a pod's node, if there is any. */
function nodeTrouble(
  { spec }: Pod,
  nodes: readonly Node[] | undefined,
): { what: string; remedy: string } | undefined {
  if (!nodes || !spec.nodeName) return undefined;
  const node = nodes.find(({ metadata }) => metadata.name === spec.nodeName);
  if (!node) {
    return { what: `its node ${spec.nodeName} no longer exists`, remedy: "delete the pod" };
  }
  const ready = node.status?.conditions?.find(({ type }) => type === "Ready");
  if (ready?.status === "True") return undefined;
  const why = quoted(ready?.message ?? "it reports no status");
  return {
    what: `its node ${spec.nodeName} is not Ready: ${why}`,
    remedy: `start the node: r2k node start ${spec.nodeName}`,
  };
}
