import type { NodeStatus } from "@raft2kube/api/gen/core/v1.ts";
import type { EventRecorder } from "@raft2kube/client-kube/events/recorder.ts";
import type { InformerSet } from "@raft2kube/client-kube/informer/informer-set.ts";
import type { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { NODE_DEVICES_MS, NODE_RETRY_MS, NODE_START_LOOK_MS, NODE_START_MS } from "../limits.ts";
import { NodeReporter } from "./node-reporter.ts";

/** A reporter whose node is ready once `makeReady` was called, and how often it was looked at. */
async function registered() {
  const clock = new ManualClock();
  let [ready, looks] = ["False", 0];
  const shown: string[] = [];
  const object = { metadata: { name: "n1", uid: "u1" } };
  const resource = {
    create: async (made: object) => ({ ...made, ...object }),
    get: async () => object,
    update: async () => object,
    patch: async (_name: object, _type: string, { status }: { status: NodeStatus }) =>
      void shown.push(status.conditions![0]!.status),
  };
  const started = Promise.withResolvers<void>();
  const reporter = new NodeReporter({
    clock,
    lease_s: 40,
    client: { resource: () => resource } as unknown as KubeClient,
    informers: { of: () => ({ handle: () => undefined }) } as unknown as InformerSet,
    recorder: { record: () => undefined } as unknown as EventRecorder,
    description: { nodeName: "n1", hostname: "n1", labels: {}, taints: [] },
    async status() {
      looks++;
      return { conditions: [{ type: "Ready", status: ready as "True" | "False" }] };
    },
    mustReport: () => false,
    reported: () => undefined,
    onPodCidrs: async () => undefined,
    seen: () => undefined,
  });
  reporter.start(started.resolve);
  await started.promise;
  return { clock, reporter, shown, looks: () => looks, makeReady: () => (ready = "True") };
}

test("a new node that becomes ready shows it within a tenth of a second", async () => {
  const { clock, reporter, shown, looks, makeReady } = await registered();
  await expect.poll(looks).toBe(2);
  makeReady();
  const wait = () =>
    clock.monotonic() < NODE_RETRY_MS / 2 && clock.advance(NODE_START_LOOK_MS / 10);
  await expect.poll(() => (wait(), shown)).toEqual(["False", "True"]);
  await reporter.close();
});

test("a node that does not become ready is looked at once a second after its start", async () => {
  const { clock, reporter, looks } = await registered();
  await expect.poll(looks).toBe(2);
  clock.advance(NODE_START_MS);
  await expect.poll(looks).toBe(3);
  clock.advance(999);
  expect(looks()).toBe(3);
  await expect.poll(() => (clock.advance(1), looks())).toBeGreaterThan(3);
  await reporter.close();
});

test("devices that change without end have the node looked at now and then", async () => {
  const { clock, reporter, looks, makeReady } = await registered();
  await expect.poll(looks).toBe(2);
  makeReady();
  await expect.poll(() => (clock.advance(NODE_START_LOOK_MS), looks())).toBe(3);
  for (let changes = 0; changes < 10; changes++) {
    reporter.trigger(NODE_DEVICES_MS);
    clock.advance(NODE_DEVICES_MS / 10 - 1);
  }
  expect(looks()).toBe(3);
  await expect.poll(() => (clock.advance(1), looks())).toBe(4);
  await reporter.close();
});
