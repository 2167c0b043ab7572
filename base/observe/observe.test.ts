import { describe, expect, it } from "vitest";
import { exposition } from "./exposition.ts";
import { configureLog, logger } from "./log.ts";
import { monitorLoop } from "./loop-monitor.ts";
import { Counter, metricsRegistry } from "./metrics.ts";

describe("the log", () => {
  it("writes one JSON line per entry, with its component and its error's stack", () => {
    const lines: string[] = [];
    configureLog({ level: "info", stream: { write: (line) => lines.push(line) } });
    const log = logger("kubelet");
    log.debug("not written");
    log.error("it broke", { pod: "web", err: new Error("because") });
    configureLog({ level: "silent" });
    expect(lines).toHaveLength(1);
    const entry = JSON.parse(lines[0]!) as Record<string, unknown>;
    expect(entry).toMatchObject({
      level: "error",
      component: "kubelet",
      msg: "it broke",
      pod: "web",
    });
    expect(JSON.stringify(entry["err"])).toContain("because");
  });

  it("goes on where no line can be written, as on a full disk", () => {
    configureLog({ level: "info", output: "/dev/full" });
    for (let line = 0; line < 100; line++)
      logger("kubelet").info("it runs", { long: "x".repeat(1_000) });
    configureLog({ level: "silent" });
  });

  it("shortens a line that quotes too much: a plugin's answer of 15 MiB, its error's stack", () => {
    const lines: string[] = [];
    configureLog({ level: "info", stream: { write: (line) => lines.push(line) } });
    const long = "A".repeat(15 * 1024 * 1024);
    const names = Array.from({ length: 100_000 }, String);
    logger("kubelet").warn("refused", { plugin: "p", error: long, err: new Error(long), names });
    configureLog({ level: "silent" });
    expect(lines).toEqual([expect.stringMatching(/^\{.{1,16384}\}\n$/)]);
    const { level, plugin, msg, error } = JSON.parse(lines[0]!) as Record<string, unknown>;
    expect({ level, plugin, msg }).toEqual({ level: "warn", plugin: "p", msg: "refused" });
    expect(error).toMatch(/^A{1024}\.\.\. \(15728640 characters\)$/);
  });
});

describe("metrics", () => {
  it("are separate for each registry, and include the event loop", async () => {
    const [first, second] = [metricsRegistry(), metricsRegistry()];
    new Counter({ name: "requests_total", help: "Requests.", registers: [first] }).inc(3);
    const monitor = monitorLoop(second);
    expect((await exposition(first)).body).toContain("requests_total 3");
    const { body } = await exposition(second);
    expect(body).toContain("r2k_loop_delay_max_ms");
    expect(body).not.toContain("requests_total");
    expect(monitor.read().max_ms).toBeGreaterThanOrEqual(0);
    monitor.close();
  });
});
