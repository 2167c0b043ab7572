import { createHash } from "node:crypto";
import { bboltFile, bytesOf, layOut } from "@raft2kube/bbolt/write.ts";
import type { SnapshotRequest, SnapshotResponse } from "@raft2kube/proto/gen/etcd.ts";
import { etcdBuckets, storageVersion } from "../../bbolt/etcd-buckets.ts";
import { SNAPSHOT_BLOB_BYTES } from "../../limits.ts";
import type { EtcdContext } from "../request/context.ts";

/**
 * Maintenance.Snapshot: this member's state at one revision as a bbolt file, then its SHA-256. It
 * is read from a frozen view while writes continue, and made no faster than the client takes it.
 */
export async function* snapshot(
  context: EtcdContext,
  _request: SnapshotRequest,
): AsyncGenerator<SnapshotResponse> {
  const { state, flusher, metrics } = context;
  const end = metrics.maintenance.begin("snapshot");
  await flusher.settled();
  const view = state.backend.snapshot();
  try {
    const version = await storageVersion(view);
    const buckets = etcdBuckets(view);
    const layout = await layOut(buckets);
    const hash = createHash("sha256");
    let remaining = bytesOf(layout);
    const answer = (blob: Buffer): SnapshotResponse => ({
      remainingBytes: remaining,
      blob,
      version,
    });
    for await (const blob of blobs(bboltFile(buckets, layout))) {
      hash.update(blob);
      remaining -= blob.length;
      yield answer(blob);
    }
    yield answer(hash.digest());
    end();
  } finally {
    await view.close();
  }
}

/** The same bytes in messages of one size. */
async function* blobs(pages: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  let bytes = 0;
  for await (const page of pages) {
    for (let at = 0; at < page.length; ) {
      const part = page.subarray(at, at + SNAPSHOT_BLOB_BYTES - bytes);
      parts.push(part);
      at += part.length;
      bytes += part.length;
      if (bytes < SNAPSHOT_BLOB_BYTES) continue;
      yield Buffer.concat(parts);
      [parts, bytes] = [[], 0];
    }
  }
  if (bytes > 0) yield Buffer.concat(parts);
}
