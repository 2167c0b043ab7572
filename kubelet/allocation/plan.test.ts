import type { Container, Pod, ResourceRequirements } from "@raft2kube/api/gen/core/v1.ts";
import { describe, expect, test } from "vitest";
import { planResize, refuseLowering } from "./plan.ts";
import { resizeConditions, resizeMessage } from "./resize-state.ts";
import { POD } from "./resources.ts";
import { retryOrder } from "./retry-order.ts";

const MI = 2 ** 20;

function amounts(cpu: string, memory: string): ResourceRequirements {
  return { requests: { cpu, memory }, limits: { cpu, memory } };
}

function podOf(...containers: Partial<Container>[]): Pod {
  const named = containers.map((each, index) => ({ name: `c${index}`, ...each }));
  return { metadata: { name: "p", uid: "u", generation: 2 }, spec: { containers: named } };
}

function plan(pod: Pod, before: Record<string, ResourceRequirements>, running = ["c0", "c1"]) {
  return planResize(pod, new Set(running), (name) => before[name]);
}

describe("the plan of a resize", () => {
  const pod = podOf({ resources: amounts("200m", "64Mi") }, { resources: amounts("1", "64Mi") });

  test("updates the running containers that have other resources", () => {
    const made = plan(pod, { c0: amounts("100m", "128Mi") });
    expect(made.updates).toMatchObject([
      {
        name: "c0",
        limits: {
          cpuShares: 204,
          cpuQuota: 20_000,
          cpuPeriod: 100_000,
          memoryLimitInBytes: 64 * MI,
        },
      },
    ]);
    expect(made).toMatchObject({ inProgress: true, restarts: false });
    expect(made.podBefore).toMatchObject({ cpuLimit_milli: 1100, memoryLimit_bytes: 192 * MI });
    expect(made.podAfter).toMatchObject({ cpuLimit_milli: 1200, memoryLimit_bytes: 128 * MI });
  });

  test("leaves alone what does not run: it starts with what is allocated", () => {
    const made = plan(pod, { c0: amounts("100m", "128Mi") }, ["c1"]);
    expect(made).toMatchObject({ inProgress: false, updates: [], podBefore: made.podAfter });
  });

  test.each<[string, ResourceRequirements, boolean]>([
    ["cpu", amounts("100m", "64Mi"), false],
    ["memory", amounts("200m", "32Mi"), true],
  ])("restarts a container by the policy of the resource that changed: %s", (_, before, again) => {
    const made = plan(
      podOf({
        resources: amounts("200m", "64Mi"),
        resizePolicy: [
          { resourceName: "cpu", restartPolicy: "NotRequired" },
          { resourceName: "memory", restartPolicy: "RestartContainer" },
        ],
      }),
      { c0: before },
    );
    expect([made.restarts, made.updates.length]).toEqual([again, again ? 0 : 1]);
  });

  test("does not lift a quota that is not there", () => {
    const made = plan(podOf({ resources: { requests: { cpu: "200m" } } }), {
      c0: { requests: { cpu: "100m" } },
    });
    expect(made.updates.map(({ limits }) => limits)).toEqual([{ cpuShares: 204 }]);
  });

  test("needs no call of the runtime for a request of memory", () => {
    const made = plan(podOf({ resources: { requests: { memory: "2Mi" } } }), {
      c0: { requests: { memory: "1Mi" } },
    });
    expect(made.updates.map(({ limits }) => limits)).toEqual([{}]);
  });
});

