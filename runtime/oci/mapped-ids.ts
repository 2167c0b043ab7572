import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, openSync } from "node:fs";
import { cloneMount, setMountAttributes } from "@raft2kube/linux/mount/mount-tree.ts";
import { isErrno } from "@raft2kube/std/errors.ts";

/**
 * Whether the file system of a folder can be mounted with the ids of a user namespace
 * (mount_setattr(2)), by a try: some cannot, such as overlayfs, which a machine in a container has,
 * and NFS. False too where no user namespace can be made.
 */
export async function canMapIds(folder: string): Promise<boolean> {
  const program = ["--user", "--map-root-user", "sh", "-c", "echo ready; exec cat"];
  const child = spawn("unshare", program, { stdio: ["pipe", "pipe", "ignore"] });
  const closed = new Promise<void>((resolve) => {
    child.on("close", resolve);
    // A program that is not there makes no namespace either.
    child.on("error", () => resolve());
  });
  child.stdin.on("error", () => undefined);
  try {
    const ready = once(child.stdout, "data").then(() => true);
    const hasNamespace = await Promise.race([ready, closed.then(() => false)]);
    return hasNamespace && canMount(folder, `/proc/${child.pid}/ns/user`);
  } finally {
    child.stdin.end();
    await closed;
  }
}

function canMount(folder: string, namespace: string): boolean {
  const mount = cloneMount(folder, { recursive: false });
  const userNamespace = openSync(namespace, "r");
  try {
    setMountAttributes(mount, { set: 0, userNamespace, recursive: false });
    return true;
  } catch (thrown) {
    if (isErrno(thrown, "EINVAL", "EPERM")) return false;
    throw thrown;
  } finally {
    closeSync(userNamespace);
    closeSync(mount);
  }
}
