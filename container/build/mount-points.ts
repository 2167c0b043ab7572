import { Directory } from "@raft2kube/linux/beneath/directory.ts";
import { removeTree } from "@raft2kube/linux/beneath/remove-tree.ts";
import { isErrno } from "@raft2kube/std/errors.ts";

/** Places that an OCI runtime makes in a root for its mounts. */
const FILES = ["etc/resolv.conf", "etc/hosts", "etc/hostname"];
const DIRECTORIES = ["dev", "proc", "sys", "etc"];

/**
 * Removes from an upper directory what is there only since something was mounted on it: no part of
 * what a command wrote. A directory goes if nothing else is in it.
 */
export async function removeMountPoints(upper: string, lower: readonly string[]): Promise<void> {
  using root = Directory.open(upper);
  using stack = new DisposableStack();
  const layers = lower.map((folder) => stack.use(Directory.open(folder)));
  const isBelow = (name: string) =>
    layers.some((layer) => {
      using found = layer.find(name);
      return found !== undefined;
    });
  const touched = new Set<string>();
  for (const file of FILES) {
    const [folder = "", name = ""] = file.split("/");
    using found = root.find(file);
    if (!found?.stats().isFile() || found.stats().size > 0) continue;
    using parent = root.directory(folder);
    await removeTree(parent, name);
    touched.add(folder);
  }
  for (const name of DIRECTORIES) {
    using found = root.find(name);
    if (!found?.stats().isDirectory()) continue;
    // Times of /etc alone have changed, if a lower layer has it.
    if (name === "etc" && (!touched.has("etc") || !isBelow("etc"))) continue;
    if (name !== "etc") await emptyOut(root, name);
    try {
      root.remove(name, { directory: true });
    } catch (error) {
      if (!isErrno(error, "ENOTEMPTY", "EEXIST")) throw error;
    }
  }
}

/** Removes places of mounts in /dev; in /proc and /sys a runtime makes none. */
async function emptyOut(root: Directory, name: string): Promise<void> {
  if (name !== "dev") return;
  using dev = root.directory(name);
  for (const place of ["pts", "shm", "mqueue", "console"]) await removeTree(dev, place);
}
