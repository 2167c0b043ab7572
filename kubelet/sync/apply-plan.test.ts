import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { containerHash } from "../containers/container-hash.ts";
import type { ObservedContainer, ObservedPod } from "../cri/observed.ts";
import { type ApplyContext, type ApplyPorts, applyPlan } from "./apply-plan.ts";
import { planPod } from "./plan.ts";

test("a container that ends with 0 as its sandbox is replaced has not done its work", async () => {
  const [container, done] = [{ name: "main" }, { name: "done" }];
  const pod = {
    metadata: { name: "p", namespace: "n", uid: "u" },
    spec: {
      restartPolicy: "OnFailure",
      containers: [container, done],
      ephemeralContainers: [{ name: "shell" }],
    },
  } as unknown as Pod;
  const running = (name: string) =>
    ({ id: name, name, sandboxId: "s", attempt: 0, state: "running" }) as ObservedContainer;
  const ended: ObservedContainer[] = [
    { ...running("done"), state: "exited", exitCode: 0, hash: containerHash(done) },
  ];
  const observed: ObservedPod = {
    ...{ uid: "u", name: "p", namespace: "n", sandboxes: [] },
    containers: [...ended, running("main"), running("shell")],
  };
  const ports = {
    clock: new ManualClock(),
    events: { record: () => undefined },
    runtime: {
      runtime: {
        stopContainer: async ({ containerId }: { containerId: string }) => {
          const hash = containerHash(container);
          ended.push({ ...running(containerId), state: "exited", exitCode: 0, hash });
        },
      },
    },
  } as unknown as ApplyPorts;
  const restarting = new Set<string>();
  const { signal } = new AbortController();
  const context = { restarting, signal } as unknown as ApplyContext;
  const plan = { stop: true, createSandbox: undefined, kill: [], start: [] };
  await applyPlan(ports, pod, observed, plan, context);
  expect([...restarting]).toEqual(["main"]);
  const health = () => ({ started: true, failed: undefined });
  const after = planPod({ pod, observed: { ...observed, containers: ended }, health, restarting });
  expect(after.createSandbox).toBe(0);
});
