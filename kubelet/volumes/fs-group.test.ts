import { chmodSync, chownSync, lstatSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { withSwapper } from "../../testing/swapper.ts";
import { applyFsGroup } from "./fs-group.ts";

const GROUP = 4321;

let dir: string;
let volume: string;
beforeEach(() => {
  dir = testFolder("r2k-fsgroup-");
  volume = join(dir, "volume");
  mkdirSync(volume);
});

const bits = (path: string) => lstatSync(path).mode & 0o7777;

describe.runIf(process.getuid?.() === 0)("fsGroup", () => {
  test("gives files, directories and links to the group, and nothing outside", async () => {
    mkdirSync(join(volume, "sub"), { mode: 0o700 });
    writeFileSync(join(volume, "sub/file"), "", { mode: 0o600 });
    writeFileSync(join(dir, "outside"), "", { mode: 0o600 });
    symlinkSync(join(dir, "outside"), join(volume, "link"));
    await applyFsGroup(volume, GROUP, false);
    const groups = ["", "sub", "sub/file", "link"].map((name) => lstatSync(join(volume, name)).gid);
    expect(groups).toEqual([GROUP, GROUP, GROUP, GROUP]);
    expect(bits(join(volume, "sub"))).toBe(0o2770);
    expect(bits(join(volume, "sub/file"))).toBe(0o660);
    expect(lstatSync(join(dir, "outside"))).toMatchObject({ gid: 0, mode: 0o100600 });
  });

  test("read-only files get no right to write", async () => {
    writeFileSync(join(volume, "file"), "", { mode: 0o400 });
    await applyFsGroup(volume, GROUP, true);
    expect(bits(join(volume, "file"))).toBe(0o440);
  });

  test("OnRootMismatch changes files only where the root is not the group's already", async () => {
    const file = join(volume, "file");
    const groupAfter = async (policy: string) => {
      writeFileSync(file, "");
      chownSync(file, 0, 0);
      await applyFsGroup(volume, GROUP, false, policy);
      return lstatSync(file).gid;
    };
    expect(await groupAfter("OnRootMismatch")).toBe(GROUP);
    expect(await groupAfter("OnRootMismatch")).toBe(0);
    expect(await groupAfter("Always")).toBe(GROUP);
    chmodSync(volume, 0o2750);
    expect(await groupAfter("OnRootMismatch")).toBe(GROUP);
    chmodSync(volume, 0o770);
    expect(await groupAfter("OnRootMismatch")).toBe(GROUP);
    chownSync(volume, 0, GROUP + 1);
    expect(await groupAfter("OnRootMismatch")).toBe(GROUP);
  });

  test("a file that becomes the group's loses its set-id bits", async () => {
    const file = join(volume, "file");
    writeFileSync(file, "");
    chownSync(file, 1000, 1000);
    chmodSync(file, 0o6755);
    await applyFsGroup(volume, GROUP, false);
    expect(bits(file)).toBe(0o775);
    expect(lstatSync(file).uid).toBe(1000);
  });

  test("a file that is swapped for a link meanwhile leads to nothing outside", async () => {
    const victim = join(dir, "victim");
    writeFileSync(victim, "", { mode: 0o644 });
    await withSwapper(volume, victim, "openFile", async () => {
      for (let count = 0; count < 2_000; count++) await applyFsGroup(volume, GROUP, false);
    });
    expect(lstatSync(victim)).toMatchObject({ uid: 0, gid: 0, mode: 0o100644 });
  });
});
