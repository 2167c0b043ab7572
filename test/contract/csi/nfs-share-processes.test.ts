import { mountOptionsOf } from "@raft2kube/csi/drivers/nfs/mount-options.ts";
import { ShareProcesses } from "@raft2kube/csi/drivers/nfs/share-processes.ts";
import { Status } from "@raft2kube/rpc/error.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { testFolder } from "../../../testing/folders.ts";
import { refused } from "./fixture.ts";

describe("process processes of the NFS driver", () => {
  let processes: ShareProcesses;
  let dir: string;
  beforeEach(() => {
    dir = testFolder("r2k-processes-");
    process.env["R2K_EXPORTS"] = dir;
    const program = new URL("../../../testing/nfs/share-process.ts", import.meta.url);
    processes = new ShareProcesses({ program, clock: systemClock() });
  });
  afterEach(() => processes.close());

  const mount = mountOptionsOf("mount_flags", []);
  const ask = (server: string, timeout_ms: number) => {
    const request = { share: { server, path: "/data" }, mount, key: "0".repeat(32) };
    return processes.run("getVolume", request, { server, timeout_ms });
  };

  it("a server that does not answer costs its own calls only, and each of them ends", async () => {
    const waiting = [1, 2, 3, 4].map(() => {
      return expect(ask("absent.test", 3_000)).rejects.toEqual(refused(Status.DEADLINE_EXCEEDED));
    });
    await expect(ask("absent.test", 3_000)).rejects.toEqual(refused(Status.UNAVAILABLE));
    await expect(ask("nfs.test", 60_000)).rejects.toEqual(refused(Status.NOT_FOUND));
    await Promise.all(waiting);
    const again = expect(ask("absent.test", 500)).rejects;
    await again.toEqual(refused(Status.DEADLINE_EXCEEDED));
  });
});
