import { replaceFile } from "@raft2kube/linux/file/durable-file.ts";
import { readRegular } from "@raft2kube/linux/file/read-regular.ts";
import { crc32c } from "@raft2kube/std/bytes.ts";
import { CodedError, isErrno, messageOf } from "@raft2kube/std/errors.ts";
import { CHECKPOINT_BYTES_MAX } from "../limits.ts";

/**
 * A checkpoint is damaged, or too large. The allocations of pods before a restart are unknown then.
 */
export class CheckpointError extends CodedError {}

/**
 * Replaces a checkpoint durably: the data with its checksum, as JSON. Throws CheckpointError, and
 * keeps the one before, for data that would be too large to be read.
 */
export async function writeCheckpointFile(file: string, data: unknown): Promise<void> {
  const text = JSON.stringify({ Data: data, Checksum: checksumOf(data) });
  const bytes = Buffer.byteLength(text);
  if (bytes > CHECKPOINT_BYTES_MAX) {
    throw new CheckpointError("CheckpointTooLarge", `${file} would have ${bytes} bytes`);
  }
  await replaceFile(file, text);
}

/**
 * Reads a checkpoint's data; undefined when there is no file. Throws CheckpointError with `remedy`
 * for a file that is too large or none, does not parse, or whose checksum differs.
 */
export async function readCheckpointFile<T>(file: string, remedy: string): Promise<T | undefined> {
  const damaged = (why: string) =>
    new CheckpointError("CheckpointDamaged", `${file} is damaged: ${why}`, { remedy });
  let text: string;
  try {
    // A device plugin has the folder too.
    text = await readRegular(file, CHECKPOINT_BYTES_MAX);
  } catch (thrown) {
    if (isErrno(thrown, "ENOENT")) return undefined;
    throw isErrno(thrown, "NOT_REGULAR", "TOO_BIG") ? damaged(messageOf(thrown)) : thrown;
  }
  try {
    const { Data: data, Checksum: checksum } = JSON.parse(text) as { Data: T; Checksum: number };
    if (checksumOf(data) !== checksum) throw damaged("checksum mismatch");
    return data;
  } catch (thrown) {
    if (thrown instanceof CheckpointError) throw thrown;
    throw damaged(messageOf(thrown));
  }
}

const checksumOf = (data: unknown): number => crc32c(Buffer.from(JSON.stringify(data) ?? ""));
