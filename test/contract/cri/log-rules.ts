import { existsSync, readFileSync, renameSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { waitFor } from "../../../testing/wait.ts";
import type { Bench } from "./suite.ts";

const LOG_LINE = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+(Z|[+-]\d\d:\d\d) (stdout|stderr) [PF] /;

export function logRules(bench: Bench): void {
  describe("logs", () => {
    test("logs have CRI's form", async () => {
      const { pods } = bench;
      const pod = await pods.run({ hostNetwork: true });
      const script = "echo out; echo err >&2; printf partial";
      await pods.exited(await pods.start(pod, { command: ["sh", "-c", script] }));
      const lines = readFileSync(pods.logFile(pod), "utf8").trimEnd().split("\n");
      for (const line of lines) expect(line).toMatch(LOG_LINE);
      const words = lines.map((line) => line.split(" ").slice(1).join(" ")).sort();
      expect(words).toEqual(["stderr F err", "stdout F out", expect.stringMatching(/ partial$/)]);
    });

    test("a renamed log is opened again on request", async () => {
      const { pods } = bench;
      const { runtime } = bench.served;
      const pod = await pods.run({ hostNetwork: true });
      const script = "while true; do echo tick; sleep 0.05; done";
      const containerId = await pods.start(pod, { command: ["sh", "-c", script] });
      const file = pods.logFile(pod);
      await waitFor("the log", () => existsSync(file));
      renameSync(file, `${file}.1`);
      await runtime.reopenContainerLog({ containerId });
      expect(existsSync(file)).toBe(true);
      const written = () => readFileSync(file).length > 0;
      await waitFor("the new log", written);
    });
  });
}
