import { once } from "node:events";
import { existsSync, realpathSync } from "node:fs";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { TestCluster } from "../e2e/cluster.ts";
import {
  hasSnapshotter,
  SNAPSHOTTER,
  SNAPSHOTTER_ROLES,
  SnapshotTrial,
  snapshotRules,
} from "../e2e/snapshot-rules.ts";
import { guestsMissing, wallLimit_ms } from "./guest.ts";

// Takes turns, what this kernel may lack: see systemd.test.ts.

const NAME = "kept";
const WAIT_MS = 240_000;
const LIMIT_MS = wallLimit_ms(600_000);
const isPossible =
  process.env["R2K_NFS_DEMO"] !== undefined &&
  hasSnapshotter() &&
  guestsMissing() === undefined &&
  process.getuid?.() === 0 &&
  existsSync("/usr/sbin/rpc.nfsd");

let cluster: TestCluster;
let trial: SnapshotTrial;

/** Upstream's sidecar beside the driver of the guest, in a pod, with the roles of its release. */
const sidecar = (sockets: string) => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "csi-snapshotter" },
  spec: {
    nodeName: "nfs",
    serviceAccountName: "csi-snapshotter",
    // Sees the driver's programs.
    hostPID: true,
    terminationGracePeriodSeconds: 1,
    containers: [
      {
        name: "main",
        image: "r2k.local/busybox:1",
        imagePullPolicy: "IfNotPresent",
        command: ["/peers/csi-snapshotter", "--csi-address=/csi/csi-nfs.sock"],
        securityContext: { privileged: true },
        volumeMounts: ["peers", "csi", "srv"].map((name) => ({ name, mountPath: `/${name}` })),
      },
    ],
    volumes: [
      { name: "peers", hostPath: { path: dirname(realpathSync(SNAPSHOTTER)) } },
      { name: "csi", hostPath: { path: sockets } },
      { name: "srv", hostPath: { path: "/srv" } },
    ],
  },
});

const inSidecar = (...command: string[]) =>
  cluster.ask("exec", "csi-snapshotter", "--", ...command);

/** The names in the driver's folder of snapshots, where the server has the share. */
async function stored(): Promise<string[]> {
  const names = await inSidecar("ls", "-A", "/srv/nfs/.r2k-csi/snapshots");
  return names.split("\n").filter((name) => name !== "");
}

/** Waits until an event about a claim contains a text. */
const untilEvent = (claim: string, text: string) => {
  const selector = `--field-selector=involvedObject.name=${claim}`;
  const events = ["get", "events", selector, "-o", "jsonpath={.items[*].message}"];
  return cluster.until(`an event of ${claim}`, events, (all) => all.includes(text), WAIT_MS);
};

describe.runIf(isPossible)(
  "external-snapshotter beside the NFS driver",
  { timeout: LIMIT_MS },
  () => {
    beforeAll(async () => {
      cluster = await TestCluster.start(NAME, ["--no-demo", "--nfs-demo"]);
      trial = await SnapshotTrial.start(cluster, {
        driver: "nfs.csi.r2k.dev",
        storageClass: "nfs",
        nodeSelector: { "r2k.io/nfs-client": "true" },
        timeout_ms: WAIT_MS,
        stored,
      });
      await cluster.ask("apply", "-f", SNAPSHOTTER_ROLES);
      const sockets = join(cluster.host.dir, "run", NAME, "nodes/nfs/sock");
      await cluster.apply(JSON.stringify(sidecar(sockets)));
      await cluster.ask("wait", "--for=condition=Ready", "pod/csi-snapshotter", "--timeout=120s");
    }, LIMIT_MS);
    afterAll(() => cluster?.close(), LIMIT_MS);

    it("its node is lost while a snapshot is taken: it is taken again, whole", async () => {
      await trial.claim("large");
      const fill = "cd /data && dd if=/dev/urandom of=file bs=1M count=64 && md5sum file > sum";
      await trial.inVolume("fills", fill, "large");
      const stopTar = 'echo ready; until pid=$(pidof tar); do :; done; kill -STOP "$pid"';
      const exec = ["exec", "csi-snapshotter", "--", "sh", "-c", stopTar];
      const stopping = cluster.startKubectl(exec);
      const stopped = once(stopping, "exit");
      await Promise.race([once(stopping.stdout!, "data"), stopped]);
      await trial.snapshot("interrupted", "large");
      expect(await stopped).toEqual([0, null]);
      expect(await stored()).toEqual([expect.stringMatching(/^\..*\.tar\.new$/)]);
      const [node] = (await cluster.processes()).filter(({ name }) => name === "node nfs");
      process.kill(node!.pid!, "SIGKILL");
      await trial.untilReady("interrupted");
      await trial.claim("whole", { kind: "VolumeSnapshot", name: "interrupted" });
      await trial.inVolume("reads-whole", "cd /data && md5sum -c sum", "whole");
      const names = (await stored()).map((name) => name.replace(/^[0-9a-f]{32}/, "KEY"));
      expect(names.sort()).toEqual(["KEY.json", "KEY.tar"]);
      await cluster.ask("delete", "volumesnapshot/interrupted", "pvc/large", "pvc/whole");
    });

    it("a content leads to no snapshot outside of its class's share", async () => {
      const server = await cluster.ask("get", "sc", "nfs", "-o", "jsonpath={.parameters.server}");
      const key = "0".repeat(32);
      const refusals = {
        path: [`${server}#/../srv#${key}`, "does not exist"],
        key: [`${server}#/#../volumes/${key}`, "does not exist"],
        share: [`${server}#/other#${key}`, "is not in the share of the class"],
        server: [`192.0.2.1#/#${key}`, "is not in the share of the class"],
        missing: [`${server}#/#${key}`, "the source snapshot does not exist"],
      } as const;
      for (const [name, [handle, why]] of Object.entries(refusals)) {
        await trial.known(name, handle);
        await trial.untilReady(name);
        await trial.claim(name, { kind: "VolumeSnapshot", name });
        await untilEvent(name, why);
        await cluster.ask("delete", `pvc/${name}`, `volumesnapshot/${name}`);
        await cluster.ask("delete", "volumesnapshotcontent", name);
      }
    });

    snapshotRules(() => trial);
  },
);
