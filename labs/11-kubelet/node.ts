import type { Container, Pod, RestartPolicy } from "@raft2kube/api/gen/core/v1.ts";
import { containerHash } from "@raft2kube/kubelet/containers/container-hash.ts";
import type { ObservedContainer, ObservedPod } from "@raft2kube/kubelet/cri/observed.ts";
import type { ContainerHealth } from "@raft2kube/kubelet/probes/probe-state.ts";
import type { PodPlan } from "@raft2kube/kubelet/sync/plan-actions.ts";
import { planPod } from "@raft2kube/kubelet/sync/plan.ts";
import { judge } from "../judge.ts";

/** A pod's containers; sidecars are init containers that keep running. */
export interface Spec {
  readonly policy?: RestartPolicy;
  readonly init?: readonly string[];
  readonly sidecars?: readonly string[];
  readonly regular?: readonly string[];
}

/** More steps than any of these pods needs until nothing is left to do. */
const STEPS_MAX = 20;
const KILLED = 137;

const containerOf = (name: string, image = `image-${name}`): Container => ({ name, image });

export function podOf({ policy = "Always", init = [], sidecars = [], regular = ["a"] }: Spec): Pod {
  return {
    metadata: { name: "p", namespace: "n", uid: "u" },
    spec: {
      restartPolicy: policy,
      initContainers: [
        ...sidecars.map((name) => ({ ...containerOf(name), restartPolicy: "Always" })),
        ...init.map((name) => containerOf(name)),
      ],
      containers: regular.map((name) => containerOf(name)),
    },
  };
}

/**
 * A node with one pod, and the sync loop around the reader's plan: observe, plan, apply, until the
 * plan is empty. What the loop does is noted: `start a#0`.
 */
export class Node {
  pod: Pod;
  ended = false;
  #order = 0;
  #notes: string[] = [];
  readonly #health = new Map<string, ContainerHealth>();
  readonly #observed: ObservedPod = {
    uid: "u", name: "p", namespace: "n", sandboxes: [], containers: [],
  };

  constructor(pod: Pod) {
    this.pod = pod;
  }

  /** Takes steps until there is nothing to do; returns what they did. */
  settle(): string[] {
    this.#notes = [];
    for (let step = 0; step < STEPS_MAX; step++) {
      const plan = planPod({
        pod: this.pod,
        observed: this.#observed,
        health: ({ id }) => this.#health.get(id) ?? { started: true, failed: undefined },
      });
      const isEmpty = plan.kill.length === 0 && plan.start.length === 0;
      if (isEmpty && !plan.stop && plan.createSandbox === undefined) return this.#notes;
      this.#apply(plan);
      if (this.ended) return this.#notes;
    }
    return judge(false, {
      when: `the loop of ${STEPS_MAX} steps: ${this.#notes.join(", ")}`,
      happened: "the plan is never empty",
      expected: "a plan that is applied leads to a state in which there is nothing to do",
      why: "the kubelet would start and stop containers without end",
    });
  }

  /**
   * Something happens: `a!1` a ends with 1, `a?Liveness` its probe fails, `a+` its image is
   * changed, `a~` its state is unknown, `a-` the runtime no longer lists it, `sandbox!` the sandbox
   * dies.
   */
  happen(event: string): void {
    const [, name = "", kind = "", value = ""] = /^(\w+)([!?+~-])(\w*)$/.exec(event)!;
    if (name === "sandbox") return this.#end();
    const container = this.#observed.containers.find((one) => one.name === name)!;
    if (kind === "!") this.#exit(container, Number(value));
    if (kind === "?") {
      const failed = value as "Liveness" | "Startup";
      this.#health.set(container.id, { started: failed !== "Startup", failed });
    }
    if (kind === "+") this.#change(name);
    if (kind === "~") container.state = "unknown";
    if (kind === "-") {
      this.#observed.containers = this.#observed.containers.filter((one) => one !== container);
    }
  }

  /** The pod's template was changed: another image. */
  #change(name: string): void {
    const containers = this.pod.spec.containers!.map((one) => {
      return one.name === name ? containerOf(name, "image-2") : one;
    });
    this.pod = { ...this.pod, spec: { ...this.pod.spec, containers } };
  }

  #apply({ stop, createSandbox, kill, start }: PodPlan): void {
    if (stop) {
      this.#notes.push("stop");
      this.#end();
      this.ended = createSandbox === undefined;
    }
    if (createSandbox !== undefined) {
      this.#notes.push(`sandbox ${createSandbox}`);
      this.#observed.sandboxes.unshift({
        id: `s${createSandbox}`, attempt: createSandbox, ready: true, hostNetwork: false,
        ips: ["10.1.0.2"], createdAt_ms: this.#order++,
      });
    }
    for (const { observed, cause } of kill) {
      this.#notes.push(`kill ${observed.name}: ${cause}`);
      this.#exit(observed, KILLED);
    }
    for (const { container, attempt } of start) {
      this.#notes.push(`start ${container.name}#${attempt}`);
      this.#start(container, attempt);
    }
  }

  #start(container: Container, attempt: number): void {
    const { name } = container;
    const order = this.#order++;
    const running = this.#observed.containers.some((one) => {
      return one.name === name && one.state === "running";
    });
    judge(!running, {
      when: `start ${name}#${attempt}`,
      happened: `${name} runs already`,
      expected: "at most one container of a name runs",
      why: "two copies of a database write to one volume",
    });
    this.#observed.containers.unshift({
      id: `${name}-${order}`, name, attempt, sandboxId: this.#observed.sandboxes[0]?.id ?? "none",
      state: "running", createdAt_ms: order, startedAt_ms: order, finishedAt_ms: 0, exitCode: 0,
      reason: "", message: "", image: "", imageRef: "", hash: containerHash(container),
      logPath: "", annotations: {}, recursiveReadOnly: [],
    });
  }

  #exit(container: ObservedContainer, exitCode: number): void {
    Object.assign(container, { state: "exited", exitCode, finishedAt_ms: this.#order++ });
  }

  #end(): void {
    for (const one of this.#observed.containers) {
      if (one.state === "running") this.#exit(one, KILLED);
    }
    for (const sandbox of this.#observed.sandboxes) sandbox.ready = false;
  }
}
