import { Status } from "@raft2kube/rpc/error.ts";
import { expect, test } from "vitest";
import { mountOptionsOf } from "../mount-options.ts";
import { performerOf } from "./performer.ts";

const failing = (code: string) =>
  performerOf({
    async open() {
      throw Object.assign(new Error(`${code}: i/o error, open`), { code });
    },
    sourceOfMount: () => undefined,
  });

test("a server that is away leaves a call undecided: it is repeated", async () => {
  const share = { server: "nfs.test", path: "/" };
  const mount = mountOptionsOf("mount_flags", []);
  for (const code of ["EIO", "ETIMEDOUT"]) {
    const calls = failing(code);
    const subDir = "v";
    const key = "0".repeat(32);
    for (const call of [
      () => calls.getVolume({ share, mount, key }),
      () => calls.deleteVolume({ share, mount, key }),
      () => calls.publish({ share, mount, key, subDir, target: "/none" }),
    ]) {
      await expect(call()).rejects.toMatchObject({
        status: Status.UNAVAILABLE,
        message: expect.stringContaining(code),
      });
    }
  }
});
