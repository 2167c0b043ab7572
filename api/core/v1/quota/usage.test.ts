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
