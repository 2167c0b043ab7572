import { mkdirSync } from "node:fs";
import path from "node:path";
import { startNfsDriver } from "@raft2kube/csi/drivers/nfs/main.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { exportedBy } from "./nfs-exports.ts";
import { nfsRules, type NfsUnderTest } from "./nfs-rules.ts";
import { csiContract } from "./suite.ts";

const driver: NfsUnderTest = {
  parameters: { server: "nfs.test", share: "/data" },
  unknownId: `nfs.test#/data#${"0".repeat(32)}`,
  exported: (dir) => path.join(dir, "exports/nfs.test/data"),
  async start(dir) {
    process.env["R2K_EXPORTS"] = dir;
    mkdirSync(this.exported(dir), { recursive: true });
    const socket = path.join(dir, "csi.sock");
    const seam = {
      process: new URL("./nfs-share-process.ts", import.meta.url),
      sourceOfMount: exportedBy,
    };
    const clock = systemClock();
    const { close } = await startNfsDriver({ socket, nodeId: "node-1", seam, clock });
    return { socket, close };
  },
};

csiContract("NFS, on directories in place of a server", driver);
nfsRules("on directories in place of a server", driver);
