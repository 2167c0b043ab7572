import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { expect, test } from "vitest";
import type { StartAction } from "./plan-actions.ts";
import { type StartContext, startContainer } from "./start-container.ts";

test.each([
  ["first start reads its ConfigMap and Secret afresh", 0, false],
  ["restart may have the last known ones", 1, true],
])("a container's %s", async (_, attempt, orLast) => {
  const read: unknown[] = [];
  const answer = async (_namespace: string, name: string, options: unknown) => {
    read.push([name, options]);
    if (name === "secret") throw new Error("no more than that");
    return { data: {} };
  };
  const container = {
    name: "c",
    envFrom: [{ configMapRef: { name: "map" } }, { secretRef: { name: "secret" } }],
  };
  const pod: Pod = {
    metadata: { name: "p", namespace: "n", uid: "u" },
    spec: { containers: [container], hostNetwork: true, enableServiceLinks: false },
  };
  const ports = {
    allocations: { actuate: async () => undefined },
    events: { record: () => undefined },
    images: { ensure: async () => ({ imageRef: "i" }) },
    objects: { configMap: answer, secret: answer, services: async () => [] },
    node: { hostIPs: [], allocatable: () => ({}) },
  };
  const context = { ports, pod, volumes: new Map(), podIPs: [] } as unknown as StartContext;
  const action: StartAction = { kind: "regular", container, attempt, after: undefined };
  await expect(startContainer(context, action)).rejects.toMatchObject({
    reason: "CreateContainerConfigError",
  });
  expect(read).toEqual([
    ["map", { orLast }],
    ["secret", { orLast }],
  ]);
});
