import { chdir } from "node:process";
import { MountFlag, mount } from "@raft2kube/linux/mount/mount.ts";
import { pivotRoot } from "@raft2kube/linux/process/process-calls.ts";
import { check, libc } from "@raft2kube/linux/syscall/libc.ts";
import { MNT_DETACH } from "@raft2kube/linux/syscall/numbers.ts";
import { step } from "@raft2kube/linux/syscall/steps.ts";

/**
 * Makes `rootfs` the root of this mount namespace, and leaves nothing of the machine's tree in it.
 * First all mounts become private, so that nothing below reaches the machine. pivot_root(2) needs a
 * mount as the new root, so it is bound on itself. Old and new root are then stacked at one place
 * (`pivot_root(".", ".")`), and the old one, on top, is detached with all beneath it. Mounts below
 * `rootfs` come along. `enter` changes the directory, and reports it as a step.
 */
export function enterRoot(rootfs: string): void {
  // lab:01 begin enter-root
  const all = MountFlag.recursive;
  mount({ source: "none", target: "/", flags: MountFlag.private | all });
  mount({ source: rootfs, target: rootfs, flags: MountFlag.bind | all });
  enter(rootfs);
  pivotRoot(".", ".");
  check("umount2", libc.umount2(".", MNT_DETACH), "the old root");
  // lab:01 end
  step(() => "umount -l .");
  enter("/");
}

function enter(directory: string): void {
  step(() => ["cd", directory]);
  chdir(directory);
}
