import { readFileSync } from "node:fs";
import { join } from "node:path";
import type {
  Container,
  Pod,
  ResourceRequirements,
  RestartPolicy,
} from "@raft2kube/api/gen/core/v1.ts";
import { parse } from "yaml";
import { type Step, stepsOf } from "../../testing/script.ts";
import { containerHash } from "../containers/container-hash.ts";
import type { ObservedContainer, ObservedPod } from "../cri/observed.ts";
import { podRun, RUN_ANNOTATION } from "../cri/pod-run.ts";
import { containersOf, isRestartableInit } from "../pods/pod-identity.ts";
import type { ContainerHealth } from "../probes/probe-verdict.ts";
import { type PodPlan, restartsAfterKill, type StartAction } from "../sync/plan-actions.ts";
import { planRuns } from "../sync/plan-runs.ts";

/** A pod's containers; sidecars are init containers that keep running. */
export interface Spec {
  readonly policy?: RestartPolicy;
  readonly init?: readonly string[];
  readonly sidecars?: readonly string[];
  readonly regular?: readonly string[];
  /** Containers whose startup probe has not passed when they start to run. */
  readonly slow?: readonly string[];
  /** Containers with a rule that restarts all once they end with 42. */
  readonly restartsAll?: readonly string[];
}

/** A pod, events of its node, and the loop's actions until there is nothing to do, after each. */
export interface Transcript {
  readonly title: string;
  /** The reason for its rule. */
  readonly why: string;
  readonly spec: Spec;
  readonly steps: readonly Step[];
}

const TRANSCRIPTS = join(import.meta.dirname, "../sync/testdata/sync-loop.yaml");

export function syncLoopTranscripts(): Transcript[] {
  type Given = Omit<Transcript, "steps"> & { readonly steps: string };
  const given = parse(readFileSync(TRANSCRIPTS, "utf8")) as Given[];
  return given.map((each) => ({ ...each, steps: stepsOf(each.steps) }));
}

/** A plan that no kubelet may make, where `body` has planned. */
export interface Fault {
  readonly when: string;
  readonly happened: string;
  readonly expected: string;
  readonly why: string;
  readonly body?: string;
}

function throwFault({ when, happened, expected }: Fault): never {
  throw new Error(`${when}: ${happened}; expected: ${expected}`);
}

/** More steps than any of these pods needs until nothing is left to do. */
const STEPS_MAX = 20;
const KILLED = 137;
const SMALL = { limits: { memory: "64Mi" } };
const LARGE = { limits: { memory: "128Mi" } };
const RESTARTS = [{ resourceName: "memory", restartPolicy: "RestartContainer" }];

export const containerOf = (name: string, image = `image-${name}`): Container => ({ name, image });

const RESTARTS_ALL = {
  action: "RestartAllContainers",
  exitCodes: { operator: "In", values: [42] },
};

export function podOf(spec: Spec): Pod {
  const { policy = "Always", init = [], sidecars = [], regular = ["a"], restartsAll = [] } = spec;
  const containerIn = (name: string): Container => ({
    ...containerOf(name),
    ...(restartsAll.includes(name) && { restartPolicyRules: [RESTARTS_ALL] }),
  });
  return {
    metadata: { name: "p", namespace: "n", uid: "u" },
    spec: {
      restartPolicy: policy,
      initContainers: [
        ...sidecars.map((name) => ({ ...containerIn(name), restartPolicy: "Always" })),
        ...init.map(containerIn),
      ],
      containers: regular.map(containerIn),
    },
  };
}

/**
 * A node with one pod, and the sync loop around `planRuns`: observe, plan, apply, until the plan is
 * empty. Actions of the loop are noted: `start a#0`.
 */
