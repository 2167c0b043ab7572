import type { Container, Pod, RestartPolicy } from "@raft2kube/api/gen/core/v1.ts";
import { describe, expect, test } from "vitest";
import { containerHash } from "../containers/container-hash.ts";
import type { ObservedContainer, ObservedPod } from "../cri/observed.ts";
import type { ContainerHealth } from "../probes/probe-verdict.ts";
import { ownGrace } from "./apply-plan.ts";
import { planPod } from "./plan.ts";
import { type KillCause, restartsAfterKill } from "./plan-actions.ts";

type Spec = { policy?: RestartPolicy; init?: string[]; sidecars?: string[]; regular?: string[] };

const container = (name: string): Container => ({ name, image: `image-${name}` });

function podOf({ policy = "Always", init = [], sidecars = [], regular = ["a"] }: Spec): Pod {
  return {
    metadata: { name: "p", namespace: "n", uid: "u" },
    spec: {
      restartPolicy: policy,
      initContainers: init.map((name) => ({
        ...container(name),
        ...(sidecars.includes(name) ? { restartPolicy: "Always" } : {}),
      })),
      containers: regular.map(container),
    },
  };
}

let order = 0;
type State = ObservedContainer["state"];
function ran(name: string, state: State, more: Partial<ObservedContainer> = {}) {
  return {
    id: `${name}-${order++}`,
    name,
    sandboxId: "s0",
    attempt: 0,
    state,
    createdAt_ms: 1,
    startedAt_ms: 2,
    finishedAt_ms: state === "exited" ? 3 : 0,
    exitCode: 0,
    reason: "",
    message: "",
    image: "",
    imageRef: "",
    hash: containerHash(container(name)),
    logPath: "",
    annotations: {},
    recursiveReadOnly: [],
    ...more,
  } satisfies ObservedContainer;
}

function observedOf(containers: ObservedContainer[], sandbox: "ready" | "dead" | "none" = "ready") {
  const one = { id: "s0", attempt: 0, hostNetwork: false, ips: ["10.1.0.2"], createdAt_ms: 1 };
  return {
    uid: "u",
    name: "p",
    namespace: "n",
    containers,
    sandboxes: sandbox === "none" ? [] : [{ ...one, ready: sandbox === "ready" }],
  } satisfies ObservedPod;
}

const HEALTHY: ContainerHealth = { started: true, failed: undefined };

function plan(pod: Pod, observed: ObservedPod, health: Record<string, ContainerHealth> = {}) {
  const made = planPod({ pod, observed, health: (one) => health[one.name] ?? HEALTHY });
  return {
    stop: made.stop,
    createSandbox: made.createSandbox,
    start: made.start.map((one) => `${one.container.name}#${one.attempt}`),
    kill: made.kill.map((one) => one.observed.name),
  };
}

const REST = { stop: false, createSandbox: undefined, start: [], kill: [] };

describe("sandbox", () => {
  test("a new pod gets one first, and nothing else", () => {
    expect(plan(podOf({}), observedOf([], "none"))).toEqual({ ...REST, createSandbox: 0 });
  });

  test("a dead one is stopped and created again", () => {
    const made = plan(podOf({}), observedOf([ran("a", "exited")], "dead"));
    expect(made).toEqual({ ...REST, stop: true, createSandbox: 1 });
  });

  test.each<[string, ObservedContainer[], number | undefined]>([
    ["before any container", [], 1],
    ["after one was created", [ran("a", "created")], undefined],
  ])("with policy Never, %s, the next attempt is %s", (_, containers, createSandbox) => {
    const made = plan(podOf({ policy: "Never" }), observedOf(containers, "dead"));
    expect(made).toEqual({ ...REST, stop: true, createSandbox });
  });

  test.each<[RestartPolicy, number]>([
    ["Never", 1],
    ["Never", 0],
    ["OnFailure", 0],
  ])("with policy %s and exit code %i it stays dead", (policy, exitCode) => {
    const made = plan(podOf({ policy }), observedOf([ran("a", "exited", { exitCode })], "dead"));
    expect(made).toEqual({ ...REST, stop: true });
  });
});

