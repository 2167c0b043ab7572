import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync } from "node:fs";
import { buffer, text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { beforeAll, expect, it, onTestFinished, vi } from "vitest";
import { suiteFolder } from "../../testing/folders.ts";
import { waitFor } from "../../testing/wait.ts";
import { writeTar } from "../image/tar/write.ts";
import { buildArchive } from "./image-builder.ts";
import { pauseRecipe } from "./pause.ts";

const LIMITS = { timeout_ms: 20_000, interval_ms: 50 };
/** SIGTERM in a set of signals. */
const SIGTERM_BIT = 1n << 14n;
const root = suiteFolder("r2k-pause-");

const recipe = () =>
  pauseRecipe("pause", "1.2.3", { shell: "/bin/sh", catatonit: "/usr/bin/catatonit" });

beforeAll(async () => {
  const { entries } = await recipe();
  const tar = spawn("tar", ["-x", "-C", root], { stdio: ["pipe", "inherit", "inherit"] });
  await Promise.all([pipeline(writeTar(entries), tar.stdin), once(tar, "exit")]);
});

/** Starts the image's program as the first process of a container. */
function start(...args: string[]) {
  const kinds = ["--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child"];
  return spawn("unshare", [...kinds, `--root=${root}`, "/usr/local/bin/pause", ...args]);
}

it("an archive of images is the same for the same content, whenever it is built", async () => {
  vi.useFakeTimers({ toFake: ["Date"], now: 0 });
  onTestFinished(() => void vi.useRealTimers());
  const built = async () => {
    const first = await recipe();
    const archive = await buffer(
      await buildArchive(first, [{ name: "other", config: first.config }]),
    );
    return createHash("sha256").update(archive).digest("hex");
  };
  const before = await built();
  vi.setSystemTime(1_000_000_000_000);
  expect(await built()).toBe(before);
});

it("-v prints the version", async () => {
  const started = start("-v");
  const [out, [code]] = await Promise.all([text(started.stdout), once(started, "exit")]);
  expect({ out, code }).toEqual({ out: "pause 1.2.3\n", code: 0 });
});

it("without arguments waits, as one small process, until SIGTERM", async () => {
  const started = start();
  onTestFinished(() => void started.kill("SIGKILL"));
  const child = await waitFor(
    "catatonit",
    async () => {
      const path = `/proc/${started.pid}/task/${started.pid}/children`;
      const pid = existsSync(path) ? readFileSync(path, "utf8").trim() : "";
      const status = pid === "" ? "" : readFileSync(`/proc/${pid}/status`, "utf8");
      // Before it blocks them to read them, its namespace's first process gets no signals.
      const blocked = BigInt(`0x${/^SigBlk:\s*(\w+)/m.exec(status)?.[1] ?? "0"}`);
      const isReady = status.startsWith("Name:\tcatatonit\n") && (blocked & SIGTERM_BIT) !== 0n;
      return isReady ? Number(pid) : undefined;
    },
    LIMITS,
  );
  process.kill(child, "SIGTERM");
  await once(started, "exit");
});
