/**
 * Records when upstream's cron library starts the schedules below, or why it refuses them, into
 * `api/batch/v1/testdata/schedules.jsonl`. Use: `node scripts/schedules.ts` (needs Go and its
 * module proxy).
 */
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const LIBRARY = "github.com/robfig/cron/v3@v3.0.1";
const RECORD = join(import.meta.dirname, "../api/batch/v1/testdata/schedules.jsonl");

const WELL_FORMED = [
  "* * * * *",
  "*/15 * * * *",
  "5/20 * * * *",
  "0 */6 * * *",
  "30 6-16/4 * * 1-5",
  "0 0 1 * *",
  "0 0 ? * *",
  "0 0 13 * 5",
  "0 0 13 * */2",
  "0 0 */2 * 1",
  "0 0 */1 * 1",
  "0 0 * * sun",
  "0 0 1 JAN-mar Mon,tue",
  "0 0 29 2 *",
  "59 23 31 2 *",
  "0 0 1,,15 * *",
  ", * * * *",
  "*-5 1 * * *",
  " 0  4 * * * ",
  "0 0 31 * *",
  "+5 * * * *",
  "0-10/3,30 12 * * *",
  "1-59/2 0-2 1-7 1,7 1",
  "@yearly",
  "@annually",
  "@monthly",
  "@weekly",
  "@daily",
  "@midnight",
  "@hourly",
  "@every 90m",
  "@every 100ms",
  "@every 1h30m10.5s",
  "@every -5s",
];

const REFUSED = [
  "",
  "* * * *",
  "* * * * * *",
  "60 * * * *",
  "* 24 * * *",
  "* * 0 * *",
  "* * 32 * *",
  "* * * 13 *",
  "* * * 0 *",
  "* * * * 7",
  "* * * * 8",
  "22-2 * * * *",
  "*/0 * * * *",
  "*/x * * * *",
  "x * * * *",
  "1-2-3 * * * *",
  "1/2/3 * * * *",
  "-5 * * * *",
  "* * L * *",
  "* * 15W * *",
  "* * * * 1#2",
  "* * * * 5L",
  "* * * jan-x *",
  "99999999999999999999 * * * *",
  "1.5 * * * *",
  "@reboot",
  "@hourly ",
  "@Hourly",
  "@every",
  "@every 5",
  "@every soon",
  "H * * * *",
  "*/-2 * * * *",
  "60/5 * * * *",
  "10-70/5 * * * *",
];

const OVER_CHANGES = [
  "30 2 * * *",
  "30 1 * * *",
  "0 0 * * *",
  "*/30 * * * *",
  "0 3 25 10 *",
  "15 0-4/2 * * *",
  "45 1 26 10 *",
  "@daily",
];

/** Zones, and times shortly before their clocks change. */
const CHANGES: readonly (readonly [string, string])[] = [
  ["Europe/Berlin", "2026-03-28T12:00:00Z"],
  ["Europe/Berlin", "2026-10-24T23:40:00Z"],
  ["Europe/Berlin", "2026-10-25T00:45:00Z"],
  ["America/New_York", "2026-03-07T23:00:00Z"],
  ["America/New_York", "2026-11-01T03:59:59Z"],
  ["Asia/Kathmandu", "2026-05-01T00:00:00Z"],
  ["America/Sao_Paulo", "2018-11-03T12:00:00Z"],
  ["America/Sao_Paulo", "2018-02-17T12:00:00Z"],
  ["Pacific/Apia", "2011-12-29T00:00:00Z"],
  ["Etc/GMT+12", "2026-01-01T00:00:00Z"],
];

function questions(): object[] {
  const usual = ["2026-02-27T23:58:30.5Z", "2028-02-28T00:00:00Z"];
  return [
    ...WELL_FORMED.flatMap((schedule) => usual.map((from) => ({ schedule, zone: "UTC", from }))),
    ...REFUSED.map((schedule) => ({ schedule, zone: "UTC", from: usual[0] })),
    ...OVER_CHANGES.flatMap((schedule) =>
      CHANGES.map(([zone, from]) => ({ schedule, zone, from })),
    ),
  ];
}

const workspace = mkdtempSync(join(tmpdir(), "r2k-schedules-"));
const go = (...args: string[]) => execFileSync("go", args, { cwd: workspace, stdio: "inherit" });
cpSync(join(import.meta.dirname, "schedules/main.go"), join(workspace, "main.go"));
go("mod", "init", "schedules");
go("get", LIBRARY);
go("build", "-o", "ask", ".");
const input = questions()
  .map((each) => JSON.stringify(each))
  .join("\n");
const recorded = execFileSync(join(workspace, "ask"), { input, encoding: "utf8" });
writeFileSync(RECORD, recorded);
rmSync(workspace, { recursive: true });
