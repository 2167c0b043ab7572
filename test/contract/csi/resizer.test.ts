import path from "node:path";
import type { PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import { nodeUser } from "@raft2kube/api/node-users.ts";
import { SELECTED_NODE, STORAGE_PROVISIONER } from "@raft2kube/client-kube/object/volumes.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import {
  CSI_DRIVERS,
  CSI_NODES,
  CSI_STORAGE_CAPACITIES,
  EVENTS,
  NODES,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  STORAGE_CLASSES,
  VOLUME_ATTRIBUTES_CLASSES,
} from "@raft2kube/client-kube/rest/resources.ts";
import { startProvisioner } from "@raft2kube/csi/sidecars/provisioner.ts";
import {
  Controller,
  Identity,
  Node as NodeService,
  ControllerServiceCapability_RPC_Type as Rpc,
  PluginCapability_Service_Type as Service,
} from "@raft2kube/proto/gen/csi.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import { type RpcServer, serve, serveGrpc } from "@raft2kube/rpc/server.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startApiserverOnEtcd } from "../../../testing/apiserver/own-apiserver.ts";
import type { TestApiserver } from "../../../testing/apiserver/test-apiserver.ts";
import { testFolder } from "../../../testing/folders.ts";
import { waitFor } from "../../../testing/wait.ts";
import { applyAddons } from "../node-users/cluster-apiserver.ts";
import { hasUpstreamSidecars, startUpstreamSidecars } from "./upstream-sidecars.ts";

// Takes turns, sidecars beside a driver: see provisioner.test.ts.

const DRIVER = "disk.example.com";
const TOPOLOGY = `${DRIVER}/node`;
const GIB = 1024 ** 3;
const clock = systemClock();
const namespace = "default";

interface Beside {
  api: TestApiserver;
  /** Client with the rights of a cluster's provisioner. */
  client: KubeClient;
  driverSocket: string;
}

const RESIZERS = {
  "CSI sidecars of volumes that change": {
    possible: true,
    start: (beside: Beside) => startProvisioner({ ...beside, nodeName: "n1", clock }),
  },
  "upstream's resizer beside a driver": {
    possible: hasUpstreamSidecars("csi-resizer"),
    start: (beside: Beside) => startUpstreamSidecars(["csi-resizer"], beside),
  },
};

/** Growing, modifying and capacity beside a driver that records its calls; a real apiserver. */
for (const [title, { possible, start }] of Object.entries(RESIZERS)) {
  describe.skipIf(!possible)(title, () => resizerRules(start));
}

