import { mkdirSync, readFileSync, statfsSync, writeFileSync } from "node:fs";
import { startHostPathDriver } from "@raft2kube/csi/drivers/hostpath/main.ts";
import {
  Controller,
  VolumeCapability_AccessMode_Mode as Mode,
  Node,
} from "@raft2kube/proto/gen/csi.ts";
import { client, connectGrpc } from "@raft2kube/rpc/client.ts";
import { systemClock } from "@raft2kube/std/clock.ts";
import { messageOf } from "@raft2kube/std/errors.ts";

// Run inside a guest, whose root may grow a file system that is mounted: prints `FOUND {...}`.

const MIB = 1024 ** 2;
const dir = "/run/r2k";
const [staging, target] = [`${dir}/staging`, `${dir}/target`];
for (const each of [dir, staging]) mkdirSync(each);

const socket = `${dir}/csi.sock`;
const driver = await startHostPathDriver({
  socket,
  dataDir: `${dir}/data`,
  nodeId: "n",
  clock: systemClock(),
});
const channel = connectGrpc(`unix://${socket}`);
const controller = client(channel, Controller);
const node = client(channel, Node);

const volumeCapability = { mount: {}, accessMode: { mode: Mode.SINGLE_NODE_WRITER } };
const { volume } = await controller.createVolume({
  name: "v",
  volumeCapabilities: [volumeCapability],
  capacityRange: { requiredBytes: MIB },
});
const { volumeId, volumeContext } = volume!;
const staged = { volumeId, volumeContext, stagingTargetPath: staging, volumeCapability };
await node.nodeStageVolume(staged);
await node.nodePublishVolume({ ...staged, targetPath: target });

/** Bytes of the file system as the pod sees it, and whether what it holds is whole. */
function look() {
  const { blocks, bsize } = statfsSync(target);
  return { size_MiB: (blocks * bsize) / MIB, first: readFileSync(`${target}/first`, "utf8") };
}

function fill(name: string, size_bytes: number): string {
  try {
    writeFileSync(`${target}/${name}`, Buffer.alloc(size_bytes, name));
    return "written";
  } catch (thrown) {
    return /^\w+/.exec(messageOf(thrown))![0];
  }
}

writeFileSync(`${target}/first`, "kept");
const before = { ...look(), tooMuch: fill("a", 3 * MIB) };
const grown = [];
for (const size_MiB of [8, 8, 64]) {
  const capacityRange = { requiredBytes: size_MiB * MIB };
  const { nodeExpansionRequired } = await controller.controllerExpandVolume({
    volumeId,
    capacityRange,
  });
  const where = { volumeId, volumePath: target, stagingTargetPath: staging, capacityRange };
  const { capacityBytes } = await node.nodeExpandVolume(where);
  grown.push({ ...look(), nodeExpansionRequired, capacity_MiB: capacityBytes / MIB });
}
const after = { more: fill("b", 48 * MIB), tooMuch: fill("c", 48 * MIB) };
await node.nodeUnpublishVolume({ volumeId, targetPath: target });
await node.nodeUnstageVolume({ volumeId, stagingTargetPath: staging });
await controller.deleteVolume({ volumeId });
process.stdout.write(`FOUND ${JSON.stringify({ before, grown, after })}\n`);
channel.close();
await driver.close();
