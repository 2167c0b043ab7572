import { ContainerState } from "@raft2kube/proto/gen/cri.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { describe, expect, test } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import type { Bench } from "./suite.ts";

const clock = systemClock();

export function stopRules(bench: Bench): void {
  const loop = "while :; do sleep 0.05; done";
  const trapping = (on: string) => ["sh", "-c", `trap '${on}' TERM; ${loop}`];
  const trapped = (containerId: string) =>
    waitFor("the trap", async () => {
      const caught = await bench.pods.shell(containerId, "grep SigCgt /proc/1/status");
      return (BigInt(`0x${caught.split("\t")[1]}`) & (1n << 14n)) !== 0n;
    });

  describe("stopping containers", () => {
    test("stopping sends the signal, waits, then kills", async () => {
      const { pods } = bench;
      const { runtime } = bench.served;
      const pod = await pods.run({ hostNetwork: true });
      const polite = await pods.start(pod, { command: trapping("exit 7") });
      await trapped(polite);
      await runtime.stopContainer({ containerId: polite, timeout: 20 });
      expect(await pods.status(polite)).toMatchObject({ exitCode: 7 });
      const deaf = await pods.start(pod, {
        command: trapping(":"),
        config: { metadata: { name: "deaf", attempt: 0 } },
      });
      await runtime.stopContainer({ containerId: deaf, timeout: 1 });
      expect(await pods.status(deaf)).toMatchObject({
        state: ContainerState.CONTAINER_EXITED,
        exitCode: 137,
      });
      await runtime.stopContainer({ containerId: deaf, timeout: 1 });
    });

    test("a stop that its caller gives up kills nothing: the next one's timeout holds", async () => {
      const { pods } = bench;
      const { runtime } = bench.served;
      const pod = await pods.run({ hostNetwork: true });
      const containerId = await pods.start(pod, { command: trapping("echo > /tmp/asked") });
      await trapped(containerId);
      const caller = new AbortController();
      const { signal } = caller;
      const first = runtime.stopContainer({ containerId, timeout: 4 }, { signal });
      const given = expect(first).rejects.toMatchObject({ code: "CANCELLED" });
      await waitFor("the signal", () => pods.shell(containerId, "ls /tmp/asked"));
      caller.abort();
      await given;
      const begun_ms = clock.monotonic();
      await runtime.stopContainer({ containerId, timeout: 6 });
      expect(clock.monotonic() - begun_ms).toBeGreaterThan(5_900);
      expect(await pods.status(containerId)).toMatchObject({ exitCode: 137 });
    });
  });
}
