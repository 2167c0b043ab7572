import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  realpathSync,
  rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { mount, unmount } from "@raft2kube/linux/mount/mount.ts";
import { type Mount, MountPropagation } from "@raft2kube/proto/gen/cri.ts";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { volumeMounts } from "./mounts.ts";

const canMount = process.getuid?.() === 0 && existsSync("/dev/fuse");

describe.runIf(canMount)("a volume whose file server has ended", () => {
  let volume: string;
  beforeEach(() => {
    volume = path.join(realpathSync(mkdtempSync(path.join(tmpdir(), "r2k-oci-"))), "volume");
    mkdirSync(volume);
    const server = openSync("/dev/fuse", "r+");
    const data = `fd=${server},rootmode=40000,user_id=0,group_id=0`;
    mount({ source: "server", target: volume, type: "fuse", data });
    closeSync(server);
  });
  afterEach(() => {
    unmount(volume);
    rmSync(path.dirname(volume), { recursive: true });
  });

  test("is passed on without a call into it", () => {
    expect(() => realpathSync(volume)).toThrow("ENOTCONN");
    const asked: Mount = {
      containerPath: "/m",
      hostPath: volume,
      readonly: true,
      selinuxRelabel: false,
      propagation: MountPropagation.PROPAGATION_PRIVATE,
      uidMappings: [],
      gidMappings: [],
      recursiveReadOnly: false,
      image: undefined,
      imageSubPath: "",
    };
    expect(volumeMounts([asked])).toMatchObject([{ destination: "/m", source: volume }]);
  });
});
