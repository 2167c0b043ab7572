import { logger } from "@raft2kube/observe/log.ts";
import { type Followed, FollowedFile } from "@raft2kube/reconcile/followed-file.ts";
import type { Clock } from "@raft2kube/std/clock.ts";
import { type Encryption, readEncryption, type StoredResource } from "./config.ts";
import { KMS_CLOSE_MS } from "./limits.ts";
import { EncryptionMetrics } from "./metrics.ts";
import type { ValueEncryption } from "./value-encryption.ts";

const log = logger("apiserver");

/**
 * Follows an encryption configuration, which is read again when its file has changed
 * (`--encryption-provider-config-automatic-reload`). The new one applies to all later reads and
 * writes; an invalid one is reported in the log, and the last one stays. Throws ConfigFileError
 * when what the file says at first makes no sense.
 */
export async function followEncryption(
  read: () => Promise<string>,
  clock: Clock,
): Promise<Required<Encryption>> {
  const what = "the encryption configuration";
  const metrics = new EncryptionMetrics(clock);
  const parse = (text: string) => readEncryption(text, clock, metrics);
  const file = await FollowedFile.follow({ clock, log, what, read, parse });
  // Requests under way still decrypt by the plugins of before.
  file.onChange(() => {
    const before = file.current;
    clock.after(KMS_CLOSE_MS, () => void before.close());
  });
  return {
    of: (resource) => newestOf(file, resource),
    get config() {
      return file.current.config;
    },
    get plugins() {
      return file.current.plugins;
    },
    metrics,
    reloads: file.reloads,
    async close() {
      await file.close();
      await file.current.close();
    },
  };
}

/** Encrypts and decrypts by the configuration that holds at the time of each call. */
function newestOf(file: Followed<Encryption>, resource: StoredResource): ValueEncryption {
  let from = file.current;
  let valueEncryption = from.of(resource);
  const now = (): ValueEncryption => {
    if (from !== file.current) {
      from = file.current;
      valueEncryption = from.of(resource);
    }
    return valueEncryption;
  };
  return {
    encrypt: (key, value) => now().encrypt(key, value),
    decrypt: (key, stored) => now().decrypt(key, stored),
    prepare: (stored) => now().prepare?.(stored),
  };
}
