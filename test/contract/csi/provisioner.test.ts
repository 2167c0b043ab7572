import { readdir, realpath, rm } from "node:fs/promises";
import path from "node:path";
import type { CustomResourceDefinition } from "@raft2kube/api/gen/apiextensions/v1.ts";
import type { PersistentVolume, PersistentVolumeClaim } from "@raft2kube/api/gen/core/v1.ts";
import { nodeUser } from "@raft2kube/api/node-users.ts";
import { isNotFound } from "@raft2kube/client-kube/errors.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import {
  CSI_NODES,
  EVENTS,
  NODES,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  STORAGE_CLASSES,
  VOLUME_SNAPSHOT_CONTENTS,
  VOLUME_SNAPSHOTS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { startHostPathDriver } from "@raft2kube/csi/drivers/hostpath/main.ts";
import { startProvisioner } from "@raft2kube/csi/sidecars/provisioner.ts";
import type {
  VolumeSnapshot,
  VolumeSnapshotContent,
} from "@raft2kube/csi/sidecars/volume-snapshot.ts";
import { Controller } from "@raft2kube/proto/gen/csi.ts";
import { connectGrpc, client as rpcClient } from "@raft2kube/rpc/client.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { startApiserverOnEtcd } from "../../../testing/apiserver/own-apiserver.ts";
import type { TestApiserver } from "../../../testing/apiserver/test-apiserver.ts";
import { testFolder } from "../../../testing/folders.ts";
import { waitFor } from "../../../testing/wait.ts";
import { applyAddons } from "../node-users/cluster-apiserver.ts";
import { hasUpstreamSidecars, startUpstreamSidecars } from "./upstream-sidecars.ts";

// Takes turns, sidecars beside a driver: the files try one each beside drivers that refuse and are
// restarted. Tests of their plans and loops, and volumes of a cluster, are in every run.

const DRIVER = "hostpath.csi.r2k.dev";
const CUSTOM_RESOURCE_DEFINITIONS = {
  group: "apiextensions.k8s.io",
  version: "v1",
  kind: "CustomResourceDefinition",
  plural: "customresourcedefinitions",
  namespaced: false,
};
const TOPOLOGY = `topology.${DRIVER}/node`;
const clock = systemClock();

type Beside = { api: TestApiserver; client: KubeClient; driverSocket: string; nodeName: string };

const PROVISIONERS = {
  "CSI provisioner": {
    possible: true,
    start: ({ client, driverSocket, nodeName }: Beside) =>
      startProvisioner({ client, driverSocket, nodeName, clock }),
  },
  "upstream's provisioner and resizer beside our driver": {
    possible: hasUpstreamSidecars("csi-provisioner", "csi-resizer"),
    start: (beside: Beside) => startUpstreamSidecars(["csi-provisioner", "csi-resizer"], beside),
  },
};

/**
 * Provisioners with a real driver and a real apiserver; the volume binder's part is played here.
 */
for (const [title, { possible, start }] of Object.entries(PROVISIONERS)) {
  describe.skipIf(!possible)(title, () => provisionerRules(start));
}

