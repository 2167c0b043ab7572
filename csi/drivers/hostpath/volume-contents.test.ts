import { mkdir, rm, writeFile } from "node:fs/promises";
import path from "node:path";
import { Status } from "@raft2kube/rpc/error.ts";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { testFolder } from "../../../testing/folders.ts";
import { VolumeContents } from "./volume-contents.ts";

describe("the form of new volumes", () => {
  let dataDir: string;
  const bin = () => path.join(dataDir, "bin");

  beforeEach(async () => {
    dataDir = testFolder("r2k-contents-");
    await mkdir(bin());
    vi.stubEnv("PATH", bin());
  });
  afterEach(async () => {
    vi.unstubAllEnvs();
  });

  it("is asked for again after a failure that may pass, settled by one that lasts", async () => {
    const contents = new VolumeContents(dataDir);
    await contents.prepare();
    const content = { block: false, capacity_bytes: 1 };
    const create = (id: string) => contents.create("volumes", id, content);
    const mkfs = path.join(bin(), "mkfs.ext4");
    await writeFile(mkfs, "#!/bin/sh\nexit 1\n", { mode: 0o755 });
    await expect(create("a")).rejects.toMatchObject({ status: Status.INTERNAL });
    expect(await contents.formOf("volumes", "a")).toBeUndefined();
    await rm(mkfs);
    await create("a");
    expect(await contents.formOf("volumes", "a")).toBe("directory");
  });
});
