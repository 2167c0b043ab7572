import path from "node:path";
import { undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import {
  CSI_NODES,
  NODES,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  STORAGE_CLASSES,
  VOLUME_ATTACHMENTS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { startProvisioner } from "@raft2kube/csi/sidecars/provisioner.ts";
import {
  Controller,
  type CreateVolumeRequest,
  Identity,
  Node as NodeService,
  ControllerServiceCapability_RPC_Type as Rpc,
  PluginCapability_Service_Type as Service,
} from "@raft2kube/proto/gen/csi.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import { type RpcServer, serve, serveGrpc } from "@raft2kube/rpc/server.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startApiserverOnEtcd } from "../../../testing/apiserver/own-apiserver.ts";
import type { TestApiserver } from "../../../testing/apiserver/test-apiserver.ts";
import { suiteFolder } from "../../../testing/folders.ts";
import { waitFor } from "../../../testing/wait.ts";

const DRIVER = "disk.example.com";
const clock = systemClock();

let api: TestApiserver;
let client: KubeClient;
const dir = suiteFolder("r2k-attached-");
let server: RpcServer;
let provisioner: { ready: Promise<void>; close(): Promise<void> };
/** Handles in the order of their deletion. */
const deleted: string[] = [];
const asked: CreateVolumeRequest[] = [];
/** Whether the driver gets done with a volume in time. */
let isInTime = false;

beforeAll(async () => {
  api = await startApiserverOnEtcd();
  const { cert, key } = await api.credentials("admin", ["system:masters"]);
  client = new KubeClient({ server: api.server, ca: api.ca.cert, cert, key });
  const driverSocket = path.join(dir, "csi.sock");
  const types = [Rpc.CREATE_DELETE_VOLUME, Rpc.PUBLISH_UNPUBLISH_VOLUME];
  server = await serveGrpc({
    listen: { path: driverSocket },
    services: [
      serve(Identity, {
        probe: () => ({}),
        getPluginInfo: () => ({ name: DRIVER, vendorVersion: "1" }),
        getPluginCapabilities: () => ({
          capabilities: [Service.CONTROLLER_SERVICE, Service.VOLUME_ACCESSIBILITY_CONSTRAINTS].map(
            (type) => ({ service: { type } }),
          ),
        }),
      }),
      serve(NodeService, { nodeGetInfo: () => ({ nodeId: "central" }) }),
      serve(Controller, {
        controllerGetCapabilities: () => ({
          capabilities: types.map((type) => ({ rpc: { type } })),
        }),
        createVolume(request) {
          asked.push(request);
          if (!isInTime) throw new RpcError(Status.DEADLINE_EXCEEDED, "still at it");
          return { volume: { volumeId: request.name, capacityBytes: 1 << 30 } };
        },
        deleteVolume({ volumeId }) {
          deleted.push(volumeId);
          return {};
        },
      }),
    ],
  });
  // Before the provisioner's first list.
  const source = { persistentVolumeName: "held" };
  const spec = { attacher: DRIVER, nodeName: "n1", source };
  await attachments().create({ metadata: { name: "a" }, spec });
  provisioner = await startProvisioner({ client, driverSocket, clock });
  await provisioner.ready;
});
afterAll(async () => {
  await provisioner.close();
  await server.close();
  client.close();
  await api.close();
});

const volumes = () => client.resource(PERSISTENT_VOLUMES);
const attachments = () => client.resource(VOLUME_ATTACHMENTS);

async function release(name: string): Promise<void> {
  const volume = await volumes().create({
    metadata: { name, annotations: { "pv.kubernetes.io/provisioned-by": DRIVER } },
    spec: {
      accessModes: ["ReadWriteOnce"],
      capacity: { storage: "1Gi" },
      persistentVolumeReclaimPolicy: "Delete",
      csi: { driver: DRIVER, volumeHandle: name },
    },
  });
  await volumes().updateStatus({ ...volume, status: { phase: "Released" } });
}

test("a released volume is deleted when it is attached nowhere any more", async () => {
  await release("held");
  await release("free");
  await waitFor("the other volume to be deleted", () => deleted.includes("free"));
  expect(deleted).toEqual(["free"]);
  await attachments().delete({ name: "a" });
  await waitFor("the volume to be deleted", () => deleted.includes("held"));
});

test("a volume that is made after its claim and its node are gone is deleted", async () => {
  const zone = "topology.example.com/zone";
  const classes = client.resource(STORAGE_CLASSES);
  const metadata = { name: "disk" };
  await classes.create({
    metadata,
    provisioner: DRIVER,
    volumeBindingMode: "WaitForFirstConsumer",
  });
  await client
    .resource(NODES)
    .create({ metadata: { name: "n1", labels: { [zone]: "a" } }, spec: {} });
  const drivers = [{ name: DRIVER, nodeID: "n1", topologyKeys: [zone] }];
  const csiNode = { metadata: { name: "n1" }, spec: { drivers } };
  await client.resource(CSI_NODES).create(csiNode);
  const claims = client.resource(PERSISTENT_VOLUME_CLAIMS);
  const claim = await claims.create({
    metadata: {
      namespace: "default",
      name: "late",
      annotations: {
        "volume.kubernetes.io/storage-provisioner": DRIVER,
        "volume.kubernetes.io/selected-node": "n1",
      },
    },
    spec: {
      accessModes: ["ReadWriteOnce"],
      storageClassName: "disk",
      resources: { requests: { storage: "1Gi" } },
    },
  });
  await waitFor("the driver to be asked", () => asked.length > 0);
  await client.resource(NODES).delete({ name: "n1" });
  await client.resource(CSI_NODES).delete({ name: "n1" });
  // Its finalizer is that of a controller that does not run here.
  await claims.delete({ namespace: "default", name: "late" });
  await undefinedIfNotFound(
    claims.patch({ namespace: "default", name: "late" }, "merge", {
      metadata: { finalizers: null },
    }),
  );
  const before = asked.length;
  await waitFor("the driver to be asked again", () => asked.length > before);
  isInTime = true;
  const name = `pvc-${claim.metadata.uid}`;
  const volume = await waitFor("the volume's object", () =>
    undefinedIfNotFound(volumes().get({ name })),
  );
  expect(asked.at(-1)).toEqual(asked[0]);
  await volumes().updateStatus({ ...volume, status: { phase: "Released" } });
  await waitFor("the volume to be deleted", () => deleted.includes(name));
});
