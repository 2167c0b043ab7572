import type { ContainerStatus, Pod, PodStatus } from "@raft2kube/api/gen/core/v1.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import type { Allocations } from "../allocation/allocations.ts";
import type { ResizeState } from "../allocation/resize-state.ts";
import { observePod } from "../cri/observe.ts";
import type { ObservedContainer, ObservedPod } from "../cri/observed.ts";
import type { Runtime } from "../cri/runtime.ts";
import { nameOf, namespaceOf, uidOf } from "../pods/pod-identity.ts";
import type { PodPaths } from "../pods/pod-paths.ts";
import type { PodProbes } from "../probes/pod-probes.ts";
import type { WaitingReason } from "../status/container-status.ts";
import { type PodVerdict, podStatus } from "../status/pod-status.ts";
import { terminationMessage } from "../status/termination-message.ts";

export interface ViewPorts {
  readonly clock: Clock;
  readonly runtime: Runtime;
  /** The scheme of container ids in statuses. */
  readonly runtimeName: string;
  readonly allocations: Pick<Allocations, "before">;
  readonly node: { readonly hostIPs: string[] };
  readonly paths: PodPaths;
}

export interface StatusInput {
  verdict: PodVerdict | undefined;
  /** The pod is being stopped for good, or has been. */
  ending: boolean;
  /** Everything of the pod is stopped and stays so. */
  ended: boolean;
  waiting: ReadonlyMap<string, WaitingReason>;
  /** Ids of containers that were stopped to be started again. */
  restarting: ReadonlySet<string>;
  resize: ResizeState;
}

/** State of one pod on the node: what the runtime reports, and the status derived from it. */
export class PodView {
  readonly #ports: ViewPorts;
  readonly #probes: PodProbes;
  /** Termination messages by container id; a container ends only once. */
  readonly #messages = new Map<string, string>();
  #status: PodStatus | undefined;
  #podIPs: string[] = [];

  constructor(ports: ViewPorts, probes: PodProbes, known: PodStatus | undefined) {
    this.#ports = ports;
    this.#probes = probes;
    this.#status = known;
  }

  /** The last status, or the one in the API when the kubelet started. */
  get status(): PodStatus | undefined {
    return this.#status;
  }

  /** The pod's addresses, while its sandbox is up. */
  get podIPs(): string[] {
    return this.#podIPs;
  }

  /** Asks the runtime. */
  async observe(pod: Pod): Promise<ObservedPod> {
    const identity = { uid: uidOf(pod), name: nameOf(pod), namespace: namespaceOf(pod) };
    const observed = await observePod(this.#ports.runtime, identity);
    this.#podIPs = this.#addressesOf(pod, observed);
    const present = new Set(observed.containers.map(({ id }) => id));
    for (const id of this.#messages.keys()) if (!present.has(id)) this.#messages.delete(id);
    for (const one of observed.containers) {
      if (one.state !== "exited" || this.#messages.has(one.id)) continue;
      this.#messages.set(one.id, await terminationMessage(one, this.#ports.paths.podLogsDir));
    }
    return observed;
  }

  /** Derives the status of the pod, with its allocated resources, from the observation. */
  statusOf(pod: Pod, observed: ObservedPod, input: StatusInput): PodStatus {
    const { clock, node, runtimeName, allocations } = this.#ports;
    this.#status = podStatus({
      ...input,
      pod,
      observed,
      previous: this.#status,
      readiness: (one) => ({
        ready: this.#probes.ready(one),
        started: this.#probes.health(one).started,
      }),
      terminationMessage: (one) => this.#messages.get(one.id),
      resourcesBefore: (name) => allocations.before(uidOf(pod), name),
      hostIPs: node.hostIPs,
      runtimeName,
      now_ms: clock.now(),
    });
    return this.#status;
  }

  /** Returns the last status of a container; after a restart of the kubelet the API's. */
  before(observed: ObservedContainer): ContainerStatus | undefined {
    const { containerStatuses = [], initContainerStatuses = [] } = this.#status ?? {};
    return [...containerStatuses, ...initContainerStatuses].find(({ containerID }) =>
      containerID?.endsWith(`://${observed.id}`),
    );
  }

  #addressesOf(pod: Pod, observed: ObservedPod): string[] {
    const [sandbox] = observed.sandboxes;
    if (!sandbox?.ready) return [];
    return pod.spec.hostNetwork ? this.#ports.node.hostIPs : sandbox.ips;
  }
}

/** Whether a pod has succeeded or failed: it never runs again. */
export function isTerminal(status: PodStatus | undefined): boolean {
  return status?.phase === "Succeeded" || status?.phase === "Failed";
}
