import { mkdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { leaseOn } from "../../testing/lease.ts";
import { hostsFile, podDir } from "../pods/pod-paths.ts";
import type { StartAction } from "./plan-actions.ts";
import { type StartContext, startContainer } from "./start-container.ts";
import { writeHostsFile } from "./start-sandbox.ts";

test.each([
  ["first start reads its ConfigMap and Secret afresh", 0, [], false],
  ["restart too, or has the last known ones", 1, [], true],
  ["start after another container's, too", 0, [{}], true],
])("a container's %s", async (_, attempt, containers, orLast) => {
  const read: unknown[] = [];
  const answer = async (_namespace: string, name: string, options: unknown) => {
    read.push([name, options]);
    if (name === "secret") throw new Error("no more than that");
    return { data: {} };
  };
  const container = {
    name: "c",
    envFrom: [{ configMapRef: { name: "map" } }, { secretRef: { name: "secret" } }],
  };
  const pod: Pod = {
    metadata: { name: "p", namespace: "n", uid: "u" },
    spec: { containers: [container], hostNetwork: true, enableServiceLinks: false },
  };
  const clock = new ManualClock();
  const ports = {
    clock,
    allocations: { actuate: async () => undefined },
    events: { record: () => undefined },
    images: { ensure: async () => ({ imageRef: "i" }) },
    objects: { configMap: answer, secret: answer, services: async () => [] },
    node: { hostIPs: [], allocatable: () => ({}) },
  };
  const { signal } = new AbortController();
  const rest = { observed: { containers }, volumes: new Map(), podIPs: [] };
  const context = { ports, pod, signal, ...rest } as unknown as StartContext;
  const action: StartAction = { kind: "regular", container, attempt, after: undefined };
  await expect(startContainer(context, action)).rejects.toMatchObject({
    reason: "CreateContainerConfigError",
  });
  const options = { orLast, since_ms: clock.monotonic() };
  expect(read).toEqual([
    ["map", options],
    ["secret", options],
  ]);
});

test("the network is told whether a container ran in this sandbox before", async () => {
  const asked: unknown[] = [];
  const container = { name: "c" };
  const ports = {
    allocations: { actuate: async () => undefined },
    events: { record: () => undefined },
    images: { ensure: async () => ({ imageRef: "i" }) },
    admitNetwork(_pod: Pod, address: string, hasRun: boolean) {
      asked.push([address, hasRun]);
      return Promise.reject(new Error("no more than that"));
    },
  };
  const pod: Pod = { metadata: { name: "p", uid: "u" }, spec: { containers: [container] } };
  for (const sandboxId of ["former", "now"]) {
    const observed = { containers: [{ name: "other", sandboxId }] };
    const context = { ports, pod, observed, sandbox: { id: "now" }, podIPs: ["10.0.0.1"] };
    const { signal } = new AbortController();
    const shared = { ...context, signal, volumes: new Map() } as unknown as StartContext;
    const action: StartAction = { kind: "regular", container, attempt: 0, after: undefined };
    await expect(startContainer(shared, action)).rejects.toMatchObject({
      reason: "NetworkNotReady",
    });
  }
  expect(asked).toEqual([
    ["10.0.0.1", false],
    ["10.0.0.1", true],
  ]);
});

test("a hosts file that a container made large is written over", async () => {
  const rootDir = testFolder("r2k-hosts-");
  const paths = { rootDir, podLogsDir: rootDir, containerLogsDir: undefined };
  const pod: Pod = { metadata: { name: "p", namespace: "n", uid: "u" }, spec: { containers: [] } };
  mkdirSync(podDir(paths, "u"), { recursive: true });
  const file = hostsFile(paths, "u");
  writeFileSync(file, "");
  truncateSync(file, 2 ** 30);
  const sandboxNode = { clusterDns: { servers: [], domain: "cluster.local" } };
  const write = () => writeHostsFile({ paths, sandboxNode }, pod, ["10.0.0.1"]);
  await write();
  expect(readFileSync(file, "utf8")).toContain("10.0.0.1");
  // Nor is a lease waited for that a container has on it.
  using _ = leaseOn(file);
  await expect(write()).rejects.toThrow("EAGAIN");
});
