import path from "node:path";
import { undefinedIfNotFound } from "@raft2kube/client-kube/errors.ts";
import { KubeClient } from "@raft2kube/client-kube/rest/client.ts";
import {
  CSI_NODES,
  PERSISTENT_VOLUMES,
  SECRETS,
  VOLUME_ATTACHMENTS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { startAttacher } from "@raft2kube/csi/sidecars/attacher.ts";
import {
  Controller,
  type ControllerPublishVolumeRequest,
  Identity,
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
import { hasUpstreamSidecars, startUpstreamSidecars } from "./upstream-sidecars.ts";

// Takes turns, sidecars beside a driver: see provisioner.test.ts.

const DRIVER = "disk.example.com";
const FINALIZER = "external-attacher/disk-example-com";
const clock = systemClock();

type Beside = { api: TestApiserver; client: KubeClient; driverSocket: string };
type Running = { ready: Promise<void>; close(): Promise<void> };

const ATTACHERS: Record<string, { possible: boolean; start(beside: Beside): Promise<Running> }> = {
  "CSI attacher": {
    possible: true,
    start: async ({ client, driverSocket }) => startAttacher({ client, driverSocket, clock }),
  },
  "upstream's attacher beside a driver": {
    possible: hasUpstreamSidecars("csi-attacher"),
    start: (beside) => startUpstreamSidecars(["csi-attacher"], beside),
  },
};

/** Attachers with a driver that records its calls, and a real apiserver. */
for (const [title, { possible, start }] of Object.entries(ATTACHERS)) {
  describe.skipIf(!possible)(title, () => attacherRules(start));
}

function attacherRules(startOne: (beside: Beside) => Promise<Running>): void {
  const isOurs = startOne === ATTACHERS["CSI attacher"]?.start;
  let api: TestApiserver;
  let client: KubeClient;
  let dir: string;
  let server: RpcServer;
  let attacher: Running;
  /** Volumes by `volume@node` that the driver has attached. */
  let attached: Set<string>;
  let published: ControllerPublishVolumeRequest[];
  let fails: string | undefined;
  let publishes: boolean;

  beforeAll(async () => {
    api = await startApiserverOnEtcd();
    const { cert, key } = await api.credentials("admin", ["system:masters"]);
    client = new KubeClient({ server: api.server, ca: api.ca.cert, cert, key });
    await client
      .resource(CSI_NODES)
      .create({
        metadata: { name: "n1" },
        spec: { drivers: [{ name: DRIVER, nodeID: "id-of-n1", topologyKeys: [] }] },
      });
    await client
      .resource(SECRETS)
      .create({ metadata: { namespace: "default", name: "s" }, data: { user: btoa("me") } });
  });
  afterAll(async () => {
    client.close();
    await api.close();
  });
  beforeEach(async () => {
    dir = testFolder("r2k-attacher-");
    attached = new Set();
    published = [];
    fails = undefined;
    publishes = true;
  });
  afterEach(async () => {
    await attacher.close();
    await server.close();
  });

  const socket = () => path.join(dir, "csi.sock");
  async function start(): Promise<void> {
    const answer = () => {
      if (fails !== undefined) throw new RpcError(Status.INTERNAL, fails);
    };
    const type = publishes ? Rpc.PUBLISH_UNPUBLISH_VOLUME : Rpc.CREATE_DELETE_VOLUME;
    server = await serveGrpc({
      listen: { path: socket() },
      services: [
        serve(Identity, {
          probe: () => ({}),
          getPluginInfo: () => ({ name: DRIVER, vendorVersion: "1" }),
          getPluginCapabilities: () => ({
            capabilities: [{ service: { type: Service.CONTROLLER_SERVICE } }],
          }),
        }),
        serve(Controller, {
          controllerGetCapabilities: () => ({ capabilities: [{ rpc: { type } }] }),
          controllerPublishVolume: (request) => {
            answer();
            published.push(request);
            attached.add(`${request.volumeId}@${request.nodeId}`);
            return { publishContext: { device: "/dev/x" } };
          },
          controllerUnpublishVolume: ({ volumeId, nodeId }) => {
            answer();
            attached.delete(`${volumeId}@${nodeId}`);
            return {};
          },
        }),
      ],
    });
    attacher = await startOne({ api, client, driverSocket: socket() });
    await attacher.ready;
  }

  const volumes = () => client.resource(PERSISTENT_VOLUMES);
  const attachments = () => client.resource(VOLUME_ATTACHMENTS);
  const get = (name: string) => undefinedIfNotFound(attachments().get({ name }));
  const until = <T>(what: string, probe: () => Promise<T>) => waitFor(what, probe);

  async function request(name: string): Promise<void> {
    const controllerPublishSecretRef = { namespace: "default", name: "s" };
    await volumes().create({
      metadata: { name },
      spec: {
        accessModes: ["ReadWriteOnce"],
        capacity: { storage: "1Gi" },
        persistentVolumeReclaimPolicy: "Retain",
        csi: {
          driver: DRIVER,
          volumeHandle: `h-${name}`,
          volumeAttributes: { tier: "fast" },
          controllerPublishSecretRef,
        },
      },
    });
    const source = { persistentVolumeName: name };
    const spec = { attacher: DRIVER, nodeName: "n1", source };
    await attachments().create({ metadata: { name }, spec });
  }
  const untilAttached = (name: string) =>
    until(`${name} to be attached`, async () => (await get(name))?.status?.attached);
  const untilGone = (name: string) =>
    until(`${name} to be gone`, async () => (await get(name)) === undefined);

  it("attaches with the driver, keeps volume and attachment, and detaches", async () => {
    await start();
    await request("one");
    await untilAttached("one");
    // Upstream's calls again for an event of its own write that comes before the last one's.
    expect(isOurs ? published : published.slice(0, 1)).toMatchObject([
      {
        volumeId: "h-one",
        nodeId: "id-of-n1",
        readonly: false,
        secrets: { user: "me" },
        volumeContext: { tier: "fast" },
      },
    ]);
    const { metadata, status } = (await get("one"))!;
    expect(status).toEqual({ attached: true, attachmentMetadata: { device: "/dev/x" } });
    expect(metadata.finalizers).toEqual([FINALIZER]);
    expect(metadata.annotations).toEqual({ "csi.alpha.kubernetes.io/node-id": "id-of-n1" });
    await volumes().delete({ name: "one" });
    expect((await volumes().get({ name: "one" })).metadata.finalizers).toContain(FINALIZER);
    await attachments().delete({ name: "one" });
    await untilGone("one");
    expect([...attached]).toEqual([]);
    await until("the volume to be released", async () => {
      const volume = await undefinedIfNotFound(volumes().get({ name: "one" }));
      return !volume?.metadata.finalizers?.includes(FINALIZER);
    });
  });

  it("shows the driver's errors, and tries again", async () => {
    await start();
    fails = "no disk";
    await request("two");
    const error = await until(
      "an attachError",
      async () => (await get("two"))?.status?.attachError,
    );
    expect(error?.message).toContain("no disk");
    expect(error?.errorCode).toBe(Status.INTERNAL);
    fails = undefined;
    await untilAttached("two");
    // Upstream's patch keeps an error that its informer did not show when the patch was made.
    if (isOurs) expect((await get("two"))?.status?.attachError).toBeUndefined();
    fails = "busy";
    await attachments().delete({ name: "two" });
    const stuck = await until(
      "a detachError",
      async () => (await get("two"))?.status?.detachError?.message,
    );
    expect(stuck).toContain("busy");
    expect([...attached]).toEqual(["h-two@id-of-n1"]);
    fails = undefined;
    await untilGone("two");
    expect([...attached]).toEqual([]);
  });

  it("detaches what was attached, or begun to be, before it was started again", async () => {
    await start();
    await request("three");
    await untilAttached("three");
    await attacher.close();
    await attachments().delete({ name: "three" });
    await client.resource(CSI_NODES).delete({ name: "n1" });
    attacher = await startOne({ api, client, driverSocket: socket() });
    await untilGone("three");
    expect([...attached]).toEqual([]);
  });

  it("counts volumes of a driver without these calls as attached", async () => {
    publishes = false;
    await start();
    await request("four");
    await untilAttached("four");
    expect(published).toEqual([]);
    await attachments().delete({ name: "four" });
    await untilGone("four");
  });
}
