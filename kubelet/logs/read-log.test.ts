import { readdirSync, readlinkSync, rmSync } from "node:fs";
import { appendFile, mkdir, rename, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { ManualClock, systemClock } from "@raft2kube/std/clock.ts";
import { isErrno } from "@raft2kube/std/errors.ts";
import { nextTurn } from "@raft2kube/std/slices.ts";
import { beforeEach, describe, expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { waitFor } from "../../testing/wait.ts";
import { LOG_FOLLOW_MS_MIN, LOG_FOLLOW_POLL_MS } from "../limits.ts";
import { type LogOptions, readLog } from "./read-log.ts";

let dir: string;
let path: string;
beforeEach(async () => {
  dir = testFolder("r2k-log-");
  await mkdir(join(dir, "pod/c"), { recursive: true });
  path = join(dir, "pod/c/0.log");
});

const ALL: LogOptions = {
  follow: false,
  timestamps: false,
  since_ms: undefined,
  tailLines: undefined,
  limitBytes: undefined,
  stream: undefined,
};
/** Files that this process has open. */
const openFiles = () =>
  readdirSync("/proc/self/fd").map((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`);
    } catch (thrown) {
      // It was closed meanwhile.
      if (isErrno(thrown, "ENOENT")) return "";
      throw thrown;
    }
  });
const LOG =
  "2026-01-01T00:00:01.000000001Z stdout F one\n" +
  "2026-01-01T00:00:02.000000001Z stderr P tw\n" +
  "2026-01-01T00:00:02.000000002Z stderr F o\n" +
  "2026-01-01T00:00:03.000000001Z stdout F \n" +
  "2026-01-01T00:00:04.000000001+00:00 stdout F four\n";

function source(mayWrite = async () => false, signal = new AbortController().signal) {
  return { podLogsDir: dir, path, clock: systemClock(), signal, mayWrite };
}

async function read(options: Partial<LogOptions>): Promise<string> {
  const pieces: Buffer[] = [];
  for await (const piece of readLog(source(), { ...ALL, ...options })) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

describe("a container's log", () => {
  test.each<[string, Partial<LogOptions>, string]>([
    ["whole, with cut lines joined", {}, "one\ntwo\n\nfour\n"],
    ["the last lines", { tailLines: 2 }, "\nfour\n"],
    ["no line", { tailLines: 0 }, ""],
    ["more lines than there are", { tailLines: 99 }, "one\ntwo\n\nfour\n"],
    ["since a time", { since_ms: Date.parse("2026-01-01T00:00:03Z") }, "\nfour\n"],
    ["at most some bytes", { limitBytes: 6 }, "one\ntw"],
    ["one stream", { stream: "stderr" }, "two\n"],
    ["with times", { timestamps: true, tailLines: 1 }, "2026-01-01T00:00:04.000000001Z four\n"],
  ])("%s", async (_, options, expected) => {
    await writeFile(path, LOG);
    expect(await read(options)).toBe(expected);
  });

  test("goes over all rotated files", async () => {
    await writeFile(`${path}.20260101-000000`, LOG);
    await writeFile(path, "2026-01-01T00:00:05Z stdout F five\n");
    expect(await read({})).toBe("one\ntwo\n\nfour\nfive\n");
    expect(await read({ tailLines: 2 })).toBe("four\nfive\n");
  });

  test("has no more lines than are wanted when others are written meanwhile", async () => {
    await writeFile(`${path}.20260101-000000`, LOG);
    await writeFile(path, "2026-01-01T00:00:04Z stdout F five\n");
    const pieces: string[] = [];
    for await (const piece of readLog(source(), { ...ALL, tailLines: 2 })) {
      pieces.push(String(piece));
      await appendFile(path, "2026-01-01T00:00:05Z stdout F six\n");
    }
    expect(pieces).toEqual(["four\n", "five\n"]);
  });

  test("of short lines lets other events be processed, however many read it", async () => {
    await writeFile(path, "2026-01-01T00:00:01.000000001Z stdout F y\n".repeat(40_000));
    let turns = 0;
    let reading = true;
    const count = () => {
      turns++;
      if (reading) setImmediate(count);
    };
    count();
    const logs = await Promise.all(Array.from({ length: 8 }, () => read({})));
    reading = false;
    expect(new Set(logs)).toEqual(new Set(["y\n".repeat(40_000)]));
    // Each reads 27 pieces of 64 KiB, of which a turn of the event loop formats 1 ms' worth.
    expect(turns).toBeGreaterThan(3 * 27);
  });

  test("an absent log is empty", async () => {
    expect(await read({})).toBe("");
  });

  test("a link in its place, or in the place of its directory, is not followed", async () => {
    await writeFile(join(dir, "secret"), LOG);
    await symlink(join(dir, "secret"), path);
    await expect(read({})).rejects.toMatchObject({ code: "ELOOP" });
    await expect(read({ tailLines: 1 })).rejects.toMatchObject({ code: "ELOOP" });
    const following = readLog(
      source(async () => true),
      { ...ALL, follow: true },
    );
    await expect(following.next()).rejects.toMatchObject({ code: "ELOOP" });
    await rm(join(dir, "pod"), { recursive: true });
    await mkdir(join(dir, "elsewhere/c"), { recursive: true });
    await writeFile(join(dir, "elsewhere/c/0.log"), LOG);
    await symlink(join(dir, "elsewhere"), join(dir, "pod"));
    await expect(read({})).rejects.toMatchObject({ code: "ELOOP" });
  });

  test("is followed through a rotation until the container has ended", async () => {
    await writeFile(path, "2026-01-01T00:00:01Z stdout F one\n");
    let running = true;
    const following = readLog(
      source(async () => running),
      { ...ALL, follow: true },
    );
    const next = async () => (await following.next()).value?.toString();
    expect(await next()).toBe("one\n");
    await rename(path, `${path}.1`);
    await writeFile(path, "2026-01-01T00:00:02Z stdout F two\n");
    expect(await next()).toBe("two\n");
    running = false;
    await appendFile(path, "2026-01-01T00:00:03Z stdout F three\n");
    expect(await next()).toBe("three\n");
    expect((await following.next()).done).toBe(true);
  });

  test("has no gap when it is rotated several times between two reads", async () => {
    const line = (text: string) => `2026-01-01T00:00:01Z stdout F ${text}\n`;
    const rotate = async (aside: string, text: string) => {
      await rename(path, `${path}.${aside}`);
      await writeFile(path, line(text));
    };
    await writeFile(path, line("one"));
    let running = true;
    const mayWrite = async () => running;
    const readers = [{ follow: true }, { follow: true, tailLines: 1 }, {}].map((wanted) =>
      readLog(source(mayWrite), { ...ALL, ...wanted }),
    );
    const next = () =>
      Promise.all(readers.map(async (each) => (await each.next()).value?.toString()));
    expect(await next()).toEqual(["one\n", "one\n", "one\n"]);
    await rotate("1", "two");
    await rotate("2", "three");
    await rotate("3", "four");
    for (const text of ["two\n", "three\n", "four\n"]) {
      expect(await next()).toEqual([text, text, undefined]);
    }
    // The file that is read is removed, as those before it.
    await rotate("4", "five");
    await rotate("5", "six");
    for (const aside of ["1", "2", "3", "4"]) await rm(`${path}.${aside}`);
    running = false;
    expect(await next()).toEqual(["five\n", "five\n", undefined]);
    expect(await next()).toEqual(["six\n", "six\n", undefined]);
    expect(await next()).toEqual([undefined, undefined, undefined]);
  });

  test("that is not followed is read to the file that was the last", async () => {
    const line = (text: string) => `2026-01-01T00:00:01Z stdout F ${text}\n`;
    await writeFile(`${path}.1`, line("one"));
    await writeFile(path, line("two"));
    const reading = readLog(source(), ALL);
    const next = async () => (await reading.next()).value?.toString();
    expect(await next()).toBe("one\n");
    await rename(path, `${path}.2`);
    await writeFile(path, line("three"));
    expect(await next()).toBe("two\n");
    expect(await next()).toBeUndefined();
  });

  test.each([{ follow: false }, { follow: true }])(
    "whose file is removed while its last lines are searched has them and the next's: %o",
    async (how) => {
      await writeFile(`${path}.1`, "2026-01-01T00:00:01Z stdout F y\n".repeat(200_000));
      await writeFile(path, "2026-01-01T00:00:02Z stdout F current\n");
      const pieces: Buffer[] = [];
      const reading = (async () => {
        const wanted = { ...ALL, ...how, tailLines: 150_000 };
        for await (const piece of readLog(source(), wanted)) pieces.push(piece);
      })();
      while (!openFiles().includes(`${path}.1`)) await nextTurn();
      rmSync(`${path}.1`);
      await reading;
      expect(String(Buffer.concat(pieces)) === `${"y\n".repeat(149_999)}current\n`).toBe(true);
    },
  );

  test("has a line without an end, at a rotation and at its end, also when it is followed", async () => {
    await writeFile(path, "2026-01-01T00:00:01Z stdout F one\n2026-01-01T00:00:01Z stdout F to");
    let running = true;
    const following = readLog(
      source(async () => running),
      { ...ALL, follow: true },
    );
    const next = async () => (await following.next()).value?.toString();
    expect(await next()).toBe("one\n");
    await rename(path, `${path}.1`);
    await writeFile(path, "2026-01-01T00:00:02Z stdout F two\n2026-01-01T00:00:02Z stdout F en");
    running = false;
    expect([await next(), await next(), await next()]).toEqual(["to\n", "two\n", "en\n"]);
    expect((await following.next()).done).toBe(true);
  });

  test("that changes all the time asks for its container once a second", async () => {
    const line = (number: number) => `2026-01-01T00:00:01Z stdout F ${number}\n`;
    await writeFile(path, line(0));
    const clock = new ManualClock();
    let asked = 0;
    const mayWrite = async () => {
      asked++;
      return true;
    };
    const gone = new AbortController();
    const wanted = { ...source(mayWrite, gone.signal), clock };
    const following = readLog(wanted, { ...ALL, follow: true });
    const next = async () => {
      let read: IteratorResult<Buffer> | undefined;
      void following.next().then((result) => {
        read = result;
      });
      const isRead = () => {
        clock.advance(LOG_FOLLOW_MS_MIN / 20);
        return read;
      };
      return waitFor("a line", isRead, { interval_ms: 1 });
    };
    expect((await next()).value?.toString()).toBe("0\n");
    for (let number = 1; number < 20; number++) {
      const read = next();
      await appendFile(path, line(number));
      expect((await read).value?.toString()).toBe(`${number}\n`);
    }
    expect(asked).toBeLessThanOrEqual(1 + clock.monotonic() / LOG_FOLLOW_POLL_MS);
    gone.abort();
    await following.return(undefined);
  });
});
