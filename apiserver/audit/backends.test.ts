import { readdir, readFile, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { metricsRegistry } from "@raft2kube/observe/metrics.ts";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { describe, expect, it } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { AUDIT_ATTEMPTS_MAX, AUDIT_BUFFER_BYTES_MAX } from "../limits.ts";
import { AuditMetrics } from "../metrics/audit.ts";
import { blocking } from "./blocking.ts";
import { type BatchOptions, collected } from "./collected.ts";
import { LogFile } from "./log-file.ts";
import { Losses, type Sink } from "./sink.ts";

/** A sink that writes, or fails while it is down. */
class TestSink implements Sink {
  readonly name = "log";
  readonly batches: (readonly string[])[] = [];
  isDown = false;
  calls = 0;

  write(events: readonly string[]): Promise<void> {
    this.calls++;
    if (this.isDown) return Promise.reject(new Error("down"));
    this.batches.push(events);
    return Promise.resolve();
  }

  close(): void {}
}

function lossesOf(name = "log") {
  const registry = metricsRegistry();
  const losses = new Losses(name, new AuditMetrics(registry));
  const lost = async () => {
    const text = await registry.metrics();
    return Number(/^apiserver_audit_error_total\{plugin="log"\} (\d+)/m.exec(text)?.[1] ?? 0);
  };
  return { losses, lost };
}

const BATCH: BatchOptions = {
  buffer_max: 100,
  batch_max: 10,
  batch_bytes_max: 1_000,
  wait_ms: 50,
  retry_ms: 10,
};
const turn = () => new Promise<void>((resolve) => setImmediate(resolve));
const settled = async () => {
  for (let n = 0; n < 20; n++) await turn();
};

describe("a batch", () => {
  function backendOf(options: Partial<BatchOptions> = {}) {
    const clock = new ManualClock();
    const sink = new TestSink();
    const { losses, lost } = lossesOf();
    const backend = collected(sink, losses, { ...BATCH, ...options }, clock);
    return { clock, sink, lost, backend };
  }

  it("is written when it is full, or after a time", async () => {
    const { clock, sink, backend } = backendOf();
    for (let n = 0; n < 10; n++) backend.take(`${n}`);
    await settled();
    backend.take("late");
    clock.advance(49);
    await settled();
    expect(sink.batches).toHaveLength(1);
    clock.advance(1);
    await settled();
    expect(sink.batches.map(({ length }) => length)).toEqual([10, 1]);
    await backend.close();
  });

  it("has so many bytes at most", async () => {
    const { sink, backend } = backendOf();
    for (let n = 0; n < 10; n++) backend.take("x".repeat(300));
    await backend.close();
    expect(sink.batches.map(({ length }) => length)).toEqual([3, 3, 3, 1]);
  });

  it("waits for its turn when there are many", async () => {
    const { clock, sink, backend } = backendOf({ throttle: { perSecond: 10, capacity: 2 } });
    for (let n = 0; n < 50; n++) backend.take(`${n}`);
    await settled();
    expect(sink.batches).toHaveLength(2);
    clock.advance(100);
    await settled();
    expect(sink.batches).toHaveLength(3);
    await backend.close();
    expect(sink.batches).toHaveLength(5);
  });

  it("of a webhook that is down for an hour is bounded, counted, and given up", async () => {
    const { clock, sink, lost, backend } = backendOf({ retry_ms: 10_000 });
    sink.isDown = true;
    for (let second = 0; second < 3_600; second++) {
      backend.take(`event ${second}`);
      clock.advance(1_000);
      await turn();
    }
    expect(sink.calls).toBeGreaterThan(AUDIT_ATTEMPTS_MAX);
    const kept = 3_600 - (await lost());
    expect(kept).toBeGreaterThan(0);
    expect(kept).toBeLessThanOrEqual(BATCH.buffer_max + BATCH.batch_max);
    sink.isDown = false;
    const closing = backend.close();
    await closing;
    expect(sink.batches.flat()).toHaveLength(kept);
  });

  it("is written soon after the webhook is back, however many were given up before", async () => {
    const retry_ms = 10_000;
    const { clock, sink, backend } = backendOf({ retry_ms, buffer_max: 10_000, batch_max: 400 });
    const second = () => {
      for (let n = 0; n < 5; n++) backend.take(`${n}`);
      clock.advance(1_000);
      return turn();
    };
    sink.isDown = true;
    for (let n = 0; n < 3_600; n++) await second();
    sink.isDown = false;
    const lastPause_s = (retry_ms / 1_000) * 2 ** (AUDIT_ATTEMPTS_MAX - 2);
    for (let n = 0; n <= lastPause_s; n++) await second();
    expect(sink.batches.length).toBeGreaterThan(0);
    await backend.close();
  });

  it("is bounded in bytes", async () => {
    const { sink, lost, backend } = backendOf({ buffer_max: 1e6, batch_max: 1e6 });
    sink.isDown = true;
    const large = "x".repeat(1024 * 1024);
    for (let n = 0; n < AUDIT_BUFFER_BYTES_MAX / large.length + 3; n++) backend.take(large);
    expect(await lost()).toBe(3);
    await backend.close();
  });
});

describe("a blocking backend", () => {
  it("resolves when its event is written, with the others of its turn", async () => {
    const sink = new TestSink();
    const backend = blocking(sink, lossesOf().losses);
    const first = backend.take("a");
    for (let n = 0; n < 10; n++) await Promise.resolve();
    await Promise.all([first, backend.take("b"), backend.take("c")]);
    expect(sink.batches).toEqual([["a", "b", "c"]]);
  });

  it("throws and counts what is lost, and goes on afterwards", async () => {
    const sink = new TestSink();
    const { losses, lost } = lossesOf();
    const backend = blocking(sink, losses);
    sink.isDown = true;
    await expect(backend.take("a")).rejects.toThrow("down");
    sink.isDown = false;
    await backend.take("b");
    expect([await lost(), sink.batches.flat()]).toEqual([1, ["b"]]);
  });
});

describe("the log file", () => {
  const options = { bytes_max: 100, backups_max: 2, age_max_days: 0 };

  it("is put aside when it is full, and so many files are kept", async () => {
    const path = testFolder("audit-");
    const clock = new ManualClock(Date.UTC(2026, 0, 1));
    const log = new LogFile({ ...options, path: join(path, "audit.log") }, clock);
    for (let n = 0; n < 5; n++) {
      await log.write([`${n}${"x".repeat(70)}`]);
      clock.advance(1_000);
    }
    await log.close();
    expect((await readdir(path)).sort()).toEqual([
      "audit-2026-01-01T00-00-03.000.log",
      "audit-2026-01-01T00-00-04.000.log",
      "audit.log",
    ]);
    expect(await readFile(join(path, "audit.log"), "utf8")).toMatch(/^4x+\n$/);
  });

  it("that was put aside is kept for so many days, and files of others for ever", async () => {
    const path = testFolder("audit-");
    const clock = new ManualClock(Date.UTC(2026, 0, 10));
    const days = { ...options, backups_max: 0, age_max_days: 7 };
    const log = new LogFile({ ...days, path: join(path, "audit.log") }, clock);
    const dates = { old: Date.UTC(2026, 0, 2), young: Date.UTC(2026, 0, 4) };
    const put = async (name: string, at_ms: number) => {
      await writeFile(join(path, name), "x");
      await utimes(join(path, name), at_ms / 1_000, at_ms / 1_000);
    };
    await put("audit-2026-01-02T00-00-00.000.log", dates.old);
    await put("audit-2026-01-04T00-00-00.000.log", dates.young);
    await put("audit-notes.log", dates.old);
    await put("other-2026-01-02T00-00-00.000.log", dates.old);
    for (const text of ["a", "b"]) await log.write([text.repeat(70)]);
    await log.close();
    expect((await readdir(path)).sort()).toEqual([
      "audit-2026-01-04T00-00-00.000.log",
      "audit-2026-01-10T00-00-00.000.log",
      "audit-notes.log",
      "audit.log",
      "other-2026-01-02T00-00-00.000.log",
    ]);
  });

  it("goes on in the file of an earlier start", async () => {
    const path = join(testFolder("audit-"), "audit.log");
    for (const text of ["one", "two"]) {
      const log = new LogFile({ ...options, path }, new ManualClock());
      await log.write([text]);
      await log.close();
    }
    expect(await readFile(path, "utf8")).toBe("one\ntwo\n");
  });

  it("on a full disk throws each time", async () => {
    const log = new LogFile({ ...options, path: "/dev/full" }, new ManualClock());
    for (const event of ["a", "b"]) {
      await expect(log.write([event])).rejects.toMatchObject({ code: "ENOSPC" });
    }
    await log.close();
  });
});
