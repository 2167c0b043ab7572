import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { lockHolder } from "@raft2kube/linux/file/flock.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { startTimeOf } from "../../../cli/observe/process-table.ts";
import { configPath } from "../../../cli/spec/config.ts";
import { nodesLock } from "../../../cli/spec/paths.ts";
import { testFolder } from "../../../testing/folders.ts";
import { waitFor } from "../../../testing/wait.ts";
import { readyBundle, spawnBundled } from "../../contract/bundled.ts";

const NAME = "twice";
const patience = { clock: systemClock(), timeout_ms: 30_000 };

describe.runIf(process.getuid?.() === 0)("a removal beside one of the data", () => {
  let dir: string;
  let dataDir: string;
  const children: ChildProcess[] = [];

  beforeAll(readyBundle);
  beforeEach(() => {
    dir = testFolder("r2k-down-");
    dataDir = join(dir, "data", NAME);
    mkdirSync(dataDir, { recursive: true });
    mkdirSync(join(dir, "run", NAME), { recursive: true });
    writeFileSync(configPath(dataDir), "not JSON: removal needs no more than the name");
  });
  afterEach(() => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
  });

  /** `r2k down` with these flags, and what it prints. */
  function down(...flags: string[]) {
    const env = { R2K_DATA: join(dir, "data"), R2K_RUN: join(dir, "run") };
    const child = spawnBundled(["down", "--name", NAME, ...flags], { env });
    child.stdin!.end();
    children.push(child);
    let said = "";
    for (const stream of [child.stdout!, child.stderr!]) {
      stream.on("data", (text) => (said += String(text)));
    }
    return { said: () => said, ended: once(child, "close") };
  }

  test("is refused while containers made by hand exist, and removes nothing", async () => {
    const container = join(dataDir, "hand/containers/0123456789abcdef");
    mkdirSync(container, { recursive: true });
    for (const flags of [[], ["--purge"]]) {
      const refused = down(...flags);
      expect(await refused.ended).toEqual([1, null]);
      expect(refused.said()).toMatch(/made by hand: 0123456789ab\n.*--cluster twice rm -f/);
      expect(existsSync(container)).toBe(true);
    }
    rmSync(container, { recursive: true });
    const volume = join(dataDir, "hand/volumes/precious");
    mkdirSync(volume, { recursive: true });
    const held = down("--purge");
    expect(await held.ended).toEqual([1, null]);
    expect(held.said()).toMatch(/made by hand: precious\n.*volume rm/);
    rmSync(volume, { recursive: true });
    const purge = down("--purge");
    expect(await purge.ended).toEqual([0, null]);
    expect(existsSync(dataDir)).toBe(false);
  });

  test("accepts folders without a configuration: made by hand, or of a purge that was killed", async () => {
    rmSync(configPath(dataDir));
    const volume = join(dataDir, "hand/volumes/precious");
    const image = join(dataDir, "runtime/images/layers");
    for (const folder of [volume, image]) mkdirSync(folder, { recursive: true });
    const kept = down();
    expect([await kept.ended, existsSync(volume), existsSync(image)]).toEqual([
      [0, null],
      true,
      true,
    ]);
    expect(kept.said()).toMatch(/stays; `r2k down --purge` removes it/);
    expect(existsSync(join(dir, "run"))).toBe(false);
    rmSync(volume, { recursive: true });
    expect(await down("--purge").ended).toEqual([0, null]);
    for (const left of [
      join(dir, "data", NAME, "runtime/images/layers"),
      join(dir, "data", `.${NAME}.removed/x`),
    ]) {
      mkdirSync(left, { recursive: true });
      expect(await down("--purge").ended).toEqual([0, null]);
      expect(existsSync(join(dir, "data"))).toBe(false);
    }
  });

  test.each([
    ["waits for it and says that the data is gone", "SIGCONT", 0, "Its data is gone"],
    ["says so if that one ends early", "SIGKILL", null, "has ended early"],
  ] as const)("%s", async (_, signal, code, expected) => {
    // The cluster's process, as it seems, which keeps the first removal from its end.
    const stuck = spawn("sh", ["-c", "trap '' TERM; echo; read line"], {
      stdio: ["pipe", "pipe", "ignore"],
    });
    children.push(stuck);
    await once(stuck.stdout, "data");
    const pidFile = join(dir, "run", NAME, "control.pid");
    writeFileSync(pidFile, `${stuck.pid} ${startTimeOf(stuck.pid!)}\n`);
    const purge = down("--purge");
    const holds = () => lockHolder(nodesLock({ dataDir }));
    const pid = await waitFor("the first removal", holds, { ...patience, interval_ms: 5 });
    process.kill(pid, "SIGSTOP");
    const plain = down();
    const line = `Waiting for \`r2k down --purge\` (process ${pid}), which removes its data too`;
    await waitFor("the second removal to wait", () => plain.said().includes(line), patience);
    process.kill(pid, signal);
    stuck.kill("SIGKILL");
    const [[purged], [ended]] = await Promise.all([purge.ended, plain.ended]);
    expect(plain.said()).toContain(expected);
    if (code !== null) expect([purged, ended]).toEqual([code, code]);
  });
});
