import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ContainerState } from "@raft2kube/proto/gen/cri.ts";
import { runtimePaths } from "@raft2kube/runtime/paths.ts";
import { describe, expect, test } from "vitest";
import type { Bench } from "./suite.ts";

/**
 * Rules for a container that is being started: stricter than other runtimes, which report it as
 * stopped.
 */
export function startingRules(bench: Bench): void {
  describe("a container that is being started", () => {
    test("has ended once StopContainer has answered", async () => {
      const { pods } = bench;
      const { runtime } = bench.served;
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

    test("has its variables and its command line in its bundle, not in its record", async () => {
      const { pods, host } = bench;
      const pod = await pods.run({ hostNetwork: true });
      const args = ["-c", "echo $LONG | wc -c; sleep 1000"];
      const envs = [{ key: "LONG", value: "v".repeat(9_999) }];
      const id = await pods.start(pod, { config: { command: ["sh"], args, envs } });
      const record = readFileSync(runtimePaths(join(host.dir, "data"), "").container(id).record);
      expect(record.includes("vvv") || record.includes("wc -c")).toBe(false);
      expect(await pods.shell(id, "echo $LONG | wc -c")).toBe("10000");
    });

    test("ends with its sandbox", async () => {
      const { pods } = bench;
      const { runtime } = bench.served;
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
