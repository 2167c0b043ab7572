import { existsSync } from "node:fs";
import { mkdir, mkdtemp, realpath, rm } from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import { undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import { attachmentName, uniqueVolumeName } from "@raft2kube/client-kube/object/attachments.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import {
  CSI_NODES,
  NODES,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  STORAGE_CLASSES,
  VOLUME_ATTACHMENTS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { serveRegistration } from "@raft2kube/csi/lib/registration.ts";
import { startAttacher } from "@raft2kube/csi/sidecars/attacher.ts";
import { startProvisioner } from "@raft2kube/csi/sidecars/provisioner.ts";
import { CsiDrivers } from "@raft2kube/kubelet/plugins/csi-drivers.ts";
import { startPluginWatcher } from "@raft2kube/kubelet/plugins/plugin-watcher.ts";
import { csiPlugin } from "@raft2kube/kubelet/volumes/csi.ts";
import { csiObjects } from "@raft2kube/kubelet/volumes/csi-objects.ts";
import { FilesBudget } from "@raft2kube/kubelet/volumes/files.ts";
import { VolumesInUse } from "@raft2kube/kubelet/volumes/volumes-in-use.ts";
import { unmount } from "@raft2kube/linux/mount/mount.ts";
import { mountPointsBelow } from "@raft2kube/linux/mount/mountinfo.ts";
import { Controller, Identity, Node as NodeService } from "@raft2kube/proto/gen/csi.ts";
import { connectGrpc, client as rpcClient } from "@raft2kube/rpc/client.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startApiserverOnEtcd } from "../../../testing/apiserver/own-apiserver.ts";
import type { TestApiserver } from "../../../testing/apiserver/test-apiserver.ts";
import { waitFor } from "../../../testing/wait.ts";
import { UpstreamProcess } from "../upstream-process.ts";
import { hasUpstreamSidecars, startUpstreamSidecars } from "./upstream-sidecars.ts";

const BIN = path.join(import.meta.dirname, "../../../.peers/bin");
const MOCK = path.join(BIN, "csi-mock-driver");
const NODE = "n1";
const namespace = "default";
const clock = systemClock();

/** A driver that we did not write. */
interface ForeignDriver {
  /**
   * The driver's program and words, and those of a program that registers it, in a folder of the
   * test.
   */
  command(dir: string): string[];
  registrar?(dir: string): string[];
  /** Attributes of its volumes, and its answer to attaching one. */
  attributes?(volumeName: string): Record<string, string>;
  publishContext?: Record<string, string>;
}

const mock: ForeignDriver = {
  command: (dir) => [MOCK, path.join(dir, "csi.sock"), "mock.csi.k8s.io"],
  attributes: (name) => ({ name }),
  publishContext: { device: "/dev/mock", readonly: "false" },
};

/** A command line with DIR for the test's folder. */
const wordsOf = (line: string) => (dir: string) =>
  line.split(" ").map((word) => word.replaceAll("DIR", dir));

const { R2K_CSI_DRIVER = "", R2K_CSI_REGISTRAR } = process.env;
/** Any driver whose volumes are attached and staged: on DIR/csi.sock, in DIR/registry. */
const named: ForeignDriver = {
  command: wordsOf(R2K_CSI_DRIVER),
  ...(R2K_CSI_REGISTRAR && { registrar: wordsOf(R2K_CSI_REGISTRAR) }),
};

type Beside = { api: TestApiserver; client: KubeClient; driverSocket: string };
type Sidecars = (beside: Beside) => Promise<{ close(): Promise<void> }[]>;

const ours: Sidecars = async ({ client, driverSocket }) => [
  await startProvisioner({ client, driverSocket, clock }),
  startAttacher({ client, driverSocket, clock }),
];
const SIDECARS = ["csi-provisioner", "csi-attacher", "csi-resizer"] as const;
const theirs: Sidecars = async (beside) => [await startUpstreamSidecars(SIDECARS, beside)];

const hasMock = existsSync(MOCK);
const hasTheirs = hasUpstreamSidecars(...SIDECARS);

describe.skipIf(!hasMock)("our sidecars beside upstream's driver", () => {
  lifeOfVolume(mock, ours);
});
describe.skipIf(!hasMock || !hasTheirs)("upstream's sidecars beside upstream's driver", () => {
  lifeOfVolume(mock, theirs);
});
describe.skipIf(R2K_CSI_DRIVER === "")("our sidecars beside the driver of R2K_CSI_DRIVER", () => {
  lifeOfVolume(named, ours);
});
describe.skipIf(R2K_CSI_DRIVER === "" || !hasTheirs)(
  "upstream's sidecars beside the driver of R2K_CSI_DRIVER",
  () => lifeOfVolume(named, theirs),
);

/** Tests from a claim to the volume's end; the binder is played here. */
function lifeOfVolume(foreign: ForeignDriver, startSidecars: Sidecars): void {
  let api: TestApiserver;
  let client: KubeClient;
  let dir: string;
  let driver: UpstreamProcess;
  let sidecars: { close(): Promise<void> }[];
  let volumeName: string;
  let attachment: string;
  /** The driver's name, and its name for its node. */
  let driverName: string;
  let nodeId: string;

  beforeAll(async () => {
    api = await startApiserverOnEtcd();
    const { cert, key } = await api.credentials("admin", ["system:masters"]);
    client = new KubeClient({ server: api.server, ca: api.ca.cert, cert, key });
    dir = await realpath(await mkdtemp(path.join(os.tmpdir(), "r2k-mock-")));
    const [program = "", ...args] = foreign.command(dir);
    driver = new UpstreamProcess(program, path.join(dir, "log"), {}, { args });
    await waitFor("the driver", () => existsSync(socket()));
    const channel = connectGrpc(`unix://${socket()}`);
    ({ name: driverName } = await rpcClient(channel, Identity).getPluginInfo({}));
    ({ nodeId } = await rpcClient(channel, NodeService).nodeGetInfo({}));
    channel.close();
    await client
      .resource(STORAGE_CLASSES)
      .create({
        metadata: { name: "foreign" },
        provisioner: driverName,
        allowVolumeExpansion: true,
      });
    await client
      .resource(CSI_NODES)
      .create({
        metadata: { name: NODE },
        spec: { drivers: [{ name: driverName, nodeID: nodeId, topologyKeys: [] }] },
      });
    sidecars = await startSidecars({ api, client, driverSocket: socket() });
  });
  afterAll(async () => {
    for (const each of sidecars) await each.close();
    await driver.close();
    for (const point of mountPointsBelow(dir)) unmount(point, { detach: true });
    client.close();
    await api.close();
    await rm(dir, { recursive: true });
  });

  const socket = () => path.join(dir, "csi.sock");
  const claims = () => client.resource(PERSISTENT_VOLUME_CLAIMS);
  const volumes = () => client.resource(PERSISTENT_VOLUMES);
  const attachments = () => client.resource(VOLUME_ATTACHMENTS);
  const until = <T>(what: string, probe: () => Promise<T>) => waitFor(what, probe);
  const claim = { namespace, name: "data" };

  async function register(registrationDir: string): Promise<{ close(): Promise<void> }> {
    const [program, ...args] = foreign.registrar?.(dir) ?? [];
    if (program === undefined) {
      return serveRegistration({ registrationDir, driverName, socket: socket() });
    }
    return new UpstreamProcess(program, path.join(dir, "registrar.log"), {}, { args });
  }

  async function handlesOfDriver(): Promise<string[]> {
    const channel = connectGrpc(`unix://${socket()}`);
    try {
      const { entries } = await rpcClient(channel, Controller).listVolumes({});
      return entries.map(({ volume }) => volume!.volumeId);
    } finally {
      channel.close();
    }
  }

  it("provisions the volume of a claim", async () => {
    const { metadata } = await claims().create({
      metadata: {
        ...claim,
        annotations: { "volume.kubernetes.io/storage-provisioner": driverName },
      },
      spec: {
        storageClassName: "foreign",
        accessModes: ["ReadWriteOnce"],
        resources: { requests: { storage: "1Gi" } },
      },
    });
    volumeName = `pvc-${metadata.uid}`;
    const { spec } = await until("the volume", () =>
      undefinedIfNotFound(volumes().get({ name: volumeName })),
    );
    expect(spec).toMatchObject({
      capacity: { storage: "1Gi" },
      claimRef: { ...claim, uid: metadata.uid },
      csi: {
        driver: driverName,
        ...(foreign.attributes && { volumeAttributes: foreign.attributes(volumeName) }),
      },
    });
    expect(await handlesOfDriver()).toContain(spec.csi!.volumeHandle);
    await claims().patch(claim, "merge", { spec: { volumeName } });
    const status = { phase: "Bound", capacity: { storage: "1Gi" } };
    await claims().patch({ ...claim, subresource: "status" }, "merge", { status });
  });

  it("attaches it to a node, and keeps what the driver says about the device", async () => {
    const {
      spec: { csi },
    } = await volumes().get({ name: volumeName });
    attachment = attachmentName(driverName, csi!.volumeHandle, NODE);
    const source = { persistentVolumeName: volumeName };
    const spec = { attacher: driverName, nodeName: NODE, source };
    await attachments().create({ metadata: { name: attachment }, spec });
    const status = await until("the volume to be attached", async () => {
      const { status } = await attachments().get({ name: attachment });
      return status?.attached ? status : undefined;
    });
    if (!foreign.publishContext) return;
    expect(status).toEqual({ attached: true, attachmentMetadata: foreign.publishContext });
  });

  it("grows it, and leaves the file system to the kubelet", async () => {
    const spec = { resources: { requests: { storage: "2Gi" } } };
    await claims().patch(claim, "merge", { spec });
    const statusOf = async () => (await claims().get(claim)).status;
    await until(
      "the node's turn",
      async () =>
        (await statusOf())?.allocatedResourceStatuses?.["storage"] === "NodeResizePending",
    );
    expect((await statusOf())?.capacity).toEqual({ storage: "1Gi" });
    expect((await volumes().get({ name: volumeName })).spec.capacity).toEqual({ storage: "2Gi" });
  });

  it("our kubelet stages it, publishes it, and grows it on the node", async () => {
    const pv = await volumes().get({ name: volumeName });
    const name = uniqueVolumeName(driverName, pv.spec.csi!.volumeHandle);
    const node = await client.resource(NODES).create({ metadata: { name: NODE }, spec: {} });
    const status = { volumesAttached: [{ name, devicePath: "" }] };
    await client.resource(NODES).updateStatus({ ...node, status });
    const drivers = new CsiDrivers({ added: async () => {}, removed: async () => {} });
    const registryDir = path.join(dir, "registry");
    const handlers = { CSIPlugin: drivers };
    const watcher = await startPluginWatcher({ registryDir, handlers, clock });
    const registered = await register(registryDir);
    await waitFor("registration", () => drivers.list().length === 1);
    const objects = csiObjects(client, clock);
    const inUse = new VolumesInUse();
    inUse.onChange(() => inUse.shown(inUse.list())); // as the node's status does
    const plugin = csiPlugin({ rootDir: dir, nodeName: NODE, drivers, objects, inUse, clock });
    const pod = { metadata: { name: "p", namespace, uid: "u" }, spec: { containers: [] } };
    const place = path.join(dir, "pods/u/volumes", plugin.name, "data");
    await mkdir(path.dirname(place), { recursive: true });
    const volume = { name: "data", persistentVolumeClaim: { claimName: "data" } };
    const spec = { name: "data", volume, claim: { pvc: await claims().get(claim), pv } };
    const how = { fsGroup: undefined, readOnly: false, budget: new FilesBudget() };
    const { hostPath } = (await plugin.setUp({ pod, spec, dir: place, ...how })) as {
      hostPath: string;
    };
    expect(existsSync(hostPath)).toBe(true);
    expect((await claims().get(claim)).status?.capacity).toEqual({ storage: "2Gi" });
    await plugin.tearDown({ podUid: "u", volumeName: "data", dir: place, inside: undefined });
    expect(existsSync(hostPath)).toBe(false);
    await watcher.close();
    await registered.close();
    drivers.close();
  });

  it("detaches it, and deletes it when it is released", async () => {
    const volume = await volumes().get({ name: volumeName });
    await attachments().delete({ name: attachment });
    await until(
      "the attachment to go",
      async () =>
        (await undefinedIfNotFound(attachments().get({ name: attachment }))) === undefined,
    );
    await claims().delete(claim);
    const status = { phase: "Released" };
    await volumes().patch({ name: volumeName, subresource: "status" }, "merge", { status });
    await until(
      "the driver's volume to go",
      async () => !(await handlesOfDriver()).includes(volume.spec.csi!.volumeHandle),
    );
  });
}
