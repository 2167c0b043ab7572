// A process for supervisor.test.ts, with the command line of a real one: NAME --config FILE.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { systemClock } from "@raft2kube/std/clock.ts";
import { writeOwnPid } from "../supervise.ts";
import { Supervisor } from "../supervisor.ts";

const [name = "", , config = ""] = process.argv.slice(2);
const runDir = dirname(config);
if (existsSync(join(runDir, "broken"))) process.exit(3);
const logPath = join(runDir, "log");
const supervisor = new Supervisor({ name, runDir, logPath, clock: systemClock({ unref: true }) });
process.on("SIGTERM", () => {
  supervisor.end();
  process.exit(0);
});
await supervisor.start();
await writeOwnPid(runDir, name);
setInterval(() => undefined, 1 << 30);
