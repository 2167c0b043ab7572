import type {
  ContainerImage,
  NodeAddress,
  NodeCondition,
  NodeStatus,
} from "@raft2kube/api/gen/core/v1.ts";
import { timeText } from "@raft2kube/client-kube/object/time.ts";
import type { NodeResources } from "./capacity.ts";
import type { MachineIdentity } from "./machine.ts";
import type { RuntimeFeatures } from "./node-facts.ts";
import type { NodePressure } from "./pressure.ts";

export interface NodeStatusFacts {
  addresses: NodeAddress[];
  port: number | undefined;
  resources: NodeResources;
  identity: MachineIdentity;
  /** `containerd://1.6.20`. */
  runtimeVersion: string;
  runtimeFeatures: RuntimeFeatures;
  kubeletVersion: string;
  /** Why the node is not ready; empty when it is. */
  notReady: string;
  pressure: NodePressure;
  images: ContainerImage[];
  previous: NodeCondition[];
  now_ms: number;
}

/** Features that upstream's scheduler and API server ask of a node for pods that need them. */
const DECLARED_FEATURES = [
  "InPlacePodLevelResourcesVerticalScaling",
  "InPlacePodVerticalScalingInitContainers",
  "RestartAllContainersOnContainerExits",
];

/** Returns the Node's status. Pure. */
export function nodeStatus(facts: NodeStatusFacts): NodeStatus {
  const { identity, resources, port } = facts;
  return {
    capacity: resources.capacity,
    allocatable: resources.allocatable,
    conditions: nodeConditions(facts),
    addresses: facts.addresses,
    ...(port === undefined ? {} : { daemonEndpoints: { kubeletEndpoint: { Port: port } } }),
    nodeInfo: {
      ...identity,
      containerRuntimeVersion: facts.runtimeVersion,
      kubeletVersion: facts.kubeletVersion,
      kubeProxyVersion: "",
      operatingSystem: "linux",
    },
    images: facts.images,
    declaredFeatures: DECLARED_FEATURES,
    ...facts.runtimeFeatures,
  };
}

type ConditionState = { type: string; status: "True" | "False"; reason: string; message: string };

/**
 * Returns the four conditions with upstream's reasons; an unchanged condition keeps its transition
 * time.
 */
function nodeConditions({ notReady, pressure, previous, now_ms }: NodeStatusFacts) {
  const ready: ConditionState = notReady
    ? { type: "Ready", status: "False", reason: "KubeletNotReady", message: notReady }
    : {
        type: "Ready",
        status: "True",
        reason: "KubeletReady",
        message: "kubelet is posting ready status",
      };
  const states: ConditionState[] = [
    pressureCondition("MemoryPressure", pressure.memory, [
      "KubeletHasInsufficientMemory",
      "kubelet has insufficient memory available",
      "KubeletHasSufficientMemory",
      "kubelet has sufficient memory available",
    ]),
    pressureCondition("DiskPressure", pressure.disk, [
      "KubeletHasDiskPressure",
      "kubelet has disk pressure",
      "KubeletHasNoDiskPressure",
      "kubelet has no disk pressure",
    ]),
    pressureCondition("PIDPressure", pressure.pid, [
      "KubeletHasInsufficientPID",
      "kubelet has insufficient PID available",
      "KubeletHasSufficientPID",
      "kubelet has sufficient PID available",
    ]),
    ready,
  ];
  const now = timeText(now_ms);
  return states.map((condition): NodeCondition => {
    const before = previous.find(({ type }) => type === condition.type);
    const since = before?.status === condition.status ? before.lastTransitionTime : undefined;
    return { ...condition, lastHeartbeatTime: now, lastTransitionTime: since ?? now };
  });
}

function pressureCondition(
  type: string,
  under: boolean,
  [badReason, bad, goodReason, good]: [string, string, string, string],
): ConditionState {
  if (under) return { type, status: "True", reason: badReason, message: bad };
  return { type, status: "False", reason: goodReason, message: good };
}

/** Whether two statuses differ in more than their heartbeats. */
export function differs(a: NodeStatus, b: NodeStatus): boolean {
  const plain = (status: NodeStatus) =>
    JSON.stringify({
      ...status,
      conditions: (status.conditions ?? []).map(({ lastHeartbeatTime: _, ...rest }) => rest),
    });
  return plain(a) !== plain(b);
}
