/**
 * Records when upstream's cron library starts the schedules of
 * `api/batch/v1/testdata/schedules.jsonl`, or why it refuses them, into the same file: a further
 * one is a line with `schedule`, `zone` and `from`. Use: `node scripts/schedules.ts` (needs Go and
 * its module proxy).
 */
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const LIBRARY = "github.com/robfig/cron/v3@v3.0.1";
const RECORD = join(import.meta.dirname, "../api/batch/v1/testdata/schedules.jsonl");

const workspace = mkdtempSync(join(tmpdir(), "r2k-schedules-"));
const go = (...args: string[]) => execFileSync("go", args, { cwd: workspace, stdio: "inherit" });
cpSync(join(import.meta.dirname, "schedules/main.go"), join(workspace, "main.go"));
go("mod", "init", "schedules");
go("get", LIBRARY);
go("build", "-o", "ask", ".");
const input = readFileSync(RECORD);
const recorded = execFileSync(join(workspace, "ask"), { input, encoding: "utf8" });
writeFileSync(RECORD, recorded);
rmSync(workspace, { recursive: true });
