import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TestCluster } from "./cluster.ts";

const PEERS = join(import.meta.dirname, "../../.peers");
const CONTROLLER = join(PEERS, "bin/snapshot-controller");
const SIDECAR = join(PEERS, "bin/csi-snapshotter");
const TIMEOUT_MS = 180_000;
const DRIVER = "hostpath.csi.r2k.dev";
const API = "snapshot.storage.k8s.io/v1";

let cluster: TestCluster;

const claim = (name: string, source?: { kind: string; name: string }) =>
  JSON.stringify({
    apiVersion: "v1",
    kind: "PersistentVolumeClaim",
    metadata: { name },
    spec: {
      accessModes: ["ReadWriteOnce"],
      resources: { requests: { storage: "8Mi" } },
      ...(source && {
        dataSource: {
          ...(source.kind === "VolumeSnapshot" ? { apiGroup: "snapshot.storage.k8s.io" } : {}),
          ...source,
        },
      }),
    },
  });

const pod = (name: string, command: string, claimName: string) =>
  JSON.stringify({
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name },
    spec: {
      restartPolicy: "Never",
      terminationGracePeriodSeconds: 1,
      containers: [
        {
          name: "main",
          image: "r2k.local/busybox:1",
          imagePullPolicy: "IfNotPresent",
          command: ["sh", "-c", command],
          volumeMounts: [{ name: "data", mountPath: "/data" }],
        },
      ],
      volumes: [{ name: "data", persistentVolumeClaim: { claimName } }],
    },
  });

const snapshotClass = {
  apiVersion: API,
  kind: "VolumeSnapshotClass",
  metadata: { name: "local" },
  driver: DRIVER,
  deletionPolicy: "Delete",
};
const snapshot = (name: string, source: object) =>
  JSON.stringify({ apiVersion: API, kind: "VolumeSnapshot", metadata: { name }, spec: source });

/** Runs a command in a pod with the claim's volume, until it succeeded. */
async function inVolume(name: string, command: string, claimName: string): Promise<void> {
  await cluster.apply(pod(name, command, claimName));
  const phase = ["get", "pod", name, "-o", "jsonpath={.status.phase}"];
  const ended = await cluster.until(`${name} to end`, phase, (text) => /ed$/.test(text));
  expect(ended, await cluster.ask("describe", "pod", name)).toBe("Succeeded");
  await cluster.ask("delete", "pod", name);
}

const untilReady = (name: string) =>
  cluster.until(
    `${name} to be ready`,
    ["get", "volumesnapshot", name, "-o", "jsonpath={.status.readyToUse}"],
    (text) => text === "true",
  );

const snapshotsOnDisk = () =>
  readdir(join(cluster.host.dir, "data", cluster.name, "csi/snapshots"));

describe.runIf(existsSync(CONTROLLER))(
  "external-snapshotter beside our driver",
  { timeout: TIMEOUT_MS },
  () => {
    beforeAll(async () => {
      cluster = await TestCluster.start("snapshot", ["--no-demo"]);
      for (const kind of ["volumesnapshotclasses", "volumesnapshotcontents", "volumesnapshots"]) {
        const crd = `snapshot.storage.k8s.io_${kind}.yaml`;
        await cluster.ask("apply", "-f", join(PEERS, "csi-snapshotter/crd", crd));
        const name = `crd/${kind}.snapshot.storage.k8s.io`;
        await cluster.ask("wait", "--for=condition=Established", name);
      }
      const { KUBECONFIG } = cluster.env;
      const socket = join(cluster.host.dir, "run", cluster.name, "sock/csi-hostpath.sock");
      for (const [program, ...words] of [
        [CONTROLLER],
        [SIDECAR, `--csi-address=${socket}`],
      ] as const) {
        const child = cluster.host.start(program, [`--kubeconfig=${KUBECONFIG}`, ...words]);
        child.stdout?.resume();
        child.stderr?.resume();
      }
      await cluster.apply(JSON.stringify(snapshotClass));
    }, TIMEOUT_MS);
    afterAll(() => cluster?.close(), TIMEOUT_MS);

    it("a snapshot keeps what was there, and a clone takes what is there", async () => {
      await cluster.apply(claim("data"));
      await inVolume("first", "echo first > /data/file", "data");
      const source = { persistentVolumeClaimName: "data" };
      await cluster.apply(snapshot("taken", { volumeSnapshotClassName: "local", source }));
      await untilReady("taken");
      await inVolume("second", "echo second > /data/file", "data");
      await cluster.apply(claim("restored", { kind: "VolumeSnapshot", name: "taken" }));
      await inVolume("reads-restored", "grep -q first /data/file", "restored");
      await cluster.apply(claim("cloned", { kind: "PersistentVolumeClaim", name: "data" }));
      await inVolume("reads-cloned", "grep -q second /data/file", "cloned");
    });

    it("a content that was there before is restored", async () => {
      const [content] = await snapshotsOnDisk();
      const volumeSnapshotRef = { name: "known", namespace: cluster.namespace };
      await cluster.apply(
        JSON.stringify({
          apiVersion: API,
          kind: "VolumeSnapshotContent",
          metadata: { name: "known" },
          spec: {
            driver: DRIVER,
            deletionPolicy: "Retain",
            source: { snapshotHandle: content },
            volumeSnapshotRef,
          },
        }),
      );
      const source = { volumeSnapshotContentName: "known" };
      await cluster.apply(snapshot("known", { source }));
      await untilReady("known");
      await cluster.apply(claim("from-known", { kind: "VolumeSnapshot", name: "known" }));
      await inVolume("reads-known", "grep -q first /data/file", "from-known");
    });

    it("deleted, a snapshot goes from the disk, unless its content is retained", async () => {
      await cluster.ask("delete", "volumesnapshot", "known");
      expect(await snapshotsOnDisk()).toHaveLength(1);
      await cluster.ask("delete", "volumesnapshot", "taken");
      await cluster.until(
        "the content of taken to go",
        ["get", "volumesnapshotcontents", "-o", "name"],
        (text) => text.split("\n").every((name) => name.endsWith("/known")),
      );
      expect(await snapshotsOnDisk()).toEqual([]);
    });
  },
);
