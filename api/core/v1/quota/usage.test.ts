import { expect, test } from "vitest";
import type { Pod, PodStatus } from "../../../gen/core/v1.ts";
import { usageOf } from "./usage.ts";

const PODS = { group: "", plural: "pods" };

interface Amount {
  cpu: string;
}

interface Shape {
  wants: Amount;
  has?: Amount;
  allocated?: Amount;
  condition?: string;
}

function pod({ wants, has, allocated, condition }: Shape): Pod {
  const status: PodStatus = {
    phase: "Running",
    ...(has && {
      containerStatuses: [
        {
          ...{ name: "c", ready: true, restartCount: 0, image: "", imageID: "" },
          resources: { requests: { ...has }, limits: { ...has } },
          ...(allocated && { allocatedResources: { ...allocated } }),
        },
      ],
    }),
    ...(condition && {
      conditions: [{ type: "PodResizePending", status: "True" as const, reason: condition }],
    }),
  };
  const resources = { requests: { ...wants }, limits: { ...wants } };
  return { metadata: { name: "p" }, spec: { containers: [{ name: "c", resources }] }, status };
}

// Facts of upstream's TestPodRequestsAndLimits with UseStatusResources.
test.each<[string, Shape, string, string]>([
  ["no status", { wants: { cpu: "2" } }, "2", "2"],
  ["a larger wish", { wants: { cpu: "2" }, has: { cpu: "1" } }, "2", "2"],
  ["a smaller wish", { wants: { cpu: "1" }, has: { cpu: "2" } }, "2", "2"],
  [
    "a larger allocation",
    { wants: { cpu: "1" }, has: { cpu: "1" }, allocated: { cpu: "3" } },
    "3",
    "1",
  ],
  [
    "a wish that waits",
    { wants: { cpu: "4" }, has: { cpu: "1" }, condition: "Deferred" },
    "4",
    "4",
  ],
  [
    "a wish that cannot be",
    { wants: { cpu: "4" }, has: { cpu: "1" }, allocated: { cpu: "2" }, condition: "Infeasible" },
    "2",
    "1",
  ],
])("of a pod with %s the quota counts %j", (_name, shape, requests, limits) => {
  const usage = usageOf(PODS, pod(shape));
  expect([usage["requests.cpu"], usage["cpu"], usage["limits.cpu"]]).toEqual([
    requests,
    requests,
    limits,
  ]);
});

test("of init containers sidecars alone are resized", () => {
  const init = (name: string, restartPolicy?: "Always") => ({
    name,
    ...(restartPolicy && { restartPolicy }),
    resources: { requests: { cpu: "1" } },
  });
  const has = (name: string) => ({
    ...{ name, ready: true, restartCount: 0, image: "", imageID: "" },
    resources: { requests: { cpu: "5" } },
  });
  const resized: Pod = {
    metadata: { name: "p" },
    spec: { containers: [], initContainers: [init("once"), init("beside", "Always")] },
    status: { initContainerStatuses: [has("once"), has("beside")] },
  };
  const usage = usageOf(PODS, resized);
  expect(usage["requests.cpu"]).toBe("5");
});

test("an init container costs its own names, not those of the sidecars before it", () => {
  const names = Array.from({ length: 20 }, (_, i) => `example.com/n${i}`);
  let read = 0;
  // A quantity that counts how often it is read.
  const amount = { length: 1, toString: () => (read++, "1") } as unknown as string;
  const requests = Object.fromEntries(names.map((name) => [name, amount]));
  const sidecar = { name: "s", restartPolicy: "Always" as const, resources: { requests } };
  const steps = Array.from({ length: 50 }, (_, i) => ({
    name: `i${i}`,
    resources: { requests: { cpu: i === 30 ? "2" : "1", "example.com/n7": "3" } },
  }));
  const spec = { containers: [{ name: "c" }], initContainers: [sidecar, ...steps, sidecar] };
  const usage = usageOf(PODS, { metadata: { name: "p" }, spec } as Pod);
  expect(usage).toMatchObject({
    "requests.cpu": "2",
    "requests.example.com/n6": "2",
    "requests.example.com/n7": "4",
  });
  expect(read).toBeLessThan(10 * names.length);
});
