import type { Node, Taint } from "@raft2kube/api/gen/core/v1.ts";
import { KubeError } from "@raft2kube/client-kube/errors.ts";
import type { KubeRequest } from "@raft2kube/client-kube/rest/request.ts";
import { expect, test } from "vitest";
import { waitFor } from "../../testing/wait.ts";
import { EVICTION_PAUSE_MS, NODE_GRACE_MS, NODE_STARTUP_GRACE_MS } from "../limits.ts";
import { loopContext } from "../testing/loop-context.ts";
import { podOf } from "../testing/objects.ts";
import { startNodeLifecycle } from "./nodelifecycle.ts";

test("a pod whose status cannot be written keeps neither others nor the node's taints", async () => {
  const nodeOf = (name: string, status: string): Node => ({
    metadata: { name, uid: name },
    spec: {},
    status: { conditions: [{ type: "Ready", status }] },
  });
  const nodes = [nodeOf("silent", "Unknown"), nodeOf("well", "True")];
  const pods = ["held", "free"].map((name) => podOf(name, { node: "silent", readyFor_s: 1 }));
  const marked: string[] = [];
  const tainted: string[] = [];
  const answer = ({ method, path, body }: KubeRequest) => {
    const name = path.split("/").find((part) => ["held", "free", "silent"].includes(part));
    if (name === "held") throw new KubeError({ code: 403 });
    if (name === "free") marked.push(name);
    if (name === "silent" && method === "PATCH") {
      const { taints } = (body as { spec: { taints: Taint[] } }).spec;
      tainted.push(...taints.map(({ effect = "" }) => effect));
    }
    return {};
  };
  const { context, clock } = loopContext({ nodes, pods }, answer);
  const running = startNodeLifecycle(context);
  const look = () => {
    clock.advance(NODE_GRACE_MS);
    return marked.length > 0 && tainted.length > 0;
  };
  await waitFor("the pod and the node", look, { interval_ms: 1 });
  expect(tainted.slice(0, 2)).toEqual(["NoSchedule", "NoExecute"]);
  await running.close();
});

test("a node that falls silent is noticed in time, although its taints cannot be written", async () => {
  const well: Node = {
    metadata: { name: "well", uid: "well" },
    spec: { taints: [{ key: "node.kubernetes.io/not-ready", effect: "NoExecute" }] },
    status: { conditions: [{ type: "Ready", status: "True" }] },
  };
  const written: number[] = [];
  let refused = 0;
  const { context, clock } = loopContext({ nodes: [well] }, ({ method, path }) => {
    if (path.endsWith("/status")) written.push(clock.monotonic() - start_ms);
    if (method !== "PATCH") return {};
    refused++;
    throw new KubeError({ code: 403 });
  });
  // Failures have their longest pause by then.
  const grace_ms = 110_000;
  const settings = { ...context.settings, nodeMonitorGracePeriod_ms: grace_ms };
  const start_ms = clock.monotonic();
  const running = startNodeLifecycle({ ...context, settings });
  const look = () => {
    clock.advance(1_000);
    return written.length > 0;
  };
  await waitFor("its status", look, { interval_ms: 1 });
  expect(refused).toBeGreaterThan(5);
  expect(written[0]).toBeLessThan(grace_ms + 15_000);
  await running.close();
});

test("a node that never reported has longer", async () => {
  const nodes: Node[] = [{ metadata: { name: "new", uid: "new" }, spec: {} }];
  const written: number[] = [];
  const { context, clock } = loopContext({ nodes }, ({ path }) => {
    if (path.endsWith("/status")) written.push(clock.monotonic() - start_ms);
    return {};
  });
  const start_ms = clock.monotonic();
  const running = startNodeLifecycle(context);
  const look = () => {
    clock.advance(5_000);
    return written.length > 0;
  };
  await waitFor("its status", look, { interval_ms: 1 });
  expect(written[0]).toBeGreaterThanOrEqual(NODE_STARTUP_GRACE_MS);
  await running.close();
});

test("the nodes of a zone are evicted one after another", async () => {
  const nodes = ["a", "b", "c", "d"].map((name, at) => ({
    metadata: { name, uid: name },
    spec: {},
    status: { conditions: [{ type: "Ready", status: at < 2 ? "Unknown" : "True" }] },
  }));
  const evicted: [string, number][] = [];
  const { context, clock, copies } = loopContext({ nodes }, ({ method, path, body }) => {
    if (method !== "PATCH") return {};
    const node = copies.get("nodes")!.store.get(path.split("/").at(-1)!) as Node;
    const { taints } = (body as { spec: { taints: Taint[] } }).spec;
    copies.get("nodes")!.apply({ type: "MODIFIED", object: { ...node, spec: { taints } } as Node });
    if (!taints.some(({ effect }) => effect === "NoExecute")) return {};
    return evicted.push([node.metadata.name!, clock.monotonic()]);
  });
  const running = startNodeLifecycle(context);
  const look = () => {
    clock.advance(1_000);
    return evicted.length > 1;
  };
  await waitFor("two nodes", look, { interval_ms: 1 });
  const [[, first_ms], [, second_ms]] = evicted as [[string, number], [string, number]];
  expect(second_ms - first_ms).toBeGreaterThanOrEqual(EVICTION_PAUSE_MS);
  await running.close();
});

test("events report the nodes that come and go", async () => {
  const node = (name: string): Node => ({ metadata: { name, uid: name }, spec: {} });
  const { context, copies, events } = loopContext({ nodes: [node("a")] }, () => ({}));
  const running = startNodeLifecycle(context);
  copies.get("nodes")?.replace([node("b")]);
  await running.close();
  expect(events.map(({ about, reason, message }) => [about, reason, message])).toEqual([
    ["a", "RegisteredNode", "Node a event: Registered Node a in Controller"],
    ["b", "RegisteredNode", "Node b event: Registered Node b in Controller"],
    ["a", "RemovingNode", "Node a event: Removing Node a from Controller"],
  ]);
});
