import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { suiteFolder } from "../../testing/folders.ts";
import { waitFor } from "../../testing/wait.ts";
import type { ObservedPod } from "../cri/observed.ts";
import { POD_TURN_MS, POD_TURNS_MIN } from "../limits.ts";
import { PodTurns } from "./pod-turns.ts";
import { startSandbox } from "./start-sandbox.ts";
import { stopPod } from "./stop-pod.ts";

const podOf = (namespace: string, name: string) =>
  ({
    metadata: { namespace, name, uid: name },
    spec: { hostNetwork: true, containers: [] },
  }) as Pod;
const dir = suiteFolder("r2k-turns-");
const settled = () => new Promise<void>((resolve) => void setImmediate(resolve));

const real = { timeout_ms: 5_000 };
const start = (ports: object, pod: Pod, signal = new AbortController().signal) =>
  startSandbox(ports as Parameters<typeof startSandbox>[0], pod, 0, signal);

/** A runtime whose calls wait until they are let go, in the order of their start. */
function slowRuntime() {
  const paths = { rootDir: dir, podLogsDir: dir };
  const clock = new ManualClock();
  const begun: string[] = [];
  const going: (() => void)[] = [];
  const call = async (name: string) => {
    begun.push(name);
    await new Promise<void>((resolve) => going.push(resolve));
  };
  const ports = {
    clock,
    turns: new PodTurns(clock, 1),
    runtime: {
      runtime: {
        runPodSandbox: ({ config }: { config: { metadata: { name: string } } }) =>
          call(config.metadata.name),
        stopPodSandbox: ({ podSandboxId }: { podSandboxId: string }) => call(podSandboxId),
      },
    },
    events: { record: () => undefined },
    users: { allocate: async () => undefined },
    objects: {},
    paths,
    sandboxNode: {
      paths,
      cgroupRoot: "/",
      clusterDns: { servers: [], domain: "" },
      hostResolver: { servers: [], searches: [], options: [] },
      seccomp: { root: "", byDefault: false },
      users: { of: () => undefined },
    },
  };
  return { clock, begun, going, ports };
}

function stopped(ports: object, pod: Pod): void {
  const { name = "", namespace = "" } = pod.metadata;
  const observed: ObservedPod = {
    uid: name,
    name,
    namespace,
    sandboxes: [{ id: name, ips: [] as string[] }] as ObservedPod["sandboxes"],
    containers: [],
  };
  void stopPod(ports as Parameters<typeof stopPod>[0], pod, observed, { grace_s: 0 });
}

test("of the pods that start or end, some are worked on at a time, and namespaces take turns", async () => {
  const { begun, going, ports } = slowRuntime();
  const many = 3 * POD_TURNS_MIN;
  for (let at = 0; at < many; at++) stopped(ports, podOf("many", `many-${at}`));
  await settled();
  expect(begun).toHaveLength(POD_TURNS_MIN);
  stopped(ports, podOf("other", "other-0"));
  stopped(ports, podOf("other", "other-1"));
  await settled();
  for (let at = 0; at < 4; at++) {
    going[at]!();
    await settled();
  }
  expect(begun.slice(POD_TURNS_MIN).toSorted()).toEqual([
    `many-${POD_TURNS_MIN}`,
    `many-${POD_TURNS_MIN + 1}`,
    "other-0",
    "other-1",
  ]);
});

test("work that takes longer than its turn goes on, and the next starts beside it", async () => {
  const { clock, begun, going, ports } = slowRuntime();
  for (let at = 0; at < POD_TURNS_MIN; at++) stopped(ports, podOf("hangs", `hangs-${at}`));
  await settled();
  const other = podOf("other", "other");
  const started = start(ports, other);
  clock.advance(POD_TURN_MS);
  await Promise.race([started, waitFor("its turn", () => begun.includes("other"), real)]);
  going.at(-1)!();
  await started;
});

test("a pod that is deleted while it waits for its turn is not started", async () => {
  const { begun, going, ports } = slowRuntime();
  for (let at = 0; at < POD_TURNS_MIN; at++) stopped(ports, podOf("many", `many-${at}`));
  await settled();
  const deleted = new AbortController();
  const started = start(ports, podOf("other", "deleted"), deleted.signal);
  deleted.abort(new Error("deleted"));
  going[0]!();
  await expect(started).rejects.toThrow("deleted");
  expect(begun).not.toContain("deleted");
});

test("work settles for its caller as it did", async () => {
  const turns = new PodTurns(new ManualClock());
  expect(await turns.run(podOf("n", "p"), async () => 7)).toBe(7);
  const failing = turns.run(podOf("n", "p"), () => Promise.reject(new Error("no")));
  await expect(failing).rejects.toThrow("no");
});
