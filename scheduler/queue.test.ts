import type { Node } from "@raft2kube/api/gen/core/v1.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { describe, expect, test } from "vitest";
import { nodeUserNamespaces } from "./plugins/node-user-namespaces.ts";
import { resourcesFit } from "./plugins/resources-fit.ts";
import { taintToleration } from "./plugins/taint-toleration.ts";
import { type QueuedPod, SchedulingQueue } from "./queue.ts";
import { node, pod } from "./testing/objects.ts";
import { nodeEvents } from "./watch-cluster.ts";

function makeQueue() {
  const clock = new ManualClock();
  const queue = new SchedulingQueue({ clock, plugins: [resourcesFit, taintToleration] });
  return { clock, queue };
}

async function next(queue: SchedulingQueue): Promise<QueuedPod> {
  const queued = await queue.pop();
  if (!queued) throw new Error("the queue is closed");
  return queued;
}

describe("SchedulingQueue", () => {
  test("pops the highest priority first, then the earliest", async () => {
    const { clock, queue } = makeQueue();
    for (const [name, priority] of [
      ["a", 0],
      ["b", 10],
      ["c", 10],
      ["d", -1],
    ] as const) {
      queue.add(pod(name, { priority }));
      clock.advance(1);
    }
    const order = [];
    for (let i = 0; i < 4; i++) order.push((await next(queue)).pod.metadata.name);
    expect(order).toEqual(["b", "c", "a", "d"]);
  });

  test("of equal priority each namespace is popped in turn, and its own pods in order", async () => {
    const { clock, queue } = makeQueue();
    const add = (name: string, namespace: string) => {
      const { metadata, ...rest } = pod(name);
      queue.add({ ...rest, metadata: { ...metadata, namespace } });
      clock.advance(1);
    };
    const pop = async () => (await next(queue)).pod.metadata.name;
    for (const name of ["a1", "a2", "a3", "a4", "a5"]) add(name, "a");
    expect([await pop(), await pop()]).toEqual(["a1", "a2"]);
    for (const name of ["b1", "b2"]) add(name, "b");
    add("a6", "a");
    const order = [];
    while (queue.sizes().active > 0) order.push(await pop());
    expect(order).toEqual(["b1", "a3", "b2", "a4", "a5", "a6"]);
    // A namespace that adds one after each of its turns is not ahead of one that waits.
    for (const name of ["b1", "b2"]) add(name, "b");
    for (const name of ["a1", "a2", "a3"]) {
      add(name, "a");
      order.push(await pop());
    }
    expect(order.slice(6)).toEqual(["b1", "a1", "b2"]);
  });

  test("turns are those of one priority, and of pods that are still there", async () => {
    const { clock, queue } = makeQueue();
    const made = (name: string, namespace: string, priority = 0) => {
      const { metadata, ...rest } = pod(name, { priority });
      return { ...rest, metadata: { ...metadata, namespace } };
    };
    const add = (...given: Parameters<typeof made>) => {
      queue.add(made(...given));
      clock.advance(1);
    };
    const pop = async () => (await next(queue)).pod.metadata.name;
    const many = ["a1", "a2", "a3"];
    for (const name of many) add(name, "a");
    add("urgent", "a", 1);
    expect(await pop()).toBe("urgent");
    add("b1", "b");
    expect([await pop(), await pop()]).toEqual(["a1", "b1"]);
    for (const name of ["b2", "b3"]) add(name, "b");
    for (const name of many) queue.remove(made(name, "a"));
    add("a4", "a");
    expect([await pop(), await pop(), await pop()]).toEqual(["b2", "a4", "b3"]);
  });

  test("an unschedulable pod waits for an event of the plugin that rejected it", async () => {
    const { clock, queue } = makeQueue();
    queue.add(pod("a"));
    queue.addUnschedulable(await next(queue), new Set(["NodeResourcesFit"]));
    clock.advance(60_000);
    queue.moveAllToActiveOrBackoff("NodeTaintChange");
    expect(queue.sizes()).toEqual({ active: 0, backoff: 0, unschedulable: 1 });
    queue.moveAllToActiveOrBackoff("AssignedPodDelete");
    expect(queue.sizes()).toEqual({ active: 1, backoff: 0, unschedulable: 0 });
  });

  test("a pod without a node that has user namespaces waits for a runtime's report", async () => {
    const clock = new ManualClock();
    const queue = new SchedulingQueue({ clock, plugins: [nodeUserNamespaces] });
    queue.add(pod("a", { hostUsers: false }));
    queue.addUnschedulable(await next(queue), new Set([nodeUserNamespaces.name]));
    clock.advance(60_000);
    const before = node("n", { handlers: { "": false } });
    const updated = (after: Node) => {
      for (const event of nodeEvents(after, before)) queue.moveAllToActiveOrBackoff(event);
      return queue.sizes().active;
    };
    expect(updated(node("n", { handlers: { "": false }, cpu: "8" }))).toBe(0);
    expect(updated(node("n", { handlers: { "": true } }))).toBe(1);
  });

  test("the backoff doubles to ten seconds, and an event does not shorten it", async () => {
    const { clock, queue } = makeQueue();
    queue.add(pod("a"));
    const pauses_ms: number[] = [];
    for (let i = 0; i < 6; i++) {
      queue.addUnschedulable(await next(queue), new Set(["NodeResourcesFit"]));
      queue.moveAllToActiveOrBackoff("NodeAdd");
      const begun_ms = clock.now();
      while (queue.sizes().active === 0) clock.advance(100);
      pauses_ms.push(clock.now() - begun_ms);
    }
    expect(pauses_ms).toEqual([1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
  });

  test("an idle scheduler takes a pod before its pause is over, unless an error made it", async () => {
    const { clock, queue } = makeQueue();
    for (const name of ["a", "b", "broken"]) {
      queue.add(pod(name));
      clock.advance(1);
    }
    const [a, b, broken] = [await next(queue), await next(queue), await next(queue)];
    queue.addBackoff(broken);
    queue.addUnschedulable(a, new Set(["NodeResourcesFit"]));
    queue.moveAllToActiveOrBackoff("NodeAdd");
    expect(queue.sizes()).toEqual({ active: 0, backoff: 2, unschedulable: 0 });
    expect((await next(queue)).pod.metadata.name).toBe("a");
    const waiting = queue.pop();
    queue.addUnschedulable(b, new Set(["NodeResourcesFit"]));
    queue.moveAllToActiveOrBackoff("NodeAdd");
    expect((await waiting)?.pod.metadata.name).toBe("b");
    expect(queue.sizes()).toEqual({ active: 0, backoff: 1, unschedulable: 0 });
    clock.advance(1_000);
    expect((await next(queue)).pod.metadata.name).toBe("broken");
  });

  test("an unschedulable pod is retried after five minutes without an event", async () => {
    const { clock, queue } = makeQueue();
    queue.add(pod("a"));
    queue.addUnschedulable(await next(queue), new Set(["NodeResourcesFit"]));
    const pass = async (by_ms: number) => {
      for (const end_ms = clock.monotonic() + by_ms; clock.monotonic() < end_ms; ) {
        clock.advance(1_000);
        await new Promise(setImmediate);
      }
    };
    await pass(299_000);
    expect(queue.sizes().unschedulable).toBe(1);
    await pass(61_000);
    expect(queue.sizes().active).toBe(1);
  });

  test("a removed pod is not popped from any queue", async () => {
    const { queue } = makeQueue();
    const gone = pod("a");
    queue.add(gone);
    queue.remove(gone);
    queue.add(pod("b"));
    expect((await next(queue)).pod.metadata.name).toBe("b");
    expect(queue.sizes()).toEqual({ active: 0, backoff: 0, unschedulable: 0 });
  });

  test("a changed pod is retried after its pause and keeps its number of attempts", async () => {
    const { clock, queue } = makeQueue();
    queue.add(pod("a"));
    queue.addUnschedulable(await next(queue), new Set(["NodeResourcesFit"]));
    queue.add(pod("a"));
    expect(queue.sizes()).toEqual({ active: 0, backoff: 1, unschedulable: 0 });
    clock.advance(1_000);
    expect(queue.sizes().active).toBe(1);
    const again = await next(queue);
    expect(again.attempts).toBe(1);
    queue.addUnschedulable(again, new Set(["NodeResourcesFit"]));
    clock.advance(1_999);
    queue.moveAllToActiveOrBackoff("NodeAdd");
    expect(queue.sizes().backoff).toBe(1);
  });

  test("close resolves a waiting pop", async () => {
    const { queue } = makeQueue();
    const waiting = queue.pop();
    queue.close();
    expect(await waiting).toBeUndefined();
  });
});
