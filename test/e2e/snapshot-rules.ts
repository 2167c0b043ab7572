import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { TestCluster } from "./cluster.ts";

const PEERS = join(import.meta.dirname, "../../.peers");
const CONTROLLER = join(PEERS, "bin/snapshot-controller");
export const SNAPSHOTTER = join(PEERS, "bin/csi-snapshotter");
const DEPLOYED = join(PEERS, "csi-snapshotter/deploy/csi-snapshotter");
/** Roles of csi-snapshotter, for the account of its name in the namespace `default`. */
export const SNAPSHOTTER_ROLES = join(DEPLOYED, "rbac-csi-snapshotter.yaml");

const API = "snapshot.storage.k8s.io/v1";
const CLASS = "under-test";

/** Whether the programs were built here (`npm run peers -- csi-snapshotter`). */
export const hasSnapshotter = (): boolean => existsSync(CONTROLLER);

/** A driver whose snapshots external-snapshotter is to take in a cluster. */
interface SnapshottedDriver {
  readonly driver: string;
  readonly storageClass: string;
  readonly nodeSelector: Readonly<Record<string, string>>;
  /** How long a pod or a snapshot may take. */
  readonly timeout_ms: number;
  /** The names of what the driver has stored for its snapshots. */
  stored(): Promise<string[]>;
}

/** Claims, pods and snapshots of one driver, in a cluster with upstream's snapshot-controller. */
export class SnapshotTrial {
  readonly cluster: TestCluster;
  readonly of: SnapshottedDriver;

  private constructor(cluster: TestCluster, of: SnapshottedDriver) {
    this.cluster = cluster;
    this.of = of;
  }

  /** Brings upstream's kinds, its controller, and a class of the driver's snapshots. */
  static async start(cluster: TestCluster, of: SnapshottedDriver): Promise<SnapshotTrial> {
    for (const kind of ["volumesnapshotclasses", "volumesnapshotcontents", "volumesnapshots"]) {
      const crd = `snapshot.storage.k8s.io_${kind}.yaml`;
      await cluster.ask("apply", "-f", join(PEERS, "csi-snapshotter/crd", crd));
      const name = `crd/${kind}.snapshot.storage.k8s.io`;
      await cluster.ask("wait", "--for=condition=Established", name);
    }
    const trial = new SnapshotTrial(cluster, of);
    trial.startProgram(CONTROLLER);
    const { driver } = of;
    await trial.#apply(API, "VolumeSnapshotClass", CLASS, { driver, deletionPolicy: "Delete" });
    return trial;
  }

  /** Starts one of upstream's programs on the host, as the cluster's administrator. */
  startProgram(program: string, ...flags: string[]): void {
    const { host, env } = this.cluster;
    const child = host.start(program, [`--kubeconfig=${env["KUBECONFIG"]}`, ...flags]);
    child.stdout?.resume();
    child.stderr?.resume();
  }

