import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { logger } from "@raft2kube/observe/log.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { messageOf, tolerate } from "@raft2kube/std/errors.ts";
import type { Allocations } from "../allocation/allocations.ts";
import {
  loweredLimits,
  type MemoryUsage,
  planResize,
  type ResizePlan,
  refuseLowering,
} from "../allocation/plan.ts";
import type { ResizeState, ResizeVerdict } from "../allocation/resize-state.ts";
import { NO_RESIZE, resizeMessage } from "../allocation/resize-state.ts";
import { resizedNames } from "../allocation/resources.ts";
import { largest } from "../containers/qos.ts";
import { sandboxResources } from "../containers/resources.ts";
import { latest, type ObservedContainer, type ObservedPod } from "../cri/observed.ts";
import { isUnimplemented, type Runtime } from "../cri/runtime.ts";
import type { PodEventSink } from "../pods/pod-event-sink.ts";
import { isStatic, uidOf } from "../pods/pod-identity.ts";
import type { PodCgroups } from "../sandbox/pod-cgroup.ts";

const log = logger("kubelet-resize");
const NO_USAGE: MemoryUsage = { pod: undefined, container: () => undefined };

export interface ResizePorts {
  readonly clock: Clock;
  readonly runtime: Runtime;
  readonly events: PodEventSink;
  readonly allocations: Allocations;
  readonly cgroups: Pick<PodCgroups, "create" | "usage">;
}

/** Result of `apply`: something was resized, the runtime or the usage forbids it, or neither. */
export type ResizeResult = "nothing" | "resized" | "failed";

/**
 * In-place resize of one pod: grants the resources of its spec, gives them to the running
 * containers, and keeps the two conditions about it. A restarted kubelet continues from the
 * allocations on disk.
 */
export class PodResize {
  readonly #ports: ResizePorts;
  #state: ResizeState = NO_RESIZE;
  /** Time since which the resize is deferred, for the order of retries. */
  #deferred_ms: number | undefined;

  constructor(ports: ResizePorts) {
    this.#ports = ports;
  }

  get state(): ResizeState {
    return this.#state;
  }

  /** Milliseconds since 1970 from which the resize waits for other pods; undefined: it does not. */
  get deferred_ms(): number | undefined {
    return this.#deferred_ms;
  }

  /**
   * Allocates the resources of the spec when they fit. Decides before the first await, so that
   * pods that wait are served in the order of these calls. Returns whether it allocated.
   */
  async review(desired: Pod, decide: (desired: Pod) => ResizeVerdict): Promise<boolean> {
    const { allocations, events } = this.#ports;
    const { generation } = desired.metadata;
    const changed = resizedNames(allocations.allocated(desired), desired);
    // The pod of a changed file is another pod, with its own UID.
    if (changed.length === 0 || isStatic(desired)) {
      this.#setPending(desired, undefined);
      return false;
    }
    const verdict = decide(desired);
    if (verdict.kind !== "fits") {
      this.#setPending(desired, verdict);
      return false;
    }
    this.#setPending(desired, undefined);
    this.#state = { ...this.#state, inProgress: { generation } };
    const saved = allocations.resize(desired);
    events.record(
      desired,
      "Normal",
      "ResizeStarted",
      resizeMessage("started", desired, generation),
    );
    await saved;
    return true;
  }

  /**
   * Plans the changes of running containers, and updates the condition. `ending` are containers
   * that are being restarted.
   */
  plan(pod: Pod, observed: ObservedPod, ending: ReadonlySet<string>): ResizePlan {
    const uid = uidOf(pod);
    const counts = ({ id, state }: ObservedContainer) => state === "running" || ending.has(id);
    const names = new Set(observed.containers.map(({ name }) => name));
    const running = new Set(
      [...names].filter((name) => {
        const last = latest(observed, name);
        return last !== undefined && counts(last);
      }),
    );
    const before = (name: string) => this.#ports.allocations.before(uid, name);
    const plan = planResize(pod, running, before);
    const { inProgress } = this.#state;
    if (plan.inProgress && !inProgress) {
      this.#state = { ...this.#state, inProgress: { generation: pod.metadata.generation } };
    } else if (!plan.inProgress && inProgress) {
      const message = resizeMessage("completed", pod, inProgress.generation);
      this.#ports.events.record(pod, "Normal", "ResizeCompleted", message);
      this.#state = { ...this.#state, inProgress: undefined };
    }
    return plan;
  }