function provisionerRules(start: (beside: Beside) => ReturnType<typeof startProvisioner>): void {
  /** Rules that were not run on upstream's. */
  const itOfOurs = it.runIf(start === PROVISIONERS["CSI provisioner"].start);
  let api: TestApiserver;
  let client: KubeClient;
  /** Client as the provisioner of the node. */
  let sidecarClient: KubeClient;
  let dir: string;
  let driver: { close(): Promise<void> };
  let provisioner: Awaited<ReturnType<typeof startProvisioner>>;

  beforeAll(async () => {
    api = await startApiserverOnEtcd();
    const { cert, key } = await api.credentials("admin", ["system:masters"]);
    client = new KubeClient({ server: api.server, ca: api.ca.cert, cert, key });
    await applyAddons(client, api.dir);
    const { name: user, group } = nodeUser("csi-provisioner", "node-1");
    const own = await api.credentials(user, [group]);
    const pair = { cert: own.cert, key: own.key };
    sidecarClient = new KubeClient({ server: api.server, ca: api.ca.cert, ...pair });
    const classes = client.resource(STORAGE_CLASSES);
    const modes = { now: "Immediate", later: "WaitForFirstConsumer" } as const;
    for (const [name, volumeBindingMode] of Object.entries(modes)) {
      const more = { volumeBindingMode, allowVolumeExpansion: true };
      await classes.create({ metadata: { name }, provisioner: DRIVER, ...more });
    }
    for (const [name, values] of [
      ["there", ["node-3"]],
      ["nowhere", ["node-8"]],
    ] as const) {
      await classes.create({
        metadata: { name },
        provisioner: DRIVER,
        volumeBindingMode: "Immediate",
        allowedTopologies: [{ matchLabelExpressions: [{ key: TOPOLOGY, values: [...values] }] }],
      });
    }
    await registerDriver("node-1");
    const parameters = { unheardOf: "x" };
    await classes.create({ metadata: { name: "strange" }, provisioner: DRIVER, parameters });
  });
  const registerDriver = (name: string) =>
    client
      .resource(CSI_NODES)
      .create({
        metadata: { name },
        spec: { drivers: [{ name: DRIVER, nodeID: name, topologyKeys: [TOPOLOGY] }] },
      });
  afterAll(async () => {
    client.close();
    sidecarClient.close();
    await api.close();
  });
  beforeEach(async () => {
    dir = await realpath(testFolder("r2k-provision-"));
    const driverSocket = path.join(dir, "csi.sock");
    const dataDir = path.join(dir, "data");
    driver = await startHostPathDriver({ socket: driverSocket, dataDir, nodeId: "node-1", clock });
    provisioner = await start({ api, client: sidecarClient, driverSocket, nodeName: "node-1" });
    await provisioner.ready;
  });
  afterEach(async () => {
    await provisioner.close();
    await driver.close();
  });

  const claims = () => client.resource(PERSISTENT_VOLUME_CLAIMS);
  const volumes = () => client.resource(PERSISTENT_VOLUMES);
  async function claim(
    name: string,
    storageClassName: string,
    annotations: Record<string, string> = {},
    more: Partial<PersistentVolumeClaim["spec"]> = {},
  ): Promise<PersistentVolumeClaim> {
    return claims().create({
      metadata: {
        name,
        namespace: "default",
        annotations: { "volume.kubernetes.io/storage-provisioner": DRIVER, ...annotations },
      },
      spec: {
        storageClassName,
        accessModes: ["ReadWriteOnce"],
        resources: { requests: { storage: "5Mi" } },
        ...more,
      },
    });
  }
  async function volumeNamed(name: string): Promise<PersistentVolume | undefined> {
    try {
      return await volumes().get({ name });
    } catch (thrown) {
      if (isNotFound(thrown)) return undefined;
      throw thrown;
    }
  }
  const volumeOf = ({ metadata }: PersistentVolumeClaim) =>
    waitFor(`the volume of ${metadata.name}`, () => volumeNamed(`pvc-${metadata.uid}`));
  const eventOf = (name: string, reason: string) =>
    waitFor(`${reason} about ${name}`, async () => {
      const { items } = await client.resource(EVENTS).list({ namespace: "default" });
      return items.find((one) => one.reason === reason && one.involvedObject.name === name);
    });

  it("makes the volume of a claim, and a PersistentVolume bound for that claim alone", async () => {
    const made = await claim("one", "now");
    const volume = await volumeOf(made);
    expect(volume.spec).toMatchObject({
      capacity: { storage: "5Mi" },
      accessModes: ["ReadWriteOnce"],
      persistentVolumeReclaimPolicy: "Delete",
      storageClassName: "now",
      volumeMode: "Filesystem",
      claimRef: { namespace: "default", name: "one", uid: made.metadata.uid },
      csi: { driver: DRIVER, volumeHandle: expect.stringMatching(/^vol-/) },
    });
    expect(volume.spec.nodeAffinity?.required?.nodeSelectorTerms).toEqual([
      { matchExpressions: [{ key: TOPOLOGY, operator: "In", values: ["node-1"] }] },
    ]);
    const { annotations = {} } = volume.metadata;
    expect(annotations["pv.kubernetes.io/provisioned-by"]).toBe(DRIVER);
    expect(await readdir(path.join(dir, "data", "volumes"))).toEqual([
      volume.spec.csi!.volumeHandle,
    ]);
    await eventOf("one", "ProvisioningSucceeded");
  });

  it("waits for the scheduler's node, and leaves the claims of other nodes", async () => {
    const waiting = await claim("waiting", "later");
    const elsewhere = { "volume.kubernetes.io/selected-node": "node-2" };
    const foreign = await claim("foreign", "later", elsewhere);
    const control = await claim("control", "now");
    await volumeOf(control);
    for (const { metadata } of [waiting, foreign]) {
      expect(await volumeNamed(`pvc-${metadata.uid}`)).toBeUndefined();
    }
    const annotations = { "volume.kubernetes.io/selected-node": "node-1" };
    const name = { namespace: "default", name: "waiting" };
    await claims().patch(name, "merge", { metadata: { annotations } });
    await volumeOf(waiting);
  });

  const chosen = (node: string) => ({ "volume.kubernetes.io/selected-node": node });
  const untilGivenUp = (name: string) =>
    waitFor(`the node of ${name} to be given up`, async () => {
      const { metadata } = await claims().get({ namespace: "default", name });
      return metadata.annotations?.["volume.kubernetes.io/selected-node"] === undefined;
    });

  async function register(name: string): Promise<void> {
    await client
      .resource(NODES)
      .create({ metadata: { name, labels: { [TOPOLOGY]: name } }, spec: {} });
    await registerDriver(name);
  }

  itOfOurs("makes volumes where their class allows them; says if that is nowhere", async () => {
    await register("node-3");
    const elsewhere = await Promise.all([1, 2, 3].map((each) => claim(`there-${each}`, "there")));
    await claim("nowhere", "nowhere");
    const chosenHere = await claim("chosen-here", "there", chosen("node-1"));
    const { message } = await eventOf("nowhere", "ProvisioningFailed");
    expect(message).toContain(`no node with driver ${DRIVER} is in allowed topologies: `);
    const { message: strict } = await eventOf("chosen-here", "ProvisioningFailed");
    expect(strict).toContain("selected node node-1 is not in allowed topologies: ");
    await volumeOf(await claim("allowed-control", "now"));
    for (const { metadata } of [...elsewhere, chosenHere]) {
      expect(await volumeNamed(`pvc-${metadata.uid}`)).toBeUndefined();
    }
    const socket = path.join(dir, "third.sock");
    const dataDir = path.join(dir, "third");
    const third = await startHostPathDriver({ socket, dataDir, nodeId: "node-3", clock });
    const there = await start({ api, client, driverSocket: socket, nodeName: "node-3" });
    try {
      for (const made of elsewhere) {
        expect((await volumeOf(made)).spec.nodeAffinity?.required?.nodeSelectorTerms).toEqual([
          { matchExpressions: [{ key: TOPOLOGY, operator: "In", values: ["node-3"] }] },
        ]);
      }
    } finally {
      await there.close();
      await third.close();
    }
  });

  itOfOurs("gives up a selected node without room, or that does not exist", async () => {
    await register("node-2");
    const driverSocket = path.join(dir, "csi.sock");
    const central = await startProvisioner({ client, driverSocket, clock });
    try {
      // The driver reaches its own node alone, and refuses others as if they were full.
      await claim("crowded", "later", chosen("node-2"));
      const { message: full } = await eventOf("crowded", "ProvisioningFailed");
      expect(full).toContain("code = ResourceExhausted");
      await untilGivenUp("crowded");
      await claim("homeless", "later", chosen("node-9"));
      const { message } = await eventOf("homeless", "ProvisioningFailed");
      expect(message).toContain("node-9 does not exist");
      await untilGivenUp("homeless");
    } finally {
      await central.close();
    }
  });

  itOfOurs("leaves a claim to the populator of its source", async () => {
    const dataSourceRef = { apiGroup: "example.com", kind: "Book", name: "b" };
    const left = await claim("book", "now", {}, { dataSourceRef });
    const event = await eventOf("book", "Provisioning");
    expect([event.type, event.message]).toEqual([
      "Normal",
      "Assuming an external populator will provision the volume",
    ]);
    const control = await claim("after-book", "now");
    await volumeOf(control);
    expect(await volumeNamed(`pvc-${left.metadata.uid}`)).toBeUndefined();
  });

  itOfOurs("reports that a volume is abnormal about its claim", async () => {
    const made = await claim("ailing", "now");
    const volume = await volumeOf(made);
    await volumes().updateStatus({ ...volume, status: { phase: "Bound" } });
    await rm(path.join(dir, "data", "volumes", volume.spec.csi!.volumeHandle), { recursive: true });
    await provisioner.close();
    const driverSocket = path.join(dir, "csi.sock");
    const nodeName = "node-1";
    provisioner = await startProvisioner({ client: sidecarClient, driverSocket, nodeName, clock });
    const { type, message } = await eventOf("ailing", "VolumeConditionAbnormal");
    expect(type).toBe("Warning");
    expect(message).not.toBe("");
  });

  itOfOurs("restores a snapshot of the claim's namespace, once its content names it", async () => {
    await defineSnapshots(client);
    const source = await volumeOf(await claim("to-snapshot", "now"));
    const image = path.join(dir, "data/volumes", source.spec.csi!.volumeHandle);
    const channel = connectGrpc(`unix://${path.join(dir, "csi.sock")}`);
    const { snapshot } = await rpcClient(channel, Controller).createSnapshot({
      name: "s1",
      sourceVolumeId: source.spec.csi!.volumeHandle,
    });
    channel.close();
    await rm(image, { recursive: true });
    const dataSource = { apiGroup: VOLUME_SNAPSHOTS.group, kind: "VolumeSnapshot", name: "s" };
    const restored = await claim("restored", "now", {}, { dataSource });
    await eventOf("restored", "ProvisioningFailed");
    const snapshots = client.resource<VolumeSnapshot>(VOLUME_SNAPSHOTS);
    const { metadata } = await snapshots.create({ metadata: { name: "s", namespace: "default" } });
    const contents = client.resource<VolumeSnapshotContent>(VOLUME_SNAPSHOT_CONTENTS);
    const volumeSnapshotRef = { name: "s", namespace: "default", uid: metadata.uid! };
    await contents.create({
      metadata: { name: "k" },
      spec: { driver: DRIVER, volumeSnapshotRef },
      status: { snapshotHandle: snapshot!.snapshotId },
    });
    const status = { boundVolumeSnapshotContentName: "k", readyToUse: true };
    await snapshots.patch({ name: "s", namespace: "default" }, "merge", { status });
    const { spec } = await volumeOf(restored);
    expect(spec.csi!.volumeHandle).not.toBe(source.spec.csi!.volumeHandle);
  });

  it("reports why a claim cannot be provisioned, and retries", async () => {
    await claim("strange", "strange");
    const event = await eventOf("strange", "ProvisioningFailed");
    expect(event.type).toBe("Warning");
    expect(event.message).toContain("unheardOf is not known");
  });

  it("grows the volume of a claim that asks for more", async () => {
    const made = await claim("growing", "now");
    const { metadata } = await volumeOf(made);
    const name = { namespace: "default", name: "growing" };
    const status = { phase: "Bound", capacity: { storage: "5Mi" } };
    await claims().patch(name, "merge", { spec: { volumeName: metadata.name } });
    await claims().patch({ ...name, subresource: "status" }, "merge", { status });
    const resources = { requests: { storage: "8Mi" } };
    await claims().patch(name, "merge", { spec: { resources } });
    const sizeOf = async () => (await claims().get(name)).status?.capacity?.["storage"];
    await waitFor("the new size", async () => (await sizeOf()) === "8Mi");
    const { spec } = await volumes().get({ name: metadata.name ?? "" });
    expect(spec.capacity).toEqual({ storage: "8Mi" });
    await eventOf("growing", "VolumeResizeSuccessful");
  });

  it("deletes storage and object of a released volume, finalizers and all", async () => {
    const made = await claim("gone", "now");
    const volume = await volumeOf(made);
    const name = volume.metadata.name ?? "";
    await volumes().updateStatus({ ...volume, status: { phase: "Released" } });
    const gone = async () => {
      const left = await volumeNamed(name);
      // The protection of bound volumes is a controller's to lift; the provisioner's own is gone.
      return (left?.metadata.finalizers ?? []).every((one) => !one.startsWith("external"));
    };
    await waitFor("the volume to go", gone);
    expect(await readdir(path.join(dir, "data", "volumes"))).toEqual([]);
  });

  it("keeps a volume's object until its storage is deleted, while its policy says so", async () => {
    const volume = await volumeOf(await claim("kept", "now"));
    const name = volume.metadata.name ?? "";
    await volumes().updateStatus({ ...volume, status: { phase: "Bound" } });
    const protectedBy = (finalizer: boolean) => async () => {
      const { metadata } = await volumes().get({ name });
      return finalizer === metadata.finalizers?.some((one) => one.startsWith("external"));
    };
    const policy = (persistentVolumeReclaimPolicy: string) =>
      volumes().patch({ name }, "merge", { spec: { persistentVolumeReclaimPolicy } });
    await policy("Retain");
    await waitFor("the object to be free", protectedBy(false));
    await policy("Delete");
    await waitFor("the object to be kept", protectedBy(true));
  });
}

/** Defines the kinds of snapshots, of which nothing is checked here. */
async function defineSnapshots(client: KubeClient): Promise<void> {
  const definitions = client.resource<CustomResourceDefinition>(CUSTOM_RESOURCE_DEFINITIONS);
  const kinds = [VOLUME_SNAPSHOTS, VOLUME_SNAPSHOT_CONTENTS];
  for (const { group, kind = "", plural, namespaced } of kinds) {
    const name = `${plural}.${group}`;
    const schema = {
      openAPIV3Schema: { type: "object", "x-kubernetes-preserve-unknown-fields": true },
    };
    await definitions.create({
      metadata: { name, annotations: { "api-approved.kubernetes.io": "unapproved, a test" } },
      spec: {
        group,
        scope: namespaced ? "Namespaced" : "Cluster",
        names: { kind, plural },
        versions: [{ name: "v1", served: true, storage: true, schema }],
      },
    });
    await waitFor(name, async () =>
      (await definitions.get({ name })).status?.conditions?.some(
        ({ type, status }) => type === "Established" && status === "True",
      ),
    );
  }
}
