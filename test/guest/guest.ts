import { existsSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { machineClock, SHARE_MAX } from "@raft2kube/linux/proc/machine-clock.ts";
import { bootGuest } from "../../cli/guest/boot.ts";
import { guestKernel } from "../../cli/guest/kernel.ts";

export { IN_GUEST, quoted } from "../../cli/guest/init.ts";
export { guestsMissing } from "../../cli/guest/kernel.ts";

/**
 * The limit of vitest for a test whose own limits are by the machine's clock, and end it: that of
 * the wall clock is for what hangs.
 */
export const wallLimit_ms = (timeout_ms: number) => timeout_ms * SHARE_MAX + 10_000;

const ROOT = join(import.meta.dirname, "../..");
/** Upstream's programs: perhaps a link to a folder below one that guests cover. */
const PEERS = join(ROOT, ".peers");

export interface GuestOptions {
  /** Shell lines to run in the guest, after its file systems are mounted. */
  script: string;
  /** Names of kernel modules. */
  modules: string[];
  memory_MiB: number;
  /** Timeout by the machine's clock. */
  timeout_ms: number;
  /** Further folders of the host that the guest is to see, though they may be below /tmp. */
  folders?: readonly string[];
  /** Images that are its disks: `/dev/ubda`, and so on. */
  disks?: readonly string[];
}

/**
 * Boots a guest without network, runs a script in it, and resolves with all that it printed. The
 * guest ends with the script or with this process. At its time limit it is killed; throws with what
 * it had printed.
 */
export async function runGuest(options: GuestOptions): Promise<string> {
  const { script, modules, memory_MiB, timeout_ms, folders: more = [], disks = [] } = options;
  // Not in /tmp, which the guest covers.
  const dir = mkdtempSync("/var/tmp/r2k-guest-");
  const folders = [ROOT, ...(existsSync(PEERS) ? [realpathSync(PEERS)] : []), ...more];
  const init = { hostname: "guest", folders, modules, env: { HOME: "/tmp" }, script };
  const stdio = ["ignore" as const, "pipe" as const, "ignore" as const];
  const kernel = await guestKernel(dir);
  const { child, ended } = bootGuest({ kernel, dir, memory_MiB, init, disks, stdio });
  let isCutOff = false;
  const timer = machineClock().after(timeout_ms, () => {
    isCutOff = true;
    child.kill("SIGKILL");
  });
  try {
    const [output] = await Promise.all([text(child.stdout!), ended]);
    if (isCutOff) throw new Error(`the guest was cut off after ${timeout_ms} ms: ${output}`);
    return output;
  } finally {
    timer.cancel();
    rmSync(dir, { recursive: true, force: true });
  }
}
