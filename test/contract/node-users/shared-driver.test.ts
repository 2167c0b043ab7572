import { join } from "node:path";
import { nodeUser } from "@raft2kube/api/node-users.ts";
import { undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import { STORAGE_PROVISIONER } from "@raft2kube/client-kube/object/volumes.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import {
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
} from "@raft2kube/client-kube/rest/resources.ts";
import { startProvisioner } from "@raft2kube/csi/sidecars/provisioner.ts";
import {
  Controller,
  Identity,
  ControllerServiceCapability_RPC_Type as Rpc,
  PluginCapability_Service_Type as Service,
} from "@raft2kube/proto/gen/csi.ts";
import { serve, serveGrpc } from "@raft2kube/rpc/server.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { expect, it } from "vitest";
import { testFolder } from "../../../testing/folders.ts";
import { waitFor } from "../../../testing/wait.ts";
import { clusterApiserver, NFS, NODES, type NodeName } from "./cluster-apiserver.ts";

const clock = systemClock();
const cluster = clusterApiserver();

/** A driver whose volumes every node reaches; its calls are recorded. */
function serveDriver(path: string, calls: string[]) {
  const capability = (type: number) => ({ rpc: { type } });
  return serveGrpc({
    listen: { path },
    services: [
      serve(Identity, {
        probe: () => ({}),
        getPluginInfo: () => ({ name: NFS, vendorVersion: "1" }),
        getPluginCapabilities: () => ({
          capabilities: [{ service: { type: Service.CONTROLLER_SERVICE } }],
        }),
      }),
      serve(Controller, {
        controllerGetCapabilities: () => ({
          capabilities: [Rpc.CREATE_DELETE_VOLUME, Rpc.EXPAND_VOLUME].map(capability),
        }),
        createVolume: ({ name }) => {
          calls.push("create");
          return { volume: { volumeId: name, capacityBytes: 1024 ** 3 } };
        },
        controllerExpandVolume: ({ capacityRange }) => {
          calls.push("expand");
          return { capacityBytes: capacityRange?.requiredBytes ?? 0, nodeExpansionRequired: false };
        },
        deleteVolume: () => {
          calls.push("delete");
          return {};
        },
      }),
    ],
  });
}

it("the node that a class names makes, grows and deletes what any node can reach", async () => {
  const dir = testFolder("r2k-shared-");
  const calls: Record<NodeName, string[]> = { n1: [], n2: [] };
  const { api, admin } = cluster.server;
  const clientOf = ({ cert, key }: { cert: string; key: string }) =>
    new KubeClient({ server: api.server, ca: api.ca.cert, cert, key });
  const client = clientOf(admin);
  const claims = client.resource(PERSISTENT_VOLUME_CLAIMS);
  const volumes = client.resource(PERSISTENT_VOLUMES);
  const running = await Promise.all(
    NODES.map(async (node) => {
      const driverSocket = join(dir, `${node}.sock`);
      const driver = await serveDriver(driverSocket, calls[node]);
      const { name, group } = nodeUser("csi-provisioner", node);
      const own = clientOf(await api.credentials(name, [group]));
      const provisioner = await startProvisioner({
        client: own,
        driverSocket,
        nodeName: node,
        clock,
      });
      await provisioner.ready;
      return { driver, own, provisioner };
    }),
  );
  try {
    const name = { namespace: "default", name: "shared" };
    const { metadata } = await claims.create({
      metadata: { ...name, annotations: { [STORAGE_PROVISIONER]: NFS } },
      spec: {
        storageClassName: "nfs",
        accessModes: ["ReadWriteMany"],
        resources: { requests: { storage: "1Gi" } },
      },
    });
    const volumeName = `pvc-${metadata.uid}`;
    const find = () => undefinedIfNotFound(volumes.get({ name: volumeName }));
    const made = await waitFor("the volume", find);
    expect(made.spec.nodeAffinity).toBeUndefined();
    await claims.patch(name, "merge", { spec: { volumeName } });
    const status = { phase: "Bound", capacity: { storage: "1Gi" } };
    await claims.patch({ ...name, subresource: "status" }, "merge", { status });
    const resources = { requests: { storage: "2Gi" } };
    await claims.patch(name, "merge", { spec: { resources } });
    const size = async () => (await claims.get(name)).status?.capacity?.["storage"];
    await waitFor("the size", async () => (await size()) === "2Gi");
    const grown = await volumes.get({ name: volumeName });
    await volumes.updateStatus({ ...grown, status: { phase: "Released" } });
    await waitFor("its deletion", async () => {
      const { finalizers = [], deletionTimestamp } = (await find())?.metadata ?? {};
      return deletionTimestamp && finalizers.every((each) => !each.startsWith("external"));
    });
    expect(calls).toEqual({ n1: ["create", "expand", "delete"], n2: [] });
  } finally {
    for (const { driver, own, provisioner } of running) {
      await provisioner.close();
      await driver.close();
      own.close();
    }
    client.close();
  }
});
