import { expect, test } from "vitest";
import { bundled } from "../../../testing/guest-program.ts";
import { guestsMissing, runGuest } from "../../guest/guest.ts";

// Takes turns, what this kernel may lack: see test/guest/systemd.test.ts.

const missing = guestsMissing() ?? (process.getuid?.() === 0 ? undefined : "needs root");

test.runIf(missing === undefined)(
  "limits, devices, statistics and the OOM reason come from cgroup v2 where that is there alone",
  async () => {
    const output = await runGuest({
      script: `${await bundled("contract/cri/limits-in-guest")} 2>&1`,
      modules: [],
      memory_MiB: 1024,
      timeout_ms: 170_000,
    });
    const line = /^RESULT (.*)$/m.exec(output)?.[1];
    expect(line, output).toBeDefined();
    expect(JSON.parse(line!)).toEqual({
      limits: [String(64 << 20), "50000 100000", "20"],
      updated: String(128 << 20),
      exitCode: 137,
      reason: "OOMKilled",
      ended: true,
      left: 0,
      opened: { container: "/tmp/n", step: "/tmp/n", first: "" },
      workingSet: expect.any(Number),
      metrics: [
        "container_cpu_user_seconds_total",
        "container_cpu_cfs_periods_total",
        "container_memory_cache",
        "container_oom_events_total",
        "container_threads",
      ],
      // This kernel is built without.
      psi: [null, null, null],
    });
  },
);
