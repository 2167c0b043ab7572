import {
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { CommandError } from "../terminal.ts";
import { keepLogs, SEE_LOG, withKeptLogs } from "./keep-logs.ts";

let dir: string;
beforeEach(() => {
  dir = testFolder("r2k-kept-");
  for (const name of ["logs", "tmp", "other"]) mkdirSync(join(dir, name));
  writeFileSync(join(dir, "logs/control.log"), "said");
  vi.stubEnv("TMPDIR", join(dir, "tmp"));
});
afterEach(() => vi.unstubAllEnvs());

const keep = async () => (await keepLogs(join(dir, "logs"), "default"))!;

test("logs are kept where their owner alone may read them", async () => {
  const kept = await keep();
  expect(readFileSync(join(kept, "control.log"), "utf8")).toBe("said");
  expect(statSync(kept).mode & 0o777).toBe(0o700);
  expect(await keepLogs(join(dir, "none"), "default")).toBeUndefined();
});

test.each(["a link", "a folder with a link"])(
  "%s of another user in the shared folder leads the copy nowhere",
  async (what) => {
    const trap = join(dir, "tmp/r2k-default-failed");
    const target = join(dir, "other");
    if (what === "a link") symlinkSync(target, trap);
    else {
      mkdirSync(trap, { mode: 0o777 });
      symlinkSync(join(target, "victim"), join(trap, "control.log"));
    }
    const kept = await keep();
    expect(readFileSync(join(kept, "control.log"), "utf8")).toBe("said");
    expect(kept).not.toBe(trap);
    expect(readdirSync(target)).toEqual([]);
  },
);

test("an error that names a log which is removed names the copy instead", async () => {
  const kept = await keep();
  const failure = new CommandError(SEE_LOG, "ended", { remedy: "read its log: r2k logs control" });
  expect(withKeptLogs(failure, kept)).toMatchObject({
    message: "ended",
    remedy: `read the logs in ${kept}`,
  });
  expect(withKeptLogs(failure, undefined)).toBe(failure);
  const other = new CommandError("PROCESS", "ended", { remedy: "free some space" });
  expect(withKeptLogs(other, kept)).toBe(other);
});
