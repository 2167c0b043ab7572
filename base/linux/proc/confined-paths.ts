import { existsSync, readdirSync } from "node:fs";
import { errno, tolerateSync } from "@raft2kube/std/errors.ts";

const PROCESSORS = "/sys/devices/system/cpu";

/**
 * Paths hidden from containers that are not privileged, and from a pod's pause process: a container
 * that shares the pod's processes reaches its root by `/proc/1/root`. As containerd and upstream's
 * kubelet have them, and what User-Mode Linux has of its own: a write to its /proc/sysemu ends the
 * kernel of a guest.
 */
export const MASKED_PATHS = [
  "/proc/acpi",
  "/proc/asound",
  "/proc/interrupts",
  "/proc/kcore",
  "/proc/keys",
  "/proc/latency_stats",
  "/proc/timer_list",
  "/proc/timer_stats",
  "/proc/sched_debug",
  "/proc/scsi",
  "/proc/exitcode",
  "/proc/mconsole",
  "/proc/sysemu",
  // Of the firmware, and the processors' energy, which betrays what others compute (CVE-2020-8694).
  "/sys/firmware",
  "/sys/devices/virtual/powercap",
  // How often a processor was too hot, where it says so.
  ...(tolerateSync(() => readdirSync(PROCESSORS), errno("ENOENT")) ?? [])
    .map((name) => `${PROCESSORS}/${name}/thermal_throttle`)
    .filter((path) => existsSync(path)),
];

/** Paths that containers may only read. */
export const READONLY_PATHS = [
  "/proc/bus",
  "/proc/fs",
  "/proc/irq",
  "/proc/sys",
  "/proc/sysrq-trigger",
];
