import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import { CSI_DRIVERS, CSI_NODES, NODES } from "@raft2kube/client-kube/rest/resources.ts";
import type { CsiDriver } from "@raft2kube/kubelet/plugins/csi-drivers.ts";
import { csiNodePublisher } from "@raft2kube/kubelet/plugins/csi-node-publisher.ts";
import { csiObjects } from "@raft2kube/kubelet/volumes/csi-objects.ts";
import { Node as NodeService } from "@raft2kube/proto/gen/csi.ts";
import { connectGrpc, client as rpcClient } from "@raft2kube/rpc/client.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { INT32_MAX } from "@raft2kube/std/limits.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startApiserverOnEtcd } from "../../../testing/apiserver/own-apiserver.ts";
import type { TestApiserver } from "../../../testing/apiserver/test-apiserver.ts";

/** The CSINode that a kubelet writes for its drivers, with a node's own permissions only. */
describe("CSINode and topology labels, as system:node:n1", () => {
  let api: TestApiserver;
  let admin: KubeClient;
  let kubelet: KubeClient;

  beforeAll(async () => {
    api = await startApiserverOnEtcd();
    const connect = async (user: string, group: string) => {
      const { cert, key } = await api.credentials(user, [group]);
      return new KubeClient({ server: api.server, ca: api.ca.cert, cert, key });
    };
    admin = await connect("admin", "system:masters");
    kubelet = await connect("system:node:n1", "system:nodes");
    await kubelet.resource(NODES).create({ metadata: { name: "n1" }, spec: {} });
  });
  afterAll(async () => {
    admin.close();
    kubelet.close();
    await api.close();
  });

  const driver = (name: string, topology: Record<string, string>): CsiDriver => ({
    name,
    endpoint: "/run/x.sock",
    nodeId: "node-id",
    topology,
    maxVolumes: 7,
    capabilities: new Set(),
    node: rpcClient(connectGrpc("unix:///run/x.sock"), NodeService),
  });
  const drivers = async () => {
    const { spec } = await admin.resource(CSI_NODES).get({ name: "n1" });
    return spec.drivers;
  };
  const entry = (name: string, topologyKeys: string[]) => ({
    name,
    nodeID: "node-id",
    topologyKeys,
    allocatable: { count: 7 },
  });

  it("adds drivers to the CSINode, labels the node, and takes drivers off again", async () => {
    const publisher = csiNodePublisher(kubelet, "n1");
    await publisher.added(driver("a.example", { "topology.a.example/node": "n1" }));
    await publisher.added(driver("a.example", { "topology.a.example/node": "n1" }));
    await publisher.added(driver("b.example", {}));
    const [a, b] = [entry("a.example", ["topology.a.example/node"]), entry("b.example", [])];
    expect(await drivers()).toEqual([a, b]);
    const node = await admin.resource(NODES).get({ name: "n1" });
    expect(node.metadata.labels).toMatchObject({ "topology.a.example/node": "n1" });
    await publisher.removed("a.example");
    expect(await drivers()).toEqual([b]);
  });

  it("a driver's limit that no int32 can be is the largest", async () => {
    const unlimited = { ...driver("e.example", {}), maxVolumes: 2 ** 63 };
    await csiNodePublisher(kubelet, "n1").added(unlimited);
    const found = (await drivers()).find(({ name }) => name === "e.example");
    expect(found?.allocatable?.count).toBe(INT32_MAX);
  });

  it("refuses a driver whose topology contradicts the node's labels", async () => {
    const publisher = csiNodePublisher(kubelet, "n1");
    await publisher.added(driver("c.example", { "zone.c.example": "one" }));
    const moved = publisher.added(driver("c.example", { "zone.c.example": "two" }));
    await expect(moved).rejects.toMatchObject({ code: "TopologyCollision" });
  });

  it("reads a CSIDriver as it is, or as it was a moment ago for a mounted volume", async () => {
    const objects = csiObjects(kubelet, systemClock());
    expect(await objects.csiDriver("d.example")).toBeUndefined();
    const metadata = { name: "d.example" };
    const spec = { attachRequired: false };
    const drivers = admin.resource(CSI_DRIVERS);
    await drivers.create({ metadata, spec });
    expect((await objects.csiDriver("d.example"))?.spec.attachRequired).toBe(false);
    await drivers.patch(metadata, "merge", { spec: { podInfoOnMount: true } });
    const podInfo = async (orCached: boolean) =>
      (await objects.csiDriver("d.example", { orCached }))?.spec.podInfoOnMount;
    expect([await podInfo(true), await podInfo(false), await podInfo(true)]).toEqual([
      false,
      true,
      true,
    ]);
  });
});
