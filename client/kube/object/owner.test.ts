import { describe, expect, test } from "vitest";
import type { KubeObject } from "./object.ts";
import { controllerOf, controllerReference, planClaim } from "./owner.ts";

const OWNER: KubeObject = { metadata: { name: "rs", uid: "u1" } };
const TYPE = { apiVersion: "apps/v1", kind: "ReplicaSet" };

function pod(name: string, options: { owner?: string; match?: boolean; leaving?: boolean }) {
  const { owner, match = true, leaving = false } = options;
  const metadata: KubeObject["metadata"] = { name, labels: { match: String(match) } };
  if (owner) metadata.ownerReferences = [{ ...TYPE, name: "rs", uid: owner, controller: true }];
  if (leaving) metadata.deletionTimestamp = "2026-01-01T00:00:00Z";
  return { metadata };
}

function claim(object: KubeObject, owner = OWNER): string {
  const plan = planClaim(owner, [object], (item) => item.metadata.labels?.["match"] === "true");
  for (const [name, objects] of Object.entries(plan)) if (objects.length > 0) return name;
  return "none";
}

describe("planClaim", () => {
  test.each([
    ["own and matching", pod("a", { owner: "u1" }), "owned"],
    ["own and matching, being deleted", pod("a", { owner: "u1", leaving: true }), "owned"],
    ["own, no more matching", pod("a", { owner: "u1", match: false }), "release"],
    ["own, not matching, deleted", pod("a", { owner: "u1", match: false, leaving: true }), "none"],
    ["another's, matching", pod("a", { owner: "u2" }), "none"],
    ["orphan, matching", pod("a", {}), "adopt"],
    ["orphan, matching, being deleted", pod("a", { leaving: true }), "none"],
    ["orphan, not matching", pod("a", { match: false }), "none"],
  ])("%s", (_name, object, expected) => {
    expect(claim(object)).toBe(expected);
  });

  test("a controller being deleted neither adopts nor releases", () => {
    const metadata = { ...OWNER.metadata, deletionTimestamp: "2026-01-01T00:00:00Z" };
    expect(claim(pod("a", {}), { metadata })).toBe("none");
    expect(claim(pod("a", { owner: "u1", match: false }), { metadata })).toBe("none");
    expect(claim(pod("a", { owner: "u1" }), { metadata })).toBe("owned");
  });
});

test("a reference made is the controller found", () => {
  const reference = controllerReference(OWNER, TYPE);
  expect(controllerOf({ metadata: { ownerReferences: [reference] } })).toEqual(reference);
  expect(reference.blockOwnerDeletion).toBe(true);
});
