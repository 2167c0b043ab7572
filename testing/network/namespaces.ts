import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createNetns, deleteNetns, enterNetns, inNetns } from "@raft2kube/linux/namespace/netns.ts";
import { getLink, openRoute, setLink } from "@raft2kube/linux/netlink/link.ts";

/** Network namespaces of a test, in a folder of their own. */
export interface Namespaces {
  readonly root: string;
  /** Makes a namespace whose loopback is up; returns its path. */
  add(name: string): string;
  /** Returns this thread to its own namespace and removes the others. */
  close(): void;
}

/** Makes an empty set of namespaces in a temporary folder whose name starts with `prefix`. */
export function createNamespaces(prefix: string): Namespaces {
  const root = mkdtempSync(join(tmpdir(), prefix));
  const home = openSync("/proc/thread-self/ns/net", "r");
  const made: string[] = [];
  return {
    root,
    add(name) {
      const path = join(root, name);
      createNetns(path);
      made.push(path);
      inNetns(path, () => {
        using route = openRoute();
        setLink(route, getLink(route, "lo"), { up: true });
      });
      return path;
    },
    close() {
      enterNetns(`/proc/self/fd/${home}`);
      closeSync(home);
      for (const path of made) deleteNetns(path);
      rmSync(root, { recursive: true, force: true });
    },
  };
}
