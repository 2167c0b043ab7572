import { describe, expect, it } from "vitest";
import {
  apiServiceFinding,
  clockFinding,
  deletionFinding,
  imageFinding,
  isPodWell,
  namespaceFinding,
  nodeFinding,
  webhookFinding,
} from "./objects.ts";

const NOW_MS = Date.parse("2026-01-01T12:00:00Z");
const minutesAgo = (minutes: number) => new Date(NOW_MS - minutes * 60_000).toISOString();

describe("a node", () => {
  const node = (type: string, status: string, spec = {}) =>
    nodeFinding({
      metadata: { name: "n" },
      spec,
      status: {
        conditions: [
          { type: "Ready", status: "True" },
          { type, status, message: "why" },
        ],
      },
    } as never);
  it.each([
    ["MemoryPressure", "False", {}, "ok"],
    ["DiskPressure", "True", {}, "failed"],
    ["NetworkUnavailable", "True", {}, "failed"],
    ["MemoryPressure", "False", { unschedulable: true }, "warning"],
  ])("%s %s %o: %s", (type, status, spec, state) => {
    expect(node(type, status, spec).state).toBe(state);
  });
  it("that is not Ready has its message and a remedy", () => {
    const conditions = [{ type: "Ready", status: "Unknown", message: "it stopped posting" }];
    const silent = { metadata: { name: "n" }, spec: {}, status: { conditions } };
    const finding = nodeFinding(silent as never);
    expect(finding).toMatchObject({ state: "failed", detail: "not Ready: it stopped posting" });
    expect(finding).toHaveProperty("remedy", expect.stringContaining("describe node n"));
  });
});

it("a clock may differ by what certificates are back-dated, and no further", () => {
  const clock = (minutes: number, isReady = true) =>
    clockFinding({ metadata: {}, spec: { renewTime: minutesAgo(minutes) } }, isReady, NOW_MS);
  for (const minutes of [1, 4, -4]) expect(clock(minutes).state).toBe("ok");
  expect(clock(-6)).toMatchObject({ state: "failed", detail: "is 360 s ahead of this machine's" });
  expect(clock(6)).toMatchObject({ state: "failed", detail: "is 360 s behind this machine's" });
  // One that is not Ready has not renewed it: its clock is unknown.
  expect(clock(6, false).state).toBe("ok");
});

it("an image that a pod's node lacks and cannot pull is named with the nodes that have it", () => {
  const node = (name: string, ...names: string[]) =>
    ({ metadata: { name }, status: { images: [{ names }] } }) as never;
  const pod = (reason: string, image: string) =>
    ({
      metadata: { name: "p", namespace: "a" },
      spec: { nodeName: "n1" },
      status: { containerStatuses: [{ image, state: { waiting: { reason } } }] },
    }) as never;
  const nodes = [node("n1"), node("n2", "docker.io/library/own:1", "r2k.local/own:1")];
  expect(imageFinding(pod("ErrImageNeverPull", "r2k.local/own:1"), nodes)).toMatchObject({
    state: "failed",
    detail: "n1 lacks r2k.local/own:1, which it cannot pull; n2 has it",
  });
  expect(imageFinding(pod("ImagePullBackOff", "own:1"), nodes)).toHaveProperty("state", "failed");
  expect(imageFinding(pod("ImagePullBackOff", "other:1"), nodes)).toBeUndefined();
  expect(imageFinding(pod("CrashLoopBackOff", "own:1"), nodes)).toBeUndefined();
});

it("a deletion that takes more than five minutes is named with its finalizers", () => {
  const object = (minutes: number, name: string) => ({
    kind: "pods",
    metadata: { namespace: "a", name, deletionTimestamp: minutesAgo(minutes), finalizers: ["x/y"] },
  });
  const young = [object(4, "young"), { kind: "pods", metadata: {} }];
  expect(deletionFinding(young, NOW_MS).state).toBe("ok");
  const many = Array.from({ length: 7 }, (_, i) => object(6, `p${i}`));
  const finding = deletionFinding(many, NOW_MS);
  expect(finding.state).toBe("warning");
  expect(finding.detail).toMatch(/^7 wait .*pods a\/p0 \(finalizers x\/y\).*p4 \(.*\) and 2 more$/);
});

it("a namespace that is held up says by what", () => {
  const condition = (status: string) => {
    return { type: "NamespaceContentRemaining", status, message: "3 pods" };
  };
  const namespace = (status: string) =>
    namespaceFinding({
      metadata: { deletionTimestamp: minutesAgo(1) },
      status: { conditions: [condition(status)] },
    } as never);
  expect(namespace("False")).toMatchObject({ state: "ok" });
  expect(namespace("True")).toMatchObject({ state: "warning", detail: "3 pods" });
});

describe("webhooks", () => {
  const slice = (ready: boolean | undefined, namespace = "a") =>
    ({
      metadata: { namespace, labels: { "kubernetes.io/service-name": "s" } },
      endpoints: [{ addresses: ["10.0.0.1"], conditions: { ready } }],
    }) as never;
  const judge = (slices: never[], hook = {}) =>
    webhookFinding(
      "validating",
      {
        metadata: { name: "c" },
        webhooks: [
          { name: "w", clientConfig: { service: { namespace: "a", name: "s" } }, ...hook },
        ],
      } as never,
      slices,
    );
  it("of a Service with a ready endpoint are well, and those by URL are not judged", () => {
    expect(judge([slice(true)]).state).toBe("ok");
    expect(judge([slice(undefined)]).state).toBe("ok");
    expect(judge([], { clientConfig: { url: "https://elsewhere" } }).state).toBe("ok");
  });
  it("of a Service without one refuse requests, unless their failures are ignored", () => {
    expect(judge([slice(false)]).state).toBe("failed");
    expect(judge([slice(true, "other")])).toMatchObject({
      state: "failed",
      remedy: "start its pods, or: kubectl delete validating c",
    });
    expect(judge([], { failurePolicy: "Ignore" }).state).toBe("warning");
  });
});

it("an APIService is judged by its condition Available", () => {
  const service = (status: string) =>
    apiServiceFinding({
      metadata: { name: "v1.x" },
      status: { conditions: [{ type: "Available", status, message: "no endpoints" }] },
    });
  expect(service("True")).toBeUndefined();
  expect(service("False")).toMatchObject({ state: "failed", detail: "no endpoints" });
});

it("a pod is well when it is Ready, done, or on its way out", () => {
  const pod = (phase: string, ready: string, deletionTimestamp?: string) =>
    isPodWell({
      metadata: { deletionTimestamp },
      status: { phase, conditions: [{ type: "Ready", status: ready }] },
    } as never);
  expect(pod("Running", "True")).toBe(true);
  expect(pod("Succeeded", "False")).toBe(true);
  expect(pod("Running", "False", minutesAgo(1))).toBe(true);
  expect(pod("Running", "False")).toBe(false);
  expect(pod("Pending", "False")).toBe(false);
  expect(pod("Failed", "False")).toBe(false);
  // A node that was lost has not withdrawn it.
  expect(pod("Failed", "True")).toBe(false);
});
