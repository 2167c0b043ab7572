import { asRpcError, RpcError } from "@raft2kube/rpc/error.ts";
import { describe, expect, test } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import type { Bench } from "./suite.ts";

export function execRules(bench: Bench): void {
  const running = async () => {
    const { pods } = bench;
    return pods.start(await pods.run({ hostNetwork: true }));
  };

  describe("ExecSync", () => {
    test("returns both outputs and the exit code", async () => {
      const containerId = await running();
      const cmd = ["sh", "-c", "echo out > /dev/stdout; echo err > /dev/stderr; exit 42"];
      const answer = await bench.served.runtime.execSync({ containerId, cmd, timeout: 10 });
      expect([answer.stdout.toString(), answer.stderr.toString(), answer.exitCode]).toEqual([
        "out\n",
        "err\n",
        42,
      ]);
    });

    test("ends at its timeout, with what it started gone", async () => {
      const containerId = await running();
      const { runtime } = bench.served;
      const call = runtime.execSync({ containerId, cmd: ["sleep", "7777"], timeout: 1 });
      await expect(call).rejects.toMatchObject({ code: "DEADLINE_EXCEEDED" });
      expect(await bench.pods.shell(containerId, "ps")).not.toContain("7777");
    });

    test("ends when the caller gives up, with its command gone", async () => {
      const containerId = await running();
      const { runtime } = bench.served;
      const caller = new AbortController();
      const { signal } = caller;
      const call = runtime.execSync(
        { containerId, cmd: ["sleep", "6666"], timeout: 0 },
        { signal },
      );
      const given = expect(call).rejects.toMatchObject({ code: "CANCELLED" });
      const runs = async () => (await bench.pods.shell(containerId, "ps")).includes("6666");
      await waitFor("the command", runs);
      caller.abort();
      await given;
      await waitFor("the command to be gone", async () => !(await runs()));
    });

    test("a program that is not there is an error, not an exit code", async () => {
      const containerId = await running();
      const call = bench.served.runtime.execSync({ containerId, cmd: ["/no/such"], timeout: 5 });
      await expect(call).rejects.toThrow(/no such file/i);
    });

    test("a flood of output is cut or refused, and does no harm", async () => {
      const containerId = await running();
      const { runtime } = bench.served;
      const cmd = ["sh", "-c", "head -c 40000000 /dev/zero"];
      const answer = await runtime.execSync({ containerId, cmd, timeout: 30 }).catch(asRpcError);
      if (answer instanceof RpcError) expect(answer.code).toBe("RESOURCE_EXHAUSTED");
      else expect(answer.stdout.length).toBeLessThanOrEqual(16 << 20);
      expect(await bench.pods.shell(containerId, "echo well")).toBe("well");
    });

    test("needs a running container", async () => {
      const { pods, served } = bench;
      const containerId = await pods.create(await pods.run({ hostNetwork: true }));
      await expect(
        served.runtime.execSync({ containerId, cmd: ["true"], timeout: 5 }),
      ).rejects.toThrow();
    });
  });
}
