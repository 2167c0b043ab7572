import { startSampleDevicePlugin } from "@raft2kube/device/plugins/sample/main.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { given } from "@raft2kube/std/given.ts";
import { commandWith, required } from "../flags.ts";
import { runPart } from "./run-part.ts";

/** `r2k device-sample`: the sample device plugin. */
export const command = () =>
  commandWith(
    "device-sample",
    "Run the sample device plugin: simulated devices on a device node.",
    {
      "--kubelet-dir <dir>": required("the kubelet's root directory"),
      "--resource-name <name>": ["what pods ask for", "r2k.dev/sample"],
      "--count <number>": ["how many devices to simulate", "2"],
      "--device-path <path>": ["the device node of each device", "/dev/null"],
      "--health-file <file>": "names the unhealthy devices, one a line",
    },
    async ({ count, healthFile, ...flags }) => {
      await runPart("device-sample", () =>
        startSampleDevicePlugin({
          ...flags,
          count: Number(count),
          ...given({ healthFile }),
          clock: systemClock(),
        }),
      );
    },
  );
