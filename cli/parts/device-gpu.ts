import { GPU_RESOURCE_NAME, startGpuPlugin } from "@raft2kube/device/plugins/gpu/main.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { given } from "@raft2kube/std/given.ts";
import { commandWith } from "../flags.ts";
import { runPart } from "./run-part.ts";

/** `r2k device-gpu`: the device plugin of simulated GPUs. */
export const command = () =>
  commandWith(
    "device-gpu",
    `Run the device plugin of simulated GPUs (${GPU_RESOURCE_NAME}), shared by pods.`,
    {
      "--kubelet-dir <dir>": ["the kubelet's root directory", "/var/lib/r2k/default/kubelet"],
      "--count <number>": ["how many GPUs to simulate", "2"],
      "--memory-mib <number>": ["the memory of each", "16384"],
      "--shares <number>": ["how many containers can share a GPU", "4"],
      "--device-path <path>": ["the device node of each GPU", "/dev/null"],
      "--health-file <file>": "names the unhealthy GPUs, one a line",
    },
    async ({ count, memoryMib, shares, ...flags }) => {
      const { kubeletDir, devicePath, healthFile } = flags;
      await runPart("device-gpu", () =>
        startGpuPlugin({
          kubeletDir,
          count: Number(count),
          memory_mib: Number(memoryMib),
          shares: Number(shares),
          devicePath,
          ...given({ healthFile }),
          clock: systemClock(),
        }),
      );
    },
  );
