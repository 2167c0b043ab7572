import { describe, expect, it } from "vitest";
import { configureLog, logger } from "./log.ts";
import { monitorLoop } from "./loop-monitor.ts";
import { exposition } from "./exposition.ts";
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
