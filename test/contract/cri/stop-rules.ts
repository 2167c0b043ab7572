import { ContainerState } from "@raft2kube/proto/gen/cri.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { waitFor } from "@raft2kube/std/wait.ts";
import { describe, expect, test } from "vitest";
import type { Bench } from "./suite.ts";

const clock = systemClock();

export function stopRules(bench: Bench): void {
  describe("stopping containers", () => {
    test("stopping sends the signal, waits, then kills", async () => {
      const {
        pods,
        served: { runtime },
      } = bench;
      const pod = await pods.run({ hostNetwork: true });
      const loop = "while :; do sleep 0.05; done";
      const script = (on: string) => ["sh", "-c", `trap '${on}' TERM; ${loop}`];
      const polite = await pods.start(pod, { command: script("exit 7") });
      await waitFor(
        "the trap",
        async () => {
          const caught = await pods.shell(polite, "grep SigCgt /proc/1/status");
          return (BigInt(`0x${caught.split("\t")[1]}`) & (1n << 14n)) !== 0n;
        },
        { clock },
      );
      await runtime.stopContainer({ containerId: polite, timeout: 20 });
      expect(await pods.status(polite)).toMatchObject({ exitCode: 7 });
      const deaf = await pods.start(pod, {
        command: script(":"),
        config: { metadata: { name: "deaf", attempt: 0 } },
      });
      await runtime.stopContainer({ containerId: deaf, timeout: 1 });
      expect(await pods.status(deaf)).toMatchObject({
        state: ContainerState.CONTAINER_EXITED,
        exitCode: 137,
      });
      await runtime.stopContainer({ containerId: deaf, timeout: 1 });
    });
  });
}
