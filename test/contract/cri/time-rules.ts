import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Bench } from "./suite.ts";

const OFFSET_S = 8_640_000;

/** Pods with clocks of their own (time_namespaces(7)), by crun's annotation. */
export function timeRules(bench: Bench): void {
  describe("a pod with the annotation run.oci.timens_offset", () => {
    const run = (offsets: string) =>
      bench.pods.run({ config: { annotations: { "run.oci.timens_offset": offsets } } });
    const uptime_s = (text: string) => Number(text.split(" ")[0]);

    test("has its clocks in every process, also after a restart of the runtime", async () => {
      const pod = await run(`boottime ${OFFSET_S} 0`);
      const id = await bench.pods.start(pod, {
        command: ["sh", "-c", "cat /proc/uptime; exec sleep 1000"],
      });
      await bench.served.restart();
      const here_s = uptime_s(readFileSync("/proc/uptime", "utf8"));
      const there_s = uptime_s(await bench.pods.shell(id, "cat /proc/uptime"));
      expect(there_s).toBeGreaterThanOrEqual(here_s + OFFSET_S);
      expect(uptime_s(await bench.pods.shell(id, "cat /proc/1/root/proc/uptime"))).toBeGreaterThan(
        OFFSET_S,
      );
      await bench.pods.runtime.stopContainer({ containerId: id, timeout: 0 });
      await bench.pods.runtime.removeContainer({ containerId: id });
    });

    test.each(["boottime 1", "realtime 1 0", "boottime 1 5", "monotonic -9999999999 0"])(
      "is refused for %s",
      async (offsets) => {
        await expect(run(offsets)).rejects.toThrow(`run.oci.timens_offset "${offsets}"`);
      },
    );
  });
}
