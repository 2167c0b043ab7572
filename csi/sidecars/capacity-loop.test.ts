import { KubeError } from "@raft2kube/client-kube/errors.ts";
import { NODES } from "@raft2kube/client-kube/rest/resources.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { CapacityPublishing } from "./capacity-loop.ts";
import { NODE_LOOK_MS, RETRY_MS } from "./limits.ts";

type Options = ConstructorParameters<typeof CapacityPublishing>[0];

test("a class that the driver refuses keeps its object, and others have theirs", async () => {
  const written: object[] = [];
  const metadata = {
    labels: { "csi.storage.k8s.io/drivername": "driver", "csi.storage.k8s.io/managed-by": "one" },
  };
  const known = { metadata, storageClassName: "wrong", capacity: "1Gi", nodeTopology: {} };
  const client = {
    resource: (type: object) =>
      type === NODES
        ? { get: async () => ({ metadata: { name: "one", uid: "u" } }) }
        : {
            list: async () => ({ items: [known] }),
            create: (made: object) => void written.push(made),
            update: (made: object) => void written.push(made),
            delete: (name: object) => void written.push(name),
          },
  };
  const classOf = (name: string, kind: string) => ({
    metadata: { name },
    provisioner: "driver",
    parameters: { kind },
  });
  const classes = [classOf("wrong", "?"), classOf("right", "fast"), classOf("lied", "negative")];
  const informers = { of: () => ({ handle: () => {}, store: { list: () => classes } }) };
  const getCapacity = async ({ parameters: { kind } }: { parameters: { kind: string } }) => {
    if (kind === "?") throw new RpcError(Status.INVALID_ARGUMENT, "kind ? is not known");
    return { availableCapacity: kind === "fast" ? 2 ** 30 : -1 };
  };
  const driver = { name: "driver", topology: {}, controller: { getCapacity } };
  const options = { client, informers, driver, clock: new ManualClock(), nodeName: "one" };
  const publishing = new CapacityPublishing(options as unknown as Options, "kube-system");
  publishing.start();
  await expect.poll(() => written).toHaveLength(2);
  await publishing.close();
  expect(written).toMatchObject([
    { storageClassName: "right", capacity: "1Gi" },
    { storageClassName: "lied", capacity: "0" },
  ]);
});

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
  const publishing = new CapacityPublishing(options as unknown as Options, "kube-system");
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