export class Node {
  pod: Pod;
  readonly #fail: (fault: Fault) => never;
  ended = false;
  readonly #slow: ReadonlySet<string>;
  /** Resources that running containers have, and containers that were ended to get others. */
  readonly #resourcesBefore = new Map<string, ResourceRequirements>();
  readonly #restarting = new Set<string>();
  #diesWithKill = false;
  #order = 0;
  #notes: string[] = [];
  readonly #health = new Map<string, ContainerHealth>();
  readonly #observed: ObservedPod = {
    uid: "u",
    name: "p",
    namespace: "n",
    sandboxes: [],
    containers: [],
  };

  constructor(pod: Pod, slow: readonly string[] = [], fail = throwFault) {
    this.pod = pod;
    this.#slow = new Set(slow);
    this.#fail = fail;
  }

  /** Containers that the runtime lists, of each name the newest first. */
  get containers(): readonly ObservedContainer[] {
    return this.#observed.containers;
  }

  /** Takes steps until there is nothing to do; returns what they did. */
  settle(): string[] {
    this.#notes = [];
    for (let step = 0; step < STEPS_MAX; step++) {
      const plan = planRuns({
        pod: this.pod,
        observed: this.#observed,
        health: ({ id, name }) =>
          this.#health.get(id) ?? { started: !this.#slow.has(name), failed: undefined },
        resourcesBefore: (name) => this.#resourcesBefore.get(name),
        restarting: this.#restarting,
      });
      const isEmpty = plan.kill.length === 0 && plan.start.length === 0;
      if (isEmpty && !plan.stop && plan.createSandbox === undefined) return this.#notes;
      this.#apply(plan);
      if (this.ended) return this.#notes;
    }
    return this.#fail({
      when: `the loop of ${STEPS_MAX} steps: ${this.#notes.join(", ")}`,
      happened: "the plan is never empty",
      expected: "a plan that is applied leads to a state in which there is nothing to do",
      why: "the kubelet would start and stop containers without end",
    });
  }

  /**
   * Applies one event, or several together (`a!1 b!0`): `a!1` a ends with 1, `a?Liveness` its probe
   * fails, `a?Started` its startup probe passes, `a+` its image is changed, `a*` its resources are
   * changed and `a**` so that it must be restarted, `a~` its state is unknown, `a^` it was created
   * and not started, `a-` the runtime no longer lists it, `sandbox!` the sandbox dies, `sandbox-`
   * one was made and is dead, `sandbox~` it dies with the next kill, `gc` the runtime no longer
   * lists dead sandboxes, `e&` an ephemeral container is added.
   */
  happen(events: string): void {
    for (const event of events.split(" ")) {
      if (event === "gc") {
        this.#observed.sandboxes = this.#observed.sandboxes.filter(({ ready }) => ready);
        continue;
      }
      const [, name = "", kind = "", value = ""] = /^(\w+)([!?+~^&*-])(\w*|\*)$/.exec(event)!;
      if (name === "sandbox") this.#ofSandbox(kind);
      else if ("+*&".includes(kind)) this.#ofPod(name, kind, value);
      else this.#ofContainer(name, kind, value);
    }
  }

  #ofSandbox(kind: string): void {
    if (kind === "~") {
      this.#diesWithKill = true;
      return;
    }
    if (kind === "-") this.#sandbox(0);
    this.#end();
  }

  #ofPod(name: string, kind: string, value: string): void {
    if (kind === "&") {
      const ephemeralContainers = [containerOf(name)] as Pod["spec"]["ephemeralContainers"];
      this.#spec({ ephemeralContainers: ephemeralContainers! });
      return;
    }
    const resized = { resources: LARGE, ...(value === "*" ? { resizePolicy: RESTARTS } : {}) };
    if (kind === "*") this.#resourcesBefore.set(name, SMALL);
    const image = kind === "+" ? "image-2" : undefined;
    const changed = { ...containerOf(name, image), ...(kind === "*" ? resized : {}) };
    const of = (all: Container[] = []) =>
      all.map((one) => (one.name === name ? { ...one, ...changed } : one));
    const { containers, initContainers } = this.pod.spec;
    this.#spec({ containers: of(containers), initContainers: of(initContainers) });
  }

  #spec(changes: Partial<Pod["spec"]>): void {
    this.pod = { ...this.pod, spec: { ...this.pod.spec, ...changes } };
  }

  #ofContainer(name: string, kind: string, value: string): void {
    const container = this.#observed.containers.find((one) => one.name === name)!;
    if (kind === "!") this.#exit(container, Number(value));
    if (kind === "?") {
      const failed = value === "Started" ? undefined : (value as "Liveness" | "Startup");
      this.#health.set(container.id, { started: failed !== "Startup", failed });
    }
    // An exit code says something of a container that has exited, and of no other.
    if (kind === "~") Object.assign(container, { state: "unknown", exitCode: 255 });
    if (kind === "^") Object.assign(container, { state: "created", startedAt_ms: 0 });
    if (kind === "-") {
      this.#observed.containers = this.#observed.containers.filter((one) => one !== container);
    }
  }

  #apply({ stop, createSandbox, kill, start }: PodPlan): void {
    if (stop) {
      this.#notes.push("stop");
      this.#end();
      this.ended = createSandbox === undefined;
    }
    if (createSandbox !== undefined) {
      this.#notes.push(`sandbox ${createSandbox}`);
      this.#sandbox(createSandbox);
    }
    for (const { observed, container, cause, message } of kill) {
      const { name } = observed;
      this.#notes.push(`kill ${name}: ${cause}`);
      if (cause === "unknown-state") this.#mustSay(name, message);
      this.#must(!start.some(({ container }) => container.name === name), {
        when: `kill ${name}: ${cause}`,
        happened: `the same plan starts ${name}`,
        expected: "the next plan does, when the runtime shows that it has ended",
        why: "the exit code and the end, from which the back-off counts, are known only then",
        body: this.#planner(name),
      });
      if (restartsAfterKill(this.pod, container, cause)) this.#restarting.add(observed.id);
      // A program that handles SIGTERM ends with 0.
      this.#exit(observed, this.#diesWithKill ? 0 : KILLED);
    }
    if (this.#diesWithKill && kill.length > 0) {
      this.#diesWithKill = false;
      this.#end();
    }
    for (const action of start) {
      this.#notes.push(`start ${action.container.name}#${action.attempt}`);
      this.#start(action);
    }
  }

  #must(fine: boolean, fault: Fault): void {
    if (!fine) this.#fail(fault);
  }

  /** The body that starts and kills this container. */
  #planner(name: string): string {
    const init = this.pod.spec.initContainers?.find((one) => one.name === name);
    if (!init) return "planRegular";
    return isRestartableInit(init) ? "planSidecar" : "planStep";
  }

  #mustSay(name: string, message: string): void {
    const isInit = this.pod.spec.initContainers?.some((one) => one.name === name);
    const text = 'is in "unknown" state, try killing it before restart';
    const expected = `${isInit ? "Init container" : "Container"} ${text}`;
    this.#must(message === expected, {
      when: `the message of kill ${name}: unknown-state`,
      happened: JSON.stringify(message),
      expected: JSON.stringify(expected),
      why: "kubectl describe shows it as the event Killing, as upstream's kubelet words it",
      body: this.#planner(name),
    });
  }

  #sandbox(attempt: number): void {
    this.#observed.sandboxes.unshift({
      id: `s${attempt}`,
      attempt,
      ready: true,
      hostNetwork: false,
      ips: ["10.1.0.2"],
      createdAt_ms: this.#order++,
    });
  }

  #start({ container, attempt, kind, after }: StartAction): void {
    const { name } = container;
    const before = this.#observed.containers.find((one) => one.name === name);
    const isRight = containersOf(this.pod).some((one) => {
      return one.container === container && one.kind === kind;
    });
    this.#must(isRight && after === before, {
      when: `start ${name}#${attempt}`,
      happened: `kind ${kind}, after ${after?.id ?? "nothing"}`,
      expected: `the container's own kind, after ${before?.id ?? "nothing"}`,
      why: "the kind is in the log's path and the status; the back-off counts from the last end",
      body: this.#planner(name),
    });
    this.#resourcesBefore.delete(name);
    const order = this.#order++;
    const running = this.#observed.containers.some((one) => {
      return one.name === name && one.state === "running";
    });
    this.#must(!running, {
      when: `start ${name}#${attempt}`,
      happened: `${name} runs already`,
      expected: "at most one container of a name runs",
      why: "two copies of a database write to one volume",
      body: this.#planner(name),
    });
    this.#observed.containers.unshift({
      id: `${name}-${order}`,
      name,
      attempt,
      sandboxId: this.#observed.sandboxes[0]?.id ?? "none",
      state: "running",
      createdAt_ms: order,
      startedAt_ms: order,
      finishedAt_ms: 0,
      exitCode: 0,
      reason: "",
      message: "",
      image: "",
      imageRef: "",
      hash: containerHash(container),
      logPath: "",
      annotations: { [RUN_ANNOTATION]: String(podRun(this.pod, this.#observed).number) },
      recursiveReadOnly: [],
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
