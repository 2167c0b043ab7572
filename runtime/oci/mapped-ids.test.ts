import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { mount, unmount } from "@raft2kube/linux/mount/mount.ts";
import { beforeEach, expect, test } from "vitest";
import { testFolder } from "../../testing/folders.ts";
import { canMapIds } from "./mapped-ids.ts";

let dir: string;
beforeEach(() => {
  dir = testFolder("r2k-mapped-");
});

test("a folder on overlayfs cannot be mounted with mapped ids, one on tmpfs can", async () => {
  const [memory, merged] = [join(dir, "memory"), join(dir, "merged")];
  for (const each of [memory, merged]) mkdirSync(each);
  mount({ source: "tmpfs", target: memory, type: "tmpfs" });
  try {
    const parts = ["lower", "upper", "work"].map((name) => join(memory, name));
    for (const each of parts) mkdirSync(each);
    const [lower, upper, work] = parts;
    const data = `lowerdir=${lower},upperdir=${upper},workdir=${work}`;
    mount({ source: "overlay", target: merged, type: "overlay", data });
    try {
      expect(await canMapIds(merged)).toBe(false);
      expect(await canMapIds(memory)).toBe(true);
    } finally {
      unmount(merged);
    }
  } finally {
    unmount(memory);
  }
});