describe("regular containers", () => {
  const two = podOf({ regular: ["a", "b"] });

  test("start together", () => {
    expect(plan(two, observedOf([])).start).toEqual(["a#0", "b#0"]);
  });

  test("running ones are left alone, after a kubelet restart too", () => {
    expect(plan(two, observedOf([ran("a", "running"), ran("b", "running")]))).toEqual(REST);
  });

  test("one that ended is started again, counted", () => {
    const made = plan(two, observedOf([ran("a", "exited", { attempt: 4 }), ran("b", "running")]));
    expect(made).toEqual({ ...REST, start: ["a#5"] });
  });

  test("a changed image kills first and starts on the next turn", () => {
    const made = plan(two, observedOf([ran("a", "running", { hash: "old" }), ran("b", "running")]));
    expect(made).toEqual({ ...REST, kill: ["a"] });
  });

  test("a failed liveness probe kills", () => {
    const health = { a: { started: true, failed: "Liveness" as const } };
    const made = plan(two, observedOf([ran("a", "running"), ran("b", "running")]), health);
    expect(made.kill).toEqual(["a"]);
  });

  test.each([
    ["the definition changed", { hash: "old" }, undefined, undefined],
    ["the liveness probe failed", {}, "Liveness", 5],
    ["the startup probe failed", {}, "Startup", 7],
  ] as const)("when %s the grace period is that cause's", (_cause, state, failed, grace_s) => {
    const name = "liveness-probe";
    const probed = {
      ...container(name),
      livenessProbe: { terminationGracePeriodSeconds: 5 },
      startupProbe: { terminationGracePeriodSeconds: 7 },
    };
    const pod = podOf({});
    pod.spec.containers = [probed];
    const hash = containerHash(probed);
    const { kill } = planPod({
      pod,
      observed: observedOf([ran(name, "running", { hash, ...state })]),
      health: () => ({ started: true, failed }),
    });
    expect(kill.map(ownGrace)).toEqual([grace_s]);
  });

  test.each<[RestartPolicy, number, string[]]>([
    ["OnFailure", 0, []],
    ["OnFailure", 1, ["a#1"]],
    ["Never", 1, []],
  ])("policy %s with exit code %i starts %j", (policy, exitCode, start) => {
    const pod = podOf({ policy, regular: ["a", "b"] });
    const observed = observedOf([ran("a", "exited", { exitCode }), ran("b", "running")]);
    expect(plan(pod, observed)).toEqual({ ...REST, start });
  });

  test("a resize stops a container only where its policy says so", () => {
    const pod = podOf({ policy: "OnFailure" });
    const before = { limits: { memory: "1Mi" } };
    const planned = (restartPolicy: string) => {
      pod.spec.containers[0]!.resources = { limits: { memory: "2Mi" } };
      pod.spec.containers[0]!.resizePolicy = [{ resourceName: "memory", restartPolicy }];
      const observed = observedOf([ran("a", "running")]);
      return planPod({ pod, observed, health: () => HEALTHY, resourcesBefore: () => before }).kill;
    };
    expect(planned("NotRequired")).toEqual([]);
    expect(planned("RestartContainer")).toMatchObject([
      { cause: "resize", message: "Container a resize requires restart" },
    ]);
  });

  test("a container that was stopped to be restarted starts, though it ended well", () => {
    const pod = podOf({ policy: "OnFailure" });
    const ended = ran("a", "exited");
    const input = { pod, observed: observedOf([ended]), health: () => HEALTHY };
    expect(planPod(input)).toMatchObject({ stop: true, start: [] });
    const { stop, start } = planPod({ ...input, restarting: new Set([ended.id]) });
    expect([stop, start.map(({ attempt }) => attempt)]).toEqual([false, [1]]);
  });

  test("one that was killed to be restarted gets a new sandbox", () => {
    const pod = podOf({ policy: "OnFailure" });
    const ended = ran("a", "exited");
    const input = { pod, observed: observedOf([ended], "dead"), health: () => HEALTHY };
    expect(planPod(input)).toMatchObject({ stop: true, createSandbox: undefined });
    const restarting = new Set([ended.id]);
    expect(planPod({ ...input, restarting })).toMatchObject({ stop: true, createSandbox: 1 });
  });

  test.each<[RestartPolicy, KillCause, boolean]>([
    ["Always", "liveness-probe", true],
    ["OnFailure", "liveness-probe", true],
    ["OnFailure", "startup-probe", true],
    ["Never", "liveness-probe", false],
    ["Never", "unknown-state", false],
    ["Never", "resize", true],
    ["Never", "definition-changed", true],
  ])("policy %s, killed for %s: started again, whatever the exit code: %s", (policy, cause, is) => {
    expect(restartsAfterKill(podOf({ policy }), cause)).toBe(is);
  });

  test("when all have ended for good the pod stops", () => {
    const pod = podOf({ policy: "Never" });
    expect(plan(pod, observedOf([ran("a", "exited")]))).toEqual({ ...REST, stop: true });
  });
});

describe("init containers", () => {
  const pod = podOf({ init: ["i", "j"] });

  test.each<[string, ObservedContainer[], string[]]>([
    ["the first starts alone", [], ["i#0"]],
    ["the second waits for a running first", [ran("i", "running")], []],
    ["the second follows", [ran("i", "exited")], ["j#0"]],
    ["a failed one is tried again", [ran("i", "exited", { exitCode: 1 })], ["i#1"]],
    ["the regular ones come last", [ran("j", "exited"), ran("i", "exited")], ["a#0"]],
    ["a done step may be forgotten", [ran("j", "exited")], ["a#0"]],
    ["they do not run again beside a regular one", [ran("a", "running")], []],
  ])("%s", (_, containers, start) => {
    expect(plan(pod, observedOf(containers))).toEqual({ ...REST, start });
  });

  test("a failure ends a pod that never restarts", () => {
    const never = podOf({ policy: "Never", init: ["i"] });
    const made = plan(never, observedOf([ran("i", "exited", { exitCode: 1 })]));
    expect(made).toEqual({ ...REST, stop: true });
  });

  test("in a new sandbox they run again", () => {
    const old = ["a", "i"].map((name) => ran(name, "exited", { sandboxId: "old" }));
    expect(plan(pod, observedOf(old)).start).toEqual(["i#1"]);
  });
});

describe("sidecars", () => {
  const pod = podOf({ init: ["s", "i"], sidecars: ["s"] });

  test("the next step waits until it has started", () => {
    const health = { s: { started: false, failed: undefined } };
    expect(plan(pod, observedOf([ran("s", "running")]), health)).toEqual(REST);
    expect(plan(pod, observedOf([ran("s", "running")])).start).toEqual(["i#0"]);
  });

  test("one that ended restarts beside running containers", () => {
    const containers = [ran("a", "running"), ran("i", "exited"), ran("s", "exited")];
    expect(plan(pod, observedOf(containers)).start).toEqual(["s#1"]);
  });

  test("it does not keep a finished pod alive", () => {
    const never = podOf({ policy: "Never", init: ["s"], sidecars: ["s"] });
    const containers = [ran("a", "exited"), ran("s", "running")];
    expect(plan(never, observedOf(containers))).toEqual({ ...REST, stop: true });
  });
});
