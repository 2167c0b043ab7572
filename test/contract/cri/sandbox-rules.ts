import { randomUUID } from "node:crypto";
import { PodSandboxState } from "@raft2kube/proto/gen/cri.ts";
import { describe, expect, test } from "vitest";
import type { Bench } from "./suite.ts";

export function sandboxRules(bench: Bench): void {
  const statusOf = async (podSandboxId: string) =>
    (await bench.served.runtime.podSandboxStatus({ podSandboxId })).status!;

  describe("sandboxes", () => {
    test("one is ready with an address, stops, and is gone when it is removed", async () => {
      const { runtime } = bench.served;
      const podSandboxId = await bench.pods.run({ config: { labels: { app: "x" } } });
      const status = await statusOf(podSandboxId);
      expect(status.state).toBe(PodSandboxState.SANDBOX_READY);
      expect(status.network?.ip).toMatch(/^10\.89\.0\./);
      expect(status.createdAt).toBeGreaterThan(1_600_000_000_000_000_000n);
      await runtime.stopPodSandbox({ podSandboxId });
      await runtime.stopPodSandbox({ podSandboxId });
      expect((await statusOf(podSandboxId)).state).toBe(PodSandboxState.SANDBOX_NOTREADY);
      await runtime.removePodSandbox({ podSandboxId });
      await runtime.removePodSandbox({ podSandboxId });
      await expect(statusOf(podSandboxId)).rejects.toMatchObject({ code: "NOT_FOUND" });
    });

    test("of two that are run at once under one name one is refused", async () => {
      const metadata = { name: "twice", namespace: "contract", uid: randomUUID(), attempt: 0 };
      const spec = { hostNetwork: true, config: { metadata } };
      const made = await Promise.allSettled([bench.pods.run(spec), bench.pods.run(spec)]);
      expect(made.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
    });

    test("lists are filtered by id, state and labels", async () => {
      const { runtime } = bench.served;
      const a = await bench.pods.run({ hostNetwork: true, config: { labels: { app: "a" } } });
      const b = await bench.pods.run({ hostNetwork: true, config: { labels: { app: "b" } } });
      const list = async (filter: object) =>
        (await runtime.listPodSandbox({ filter })).items.map(({ id }) => id).sort();
      expect(await list({})).toEqual([a, b].sort());
      expect(await list({ id: a })).toEqual([a]);
      expect(await list({ labelSelector: { app: "b" } })).toEqual([b]);
      await runtime.stopPodSandbox({ podSandboxId: a });
      expect(await list({ state: { state: PodSandboxState.SANDBOX_READY } })).toEqual([b]);
    });

    test("on the host's network a pod has no address of its own", async () => {
      const podSandboxId = await bench.pods.run({ hostNetwork: true });
      expect((await statusOf(podSandboxId)).network?.ip ?? "").toBe("");
      const id = await bench.pods.start(podSandboxId);
      expect(await bench.pods.shell(id, "ip link")).toContain("r2kcri0");
    });
  });
}
