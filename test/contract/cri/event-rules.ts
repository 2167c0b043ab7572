import { ContainerEventType } from "@raft2kube/proto/gen/cri.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { describe, expect, test } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
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
      const events: { id: string; kind: number }[] = [];
      const kindsOf = (wanted: string) =>
        events.filter(({ id }) => id === wanted).map(({ kind }) => kind);
      const reading = (async () => {
        const stream = runtime.getContainerEvents({}, { signal: listening.signal });
        for await (const { containerId: id, containerEventType: kind } of stream) {
          events.push({ id, kind });
        }
      })().catch(() => undefined);
      const podSandboxId = await bench.pods.run({ hostNetwork: true });
      const containerId = await bench.pods.start(podSandboxId, { command: ["true"] });
      await bench.pods.exited(containerId);
      await runtime.removeContainer({ containerId });
      for (const _ of [1, 2]) await runtime.stopPodSandbox({ podSandboxId });
      await runtime.removePodSandbox({ podSandboxId });
      const kinds = ["CREATED", "STARTED", "STOPPED", "DELETED"].map(
        (kind) => ContainerEventType[`CONTAINER_${kind}_EVENT` as keyof typeof ContainerEventType],
      );
      const clock = systemClock();
      const isOver = () => kindsOf(podSandboxId).length === kinds.length;
      await waitFor("the events", isOver, { clock });
      // Once each: a stop of what is stopped is none.
      expect([kindsOf(containerId), kindsOf(podSandboxId)]).toEqual([kinds, kinds]);
      listening.abort();
      await reading;
    });
  });
}
