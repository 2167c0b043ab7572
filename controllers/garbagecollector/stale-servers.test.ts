import { InformerCopy } from "@raft2kube/client-kube/informer/copy.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { waitFor } from "../../testing/wait.ts";
import type { ControllerContext } from "../context.ts";
import { DISCOVERY_MS } from "../limits.ts";
import { startGarbageCollector } from "./garbagecollector.ts";

const WIDGETS = {
  resource: "widgets",
  scope: "Namespaced",
  verbs: ["list", "watch", "delete"],
  responseKind: { kind: "Widget" },
};

test("objects of a server that does not answer are followed until their type is gone", async () => {
  const clock = new ManualClock();
  const answers = [
    [{ version: "v1", resources: [WIDGETS] }],
    [{ version: "v1", freshness: "Stale" }],
  ];
  let asked = 0;
  const request = ({ path }: { path: string }) => {
    if (path === "/api") return Promise.resolve({});
    return Promise.resolve({ items: [{ metadata: { name: "x.io" }, versions: answers[asked++] }] });
  };
  const droppedAt: number[] = [];
  const informers = {
    client: { request },
    metadataOf: () => Object.assign(new InformerCopy(), { synced: Promise.resolve() }),
    dropMetadata: () => Promise.resolve(droppedAt.push(asked)),
    closed: new Promise(() => {}),
  };
  const observer = { added() {}, taken() {}, done() {}, delayed() {} };
  const running = startGarbageCollector({
    clock,
    client: () => ({}),
    informers,
    metrics: { queues: { follow: () => observer } },
  } as unknown as ControllerContext);
  const look = () => {
    clock.advance(DISCOVERY_MS);
    return droppedAt.length > 0;
  };
  await waitFor("the type to be dropped", look, { interval_ms: 1 });
  expect(droppedAt).toEqual([3]);
  await running.close();
});
