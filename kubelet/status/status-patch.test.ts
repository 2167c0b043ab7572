import { expect, it } from "vitest";
import { statusPatch } from "./status-patch.ts";

it("drops what a condition said before: a reason that is past, a message that is past", () => {
  const conditions = [{ type: "Ready", status: "True" }];
  const patch = statusPatch("uid-1", { phase: "Running", conditions }) as {
    metadata: object;
    status: { conditions: object[]; phase: string; podIP: null };
  };
  expect(patch.metadata).toEqual({ uid: "uid-1" });
  expect(patch.status.conditions).toEqual([
    { type: "Ready", status: "True", reason: null, message: null },
  ]);
  expect(patch.status.podIP).toBeNull();
});

it("replaces lists of addresses instead of joining them", () => {
  const patch = statusPatch("uid-1", { podIPs: [{ ip: "10.244.0.9" }] }) as {
    status: { podIPs: object[] };
  };
  expect(patch.status.podIPs).toEqual([{ ip: "10.244.0.9" }, { $patch: "replace" }]);
});
