import { expect, test } from "vitest";
import { orphanedStatus } from "./plan.ts";

test("a pod whose node is gone fails, as of the generation that was seen", () => {
  const pod = { metadata: { name: "p", generation: 4 }, spec: { containers: [] } };
  expect(orphanedStatus(pod, 0)).toEqual({
    phase: "Failed",
    conditions: [expect.objectContaining({
      type: "DisruptionTarget", status: "True", reason: "DeletionByPodGC", observedGeneration: 4,
    })],
  });
});
