import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { waitFor } from "../../testing/wait.ts";
import { startTimeOf } from "../observe/process-table.ts";
import { startProcess } from "./supervise.ts";

let dir: string;
beforeEach(() => {
  dir = testFolder("r2k-supervise-");
});

const at = (name: string) => join(dir, name);

/** Starts a process that prepares itself, may go on, and is ready. */
function start(signal: AbortSignal, go?: Promise<void>): Promise<void> {
  const script = `
    import { writeFileSync } from "node:fs";
    import { announce, mayGoOn } from ${JSON.stringify(join(import.meta.dirname, "supervise.ts"))};
    const timer = setInterval(() => undefined, 1000);
    writeFileSync(${JSON.stringify(at("prepared"))}, String(process.pid));
    await mayGoOn();
    writeFileSync(${JSON.stringify(at("went"))}, "");
    announce({ state: "ready" });
    clearInterval(timer);
  `;
  writeFileSync(at("child.ts"), script);
  const spec = {
    name: "node",
    configPath: at("none"),
    runDir: dir,
    logPath: at("log"),
    logs: "cat log",
    program: [process.execPath, at("child.ts")],
  } as const;
  return startProcess(spec, signal, go);
}

const prepared = () => waitFor("the process", () => existsSync(at("prepared")));

test("a process goes on when its step comes, or immediately where it has none", async () => {
  const { signal } = new AbortController();
  const { promise: go, resolve } = Promise.withResolvers<void>();
  const ready = start(signal, go);
  await prepared();
  expect(existsSync(at("went"))).toBe(false);
  resolve();
  await ready;
  expect(existsSync(at("went"))).toBe(true);
  rmSync(at("went"));
  await start(signal);
  expect(existsSync(at("went"))).toBe(true);
});

test("a command that was interrupted before starts nothing", async () => {
  await expect(start(AbortSignal.abort(new Error("before")))).rejects.toThrow("before");
  expect(existsSync(at("log"))).toBe(false);
});

test("a process reports to nobody when the command has ended", async () => {
  const script = `
    import { announce } from ${JSON.stringify(join(import.meta.dirname, "supervise.ts"))};
    process.disconnect();
    announce({ state: "ready" });
  `;
  writeFileSync(at("alone.ts"), script);
  const child = spawn(process.execPath, [at("alone.ts")], { stdio: ["ignore", 2, 2, "ipc"] });
  expect(await once(child, "exit")).toEqual([0, null]);
});

test("a process that waits for its step is ended with the command", async () => {
  const interrupt = new AbortController();
  const ready = start(interrupt.signal, new Promise(() => undefined));
  const failed = expect(ready).rejects.toThrow("node: stopped");
  await prepared();
  const pid = Number(readFileSync(at("prepared"), "utf8"));
  interrupt.abort();
  await failed;
  await waitFor("its end", () => startTimeOf(pid) === undefined);
  expect(existsSync(at("went"))).toBe(false);
});
