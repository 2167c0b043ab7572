import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { RETRY_MS_MAX } from "./limits.ts";
import { Resizer } from "./resize-loop.ts";

type Options = ConstructorParameters<typeof Resizer>[0];

test("a size that the node's driver refused is tried again later", async () => {
  const clock = new ManualClock();
  const looks: string[] = [];
  let updated: (claim: object, old: object) => void = () => {};
  const store = { get: (key: string) => void looks.push(key) };
  const handle = (handler: { updated: typeof updated }) => (updated = handler.updated);
  const informers = { ready: async () => {}, of: () => ({ handle, store }) };
  const resizer = new Resizer({ informers, clock, driver: {} } as unknown as Options);
  resizer.start();
  const claim = (storage: string) => ({
    metadata: { namespace: "n", name: "c" },
    spec: {},
    status: { allocatedResourceStatuses: { storage } },
  });
  updated(claim("NodeResizeInfeasible"), claim("NodeResizePending"));
  expect(looks).toEqual([]);
  clock.advance(RETRY_MS_MAX);
  await expect.poll(() => looks).toEqual(["n/c"]);
  await resizer.close();
});