  async claim(name: string, source?: { kind: string; name: string }): Promise<void> {
    const isSnapshot = source?.kind === "VolumeSnapshot";
    const dataSource = { ...(isSnapshot && { apiGroup: "snapshot.storage.k8s.io" }), ...source };
    await this.#apply("v1", "PersistentVolumeClaim", name, {
      spec: {
        storageClassName: this.of.storageClass,
        accessModes: ["ReadWriteOnce"],
        resources: { requests: { storage: "8Mi" } },
        ...(source && { dataSource }),
      },
    });
  }

  async snapshot(name: string, persistentVolumeClaimName: string): Promise<void> {
    const spec = { volumeSnapshotClassName: CLASS, source: { persistentVolumeClaimName } };
    await this.#apply(API, "VolumeSnapshot", name, { spec });
  }

  /** A snapshot of a content that is there already: the driver's `snapshotHandle`. */
  async known(name: string, snapshotHandle: string): Promise<void> {
    await this.#apply(API, "VolumeSnapshotContent", name, {
      spec: {
        driver: this.of.driver,
        deletionPolicy: "Retain",
        source: { snapshotHandle },
        volumeSnapshotRef: { name, namespace: this.cluster.namespace },
      },
    });
    const spec = { source: { volumeSnapshotContentName: name } };
    await this.#apply(API, "VolumeSnapshot", name, { spec });
  }

  async untilReady(name: string): Promise<void> {
    const ready = ["get", "volumesnapshot", name, "-o", "jsonpath={.status.readyToUse}"];
    const { timeout_ms } = this.of;
    await this.cluster.until(`${name} to be ready`, ready, (text) => text === "true", timeout_ms);
  }

  /** The driver's handle of a snapshot that is ready. */
  async handleOf(name: string): Promise<string> {
    const bound = "jsonpath={.status.boundVolumeSnapshotContentName}";
    const content = await this.cluster.ask("get", "volumesnapshot", name, "-o", bound);
    const handle = "jsonpath={.status.snapshotHandle}";
    return this.cluster.ask("get", "volumesnapshotcontent", content, "-o", handle);
  }

  /** Runs a command in a pod with the claim's volume, until it succeeded. */
  async inVolume(name: string, command: string, claimName: string): Promise<void> {
    const { cluster, of } = this;
    await this.#apply("v1", "Pod", name, {
      spec: {
        restartPolicy: "Never",
        terminationGracePeriodSeconds: 1,
        nodeSelector: of.nodeSelector,
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
    const phase = ["get", "pod", name, "-o", "jsonpath={.status.phase}"];
    const isEnded = (text: string) => /ed$/.test(text);
    const ended = await cluster.until(`${name} to end`, phase, isEnded, of.timeout_ms);
    expect(ended, await cluster.ask("describe", "pod", name)).toBe("Succeeded");
    await cluster.ask("delete", "pod", name);
  }

  async #apply(apiVersion: string, kind: string, name: string, rest: object): Promise<void> {
    await this.cluster.apply(JSON.stringify({ apiVersion, kind, metadata: { name }, ...rest }));
  }
}

/** Upstream's external-snapshotter on a driver of ours. */
export function snapshotRules(current: () => SnapshotTrial): void {
  it("a snapshot keeps what was there, and a clone takes what is there", async () => {
    const trial = current();
    await trial.claim("data");
    await trial.inVolume("first", "echo first > /data/file", "data");
    await trial.snapshot("taken", "data");
    await trial.untilReady("taken");
    await trial.inVolume("second", "echo second > /data/file", "data");
    await trial.claim("restored", { kind: "VolumeSnapshot", name: "taken" });
    await trial.inVolume("reads-restored", "grep -q first /data/file", "restored");
    await trial.claim("cloned", { kind: "PersistentVolumeClaim", name: "data" });
    await trial.inVolume("reads-cloned", "grep -q second /data/file", "cloned");
  });

  it("a content that was there before is restored", async () => {
    const trial = current();
    await trial.known("known", await trial.handleOf("taken"));
    await trial.untilReady("known");
    await trial.claim("from-known", { kind: "VolumeSnapshot", name: "known" });
    await trial.inVolume("reads-known", "grep -q first /data/file", "from-known");
  });

  it("deleted, a snapshot goes from the storage, unless its content is retained", async () => {
    const { cluster, of } = current();
    const before = await of.stored();
    expect(before).not.toEqual([]);
    await cluster.ask("delete", "volumesnapshot", "known");
    expect(await of.stored()).toEqual(before);
    await cluster.ask("delete", "volumesnapshot", "taken");
    await cluster.until(
      "the content of taken to go",
      ["get", "volumesnapshotcontents", "-o", "name"],
      (text) => text.split("\n").every((name) => name.endsWith("/known")),
      of.timeout_ms,
    );
    expect(await of.stored()).toEqual([]);
  });
}
