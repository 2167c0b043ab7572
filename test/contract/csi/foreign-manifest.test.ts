import { existsSync, mkdirSync, readdirSync } from "node:fs";
import { join } from "node:path";
import type { DaemonSet } from "@raft2kube/api/gen/apps/v1.ts";
import type { Pod } from "@raft2kube/api/gen/core/v1.ts";
import type { CSIDriver } from "@raft2kube/api/gen/storage/v1.ts";
import { yamlDocuments } from "@raft2kube/apimachinery/yaml.ts";
import {
  CSI_DRIVERS,
  CSI_NODES,
  PERSISTENT_VOLUME_CLAIMS,
  PERSISTENT_VOLUMES,
  PODS,
} from "@raft2kube/client-kube/rest/resources.ts";
import { unmount } from "@raft2kube/linux/mount/mount.ts";
import { shareMounts } from "@raft2kube/linux/mount/mount-point.ts";
import { mountPointsBelow } from "@raft2kube/linux/mount/mountinfo.ts";
import { Controller } from "@raft2kube/proto/gen/csi.ts";
import { client, connectGrpc } from "@raft2kube/rpc/client.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { afterAll, beforeAll, expect, it } from "vitest";
import { bundle, ROOT } from "../../../scripts/build/bundle.ts";
import { waitFor } from "../../../testing/wait.ts";
import { type ApiNode, startApiNode } from "../kubelet/api-node.ts";
import { isReady } from "../kubelet/fixture.ts";
import { SLEEP, sh, spec } from "../kubelet/specs.ts";

const CUSTOMARY = "/var/lib/kubelet";
const namespace = "default";
const there = () => (existsSync(CUSTOMARY) ? readdirSync(CUSTOMARY) : "nothing");

let api: ApiNode;
const before = there();
const pods = () => api.plane.admin.resource(PODS);

beforeAll(async () => {
  api = await startApiNode();
  const { node } = api;
  await node.stopKubelet();
  mkdirSync(node.rootDir, { recursive: true });
  shareMounts(node.rootDir);
  await node.startKubelet();
});
afterAll(async () => {
  for (const { metadata } of (await pods().listAll({ namespace })).items) await remove(metadata);
  await api.node.stopKubelet();
  // The last program of a pod may take a while to end.
  await waitFor("the kubelet's folder to be free", () => isFree(api.node.rootDir));
  await api.close();
});

function isFree(rootDir: string): boolean {
  try {
    return unmount(rootDir);
  } catch (thrown) {
    if (isErrno(thrown, "EBUSY")) return false;
    throw thrown;
  }
}

async function remove({ name = "", uid = "" }: Pod["metadata"]): Promise<void> {
  await pods().delete({ namespace, name }, { gracePeriodSeconds: 1 });
  await api.node.untilGone(name, uid);
}

/** The pod that the manifest's DaemonSet would make, with programs behind its commands. */
async function podOf({ metadata, spec: { template } = {} as never }: DaemonSet): Promise<Pod> {
  const outDir = ".cache/test-driver-in-pod";
  await bundle({ outDir, entries: { driver: "test/contract/csi/driver-in-pod" } });
  const program = [process.execPath, join(ROOT, outDir, "driver.js")];
  const places = [ROOT, "/usr", "/lib", "/lib64"];
  const mounts = places.map((mountPath, index) => ({
    name: `program-${index}`,
    mountPath,
    readOnly: true,
  }));
  const containers = template.spec!.containers.map(({ command = [], ...rest }) => ({
    ...rest,
    command: [...program, ...command.slice(1)],
    env: [{ name: "R2K_ROOT", value: ROOT }],
    volumeMounts: [...(rest.volumeMounts ?? []), ...mounts],
  }));
  const volumes = [
    ...(template.spec!.volumes ?? []),
    ...places.map((path, index) => ({ name: `program-${index}`, hostPath: { path } })),
  ];
  const name = `${metadata.name}-1`;
  return { metadata: { name, namespace }, spec: { ...template.spec!, containers, volumes } };
}

const untilReady = (name: string) =>
  waitFor(`${name} to be ready`, async () => {
    const pod = await pods().get({ namespace, name });
    if (isReady(pod)) return pod;
    throw new Error(JSON.stringify(pod.status));
  });

async function makeVolume(driverName: string): Promise<void> {
  const channel = connectGrpc(`unix://${join(api.node.rootDir, "plugins/csi-foreign/csi.sock")}`);
  const { volume } = await client(channel, Controller).createVolume({
    name: "v",
    capacityRange: { requiredBytes: 1 << 20 },
    volumeCapabilities: [{ mount: {}, accessMode: { mode: 1 } }],
  });
  channel.close();
  const shape = { accessModes: ["ReadWriteOnce" as const], storageClassName: "" };
  await api.plane.admin
    .resource(PERSISTENT_VOLUMES)
    .create({
      metadata: { name: "v" },
      spec: {
        ...shape,
        capacity: { storage: "1Mi" },
        claimRef: { namespace, name: "c" },
        csi: { driver: driverName, volumeHandle: volume!.volumeId },
      },
    });
  await api.plane.admin
    .resource(PERSISTENT_VOLUME_CLAIMS)
    .create({
      metadata: { name: "c", namespace },
      spec: { ...shape, volumeName: "v", resources: { requests: { storage: "1Mi" } } },
    });
}

it("a driver's published manifest serves volumes, wherever the kubelet's root is", async () => {
  const manifest = new URL("./manifests/driver.yaml", import.meta.url);
  const [driver, daemonSet] = await yamlDocuments(manifest);
  const {
    metadata: { name = "" },
  } = await api.plane.admin.resource(CSI_DRIVERS).create(driver as CSIDriver);
  await pods().create(await podOf(daemonSet as DaemonSet));
  await untilReady("foreign-csi-node-1");
  await waitFor("the driver to register", async () => {
    const csiNode = await api.plane.admin.resource(CSI_NODES).get({ name: "node" });
    return csiNode.spec.drivers.some((each) => each.name === name);
  });
  await makeVolume(name);
  await pods().create({
    metadata: { name: "user", namespace },
    spec: spec(
      [
        sh("main", `echo hello > /data/file; ${SLEEP}`, {
          volumeMounts: [{ name: "data", mountPath: "/data" }],
          readinessProbe: { exec: { command: ["grep", "hello", "/data/file"] }, periodSeconds: 1 },
        }),
      ],
      { volumes: [{ name: "data", persistentVolumeClaim: { claimName: "c" } }] },
    ),
  });
  const { metadata } = await untilReady("user");
  const { rootDir } = api.node;
  const mounted = () => mountPointsBelow(rootDir).filter((each) => each !== rootDir);
  const staged = join(rootDir, "plugins/kubernetes.io/csi", name);
  expect(mounted().filter((each) => each.startsWith(staged))).toHaveLength(1);
  expect(mounted()).toContain(
    join(rootDir, "pods", metadata.uid!, "volumes/kubernetes.io~csi/data/mount"),
  );
  await remove(metadata);
  expect(mounted().filter((each) => each.includes("csi/"))).toEqual([]);
  expect(there()).toEqual(before);
});