function resizerRules(start: (beside: Beside) => ReturnType<typeof startProvisioner>): void {
  /** Rules that are not of a resizer. */
  const itOfOurs = it.runIf(start === RESIZERS["CSI sidecars of volumes that change"].start);
  let api: TestApiserver;
  let client: KubeClient;
  /** Client with the rights of a cluster's provisioner. */
  let sidecarClient: KubeClient;
  let dir: string;
  let server: RpcServer;
  let sidecars: Awaited<ReturnType<typeof startProvisioner>>;
  let sizes: number[];
  let modified: Record<string, string>[];
  let available: number;
  /** The driver's answer to the next calls. */
  let fails: number | undefined;
  let nodeExpansionRequired: boolean;
  /** Bytes by which volumes are smaller than was asked for. */
  let short_bytes: number;
  /** Whether the driver reports no size of a volume that grew. */
  let isUnknownSize: boolean;
  let deleted: string[];
  /** Whether the driver refuses to delete volumes. */
  let keeps: boolean;

  beforeAll(async () => {
    api = await startApiserverOnEtcd();
    const { cert, key } = await api.credentials("admin", ["system:masters"]);
    client = new KubeClient({ server: api.server, ca: api.ca.cert, cert, key });
    const { name, group } = nodeUser("csi-provisioner", "n1");
    const own = await api.credentials(name, [group]);
    const pair = { cert: own.cert, key: own.key };
    sidecarClient = new KubeClient({ server: api.server, ca: api.ca.cert, ...pair });
    await applyAddons(client, api.dir);
    await client
      .resource(CSI_DRIVERS)
      .create({ metadata: { name: DRIVER }, spec: { storageCapacity: true } });
    await client.resource(NODES).create({ metadata: { name: "n1" }, spec: {} });
    const drivers = [{ name: DRIVER, nodeID: "n1", topologyKeys: [TOPOLOGY] }];
    await client.resource(CSI_NODES).create({ metadata: { name: "n1" }, spec: { drivers } });
    await client
      .resource(STORAGE_CLASSES)
      .create({ metadata: { name: "disk" }, provisioner: DRIVER, allowVolumeExpansion: true });
    const attributes = client.resource(VOLUME_ATTRIBUTES_CLASSES);
    for (const [name, iops] of Object.entries({ gold: "9000", silver: "500" })) {
      await attributes.create({ metadata: { name }, driverName: DRIVER, parameters: { iops } });
    }
  });
  afterAll(async () => {
    client.close();
    sidecarClient.close();
    await api.close();
  });
  beforeEach(async () => {
    dir = testFolder("r2k-resizer-");
    sizes = [];
    modified = [];
    available = 7 * GIB;
    fails = undefined;
    nodeExpansionRequired = false;
    short_bytes = 0;
    isUnknownSize = false;
    deleted = [];
    keeps = false;
    const answer = () => {
      if (fails !== undefined) throw new RpcError(fails, "not now");
    };
    const types = [
      Rpc.CREATE_DELETE_VOLUME,
      Rpc.CLONE_VOLUME,
      Rpc.EXPAND_VOLUME,
      Rpc.MODIFY_VOLUME,
      Rpc.GET_CAPACITY,
    ];
    const services = [Service.CONTROLLER_SERVICE, Service.VOLUME_ACCESSIBILITY_CONSTRAINTS];
    server = await serveGrpc({
      listen: { path: path.join(dir, "csi.sock") },
      services: [
        serve(Identity, {
          probe: () => ({}),
          getPluginInfo: () => ({ name: DRIVER, vendorVersion: "1" }),
          getPluginCapabilities: () => ({
            capabilities: services.map((type) => ({ service: { type } })),
          }),
        }),
        serve(NodeService, {
          nodeGetInfo: () => ({
            nodeId: "n1",
            accessibleTopology: { segments: { [TOPOLOGY]: "n1" } },
          }),
        }),
        serve(Controller, {
          controllerGetCapabilities: () => ({
            capabilities: types.map((type) => ({ rpc: { type } })),
          }),
          controllerExpandVolume: ({ capacityRange }) => {
            sizes.push(capacityRange?.requiredBytes ?? 0);
            answer();
            const required = capacityRange?.requiredBytes ?? 0;
            const capacityBytes = isUnknownSize ? 0 : required - short_bytes;
            return { capacityBytes, nodeExpansionRequired };
          },
          // Sources of a volume are passed over.
          createVolume: ({ name: volumeId, capacityRange }) => {
            const capacityBytes = (capacityRange?.requiredBytes ?? 0) - short_bytes;
            const accessibleTopology = [{ segments: { [TOPOLOGY]: "n1" } }];
            return { volume: { volumeId, capacityBytes, accessibleTopology } };
          },
          deleteVolume: ({ volumeId }) => {
            deleted.push(volumeId);
            if (keeps) throw new RpcError(Status.FAILED_PRECONDITION, "still in use");
            return {};
          },
          controllerModifyVolume: ({ mutableParameters }) => {
            answer();
            modified.push(mutableParameters);
            return {};
          },
          getCapacity: () => ({ availableCapacity: available }),
        }),
      ],
    });
    await startSidecars();
  });
  afterEach(async () => {
    await sidecars.close();
    await server.close();
  });

  async function startSidecars(): Promise<void> {
    const driverSocket = path.join(dir, "csi.sock");
    sidecars = await start({ api, client: sidecarClient, driverSocket });
    await sidecars.ready;
  }
  const claims = () => client.resource(PERSISTENT_VOLUME_CLAIMS);
  const volumes = () => client.resource(PERSISTENT_VOLUMES);
  const get = (name: string) => claims().get({ namespace, name });
  const until = <T>(what: string, probe: () => Promise<T>) => waitFor(what, probe);

  /** A claim of 1 GiB that is bound to a volume of the driver. */
  async function bound(name: string): Promise<void> {
    const resources = { requests: { storage: "1Gi" } };
    const accessModes = ["ReadWriteOnce" as const];
    const spec = { storageClassName: "disk", accessModes, resources, volumeName: `pv-${name}` };
    const { metadata } = await claims().create({ metadata: { namespace, name }, spec });
    const matchExpressions = [{ key: TOPOLOGY, operator: "In" as const, values: ["n1"] }];
    await volumes().create({
      metadata: { name: `pv-${name}` },
      spec: {
        accessModes,
        capacity: { storage: "1Gi" },
        persistentVolumeReclaimPolicy: "Retain",
        storageClassName: "disk",
        claimRef: { namespace, name, uid: metadata.uid ?? "" },
        csi: { driver: DRIVER, volumeHandle: `handle-${name}` },
        nodeAffinity: { required: { nodeSelectorTerms: [{ matchExpressions }] } },
      },
    });
    const status = { phase: "Bound", capacity: { storage: "1Gi" } };
    await claims().patch({ namespace, name, subresource: "status" }, "merge", { status });
  }
  const ask = (name: string, storage: string) => {
    const spec = { resources: { requests: { storage } } };
    return claims().patch({ namespace, name }, "merge", { spec });
  };
  const stateOf = async (name: string) =>
    (await get(name)).status?.allocatedResourceStatuses?.["storage"];
  const conditionsOf = async (name: string) =>
    (await get(name)).status?.conditions?.map(({ type }) => type) ?? [];

  it("leaves what is to be done on the node to the kubelet", async () => {
    nodeExpansionRequired = true;
    await bound("online");
    await ask("online", "2Gi");
    await until("the node's turn", async () => (await stateOf("online")) === "NodeResizePending");
    const { status } = await get("online");
    expect(status).toMatchObject({
      capacity: { storage: "1Gi" },
      allocatedResources: { storage: "2Gi" },
    });
    expect(await conditionsOf("online")).toEqual(["Resizing", "FileSystemResizePending"]);
    expect((await volumes().get({ name: "pv-online" })).spec.capacity).toEqual({ storage: "2Gi" });
    expect(sizes).toEqual([2 * GIB]);
  });

  it("takes a smaller size after the driver refused one for good", async () => {
    fails = Status.OUT_OF_RANGE;
    await bound("recovers");
    await ask("recovers", "100Gi");
    await until(
      "the refusal",
      async () => (await stateOf("recovers")) === "ControllerResizeInfeasible",
    );
    expect(await conditionsOf("recovers")).toContain("ControllerResizeError");
    fails = undefined;
    await ask("recovers", "3Gi");
    await until(
      "the smaller size",
      async () => (await get("recovers")).status?.capacity?.["storage"] === "3Gi",
    );
    expect(await stateOf("recovers")).toBeUndefined();
    expect(await conditionsOf("recovers")).toEqual([]);
  });

  it("asks again for the size that it began with, also after a restart", async () => {
    fails = Status.UNAVAILABLE;
    await bound("begun");
    await ask("begun", "5Gi");
    await until("the first attempt", async () => sizes.length > 0);
    await ask("begun", "6Gi");
    await sidecars.close();
    fails = undefined;
    await startSidecars();
    await until(
      "the size",
      async () => (await get("begun")).status?.capacity?.["storage"] === "6Gi",
    );
    expect([...new Set(sizes)]).toEqual([5 * GIB, 6 * GIB]);
  });

  it("takes another size after the driver refused one for now", async () => {
    fails = Status.FAILED_PRECONDITION;
    await bound("busy");
    await ask("busy", "8Gi");
    await until("the refusal", async () =>
      (await conditionsOf("busy")).includes("ControllerResizeError"),
    );
    expect(await stateOf("busy")).toBe("ControllerResizeInProgress");
    await ask("busy", "4Gi");
    await until("the other size", async () => sizes.includes(4 * GIB));
    fails = undefined;
    await until(
      "the size",
      async () => (await get("busy")).status?.capacity?.["storage"] === "4Gi",
    );
    expect(await conditionsOf("busy")).toEqual([]);
  });

  it("modifies a volume by its claim's class of attributes", async () => {
    await bound("golden");
    const name = { namespace, name: "golden" };
    const ofClass = (each: string) =>
      claims().patch(name, "merge", { spec: { volumeAttributesClassName: each } });
    fails = Status.INVALID_ARGUMENT;
    await ofClass("gold");
    await until(
      "the refusal",
      async () => (await get("golden")).status?.modifyVolumeStatus?.status === "Infeasible",
    );
    expect((await get("golden")).status?.conditions).toMatchObject([
      { type: "ModifyingVolume", status: "True", message: expect.stringContaining("failed") },
      { type: "ModifyVolumeError", reason: "InvalidArgument", message: "not now" },
    ]);
    fails = undefined;
    await ofClass("silver");
    await until(
      "the attributes",
      async () => (await get("golden")).status?.currentVolumeAttributesClassName === "silver",
    );
    expect(modified).toEqual([{ iops: "500" }]);
    const { status } = await get("golden");
    expect([status?.modifyVolumeStatus, status?.conditions ?? []]).toEqual([undefined, []]);
    const { spec } = await volumes().get({ name: "pv-golden" });
    expect(spec.volumeAttributesClassName).toBe("silver");
    await ofClass("absent");
    await until(
      "the class to be missed",
      async () => (await get("golden")).status?.modifyVolumeStatus?.status === "Pending",
    );
  });

  /** Creates a claim for which the driver is to create a volume; returns the volume's name. */
  const asking = async (name: string, more: Partial<PersistentVolumeClaim["spec"]>) => {
    const accessModes = ["ReadWriteOnce" as const];
    const resources = { requests: { storage: "1Gi" } };
    const spec = { storageClassName: "disk", accessModes, resources, ...more };
    const annotations = { [STORAGE_PROVISIONER]: DRIVER, [SELECTED_NODE]: "n1" };
    const { metadata } = await claims().create({
      metadata: { namespace, name, annotations },
      spec,
    });
    return `pvc-${metadata.uid}`;
  };

  itOfOurs("a driver that gives a claim less than it asked for gives it nothing", async () => {
    await bound("original");
    short_bytes = 1;
    const dataSource = { apiGroup: "", kind: "PersistentVolumeClaim", name: "original" };
    const small = await asking("small", {});
    await until("the small one's deletion", async () => deleted.includes(small));
    short_bytes = 0;
    const empty = await asking("clone", { dataSource });
    await until("the empty one's deletion", async () => deleted.includes(empty));
    await until("the next attempt", () => volumes().get({ name: small }));
    const { items } = await volumes().list();
    expect(items.some(({ metadata }) => metadata.name === empty)).toBe(false);
  });

  itOfOurs("a volume that is too small is deleted in the end, also without its claim", async () => {
    short_bytes = 1;
    keeps = true;
    const small = await asking("kept", {});
    const failure = async () => {
      const { items } = await client.resource(EVENTS).list({ namespace });
      return items.find(({ message }) => message?.includes(`${small} failed`))?.message;
    };
    const why = await until("the failure", failure);
    expect(why).toContain("less than requested capacity");
    expect(why).toMatch(/ failed, volume is orphaned: .* still in use$/);
    await claims().delete({ namespace, name: "kept" });
    const tries = () => deleted.filter((each) => each === small).length;
    const before = tries();
    await until("another try", async () => tries() > before);
    keeps = false;
    await until("the last try", async () => tries() > before + 1);
  });

  itOfOurs("a driver that tells no size has given what was asked for", async () => {
    isUnknownSize = true;
    await bound("unknown");
    await ask("unknown", "2Gi");
    await until(
      "the size",
      async () => (await get("unknown")).status?.capacity?.["storage"] === "2Gi",
    );
  });

  itOfOurs(
    "a claim may ask for less after its volume grew by less than was asked for",
    async () => {
      short_bytes = 1;
      await bound("less");
      await ask("less", "9Gi");
      await until("the first attempt", async () => sizes.includes(9 * GIB));
      await ask("less", "7Gi");
      await until("the other size", async () => sizes.includes(7 * GIB));
    },
  );

  itOfOurs("a volume that grew by less than was asked for is asked for again", async () => {
    short_bytes = 1;
    await bound("slow");
    await ask("slow", "2Gi");
    await until("two attempts", async () => sizes.length >= 2);
    expect((await get("slow")).status?.capacity?.["storage"]).toBe("1Gi");
    short_bytes = 0;
    await until(
      "the size",
      async () => (await get("slow")).status?.capacity?.["storage"] === "2Gi",
    );
  });

  itOfOurs("publishes the driver's free space for its topology, again and again", async () => {
    const capacities = client.resource(CSI_STORAGE_CAPACITIES);
    const list = async () => (await capacities.list({ namespace: "kube-system" })).items;
    const [published] = await until("the capacity", async () => {
      const items = await list();
      return items.length > 0 ? items : undefined;
    });
    expect(published).toMatchObject({
      storageClassName: "disk",
      capacity: "7Gi",
      nodeTopology: { matchLabels: { [TOPOLOGY]: "n1" } },
      metadata: { ownerReferences: [{ kind: "Node", name: "n1" }] },
    });
    available = 3 * GIB;
    const classes = client.resource(STORAGE_CLASSES);
    await classes.create({ metadata: { name: "other" }, provisioner: DRIVER });
    await until(
      "both classes",
      async () => (await list()).map(({ capacity }) => capacity).join() === "3Gi,3Gi",
    );
    await classes.delete({ name: "other" });
    await until("the class to be gone", async () => (await list()).length === 1);
  });
}
