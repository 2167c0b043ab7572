import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { nextStart } from "./next-start.ts";
import { parseSchedule } from "./schedule.ts";

type Recorded = { schedule: string; zone: string; from: string; refused?: string; next?: string[] };

/** The recorded results of upstream's library (`scripts/schedules.ts`). */
const RECORDED = readFileSync(join(import.meta.dirname, "testdata/schedules.jsonl"), "utf8")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line) as Recorded);

function starts({ schedule, zone, from, next = [] }: Recorded): string[] {
  const read = parseSchedule(schedule);
  if (typeof read === "string") return [read];
  const found: string[] = [];
  let at_ms: number | undefined = Date.parse(from);
  for (const _ of next) {
    at_ms = nextStart(read, zone, at_ms);
    if (at_ms === undefined) break;
    found.push(new Date(at_ms).toISOString().replace(".000Z", "Z"));
  }
  return found;
}

describe("schedules as upstream reads them", () => {
  const refused = RECORDED.filter((each) => each.refused !== undefined);
  const readable = RECORDED.filter((each) => each.refused === undefined);

  it.each(refused)("'$schedule' is refused with upstream's words", ({ schedule, refused }) => {
    expect(parseSchedule(schedule)).toBe(refused);
  });

  it.each(readable)("'$schedule' in $zone starts as recorded after $from", (recorded) => {
    expect(starts(recorded)).toEqual(recorded.next ?? []);
    const schedule = parseSchedule(recorded.schedule);
    if (typeof schedule === "string" || recorded.next !== undefined) return;
    expect(nextStart(schedule, recorded.zone, Date.parse(recorded.from))).toBe(undefined);
  });

  it.each([",0-58", ",".repeat(59), "9".repeat(60)])("of megabytes of %j are refused", (part) => {
    const schedule = `0${part.repeat(100_000)} * * * *`;
    expect(parseSchedule(schedule)).toBe("more than 4096 characters");
  });
});