  /**
   * Sets the limits of the pod's cgroup and of running containers: the pod's first where it grows,
   * last where it shrinks, so that those of its containers never exceed it.
   */
  async apply(pod: Pod, observed: ObservedPod, plan: ResizePlan): Promise<ResizeResult> {
    const { cgroups, runtime, allocations } = this.#ports;
    if (!plan.inProgress) {
      cgroups.create(pod, plan.podAfter);
      return "nothing";
    }
    try {
      const refusal = refuseLowering(plan, await this.#memoryUsage(pod, observed, plan));
      if (refusal !== undefined) return this.#failed(pod, refusal);
      cgroups.create(pod, largest(plan.podBefore, plan.podAfter));
      for (const { name, limits: linux } of plan.updates) {
        const containerId = latest(observed, name)?.id ?? "";
        if (Object.keys(linux).length === 0) continue;
        await runtime.runtime.updateContainerResources({ containerId, linux });
      }
      if (!plan.restarts) cgroups.create(pod, plan.podAfter);
      await this.#updateSandbox(pod, observed);
    } catch (thrown) {
      return this.#failed(pod, messageOf(thrown));
    }
    if (plan.actuated.length === 0) return "nothing";
    await allocations.actuate(uidOf(pod), plan.actuated);
    return "resized";
  }

  /** Reports the pod's resources to the runtime, whose plugins may act on them, where it asks. */
  async #updateSandbox(pod: Pod, { sandboxes }: ObservedPod): Promise<void> {
    const sandbox = sandboxes.find(({ ready }) => ready);
    if (sandbox === undefined) return;
    const request = { podSandboxId: sandbox.id, ...sandboxResources(pod) };
    const { runtime } = this.#ports.runtime;
    await tolerate(runtime.updatePodSandboxResources(request), isUnimplemented);
  }

  #setPending(desired: Pod, verdict: Exclude<ResizeVerdict, { kind: "fits" }> | undefined): void {
    const { pending } = this.#state;
    if (verdict === undefined) {
      this.#deferred_ms = undefined;
      if (pending) this.#state = { ...this.#state, pending: undefined };
      return;
    }
    const { kind, message } = verdict;
    const { generation } = desired.metadata;
    if (kind === "Deferred") this.#deferred_ms ??= this.#ports.clock.now();
    else this.#deferred_ms = undefined;
    const same = pending?.reason === kind && pending.message === message;
    if (same && pending.generation === generation) return;
    this.#state = { ...this.#state, pending: { reason: kind, message, generation } };
    const text = resizeMessage(kind, desired, generation, message);
    this.#ports.events.record(desired, "Warning", `Resize${kind}`, text);
  }

  #failed(pod: Pod, message: string): "failed" {
    const { inProgress } = this.#state;
    const { generation } = inProgress ?? pod.metadata;
    if (inProgress?.message !== message) {
      const text = resizeMessage("error", pod, generation, message);
      this.#ports.events.record(pod, "Warning", "ResizeError", text);
    }
    const condition = { reason: "Error" as const, message, generation };
    this.#state = { ...this.#state, inProgress: condition };
    return "failed";
  }

  /**
   * Reads the usage of containers whose memory is lowered. A runtime without statistics gets the
   * pod's usage.
   */
  async #memoryUsage(pod: Pod, observed: ObservedPod, plan: ResizePlan): Promise<MemoryUsage> {
    const { cgroups, runtime } = this.#ports;
    const lowered = loweredLimits(plan);
    if (lowered.pod === undefined && lowered.containers.length === 0) return NO_USAGE;
    const ofPod = cgroups.usage(pod)?.memory.usage_bytes;
    const used = new Map<string, number | undefined>();
    for (const { name } of lowered.containers) {
      const containerId = latest(observed, name)?.id ?? "";
      try {
        const { stats } = await runtime.runtime.containerStats({ containerId });
        used.set(name, stats?.memory?.usageBytes?.value);
      } catch (thrown) {
        log.debug("no statistics of a container", { containerId, error: messageOf(thrown) });
      }
    }
    return { pod: ofPod, container: (name) => used.get(name) ?? ofPod };
  }
}
