import { KubeError } from "@raft2kube/client-kube/errors.ts";
import { NODES } from "@raft2kube/client-kube/rest/resources.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { CapacityPublishing } from "./capacity-loop.ts";
import { NODE_LOOK_MS, RETRY_MS } from "./limits.ts";

test("space is published as soon as the node is registered, without a back-off", async () => {
  const clock = new ManualClock();
  const missing = new KubeError({ code: 404, reason: "NotFound", message: "no such node" });
  let looks = 0;
  const created: object[] = [];
  const client = {
    resource: (type: object) =>
      type === NODES
        ? {
            get: () =>
              ++looks < 3
                ? Promise.reject(missing)
                : Promise.resolve({ metadata: { name: "one", uid: "u" } }),
          }
        : {
            list: () => Promise.resolve({ items: [] }),
            create: (made: object) => void created.push(made),
          },
  };
  const named = { metadata: { name: "fast" }, provisioner: "driver" };
  const informers = { of: () => ({ handle: () => {}, store: { list: () => [named] } }) };
  const getCapacity = () => Promise.resolve({ availableCapacity: 2 ** 30 });
  const driver = { name: "driver", topology: {}, controller: { getCapacity } };
  const options = { client, informers, driver, clock, nodeName: "one" };
  const publishing = new CapacityPublishing(
    options as unknown as ConstructorParameters<typeof CapacityPublishing>[0],
    "kube-system",
  );
  publishing.start();
  const begun_ms = clock.monotonic();
  await expect
    .poll(
      () => {
        clock.advance(NODE_LOOK_MS / 4);
        return created;
      },
      { interval: 5 },
    )
    .toHaveLength(1);
  expect(clock.monotonic() - begun_ms).toBeLessThan(RETRY_MS);
  await publishing.close();
});
