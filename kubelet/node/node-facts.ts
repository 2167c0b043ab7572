import type { ContainerImage, NodeAddress, NodeStatus } from "@raft2kube/api/gen/core/v1.ts";
import type { StatusResponse } from "@raft2kube/proto/gen/cri.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";
import type { Runtime } from "../cri/runtime.ts";
import { NODE_IMAGES_MAX, RUNTIME_SILENT_MS } from "../limits.ts";

/** The version that this kubelet reports; upstream's skew rules look at it. */
export const KUBELET_VERSION = "v1.36.0";

/**
 * Health of the runtime. A runtime that has answered within RUNTIME_SILENT_MS counts as healthy: it
 * may be restarting.
 */
export class RuntimeHealth {
  readonly #runtime: Runtime;
  readonly #clock: Clock;
  #answered_ms: number;
  /** Features of the runtime, by its last answer. */
  features: RuntimeFeatures = {};

  constructor(runtime: Runtime, clock: Clock) {
    this.#runtime = runtime;
    this.#clock = clock;
    this.#answered_ms = clock.monotonic();
  }

  async problem(): Promise<string> {
    try {
      const answer = await this.#runtime.runtime.status({}, { timeout_ms: STATUS_TIMEOUT_MS });
      this.#answered_ms = this.#clock.monotonic();
      this.features = featuresOf(answer);
      return runtimeProblem(answer);
    } catch (thrown) {
      const silent_ms = this.#clock.monotonic() - this.#answered_ms;
      return silent_ms < RUNTIME_SILENT_MS ? "" : `container runtime is down: ${messageOf(thrown)}`;
    }
  }
}

/** The fields of a Node's status about what its runtime supports. */
export type RuntimeFeatures = Pick<NodeStatus, "features" | "runtimeHandlers">;

function featuresOf({ features, runtimeHandlers }: StatusResponse): RuntimeFeatures {
  const { supplementalGroupsPolicy = false } = features ?? {};
  const handlers = runtimeHandlers.map(({ name, features: its }) => {
    const { recursiveReadOnlyMounts = false, userNamespaces = false } = its ?? {};
    return { name, features: { recursiveReadOnlyMounts, userNamespaces } };
  });
  return { features: { supplementalGroupsPolicy }, runtimeHandlers: handlers };
}

function runtimeProblem({ status }: StatusResponse): string {
  const problems = (status?.conditions ?? [])
    .filter((condition) => !condition.status)
    .map(({ type, reason, message }) => {
      const what = type === "NetworkReady" ? "container runtime network" : "container runtime";
      return `${what} not ready: ${type}=false reason:${reason} message:${message}`;
    });
  return problems.join("; ");
}

const STATUS_TIMEOUT_MS = 5_000;

/** Returns the node's largest images for its status; the scheduler prefers nodes that have them. */
export async function nodeImages({ images }: Runtime): Promise<ContainerImage[]> {
  const { images: all } = await images.listImages({});
  return all
    .sort((a, b) => b.size - a.size || (a.id < b.id ? -1 : 1))
    .slice(0, NODE_IMAGES_MAX)
    .map(({ repoTags, repoDigests, size }) => ({
      names: [...repoDigests, ...repoTags].slice(0, NAMES_PER_IMAGE_MAX),
      sizeBytes: size,
    }));
}

const NAMES_PER_IMAGE_MAX = 5;

/** Returns the addresses of the Node's status: InternalIPs, then Hostname. */
export const nodeAddresses = (addresses: string[], hostname: string): NodeAddress[] => [
  ...addresses.map((address) => ({ type: "InternalIP" as const, address })),
  { type: "Hostname" as const, address: hostname },
];
