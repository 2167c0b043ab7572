import { startSampleDevicePlugin } from "@raft2kube/device/plugins/sample/main.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { Command } from "commander";
import { runPart } from "./run-part.ts";

interface Flags {
  kubeletDir: string;
  resourceName: string;
  count: string;
  devicePath: string;
  healthFile?: string;
}

/** `r2k device-sample`: the sample device plugin. */
export function command(): Command {
  return new Command("device-sample")
    .description("Run the sample device plugin: simulated devices on a device node.")
    .requiredOption("--kubelet-dir <dir>", "the kubelet's root directory")
    .option("--resource-name <name>", "what pods ask for", "r2k.dev/sample")
    .option("--count <number>", "how many devices to simulate", "2")
    .option("--device-path <path>", "the device node of each device", "/dev/null")
    .option("--health-file <file>", "names the unhealthy devices, one a line")
    .action(async ({ kubeletDir, resourceName, count, devicePath, healthFile }: Flags) => {
      await runPart("device-sample", () =>
        startSampleDevicePlugin({
          kubeletDir,
          resourceName,
          count: Number(count),
          devicePath,
          ...(healthFile === undefined ? {} : { healthFile }),
          clock: systemClock(),
        }),
      );
    });
}
