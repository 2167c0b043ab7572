import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { ManualClock } from "@raft2kube/std/clock.ts";
import { expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { GuestReports, SILENT_MS, startAnswers } from "./guest-answers.ts";

function follow() {
  const [stream, clock] = [new PassThrough(), new ManualClock()];
  const silences: number[] = [];
  const reports = new GuestReports(stream, clock, () => silences.push(clock.now()));
  /** Passes almost the limit, then a report. */
  const report = async (line: string) => {
    clock.advance(SILENT_MS - 1);
    stream.write(`${line}\n`);
    await new Promise(setImmediate);
  };
  return { clock, reports, report, silences };
}

test("a guest that reports is not silent, before and after it is ready", async () => {
  const { clock, reports, report, silences } = follow();
  const lines = ["answers", "answers", '{"state":"ready"}', "answers", "?"];
  for (const line of lines) await report(line);
  expect(await reports.announced).toEqual({ state: "ready" });
  expect(silences).toEqual([]);
  clock.advance(3 * SILENT_MS);
  expect(silences).toHaveLength(1);
});

test("one that never reports is silent once; one that is shut down is not", async () => {
  const silent = follow();
  silent.clock.advance(3 * SILENT_MS);
  expect(silent.silences).toHaveLength(1);
  const { clock, reports, report, silences } = follow();
  await report("answers");
  reports.close();
  await report("answers");
  clock.advance(3 * SILENT_MS);
  expect(silences).toEqual([]);
});

test("a guest reports as long as its disk takes writes, or refuses them", async () => {
  const dir = testFolder("r2k-answers-");
  for (const folder of [dir, join(dir, "absent")]) {
    const [console, clock] = [join(dir, "console"), new ManualClock()];
    rmSync(console, { force: true });
    const answers = startAnswers(folder, console, clock);
    await expect
      .poll(() => {
        clock.advance(SILENT_MS);
        return readFileSync(console, "utf8");
      })
      .toMatch(/^(answers\n){3}/);
    await answers.close();
  }
});
