import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import type { Container, Pod } from "@raft2kube/api/gen/core/v1.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, onTestFinished, test } from "vitest";
import type { ObservedContainer, ObservedPod } from "../cri/observed.ts";
import { type ApplyContext, type ApplyPorts, applyPlan } from "./apply-plan.ts";
import type { PodPlan } from "./plan-actions.ts";
import { PodTurns } from "./pod-turns.ts";
import { type StopPorts, stopContainer, stopPod } from "./stop-pod.ts";

const preStop = { exec: { command: ["true"] } };
const hooked = (name: string): Container => ({ name, lifecycle: { preStop } });
const sidecar = (name: string): Container => ({ ...hooked(name), restartPolicy: "Always" });
const running = (name: string) => ({ id: name, name, state: "running" }) as ObservedContainer;

const pod: Pod = {
  metadata: { name: "p", namespace: "n", uid: "u" },
  spec: {
    initContainers: [sidecar("first"), sidecar("second")],
    containers: [hooked("main"), { name: "other" }],
    ephemeralContainers: [{ name: "shell" }],
  },
} as Pod;

/** A runtime whose hooks and stops are noted, and hang where `hung` says so. */
function portsOf(hung: (note: string) => boolean = () => false) {
  const clock = new ManualClock();
  const notes: string[] = [];
  const note = async (text: string) => {
    notes.push(text);
    if (hung(text)) await new Promise(() => {});
  };
  const ports = {
    clock,
    turns: new PodTurns(clock),
    events: { record: () => undefined },
    node: { hostIPs: [] },
    runtime: {
      runtime: {
        execSync: async ({ containerId }: { containerId: string }) => {
          await note(`preStop ${containerId}`);
          return { exitCode: 0 };
        },
        stopContainer: ({ containerId, timeout }: { containerId: string; timeout: number }) =>
          note(`stop ${containerId} ${timeout}`),
        stopPodSandbox: () => note("stop sandbox"),
      },
    },
  } as unknown as StopPorts;
  return { ports, clock, notes };
}

function observedOf(...names: string[]): ObservedPod {
  const sandboxes = [{ id: "s", ips: [] as string[] }] as ObservedPod["sandboxes"];
  return { uid: "u", name: "p", namespace: "n", sandboxes, containers: names.map(running) };
}

const settled = () => new Promise<void>((resolve) => void setImmediate(resolve));

test("the preStop hooks of sidecars run with the others', their stops follow in reverse order", async () => {
  const { ports, notes } = portsOf();
  await stopPod(ports, pod, observedOf("first", "second", "main", "other"), { grace_s: 30 });
  expect(notes.slice(0, 3).toSorted()).toEqual(["preStop first", "preStop main", "preStop second"]);
  expect(notes.slice(-3)).toEqual(["stop second 30", "stop first 30", "stop sandbox"]);
  expect(notes).toHaveLength(8);
});

test("a hook of a pod without a status, as of a file, asks at the address of its sandbox", async () => {
  let asked = 0;
  const server = createServer((_, response) => void (asked++, response.end()));
  onTestFinished(() => void server.close());
  server.listen(0, "127.0.0.2");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const lifecycle = { preStop: { httpGet: { port } } };
  const ofFile: Pod = { ...pod, spec: { containers: [{ name: "main", lifecycle }] } };
  const ports = { ...portsOf().ports, node: { hostIPs: ["127.0.0.1"] } } as unknown as ApplyPorts;
  const observed = { ...observedOf("main"), sandboxes: [] as ObservedPod["sandboxes"] };
  const sandboxes = [{ id: "s", ips: ["127.0.0.2"] }] as ObservedPod["sandboxes"];
  await stopPod(ports, ofFile, { ...observed, sandboxes }, { grace_s: 30 });
  const [container] = ofFile.spec.containers;
  const kill = [{ cause: "liveness-probe", container, observed: running("main"), message: "" }];
  const plan = { stop: false, createSandbox: undefined, kill, start: [] } as unknown as PodPlan;
  const { signal } = new AbortController();
  const context = { podIPs: ["127.0.0.2"], restarting: new Set(), signal };
  await applyPlan(ports, ofFile, observed, plan, context as unknown as ApplyContext);
  ports.node.hostIPs[0] = "127.0.0.2"; // that of a pod with the node's network
  const ofNode = { ...ofFile, spec: { ...ofFile.spec, hostNetwork: true } };
  await stopPod(ports, ofNode, observed, { grace_s: 30 });
  expect(asked).toBe(3);
  // Another's hook does not lead to its node, whose own requests pass where a pod's do not.
  await stopPod(ports, ofFile, observed, { grace_s: 30 });
  expect(asked).toBe(3);
});

test("a pod whose sandbox could not be stopped has not been", async () => {
  const { ports } = portsOf((note) => {
    if (note === "stop sandbox") throw new Error("busy");
    return false;
  });
  await expect(stopPod(ports, pod, observedOf("main"), { grace_s: 30 })).rejects.toThrow("busy");
});

test("a sidecar gets SIGTERM before SIGKILL when the others have used up the grace period", async () => {
  const { ports, clock, notes } = portsOf((note) => note === "stop main 10");
  void stopPod(ports, pod, observedOf("second", "main"), { grace_s: 10 });
  await settled();
  expect(notes).not.toContain("stop second 10");
  clock.advance(10_000);
  await settled();
  expect(notes.at(-1)).toBe("stop second 2");
});

test("a sidecar waits for the sidecars after it, and no longer than the grace period", async () => {
  const { ports, clock, notes } = portsOf((note) => note === "stop second 10");
  void stopPod(ports, pod, observedOf("first", "second", "main"), { grace_s: 10 });
  await settled();
  expect(notes).toContain("stop second 10");
  expect(notes).not.toContain("stop first 10");
  clock.advance(10_000);
  await settled();
  expect(notes.at(-1)).toBe("stop first 2");
});

test("a sidecar does not wait for ephemeral containers", async () => {
  const { ports, notes } = portsOf((note) => note === "stop shell 10");
  void stopPod(ports, pod, observedOf("second", "shell"), { grace_s: 10 });
  await settled();
  expect(notes).toContain("stop second 10");
});

test.each([0, 1])(
  "a grace period of %i s leaves two between SIGTERM and SIGKILL",
  async (grace_s) => {
    const { ports, notes } = portsOf();
    await stopContainer(ports, pod, running("other"), "", { grace_s });
    expect(notes).toEqual(["stop other 2"]);
  },
);

test("a stop that waits for its turn ends when a shorter grace period is ordered", async () => {
  const { ports, notes } = portsOf((note) => note === "stop main 10");
  const shorter = new AbortController();
  const turn = new Promise(() => {});
  const options = { grace_s: 10, signal: shorter.signal, turn };
  const stopping = stopContainer(ports, pod, running("second"), "", options);
  await settled();
  shorter.abort();
  await expect(stopping).rejects.toThrow();
  expect(notes).toEqual(["preStop second"]);
});
