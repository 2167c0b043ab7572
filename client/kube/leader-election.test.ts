import type { Lease } from "@raft2kube/api/gen/coordination/v1.ts";
import { describe, expect, test } from "vitest";
import { planElection } from "./leader-election.ts";

function lease(holderIdentity: string): Lease {
  return { metadata: { name: "l" }, spec: { holderIdentity, leaseDurationSeconds: 15 } };
}

describe("planElection", () => {
  test.each([
    ["no lease yet", undefined, 0, "create"],
    ["own lease", lease("me"), 0, "renew"],
    ["own lease, however old", lease("me"), 1_000_000, "renew"],
    ["released", lease(""), 0, "take"],
    ["another's, just changed", lease("other"), 0, "wait"],
    ["another's, almost old enough", lease("other"), 14_999, "wait"],
    ["another's, unchanged for its duration", lease("other"), 15_000, "take"],
  ])("%s", (_name, seen, unchanged_ms, step) => {
    expect(planElection(seen, "me", unchanged_ms)).toBe(step);
  });
});
