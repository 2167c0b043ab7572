import { describe, expect, it } from "vitest";
import { showsStatus, statusPatch } from "./status-patch.ts";

it("removes the old reason and message of a condition", () => {
  const conditions = [{ type: "Ready", status: "True" }];
  const patch = statusPatch("uid-1", { phase: "Running", conditions }) as {
    metadata: object;
    status: { conditions: object[]; phase: string; podIP: null };
  };
  expect(patch.metadata).toEqual({ uid: "uid-1" });
  expect(patch.status.conditions).toEqual([
    { type: "Ready", status: "True", reason: null, message: null },
    { type: "PodResizePending", $patch: "delete" },
    { type: "PodResizeInProgress", $patch: "delete" },
  ]);
  expect(patch.status.podIP).toBeNull();
});

it("replaces lists of addresses instead of joining them", () => {
  const patch = statusPatch("uid-1", { podIPs: [{ ip: "10.244.0.9" }] }) as {
    status: { podIPs: object[] };
  };
  expect(patch.status.podIPs).toEqual([{ ip: "10.244.0.9" }, { $patch: "replace" }]);
});

it("sends its own conditions, and none of others, which may have changed since they were read", () => {
  const own = ["Ready", "AllContainersRestarting"];
  const conditions = [...own, "example.com/gate"].map((type) => ({ type, status: "True" }));
  const { status } = statusPatch("uid-1", { conditions }) as {
    status: { conditions: { type: string }[] };
  };
  const sent = status.conditions.map(({ type }) => type);
  expect(sent).toEqual([...own, "PodResizePending", "PodResizeInProgress"]);
});

it("removes the conditions of a resize that has ended", () => {
  const conditions = [{ type: "PodResizeInProgress", status: "True" }];
  const { status } = statusPatch("uid-1", { conditions }) as { status: { conditions: object[] } };
  expect(status.conditions).toEqual([
    { type: "PodResizeInProgress", status: "True", reason: null, message: null },
    { type: "PodResizePending", $patch: "delete" },
  ]);
});

describe("whether an object has the reported status", () => {
  const reported = {
    phase: "Running" as const,
    conditions: [{ type: "Ready", status: "True", lastTransitionTime: "2026-01-01T00:00:00Z" }],
    podIPs: [{ ip: "10.244.0.9" }],
  };
  const others = { type: "example.com/gate", status: "False" };
  it.each<[string, object, boolean]>([
    ["just so", {}, true],
    ["another time", { conditions: [{ type: "Ready", status: "True" }] }, true],
    ["more conditions, of others", { conditions: [...reported.conditions, others] }, true],
    ["fields of others", { nominatedNodeName: "n" }, true],
    ["a condition turned", { conditions: [{ type: "Ready", status: "False" }] }, false],
    ["a reason added", { conditions: [{ ...reported.conditions[0], reason: "Why" }] }, false],
    ["a condition gone", { conditions: [] }, false],
    [
      "a resize that has ended",
      { conditions: [...reported.conditions, { type: "PodResizePending", status: "True" }] },
      false,
    ],
    ["another phase", { phase: "Failed" }, false],
    ["a field added", { message: "words" }, false],
    ["a field gone", { podIPs: undefined }, false],
  ])("%s", (_what, difference, shows) => {
    expect(showsStatus({ ...reported, ...difference }, reported)).toBe(shows);
  });
});
