import type { CSIStorageCapacity } from "@raft2kube/api/gen/storage/v1.ts";
import {
  MIGRATED_PLUGINS,
  migratedPlugins,
} from "@raft2kube/client-kube/object/in-tree-volumes.ts";
import {
  CSI_DRIVERS,
  CSI_NODES,
  CSI_STORAGE_CAPACITIES,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  PODS,
  STORAGE_CLASSES,
} from "@raft2kube/client-kube/rest/resources.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import { claimRules } from "./claim-rules.ts";
import { type ControlPlane, startControlPlane } from "./control-plane.ts";
import { type HollowKubelet, startHollowKubelet } from "./hollow-kubelet.ts";
import { hasUpstreamManagers, startUpstreamManagers } from "./upstream-managers.ts";

const TIMEOUT_MS = 60_000;
const NAMESPACE = "default";
const DRIVER = "csi.example.com";
const SELECTED_NODE = "volume.kubernetes.io/selected-node";

const SCHEDULERS = {
  "our scheduler and volumes": { possible: true, start: () => startControlPlane() },
  "storage scheduling by kube-scheduler 1.36": {
    possible: hasUpstreamManagers(),
    start: () => startControlPlane({ startOthers: (others) => startUpstreamManagers(others) }),
  },
};

for (const [name, { possible, start }] of Object.entries(SCHEDULERS)) {
  describe.skipIf(!possible)(name, { timeout: 3 * TIMEOUT_MS }, () => {
    let plane: ControlPlane;
    let kubelets: HollowKubelet[] = [];
    const until = <T>(what: string, probe: () => Promise<T>) =>
      waitFor(what, probe, { timeout_ms: TIMEOUT_MS, interval_ms: 50 });

    beforeAll(async () => {
      plane = await start();
      kubelets = await Promise.all(["n1", "n2"].map((each) => startHollowKubelet(plane, each)));
    }, 4 * TIMEOUT_MS);
    afterAll(async () => {
      await Promise.all(kubelets.map((each) => each.close()));
      await plane.close();
    });

    const pods = () => plane.admin.resource(PODS);
    const claims = () => plane.admin.resource(PERSISTENT_VOLUME_CLAIMS);
    async function use(podName: string, storageClassName: string): Promise<void> {
      await claims().create({
        metadata: { namespace: NAMESPACE, name: podName },
        spec: {
          storageClassName,
          accessModes: ["ReadWriteOnce"],
          resources: { requests: { storage: "2Gi" } },
        },
      });
      await pods().create({
        metadata: { namespace: NAMESPACE, name: podName },
        spec: {
          containers: [{ name: "c", image: "web:1" }],
          volumes: [{ name: "data", persistentVolumeClaim: { claimName: podName } }],
        },
      });
    }
    const nodeOf = async (podName: string) =>
      (await pods().get({ namespace: NAMESPACE, name: podName })).spec.nodeName;
    const refusal = (podName: string, message: string) =>
      until(`the refusal of ${podName}: ${message}`, async () => {
        const { status } = await pods().get({ namespace: NAMESPACE, name: podName });
        const reason = status?.conditions?.find((each) => each.reason === "Unschedulable");
        // The rest of the message is about preemption.
        return reason?.message?.startsWith(`0/2 nodes are available: 2 node(s) ${message}. `);
      });

    it("selects a node where the driver has published enough capacity", async () => {
      const drivers = plane.admin.resource(CSI_DRIVERS);
      const capacities = plane.admin.resource(CSI_STORAGE_CAPACITIES);
      await drivers.create({ metadata: { name: DRIVER }, spec: { storageCapacity: true } });
      await plane.admin
        .resource(STORAGE_CLASSES)
        .create({
          metadata: { name: "tracked" },
          provisioner: DRIVER,
          volumeBindingMode: "WaitForFirstConsumer",
        });
      const publish = (node: string, capacity: string, more: Partial<CSIStorageCapacity> = {}) =>
        capacities.create({
          metadata: { namespace: NAMESPACE, generateName: "capacity-" },
          nodeTopology: { matchLabels: { "kubernetes.io/hostname": node } },
          storageClassName: "tracked",
          capacity,
          ...more,
        });
      await publish("n1", "1Gi");
      await publish("n2", "1Ti", { storageClassName: "another" });
      await publish("n2", "1Ti", { maximumVolumeSize: "1Gi" });
      await use("tracked", "tracked");
      await refusal("tracked", "did not have enough free storage");
      await publish("n2", "3Gi");
      const name = { namespace: NAMESPACE, name: "tracked" };
      const selected = await until(
        "the selected node",
        async () => (await claims().get(name)).metadata.annotations?.[SELECTED_NODE],
      );
      expect(selected).toBe("n2");
    });

    it("selects a node again when the provisioner has given up the first", async () => {
      const name = { namespace: NAMESPACE, name: "tracked" };
      const capacities = plane.admin.resource(CSI_STORAGE_CAPACITIES);
      await capacities.create({
        metadata: { namespace: NAMESPACE, name: "now-on-n1" },
        nodeTopology: { matchLabels: { "kubernetes.io/hostname": "n1" } },
        storageClassName: "tracked",
        capacity: "1Ti",
      });
      const { items } = await capacities.list({ namespace: NAMESPACE });
      for (const { metadata, capacity } of items) {
        if (capacity !== "3Gi") continue;
        await capacities.delete({ namespace: NAMESPACE, name: metadata.name ?? "" });
      }
      await claims().patch(name, "merge", { metadata: { annotations: { [SELECTED_NODE]: null } } });
      await until(
        "the other node",
        async () => (await claims().get(name)).metadata.annotations?.[SELECTED_NODE] === "n1",
      );
    });

    it("puts no more volumes on a node than its CSINode allows", async () => {
      const csiNodes = plane.admin.resource(CSI_NODES);
      const limited = "limited.example.com";
      for (const node of ["n1", "n2"]) {
        const driver = { name: limited, nodeID: node, topologyKeys: [], allocatable: { count: 1 } };
        const spec = { drivers: [driver] };
        await csiNodes.create({ metadata: { name: node }, spec });
      }
      const volumes = plane.admin.resource(PERSISTENT_VOLUMES);
      for (const volume of ["a", "b", "c"]) {
        await volumes.create({
          metadata: { name: volume },
          spec: {
            storageClassName: "limited",
            capacity: { storage: "2Gi" },
            accessModes: ["ReadWriteOnce"],
            persistentVolumeReclaimPolicy: "Retain",
            csi: { driver: limited, volumeHandle: volume },
          },
        });
      }
      await use("first", "limited");
      await use("second", "limited");
      const nodes = new Set<string | undefined>();
      for (const each of ["first", "second"]) {
        nodes.add(await until(`the node of ${each}`, () => nodeOf(each)));
      }
      expect(nodes).toEqual(new Set(["n1", "n2"]));
      await use("third", "limited");
      await refusal("third", "exceed max volume count");
      await pods().delete({ namespace: NAMESPACE, name: "first" });
      await until("the third to run", () => nodeOf("third"));
    });

    it("counts volumes of in-tree kinds as those of their driver", async () => {
      const csiNodes = plane.admin.resource(CSI_NODES);
      const driver = "ebs.csi.aws.com";
      for (const node of ["n1", "n2"]) {
        const csiNode = await csiNodes.get({ name: node });
        const annotations = { [MIGRATED_PLUGINS]: migratedPlugins() };
        const entry = { name: driver, nodeID: node, topologyKeys: [], allocatable: { count: 1 } };
        await csiNodes.update({
          ...csiNode,
          metadata: { ...csiNode.metadata, annotations },
          spec: { drivers: [...csiNode.spec.drivers, entry] },
        });
      }
      const withDisk = (name: string) =>
        pods().create({
          metadata: { namespace: NAMESPACE, name },
          spec: {
            containers: [{ name: "c", image: "web:1" }],
            volumes: [{ name: "disk", awsElasticBlockStore: { volumeID: `vol-${name}` } }],
          },
        });
      await withDisk("disk1");
      await withDisk("disk2");
      for (const each of ["disk1", "disk2"]) await until(`a node for ${each}`, () => nodeOf(each));
      await withDisk("disk3");
      await refusal("disk3", "exceed max volume count");
      await pods().delete({ namespace: NAMESPACE, name: "disk1" });
      await until("the third to run", () => nodeOf("disk3"));
    });

    claimRules(() => plane, until);
  });
}
