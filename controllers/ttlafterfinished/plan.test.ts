import type { Job } from "@raft2kube/api/gen/batch/v1.ts";
import { expect, test } from "vitest";
import { expiresAt_ms } from "./plan.ts";

const END = "2026-01-01T00:00:00Z";

function job(ttlSecondsAfterFinished: number | undefined, type: string, deleted = false): Job {
  return {
    metadata: { name: "j", ...(deleted && { deletionTimestamp: END }) },
    spec: { template: {}, ttlSecondsAfterFinished },
    status: { conditions: [{ type, status: "True", lastTransitionTime: END }] },
  };
}

test.each([
  ["a complete one", job(60, "Complete"), "2026-01-01T00:01:00Z"],
  ["a failed one, at once", job(0, "Failed"), END],
  ["one that still runs", job(0, "FailureTarget"), undefined],
  ["one that is kept", job(undefined, "Complete"), undefined],
  ["one that is being deleted", job(0, "Complete", true), undefined],
])("%s expires so long after its end", (_, of, at) => {
  expect(expiresAt_ms(of)).toBe(at === undefined ? undefined : Date.parse(at));
});
