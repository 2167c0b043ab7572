import type { Pod, RestartPolicy } from "@raft2kube/api/gen/core/v1.ts";
import { describe, expect, test } from "vitest";
import { containerHash } from "../containers/container-hash.ts";
import type { ObservedContainer, ObservedPod } from "../cri/observed.ts";
import { containerOf, Node, podOf, syncLoopTranscripts } from "../testing/sync-loop.ts";
import { ownGrace } from "./apply-plan.ts";
import { planPod } from "./plan.ts";
import { type KillCause, restartsAfterKill } from "./plan-actions.ts";

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
    hash: containerHash(containerOf(name)),
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

const HEALTHY = () => ({ started: true, failed: undefined });

function plan(pod: Pod, observed: ObservedPod) {
  const { stop, createSandbox, start, kill } = planPod({ pod, observed, health: HEALTHY });
  return {
    stop,
    createSandbox,
    start: start.map((one) => `${one.container.name}#${one.attempt}`),
    kill: kill.map((one) => one.observed.name),
  };
}

const REST = { stop: false, createSandbox: undefined, start: [], kill: [] };

describe("transcripts", () => {
  test.each(syncLoopTranscripts())("$title", ({ spec, steps }) => {
    const node = new Node(podOf(spec), spec.slow);
    const played = steps.map(({ event }) => {
      if (event !== "begin") node.happen(event);
      return { event, notes: node.settle() };
    });
    expect(played).toEqual(steps);
  });
});

describe("one plan", () => {
  test("of a new pod makes its sandbox, and nothing else", () => {
    expect(plan(podOf({}), observedOf([], "none"))).toEqual({ ...REST, createSandbox: 0 });
  });

  test("of a dead sandbox stops it and makes another, and nothing else", () => {
    const made = plan(podOf({}), observedOf([ran("a", "exited")], "dead"));
    expect(made).toEqual({ ...REST, stop: true, createSandbox: 1 });
  });

  test("passes an init container that the runtime has forgotten", () => {
    const pod = podOf({ init: ["i", "j"] });
    expect(plan(pod, observedOf([ran("j", "exited")]))).toEqual({ ...REST, start: ["a#0"] });
  });

  test("goes by the containers' own policies", () => {
    const pod = podOf({ policy: "Never", init: ["i"], regular: ["a", "b"] });
    for (const container of [pod.spec.initContainers![0]!, pod.spec.containers[0]!]) {
      container.restartPolicy = "OnFailure";
    }
    const init = ran("i", "exited", { exitCode: 1 });
    expect(plan(pod, observedOf([init]))).toEqual({ ...REST, start: ["i#1"] });
    const ended = ["a", "b"].map((name) => ran(name, "exited", { exitCode: 1 }));
    expect(plan(pod, observedOf(ended))).toEqual({ ...REST, start: ["a#1"] });
  });
});

test.each([
  ["the definition changed", { hash: "old" }, undefined, undefined],
  ["the liveness probe failed", {}, "Liveness", 5],
  ["the startup probe failed", {}, "Startup", 7],
] as const)("when %s the grace period is that cause's", (_cause, state, failed, grace_s) => {
  const name = "liveness-probe";
  const probed = {
    ...containerOf(name),
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

test("containers that are restarted with all of their pod have no grace period", () => {
  const [container, observed] = [containerOf("a"), ran("a", "running")];
  expect(ownGrace({ cause: "restart-all", container, observed, message: "" })).toBe(0);
});

test.each<[RestartPolicy, KillCause, boolean]>([
  ["Always", "liveness-probe", true],
  ["OnFailure", "liveness-probe", true],
  ["OnFailure", "startup-probe", true],
  ["Never", "liveness-probe", false],
  ["Never", "unknown-state", false],
  ["Never", "resize", true],
  ["Never", "definition-changed", true],
  ["Never", "restart-all", true],
])("policy %s, killed for %s: started again, whatever the exit code: %s", (policy, cause, is) => {
  expect(restartsAfterKill(podOf({ policy }), containerOf("a"), cause)).toBe(is);
});
