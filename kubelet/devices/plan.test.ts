import { isExtendedResource } from "@raft2kube/api/core/v1/pod/validate-resources.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { describe, expect, it } from "vitest";
import { acceptPreference, deviceRequests, planDevices } from "./plan.ts";

describe("planDevices", () => {
  it("takes the devices of earlier init containers first, then free ones in order", () => {
    expect(planDevices(3, { reusable: ["d"], free: ["c", "a", "b"] })).toEqual({
      kind: "choose",
      must: ["d"],
      candidates: ["d", "a", "b", "c"],
      fallback: ["d", "a", "b"],
    });
  });

  it("reports how many devices are free when they are too few", () => {
    expect(planDevices(2, { reusable: [], free: ["a"] })).toEqual({ kind: "short", available: 1 });
  });
});

describe("acceptPreference", () => {
  const plan = planDevices(2, { reusable: ["m"], free: ["a", "b"] });
  if (plan.kind !== "choose") throw new Error("expected a choice");

  it("follows the plugin", () => {
    expect(acceptPreference(["m", "b"], plan)).toEqual(["m", "b"]);
  });

  it.each([[[]], [["m"]], [["a", "b"]], [["m", "x"]], [["m", "m"]], [["m", "a", "b"]]])(
    "ignores %j: wrong number, unknown, doubled, or without what must be included",
    (preferred: string[]) => expect(acceptPreference(preferred, plan)).toEqual(["m", "a"]),
  );
});

describe("deviceRequests", () => {
  it("reads limits of device resources alone, init containers first, sidecars keep theirs", () => {
    const container = (name: string, limits: Record<string, string>, restartPolicy?: "Always") => ({
      name,
      resources: { limits },
      ...(restartPolicy ? { restartPolicy } : {}),
    });
    const pod: Pod = {
      metadata: {},
      spec: {
        initContainers: [
          container("init", { "r2k.dev/a": "2", cpu: "1" }),
          container("sidecar", { "r2k.dev/a": "1" }, "Always"),
        ],
        containers: [container("app", { "r2k.dev/a": "1", "other/x": "1", "r2k.dev/b": "0" })],
      },
    };
    const resource = "r2k.dev/a";
    expect(deviceRequests(pod, new Set([resource, "r2k.dev/b"]))).toEqual([
      { container: "init", resource, count: 2, passesOn: true },
      { container: "sidecar", resource, count: 1, passesOn: false },
      { container: "app", resource, count: 1, passesOn: false },
    ]);
  });
});

it("isExtendedResource: a domain of one's own and a name", () => {
  for (const good of ["r2k.dev/sample", "nvidia.com/gpu", "a/b"]) {
    expect(isExtendedResource(good), good).toBe(true);
  }
  for (const bad of ["cpu", "/x", "r2k.dev/", "kubernetes.io/x", "node.kubernetes.io/x"]) {
    expect(isExtendedResource(bad), bad).toBe(false);
  }
  for (const bad of ["requests.r2k.dev/x", "r2k.dev/../x", "UP.dev/x", "a/b/c"]) {
    expect(isExtendedResource(bad), bad).toBe(false);
  }
});
