import { GPU_RESOURCE_NAME, startGpuPlugin } from "@raft2kube/device/plugins/gpu/main.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { Command } from "commander";
import { runPart } from "./run-part.ts";

interface Flags {
  kubeletDir: string;
  count: string;
  memoryMib: string;
  shares: string;
  devicePath: string;
  healthFile?: string;
}

/** `r2k device-gpu`: the device plugin of simulated GPUs. */
export function command(): Command {
  return new Command("device-gpu")
    .description(`Run the device plugin of simulated GPUs (${GPU_RESOURCE_NAME}), shared by pods.`)
    .option("--kubelet-dir <dir>", "the kubelet's root directory", "/var/lib/r2k/default/kubelet")
    .option("--count <number>", "how many GPUs to simulate", "2")
    .option("--memory-mib <number>", "the memory of each", "16384")
    .option("--shares <number>", "how many containers can share a GPU", "4")
    .option("--device-path <path>", "the device node of each GPU", "/dev/null")
    .option("--health-file <file>", "names the unhealthy GPUs, one a line")
    .action(async ({ kubeletDir, count, memoryMib, shares, devicePath, healthFile }: Flags) => {
      await runPart("device-gpu", () =>
        startGpuPlugin({
          kubeletDir,
          count: Number(count),
          memory_mib: Number(memoryMib),
          shares: Number(shares),
          devicePath,
          ...(healthFile === undefined ? {} : { healthFile }),
          clock: systemClock(),
        }),
      );
    });
}