describe("the plan of a resize of the pod itself", () => {
  const own = amounts("300m", "64Mi");
  const pod = podOf({ resources: amounts("100m", "16Mi") }, {});
  pod.spec.resources = own;

  test("updates containers that have their limits from it", () => {
    const inherited = { limits: { cpu: "200m", memory: "128Mi" } };
    const made = plan(pod, { [POD]: amounts("200m", "128Mi"), c1: inherited });
    expect(made).toMatchObject({
      inProgress: true,
      restarts: false,
      actuated: ["c1", POD],
      podBefore: { cpuLimit_milli: 200, memoryLimit_bytes: 128 * MI },
      podAfter: { cpuLimit_milli: 300, memoryLimit_bytes: 64 * MI },
    });
    expect(made.updates).toMatchObject([
      { name: "c1", limits: { cpuQuota: 30_000, memoryLimitInBytes: 64 * MI } },
    ]);
    const usage = { pod: MI, container: () => 65 * MI };
    expect(refuseLowering(made, usage)).toMatch(/^cannot decrease memory limits: .*"c1"/);
  });

  test("changes the pod's cgroup alone when its containers have limits", () => {
    const made = plan(pod, { [POD]: amounts("200m", "64Mi") }, []);
    expect(made).toMatchObject({ inProgress: true, updates: [], actuated: [POD] });
  });

  test("restarts a container with an inherited limit by its policy, before the pod shrinks", () => {
    const again = podOf({
      resizePolicy: [{ resourceName: "memory", restartPolicy: "RestartContainer" }],
    });
    again.spec.resources = own;
    const before = amounts("300m", "128Mi");
    const made = plan(again, { [POD]: before, c0: { limits: before.limits! } });
    expect(made).toMatchObject({ inProgress: true, restarts: true, actuated: [] });
  });
});

describe("a lower limit of memory", () => {
  const made = plan(podOf({ resources: amounts("1", "64Mi") }), { c0: amounts("1", "128Mi") });
  const refusal = (pod: number | undefined, container: number | undefined) =>
    refuseLowering(made, { pod, container: () => container });

  test("is set when less is used", () => {
    expect(refusal(MI, MI)).toBeUndefined();
  });

  test("is refused in upstream's words when as much is used, or the usage is unknown", () => {
    expect(refusal(64 * MI, 70 * MI)).toBe(
      "cannot decrease memory limits: [attempting to set pod memory limit (67108864) below " +
        'current usage (67108864), attempting to set container "c0" memory limit (67108864) below ' +
        "current usage (73400320)]",
    );
    expect(refusal(MI, undefined)).toBe(
      'cannot decrease memory limits: missing memory usage for container "c0"',
    );
  });

  test("is not checked when limits grow", () => {
    const grown = plan(podOf({ resources: amounts("1", "256Mi") }), { c0: amounts("1", "128Mi") });
    expect(refuseLowering(grown, { pod: undefined, container: () => undefined })).toBeUndefined();
  });
});

test("the conditions have the generation that they are about", () => {
  expect(
    resizeConditions({
      pending: { reason: "Deferred", message: "later", generation: 3 },
      inProgress: { generation: 2 },
    }),
  ).toEqual([
    {
      type: "PodResizePending",
      status: "True",
      reason: "Deferred",
      message: "later",
      observedGeneration: 3,
    },
    { type: "PodResizeInProgress", status: "True", observedGeneration: 2 },
  ]);
});

test("events show the resources as upstream does", () => {
  const pod = podOf({ resources: { requests: { memory: "1Mi", cpu: "1" }, limits: { cpu: "2" } } });
  expect(resizeMessage("Deferred", pod, 2, "full")).toBe(
    'Pod resize Deferred: {"containers":[{"name":"c0","resources":{"limits":{"cpu":"2"},' +
      '"requests":{"cpu":"1","memory":"1Mi"}}}],"generation":2,"error":"full"}',
  );
  expect(resizeMessage("started", podOf({}), 3)).toBe(
    'Pod resize started: {"containers":[{"name":"c0","resources":{}}],"generation":3}',
  );
});

test("deferred resizes are retried by priority, class and time", () => {
  type QosClass = "Burstable" | "Guaranteed";
  const deferred = (uid: string, since_ms: number, priority: number, qosClass: QosClass) => {
    const pod = { ...podOf({}), status: { qosClass } };
    return { uid, since_ms, pod: { ...pod, spec: { ...pod.spec, priority } } };
  };
  const order = retryOrder([
    deferred("young", 9, 0, "Burstable"),
    deferred("old", 1, 0, "Burstable"),
    deferred("guaranteed", 9, 0, "Guaranteed"),
    deferred("high", 9, 5, "Burstable"),
  ]);
  expect(order.map(({ uid }) => uid)).toEqual(["high", "guaranteed", "old", "young"]);
});
