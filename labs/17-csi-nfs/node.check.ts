import { mkdirSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { readFile, stat, writeFile } from "node:fs/promises";
import { ShareProcesses } from "@raft2kube/csi/drivers/nfs/share-processes.ts";
import { bindMount } from "@raft2kube/linux/mount/mount.ts";
import { VolumeCapability_AccessMode_Mode as Mode } from "@raft2kube/proto/gen/csi.ts";
import { RpcError, Status } from "@raft2kube/rpc/error.ts";
import { check } from "../check.ts";
import { capability } from "../csi-driver.ts";
import {
  hasOneTargetPath,
  keepsVolumesInUse,
  leavesForeignMounts,
  publishesAgain,
} from "../csi-rules.ts";
import { mustEqual, mustPass } from "../must.ts";
import { mustRefuse } from "../rpc-calls.ts";
import { withDriver } from "./driver.ts";

const read = (path: string) => readFile(path, "utf8").catch(() => "no file");
const isThere = (path: string) =>
  stat(path).then(
    () => "there",
    () => "gone",
  );

check("publish: two nodes write to one volume, and each sees the other's files", () =>
  withDriver(async (one, nodes) => {
    const two = await nodes.add("node-2");
    const volume = await one.create({ name: "shared" });
    const why = "that is ReadWriteMany: the server is one, and every node may mount it";
    for (const driver of [one, two]) {
      await driver.publish(volume, "pod");
      mustEqual(driver.mounts(), ["pod"], {
        when: "published on each of two nodes; mounts on one of them",
        why: "without a mount a pod writes to its node's own disk",
      });
    }
    await one.write("pod/one", "1");
    await two.write("pod/two", "2");
    mustEqual([await read(two.path("pod/one")), await read(one.path("pod/two"))], ["1", "2"], {
      when: "each node writes a file; what the other reads",
      why,
    });
    await one.unpublish(volume, "pod");
    await two.write("pod/later", "3");
    mustEqual([one.mounts(), await read(nodes.share("shared/later"))], [[], "3"], {
      when: "unpublished on node 1, written to on node 2; mounts on node 1, the server's file",
      why,
    });
    mustEqual(await read(nodes.share("shared/one")), "1", {
      when: "the file of node 1, which has no mount any more; on the server",
      why: "that is what a volume is for",
    });
  }),
);

check("publish: again is the same mount; in another way is refused", () =>
  withDriver(async (driver) => {
    const volume = await driver.create({ name: "a" });
    await publishesAgain(
      driver,
      volume,
      {
        mounts: 1,
        when: "published three times at one path",
        why: "a stacked mount survives one unmount: the pod's folder could not be removed",
      },
      { "the access mode MULTI_NODE_READER_ONLY": capability(Mode.MULTI_NODE_READER_ONLY) },
    );
    const other = await driver.create({ name: "b" });
    await mustRefuse(driver.publish(other, "pod-1"), Status.FAILED_PRECONDITION, {
      when: "volume a is published at this path, and b is wanted there",
      why: "success would give the pod the files of another claim",
    });
  }),
);

check("publish: a link in the place of a directory leads nowhere", () =>
  withDriver(async (driver, nodes) => {
    mkdirSync(nodes.share("victim"), { recursive: true });
    await writeFile(nodes.share("victim/file"), "precious");
    const parameters = { server: "nfs.test", share: "/data", subDir: "ns/v" };
    const volume = await driver.create({ name: "v", parameters });
    renameSync(nodes.share("ns/v"), nodes.share("ns/was"));
    symlinkSync("../victim", nodes.share("ns/v"));
    const why = "a tenant who can write beside its volume would mount any directory of the share";
    await mustRefuse(driver.publish(volume, "pod"), Status.FAILED_PRECONDITION, {
      when: "the volume's directory was replaced by a link to another; NodePublishVolume",
      why,
    });
    mustEqual([driver.mounts(), await isThere(driver.path("pod"))], [[], "gone"], {
      when: "after that; mounts, and the target path",
      why: "what a failed call has made it removes: the kubelet reuses the path",
    });
    const { volumeId } = volume;
    await driver.controller.deleteVolume({ volumeId }).catch(() => undefined);
    mustEqual(await read(nodes.share("victim/file")), "precious", {
      when: "DeleteVolume, with that link in the directory's place; the other's file",
      why,
    });
  }),
);

check("unpublish: again is success, and what is not ours is left alone", () =>
  withDriver(async (driver, nodes) => {
    const volume = await driver.create({ name: "a" });
    mkdirSync(driver.path("pod"));
    await driver.publish(volume, "pod/volume");
    await driver.write("pod/volume/file", "kept");
    bindMount(nodes.share("a"), driver.path("pod/volume"));
    const repeated = {
      when: "NodeUnpublishVolume, three times, of a path where two mounts were stacked",
      expected: "success",
      why: "the kubelet repeats it until it succeeds; until then the pod stays Terminating",
    };
    for (let i = 0; i < 3; i++) await mustPass(driver.unpublish(volume, "pod/volume"), repeated);
    mustEqual([driver.mounts(), await isThere(driver.path("pod/volume"))], [[], "gone"], {
      when: "after that; mounts, and the target path",
      why: "the kubelet removes the pod's folder next: through a mount it would delete the data",
    });
    rmSync(driver.path("pod"), { recursive: true });
    await mustPass(driver.unpublish(volume, "pod/volume"), {
      ...repeated,
      when: "NodeUnpublishVolume when the pod's whole folder is gone",
    });
    mustEqual(await read(nodes.share("a/file")), "kept", {
      when: "the pod's file, on the server",
      why: "only DeleteVolume removes data",
    });
    await leavesForeignMounts(driver, volume);
  }),
);

/**
 * The calls of unmount while it is there; ones that are not to detach fail with `status`, with
 * `unmounts` after the mount is gone.
 */
class AwayServer implements Disposable {
  readonly asked: string[] = [];
  readonly #run = ShareProcesses.prototype.run;

  constructor(status: number, { unmounts = false } = {}) {
    const [asked, run] = [this.asked, this.#run];
    ShareProcesses.prototype.run = async function (name, request, limits) {
      const act = async () => (await run.call(this, name, request, limits)) as never;
      if (name !== "unmount") return act();
      const { detach } = request as { detach: boolean };
      asked.push(detach ? "detach" : "unmount");
      if (detach) return act();
      if (unmounts) await act();
      throw new RpcError(status, "the server does not answer");
    };
  }

  [Symbol.dispose](): void {
    ShareProcesses.prototype.run = this.#run;
  }
}

check("unpublish: a server that is away is waited for; after the limit it detaches", () =>
  withDriver(async (driver) => {
    const volume = await driver.create({ name: "a" });
    await driver.publish(volume, "pod");
    {
      using server = new AwayServer(Status.UNAVAILABLE);
      await mustRefuse(driver.unpublish(volume, "pod"), Status.UNAVAILABLE, {
        when: "NodeUnpublishVolume, while too many calls wait for the server",
        why: "the unmount was not tried: detaching now would give up writes that could be made",
      });
      mustEqual([server.asked, driver.mounts()], [["unmount"], ["pod"]], {
        when: "after that; what was asked of the kernel, and the mounts",
        why: "the kubelet repeats the call",
      });
    }
    {
      using server = new AwayServer(Status.DEADLINE_EXCEEDED);
      await mustPass(driver.unpublish(volume, "pod"), {
        when: "NodeUnpublishVolume, and the server does not answer within the limit",
        expected: "success",
        why: "a server may be gone for good: the pod, and its node's name for it, must not wait",
      });
      mustEqual([server.asked, driver.mounts()], [["unmount", "detach"], []], {
        when: "after that; what was asked of the kernel, and the mounts",
        why: "an unmount writes out what the node has in memory: detaching comes second",
      });
    }
    await driver.publish(volume, "pod");
    using server = new AwayServer(Status.DEADLINE_EXCEEDED, { unmounts: true });
    await mustPass(driver.unpublish(volume, "pod"), {
      when: "NodeUnpublishVolume, and the mount went as the limit ended",
      expected: "success",
      why: "what counts is the mount table: the mount is gone",
    });
    mustEqual([server.asked, driver.mounts()], [["unmount"], []], {
      when: "after that; what was asked of the kernel, and the mounts",
      why: "a second call would take away a mount that is stacked below, and wait for no write",
    });
  }),
);

check("a volume in use is not deleted", () => withDriver(keepsVolumesInUse));

check("SINGLE_NODE_SINGLE_WRITER: one target path", () =>
  withDriver(async (driver) => {
    await hasOneTargetPath(driver);
    mustEqual(await isThere(driver.path("pod-2")), "gone", {
      when: "the second path",
      why: "what a refused call has made it removes",
    });
  }),
);
