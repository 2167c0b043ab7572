import { guestsMissing } from "../guest/kernel.ts";
import { findProgram } from "../preflight/programs.ts";
import type { ClusterConfig, GuestConfig } from "../spec/config.ts";
import { CommandError } from "../terminal.ts";
import { defaultGuest } from "./guest-flags.ts";

/** The size that the demo's export may grow to, in the cluster's data folder. */
const EXPORT_MIB = 1024;

/** Programs that the guest runs from this machine's root, and Debian's packages of them. */
const PROGRAMS: readonly (readonly [name: string, debianPackage: string])[] = [
  ["rpc.nfsd", "nfs-kernel-server"],
  ["rpc.mountd", "nfs-kernel-server"],
  ["exportfs", "nfs-kernel-server"],
  ["mkfs.ext4", "e2fsprogs"],
];

/** Seams for a test. */
export interface Machine {
  uid: number | undefined;
  isX64: boolean;
  guestsMissing: string | undefined;
  find(program: string): Promise<string | undefined>;
}

/**
 * The guest that serves NFS: its kernel has the server, and the client that this machine's may
 * lack. Throws CommandError `NFS_DEMO`, which names all that is missing here.
 */
export async function nfsServerGuest(
  cluster: Pick<ClusterConfig, "proxyMode">,
  machine: Machine = {
    uid: process.getuid?.(),
    isX64: process.arch === "x64",
    guestsMissing: guestsMissing(),
    find: findProgram,
  },
): Promise<GuestConfig> {
  if (!machine.isX64) {
    throw notHere("its kernel needs x86-64", "name a server of your own: examples/nfs.yaml");
  }
  if (machine.uid !== 0) throw notHere("it needs root", "sudo npm start -- --nfs-demo");
  const packages = machine.guestsMissing === undefined ? [] : ["user-mode-linux"];
  for (const [program, debianPackage] of PROGRAMS) {
    if ((await machine.find(program)) === undefined) packages.push(debianPackage);
  }
  const missing = [...new Set(packages)];
  if (missing.length > 0) {
    const verb = missing.length === 1 ? "is" : "are";
    throw notHere(
      `${missing.join(", ")} ${verb} not installed`,
      ["apt-get install --no-install-recommends", ...missing].join(" "),
    );
  }
  return { ...defaultGuest(cluster), nfsExport_MiB: EXPORT_MIB };
}

function notHere(why: string, remedy: string): CommandError {
  const what = "--nfs-demo needs a guest whose kernel serves NFS";
  return new CommandError("NFS_DEMO", `${what}: ${why}`, { remedy });
}
