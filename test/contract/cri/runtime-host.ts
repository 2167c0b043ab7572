import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { openCgroups } from "@raft2kube/linux/cgroup/open-cgroups.ts";
import { enterNetns } from "@raft2kube/linux/namespace/netns.ts";
import { getLink, openRoute, setLink } from "@raft2kube/linux/netlink/link.ts";
import { check, libc } from "@raft2kube/linux/syscall/libc.ts";
import { systemClock } from "@raft2kube/std/clock.ts";

const CLONE_NEWNET = 0x40000000;

/**
 * A place for one runtime: folders, a network configuration, a cgroup, and a netns around it all.
 */
export interface RuntimeHost {
  dir: string;
  cniConfDir: string;
  cgroupParent: string;
  logDirectory: string;
  close(): Promise<void>;
}

/**
 * Moves this thread, and all that it starts, into a network namespace that ends with them. Returns
 * what moves it back: other test files run in this process later.
 */
function enterOwnNetwork(): () => void {
  const home = openSync("/proc/thread-self/ns/net", "r");
  check("unshare", libc.unshare(CLONE_NEWNET), "the network namespace");
  using route = openRoute();
  setLink(route, getLink(route, "lo"), { up: true });
  return () => {
    enterNetns(`/proc/self/fd/${home}`);
    closeSync(home);
  };
}

export function createRuntimeHost(): RuntimeHost {
  const goHome = enterOwnNetwork();
  // Short: the kernel takes 107 bytes for a socket's path, which has a container's id in it.
  const dir = mkdtempSync("/tmp/r2k-cri-");
  const cniConfDir = join(dir, "net.d");
  const logDirectory = join(dir, "logs");
  // Not by the process's id: what a killed run left may have it.
  const cgroupParent = `/${basename(dir)}`;
  for (const folder of [cniConfDir, logDirectory]) mkdirSync(folder);
  const network = {
    cniVersion: "1.0.0",
    name: "pods",
    plugins: [
      {
        type: "bridge",
        bridge: "r2kcri0",
        isGateway: true,
        ipam: {
          type: "host-local",
          dataDir: join(dir, "ipam"),
          ranges: [[{ subnet: "10.89.0.0/24" }]],
          routes: [{ dst: "0.0.0.0/0" }],
        },
      },
    ],
  };
  writeFileSync(join(cniConfDir, "10-pods.conflist"), JSON.stringify(network));
  return {
    dir,
    cniConfDir,
    cgroupParent,
    logDirectory,
    async close() {
      goHome();
      await openCgroups().remove(cgroupParent, { clock: systemClock() });
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
