/**
 * A container that shares the pod's processes reaches this process's root by `/proc/1/root`, so its
 * procfs is confined as that of containers is: through one that is not, a container's root could
 * write core_pattern and sysrq-trigger of the machine. As containerd has them, and what User-Mode
 * Linux has of its own: a write to its /proc/sysemu ends the kernel of a guest.
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
];
/** Paths that containers may only read. */
export const READONLY_PATHS = [
  "/proc/bus",
  "/proc/fs",
  "/proc/irq",
  "/proc/sys",
  "/proc/sysrq-trigger",
];
