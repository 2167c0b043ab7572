import { ContainerState } from "@raft2kube/proto/gen/cri.ts";
import { describe, expect, test } from "vitest";
import type { Bench } from "./suite.ts";

/**
 * Rules for a container that is being started: stricter than other runtimes, which report it as
 * stopped.
 */
export function startingRules(bench: Bench): void {
  describe("a container that is being started", () => {
    test("has ended once StopContainer has answered", async () => {
      const {
        pods,
        served: { runtime },
      } = bench;
      const pod = await pods.run({ hostNetwork: true });
      const containerId = await pods.create(pod);
      const starting = runtime.startContainer({ containerId });
      await runtime.stopContainer({ containerId, timeout: 0 });
      expect(await pods.status(containerId)).toMatchObject({
        state: ContainerState.CONTAINER_EXITED,
        exitCode: 137,
      });
      await starting;
    });

    test("ends with its sandbox", async () => {
      const {
        pods,
        served: { runtime },
      } = bench;
      const pod = await pods.run({ hostNetwork: true });
      const containerId = await pods.create(pod);
      const starting = runtime.startContainer({ containerId });
      await runtime.stopPodSandbox({ podSandboxId: pod });
      expect(await pods.status(containerId)).toMatchObject({
        state: ContainerState.CONTAINER_EXITED,
      });
      await starting;
    });
  });
}
