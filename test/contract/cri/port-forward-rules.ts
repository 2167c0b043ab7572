import { describe, expect, test } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import { forwarded } from "./stream-client.ts";
import type { Bench } from "./suite.ts";

export function portForwardRules(bench: Bench): void {
  describe("port-forward", () => {
    test("reaches a port inside the pod", async () => {
      const { pods } = bench;
      const { runtime } = bench.served;
      const podSandboxId = await pods.run();
      await pods.start(podSandboxId, { image: "r2k.local/web:1", config: { command: [] } });
      const get = async () => {
        const { url } = await runtime.portForward({ podSandboxId, port: [8080] });
        const { answer } = await forwarded(url, 8080, "GET /healthz HTTP/1.0\r\n\r\n");
        // Nothing comes before the server listens.
        return answer === "" ? undefined : answer;
      };
      const answer = await waitFor("the web server", get);
      expect(answer).toMatch(/^HTTP\/1\.[01] 200[^]*ok\n$/);
    });

    test("reports that no process listens", async () => {
      const { pods } = bench;
      const { runtime } = bench.served;
      const podSandboxId = await pods.run();
      const { url } = await runtime.portForward({ podSandboxId, port: [81] });
      expect((await forwarded(url, 81, "x")).error).toMatch(/refused|ECONNREFUSED/);
    });
  });
}
