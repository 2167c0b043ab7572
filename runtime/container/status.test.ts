import { expect, test } from "vitest";
import type { ContainerRecord } from "./record.ts";
import { containerStatus, statusesOf } from "./status.ts";

const recordOf = (id: string, sandboxId: string) =>
  ({
    id,
    sandboxId,
    createdAt_ms: 1,
    config: {
      metadata: { name: id },
      labels: {},
      annotations: { "io.kubernetes.container.terminationMessagePath": `/log/${id}` },
      mounts: [{ containerPath: "/x" }, { containerPath: "/log/a", hostPath: "/host" }],
    },
    phase: { state: "created" },
    image: {},
    user: {},
    stopSignal: "SIGTERM",
  }) as unknown as ContainerRecord;

test("the statuses that come with an event are those of its sandbox, with the mount of the message", () => {
  const records = [recordOf("a", "s"), recordOf("b", "other"), recordOf("c", "s")];
  const runtime = { containers: { values: () => records } };
  const statuses = statusesOf(runtime as unknown as Parameters<typeof statusesOf>[0], "s");
  expect(statuses.map(({ id, mounts }) => [id, mounts])).toEqual([
    ["a", [{ containerPath: "/log/a", hostPath: "/host" }]],
    ["c", []],
  ]);
  expect(containerStatus(records[0]!).mounts).toHaveLength(2);
});
