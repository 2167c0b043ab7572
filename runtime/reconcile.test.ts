import { mkdtempDisposableSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { expect, test } from "vitest";
import { CONTAINER_STATE, type ContainerRecord } from "./container/record.ts";
import { runtimePaths } from "./paths.ts";
import { reconcile } from "./reconcile.ts";
import { RecordTable } from "./record-table.ts";
import { SANDBOX_STATE, type SandboxRecord } from "./sandbox/record.ts";

test("variables and commands that an earlier version recorded stay on the disk, but for containers made by hand", async () => {
  using base = mkdtempDisposableSync(path.join(tmpdir(), "r2k-reconcile-"));
  const paths = runtimePaths(path.join(base.path, "root"), path.join(base.path, "state"));
  const tables = () => ({
    sandboxes: new RecordTable<SandboxRecord>("sandbox", SANDBOX_STATE, (id) => {
      return paths.sandbox(id).record;
    }),
    containers: new RecordTable<ContainerRecord>("container", CONTAINER_STATE, (id) => {
      return paths.container(id).record;
    }),
  });
  const config = { command: ["c"], args: ["a"], envs: [{ key: "A", value: "1" }], workingDir: "/" };
  const exit = { exitCode: 0, finishedAt_ms: 2, reason: "Completed", message: "" };
  const record = { sandboxId: "s", config, phase: { state: "exited", startedAt_ms: 1, exit } };
  const before = tables().containers;
  await before.load(paths.containers);
  await before.put({ ...record, id: "pod" } as unknown as ContainerRecord);
  await before.put({ ...record, id: "hand", extras: {} } as unknown as ContainerRecord);
  const runtime = { ...tables(), paths, network: { collect: async () => undefined } };
  await reconcile(runtime as unknown as Parameters<typeof reconcile>[0]);
  expect(runtime.containers.get("pod").config).toEqual({
    ...config,
    command: [],
    args: [],
    envs: [],
  });
  expect(runtime.containers.get("hand").config).toEqual(config);
});
