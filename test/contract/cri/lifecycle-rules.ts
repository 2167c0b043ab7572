import { ContainerState } from "@raft2kube/proto/gen/cri.ts";
import { describe, expect, test } from "vitest";
import type { Bench } from "./suite.ts";

export function lifecycleRules(bench: Bench): void {
  describe("containers", () => {
    test("one is created, runs, ends with its code, and is removed", async () => {
      const { pods } = bench;
      const { runtime } = bench.served;
      const pod = await pods.run({ hostNetwork: true });
      const containerId = await pods.create(pod, { command: ["sh", "-c", "exit 3"] });
      expect((await pods.status(containerId)).state).toBe(ContainerState.CONTAINER_CREATED);
      await runtime.startContainer({ containerId });
      const status = await pods.exited(containerId);
      expect(status).toMatchObject({ exitCode: 3, reason: "Error" });
      expect(status.finishedAt).toBeGreaterThan(status.createdAt);
      expect(status.startedAt).toBeGreaterThanOrEqual(status.createdAt);
      await runtime.removeContainer({ containerId });
      await runtime.removeContainer({ containerId });
      await expect(pods.status(containerId)).rejects.toMatchObject({ code: "NOT_FOUND" });
    });

    test("a command that is not there fails to start, and the container says why", async () => {
      const { pods } = bench;
      const { runtime } = bench.served;
      const pod = await pods.run({ hostNetwork: true });
      const containerId = await pods.create(pod, { command: ["/no/such/program"] });
      await expect(runtime.startContainer({ containerId })).rejects.toThrow(/no such file/i);
      expect(await pods.status(containerId)).toMatchObject({
        state: ContainerState.CONTAINER_EXITED,
        exitCode: 128,
        reason: "StartError",
      });
    });

    test("of two that are created at once with one name one is refused", async () => {
      const { pods } = bench;
      const { runtime } = bench.served;
      const pod = await pods.run({ hostNetwork: true });
      const made = await Promise.allSettled([pods.create(pod), pods.create(pod)]);
      expect(made.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
      const filter = { podSandboxId: pod };
      expect((await runtime.listContainers({ filter })).containers).toHaveLength(1);
    });

    test("an image that is not there is named", async () => {
      const { pods } = bench;
      const pod = await pods.run({ hostNetwork: true });
      await expect(pods.create(pod, { image: "r2k.local/none:1" })).rejects.toThrow(/none:1/);
    });

    test("they go on while the runtime is restarted", async () => {
      const { pods, served } = bench;
      const pod = await pods.run();
      const id = await pods.start(pod, { command: ["sh", "-c", "sleep 1; exit 5"] });
      const metadata = { name: "steady", attempt: 0 };
      const steady = await pods.start(pod, { config: { metadata } });
      const before = await pods.status(steady);
      await served.restart();
      expect(await pods.status(steady)).toEqual(before);
      expect(await pods.shell(steady, "echo here")).toBe("here");
      expect(await pods.exited(id)).toMatchObject({ exitCode: 5 });
    });
  });
}
