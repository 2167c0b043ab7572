import { closeSync, existsSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import type { Mounter } from "@raft2kube/csi/drivers/nfs/in-share/mounter.ts";
import { performerOf } from "@raft2kube/csi/drivers/nfs/in-share/performer.ts";
import { serveOperations } from "@raft2kube/csi/drivers/nfs/in-share/serve.ts";
import { attachMount, cloneMount, setMountAttributes } from "@raft2kube/linux/mount/mount-tree.ts";
import { exportedBy } from "./exports.ts";

// The NFS driver's process for calls in shares, with directories of this machine for servers, where
// the kernel has no NFS client: `server:/share` is R2K_EXPORTS/exports/server/share. Calls do not
// end that start while R2K_EXPORTS/stopped/server exists; each leaves a file there.

const exports = process.env["R2K_EXPORTS"]!;

const directories: Mounter = {
  async open({ server, path: share }, subDir, { attributes }) {
    if (server === "absent.test") await new Promise(() => {});
    const stopped = path.join(exports, "stopped", server);
    if (existsSync(stopped)) {
      writeFileSync(path.join(stopped, String(process.pid)), "");
      await new Promise(() => {});
    }
    const directory = path.join(exports, "exports", server, share, subDir);
    if (subDir === "") mkdirSync(directory, { recursive: true });
    const fd = cloneMount(directory, { recursive: false });
    setMountAttributes(fd, { set: attributes, recursive: false });
    return {
      path: `/proc/${process.pid}/fd/${fd}/.`,
      attach: (target) => attachMount(fd, target),
      [Symbol.dispose]: () => closeSync(fd),
    };
  },
  sourceOfMount: exportedBy,
};

serveOperations(performerOf(directories));
