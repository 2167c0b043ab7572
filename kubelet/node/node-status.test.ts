import { describe, expect, test } from "vitest";
import { differs, type NodeStatusFacts, nodeStatus } from "./node-status.ts";

const FACTS: NodeStatusFacts = {
  addresses: [],
  port: 10250,
  resources: { capacity: { cpu: "2" }, allocatable: { cpu: "2" } },
  identity: {
    machineID: "",
    systemUUID: "",
    bootID: "",
    kernelVersion: "",
    osImage: "",
    architecture: "amd64",
  },
  runtimeVersion: "r2k://0.1",
  runtimeFeatures: {},
  kubeletVersion: "v1.36.0",
  notReady: "",
  pressure: { memory: false, disk: false, pid: false },
  images: [],
  previous: [],
  now_ms: 0,
};

const condition = (facts: NodeStatusFacts, type: string) =>
  nodeStatus(facts).conditions?.find((one) => one.type === type);

describe("node status", () => {
  test("a healthy node is ready and under no pressure", () => {
    expect(condition(FACTS, "Ready")).toMatchObject({ status: "True", reason: "KubeletReady" });
    expect(condition(FACTS, "DiskPressure")).toMatchObject({ status: "False" });
  });

  test("an unchanged condition keeps its transition time, a changed one gets a new one", () => {
    const previous = nodeStatus(FACTS).conditions ?? [];
    const later = { ...FACTS, previous, now_ms: 60_000 };
    expect(condition(later, "Ready")?.lastTransitionTime).toBe("1970-01-01T00:00:00Z");
    expect(condition({ ...later, notReady: "down" }, "Ready")).toMatchObject({
      status: "False",
      message: "down",
      lastTransitionTime: "1970-01-01T00:01:00Z",
    });
  });

  test("heartbeats alone are no difference", () => {
    const first = nodeStatus(FACTS);
    const previous = first.conditions ?? [];
    expect(differs(first, nodeStatus({ ...FACTS, previous, now_ms: 60_000 }))).toBe(false);
    const pressed = { ...FACTS, previous, pressure: { memory: true, disk: false, pid: false } };
    expect(differs(first, nodeStatus(pressed))).toBe(true);
  });
});
