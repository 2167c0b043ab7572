import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chownSync,
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempDisposableSync,
  openSync,
  readFileSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { freshOf } from "@raft2kube/linux/file/durable-file.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterEach, beforeEach, expect, it, onTestFinished } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { waitFor } from "../../testing/wait.ts";
import { endProcess } from "../apply/end-process.ts";
import { SUPERVISOR_SCRIPT } from "../assets.ts";
import { alive, processTable, startTimeOf } from "../observe/process-table.ts";
import { readRestarts, runningPid, supervisorPath, supervisorPid } from "../observe/processes.ts";

const clock = systemClock();
const NAME = "control";
const PROGRAM = join(import.meta.dirname, "testing/supervised.ts");

let dir: string;
const config = () => ({ name: "test", dataDir: dir, runDir: dir });

beforeEach(() => {
  dir = testFolder("r2k-supervisor-");
  const args = [PROGRAM, NAME, "--config", join(dir, "cluster.json")];
  const log = openSync(join(dir, "log"), "a");
  const stdio = ["ignore", "ignore", log] as const;
  const child = spawn(process.execPath, args, { detached: true, stdio: [...stdio] });
  closeSync(log);
  child.on("error", (error) => {
    throw error;
  });
  child.unref();
});
afterEach(async () => {
  await endProcess(config(), NAME, clock);
  const left = processTable().filter(({ command }) => command.includes(dir));
  expect(left).toEqual([]);
});

/** Waits for the process with its supervisor, other ones than before. */
async function running(before: { pid?: number; supervisor?: number } = {}) {
  return await waitFor("the process and its supervisor", () => {
    const [pid, supervisor] = [runningPid(dir, NAME), supervisorPid(dir, NAME)];
    if (pid === undefined || supervisor === undefined) return undefined;
    return pid !== before.pid && supervisor !== before.supervisor && { pid, supervisor };
  });
}

it("a process that is killed runs again, under a supervisor of its own", async () => {
  const first = await running();
  const started = startTimeOf(first.supervisor)!;
  process.kill(first.pid, "SIGKILL");
  const second = await running(first);
  expect(readRestarts(dir, NAME)).toMatchObject({ count: 1, pause_s: 1, exitStatus: undefined });
  await expect.poll(() => alive(first.supervisor, started)).toBe(false);
  process.kill(second.pid, "SIGKILL");
  await running(second);
  expect(readRestarts(dir, NAME)).toMatchObject({ count: 2, pause_s: 2 });
  expect(readFileSync(join(dir, "log"), "utf8")).toContain(
    `${NAME} has ended (status -); it is started again in 2 s`,
  );
});

const umaskOf = (pid: number) =>
  /^Umask:\s+(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];

it("a process that runs again lets containers' users read what it makes, as before", async () => {
  const first = await running();
  expect(umaskOf(first.pid)).toBe("0022");
  process.kill(first.pid, "SIGKILL");
  const second = await running(first);
  expect(umaskOf(second.pid)).toBe("0022");
});

it("a supervisor that is killed is replaced, and the process goes on", async () => {
  const first = await running();
  process.kill(first.supervisor, "SIGKILL");
  const second = await running({ supervisor: first.supervisor });
  expect(second.pid).toBe(first.pid);
  process.kill(second.pid, "SIGKILL");
  await running(second);
});

it("a supervisor that cannot be started, or named in its file, is tried again", async () => {
  const first = await running();
  const fresh = freshOf(supervisorPath(dir, NAME));
  mkdirSync(fresh);
  process.kill(first.supervisor, "SIGKILL");
  const failed = () => readFileSync(join(dir, "log"), "utf8").includes("no supervisor");
  await waitFor("an attempt that fails", failed);
  rmdirSync(fresh);
  const second = await running({ supervisor: first.supervisor });
  expect(second.pid).toBe(first.pid);
  process.kill(second.pid, "SIGKILL");
  await running(second);
});

const asRoot = it.runIf(process.getuid?.() === 0);
asRoot("a supervisor starts the process once the system has processes to give", async () => {
  // A run's folder of temporary files may be its own user's alone.
  using folder = mkdtempDisposableSync("/tmp/r2k-few-");
  const [user, place] = [1_000_000 + process.pid, folder.path];
  chownSync(place, user, user);
  const script = join(place, "supervise.sh");
  copyFileSync(SUPERVISOR_SCRIPT, script);
  const as = ["--reuid", String(user), "--regid", String(user), "--clear-groups"];
  const words = [script, NAME, place, join(place, "log"), "1", "300", "touch", join(place, "done")];
  const other = spawn("setpriv", [...as, "sleep", "1000"], { stdio: "ignore" });
  const isOther = () => readFileSync(`/proc/${other.pid}/comm`, "utf8") === "sleep\n";
  await waitFor("another process of the user", isOther);
  const bounded = ["prlimit", "--nproc=2", "/bin/sh", ...words];
  const supervisor = spawn("setpriv", [...as, ...bounded], { stdio: ["pipe", "ignore", "pipe"] });
  onTestFinished(() => [other, supervisor].forEach((each) => void each.kill("SIGKILL")));
  const { pid } = supervisor;
  writeFileSync(join(place, `${NAME}.supervisor`), `${pid} 0\n`, { mode: 0o644 });
  let said = "";
  supervisor.stderr.setEncoding("utf8").on("data", (text: string) => (said += text));
  supervisor.stdin.end();
  await waitFor("a process that is refused", () => /fork/i.test(said));
  other.kill();
  await waitFor("the process", () => existsSync(join(place, "done")));
  supervisor.kill("SIGKILL");
  await once(supervisor, "exit");
});

it("one that cannot start is tried again and again, with its exit status", async () => {
  const first = await running();
  writeFileSync(join(dir, "broken"), "");
  process.kill(first.pid, "SIGKILL");
  const twice = () => readRestarts(dir, NAME)?.count === 2;
  await waitFor("two ends", twice);
  expect(readRestarts(dir, NAME)).toMatchObject({ pause_s: 2, exitStatus: 3 });
  expect([runningPid(dir, NAME), supervisorPid(dir, NAME)]).toEqual([undefined, first.supervisor]);
  rmSync(join(dir, "broken"));
  await running(first);
});

it("one that is asked to end stays away, and so does its supervisor", async () => {
  const first = await running();
  const started = startTimeOf(first.supervisor)!;
  process.kill(first.pid, "SIGTERM");
  await expect.poll(() => alive(first.supervisor, started)).toBe(false);
  await expect.poll(() => runningPid(dir, NAME)).toBeUndefined(); // it ends after its supervisor
  expect(readRestarts(dir, NAME)).toBeUndefined();
});

it("a process that is ended during a pause is not restarted", async () => {
  const first = await running();
  process.kill(first.pid, "SIGKILL");
  await waitFor("the pause", () => readRestarts(dir, NAME));
  await endProcess(config(), NAME, clock);
  expect(processTable().filter(({ command }) => command.includes(dir))).toEqual([]);
});
