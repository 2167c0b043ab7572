import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { ContainerState } from "@raft2kube/proto/gen/cri.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { NO_RESIZE } from "../allocation/resize-state.ts";
import { TERMINATION_FILE_ANNOTATION } from "../containers/container-config.ts";
import type { Runtime } from "../cri/runtime.ts";
import type { PodProbes } from "../probes/pod-probes.ts";
import { PodView } from "./pod-view.ts";

test("termination messages are kept as long as the runtime has their containers", async () => {
  const dir = testFolder("r2k-pod-view-");
  const file = join(dir, "message");
  const pod: Pod = {
    metadata: { name: "p", namespace: "n", uid: "u" },
    spec: { containers: [{ name: "main" }] },
  };
  let ids = ["c"];
  const status = {
    metadata: { name: "main", attempt: 0 },
    state: ContainerState.CONTAINER_EXITED,
    createdAt: 1n,
    startedAt: 1n,
    finishedAt: 2n,
    labels: {},
    annotations: { [TERMINATION_FILE_ANNOTATION]: file },
    mounts: [],
  };
  const runtime = {
    runtime: {
      listPodSandbox: async () => ({ items: [] }),
      listContainers: async () => ({ containers: ids.map((id) => ({ id, podSandboxId: "s" })) }),
      containerStatus: async ({ containerId: id }: { containerId: string }) => ({
        status: { ...status, id },
      }),
    },
  } as unknown as Runtime;
  const ports = {
    clock: new ManualClock(),
    runtime,
    runtimeName: "test",
    allocations: { before: () => undefined },
    node: { hostIPs: [] },
    paths: { rootDir: dir, podLogsDir: dir, containerLogsDir: undefined },
  };
  const probes = { ready: () => false, health: () => ({}) } as unknown as PodProbes;
  const view = new PodView(ports, probes, undefined);
  const none = { waiting: new Map(), restarting: new Set<string>() };
  const input = { verdict: undefined, ending: true, ended: true, ...none, resize: NO_RESIZE };
  const message = async () => {
    const observed = await view.observe(pod);
    const { containerStatuses } = view.statusOf(pod, observed, input);
    return containerStatuses?.[0]?.state?.terminated?.message;
  };
  writeFileSync(file, "first");
  expect(await message()).toBe("first");
  writeFileSync(file, "second");
  expect(await message()).toBe("first");
  ids = [];
  await view.observe(pod);
  ids = ["c"];
  expect(await message()).toBe("second");
});
