import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { waitFor } from "../../testing/wait.ts";

let dir: string;
beforeEach(() => void (dir = testFolder("r2k-interrupt-")));

const undone = () => existsSync(join(dir, "undone"));

/** A program that undoes its work, with progress, when it is interrupted. */
function program(): string {
  const path = join(dir, "program.mjs");
  writeFileSync(
    path,
    `
    import { writeFileSync } from "node:fs";
    import { onInterrupt } from "${import.meta.dirname}/on-interrupt.ts";
    import { terminalProgress } from "${import.meta.dirname}/../terminal.ts";
    const progress = terminalProgress({ monotonic: () => 0 });
    const alive = setInterval(() => undefined, 1 << 30);
    onInterrupt().signal.addEventListener("abort", async () => {
      clearInterval(alive);
      // An error of writing is an event of a later turn.
      for (const title of ["first", "second"]) {
        await progress.step(title, () => new Promise((resolve) => setImmediate(resolve)));
      }
      writeFileSync("${dir}/undone", "");
    });
    progress.note("ready");
  `,
  );
  return path;
}

async function ready(child: ChildProcess): Promise<void> {
  let said = "";
  for (const output of [child.stdout, child.stderr]) {
    output?.on("data", (text) => (said += String(text)));
  }
  const isReady = () => said.includes("ready");
  await waitFor("the program to be ready", isReady);
}

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;

test.each(SIGNALS)("a command that gets %s undoes its work", async (name) => {
  const child = spawn(process.execPath, [program()], { stdio: ["ignore", "pipe", "pipe"] });
  const ended = once(child, "exit");
  await ready(child);
  child.kill(name);
  expect(await ended).toEqual([0, null]);
  expect(undone()).toBe(true);
});

test("a command whose terminal is closed undoes its work", async () => {
  const command = `exec ${process.execPath} ${program()}`;
  const terminal = spawn("script", ["-qec", command, "/dev/null"], { stdio: "pipe" });
  const ended = once(terminal, "exit");
  await ready(terminal);
  terminal.kill("SIGKILL");
  await ended;
  await waitFor("the program to undo its work", undone);
});
