import { ContainerEventType } from "@raft2kube/proto/gen/cri.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { describe, expect, test } from "vitest";
import type { Bench } from "./suite.ts";

export function eventRules(bench: Bench): void {
  describe("events of pods", () => {
    test("statistics of a pod have its network", async () => {
      const podSandboxId = await bench.pods.run();
      const { stats } = await bench.served.runtime.podSandboxStats({ podSandboxId });
      expect(stats?.attributes?.id).toBe(podSandboxId);
      expect(stats?.linux?.network?.defaultInterface?.name).toBe("eth0");
    });

    test.runIf(bench.implementation.knows.events)("events report each change", async () => {
      const { runtime } = bench.served;
      const listening = new AbortController();
      const kinds: number[] = [];
      const reading = (async () => {
        const stream = runtime.getContainerEvents({}, { signal: listening.signal });
        for await (const event of stream) kinds.push(event.containerEventType);
      })().catch(() => undefined);
      const podSandboxId = await bench.pods.run({ hostNetwork: true });
      const containerId = await bench.pods.start(podSandboxId, { command: ["true"] });
      await bench.pods.exited(containerId);
      await runtime.removeContainer({ containerId });
      const { CONTAINER_STOPPED_EVENT: stopped, CONTAINER_DELETED_EVENT: deleted } =
        ContainerEventType;
      const clock = systemClock();
      await waitFor("the events", () => kinds.includes(deleted), { clock });
      expect(kinds).toContain(stopped);
      expect(kinds.indexOf(stopped)).toBeLessThan(kinds.indexOf(deleted));
      listening.abort();
      await reading;
    });
  });
}
